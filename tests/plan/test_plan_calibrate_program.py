"""A training program fitted to measured steps of one's own predicts its other runs better."""

import csv
import json
from pathlib import Path
from statistics import median

import pytest
from typer.testing import CliRunner

import lodesmith.cli.main  # noqa: F401 adds the commands
from lodesmith.cli.app import app
from lodesmith.core.errors import UserError
from lodesmith.plan.hardware.load import load_cluster, load_stack
from lodesmith.plan.measured.program import calibrate_program, fit_stack, predict_job
from lodesmith.plan.measured.table import read_job

ROW = {
    "id": "r1", "source": "our Megatron-LM", "level": "step", "arch": "gpt", "layers": "48",
    "hidden": "8192", "heads": "64", "kv_heads": "64", "ffn": "32768", "vocab": "51200",
    "gated": "0", "seq": "2048", "device": "A100-80GB-SXM",
    "devices": "64", "devices_per_node": "8", "tp": "8", "pp": "1", "dp": "8", "microbatch": "1",
    "global_batch": "256", "precision": "bf16", "recompute": "full", "zero": "1",
    "attn_impl": "flash",
}  # fmt: skip
LAYOUTS = (
    {"tp": "8", "pp": "1", "dp": "8", "zero": "0", "global_batch": "16"},
    {"tp": "4", "pp": "2", "dp": "8", "zero": "0", "global_batch": "32"},
    {"tp": "8", "pp": "2", "dp": "4"},
    {"tp": "4", "pp": "4", "dp": "4"},
    {"tp": "8", "pp": "8", "dp": "1", "microbatch": "2"},
)
START = load_stack("megatron")
TRUE = START.changed(compute_factor=1.15, network_factor=0.4, link_factor=0.6)


def row_of(changes: dict[str, str], *, program=TRUE, **more: str) -> dict[str, str]:
    row = ROW | changes
    seconds = predict_job(read_job(row), program)
    return row | {"iteration_seconds": f"{seconds:.6g}", "id": "-".join(changes.values())} | more


ROWS = [row_of(changes) for changes in LAYOUTS]


def error_of(found, name: str) -> list[float]:
    return [abs(row.error(getattr(row, name))) for row in found.compared]


def test_a_program_fitted_to_some_layouts_predicts_one_left_out_far_better_than_its_file():
    found = calibrate_program(ROWS)
    assert found.start == START
    assert min(error_of(found, "before_seconds")) > 0.1
    assert max(error_of(found, "after_seconds")) < 0.05
    assert max(error_of(found, "unseen_seconds")) < 0.15
    assert median(error_of(found, "unseen_seconds")) < 0.06


def test_one_run_already_brings_the_others_nearer():
    for at, row in enumerate(ROWS):
        fitted = fit_stack(START, [read_job(row)], [float(row["iteration_seconds"])])
        for place, other in enumerate(ROWS):
            if place != at:
                measured, job = float(other["iteration_seconds"]), read_job(other)
                before, after = (
                    abs(predict_job(job, stack) / measured - 1) for stack in (START, fitted)
                )
                assert after < before


def test_one_run_that_is_far_off_moves_a_program_less_than_several_that_agree():
    odd = [row | {"iteration_seconds": str(3 * float(row["iteration_seconds"]))} for row in ROWS]
    alone, all_ = (calibrate_program(rows).stack.compute_factor for rows in (odd[1:2], odd))
    assert START.compute_factor < alone < all_


def test_a_run_that_comes_out_as_planned_moves_nothing():
    job = read_job(ROWS[0])
    fitted = fit_stack(START, [job], [predict_job(job, START)])
    assert fitted.compute_factor == pytest.approx(START.compute_factor)
    assert fitted.network_factor == pytest.approx(START.network_factor)


def test_rows_with_holes_are_left_out_with_the_reason_and_of_none_the_command_says_so():
    holes = [ROWS[0] | {"iteration_seconds": ""}, ROWS[1] | {"hidden": ""}]
    found = calibrate_program([*holes, ROWS[2]])
    assert found.skipped == {
        "no iteration_seconds above 0 in the row": 1,
        "no hidden in the row": 1,
    }
    with pytest.raises(UserError, match=r"no row can be used \(1 row: no iteration_seconds"):
        calibrate_program(holes)
    with pytest.raises(UserError, match="the table is empty"):
        calibrate_program([])


def test_rows_of_two_programs_are_refused_unless_one_is_named():
    rows = [ROWS[0], ROWS[1] | {"source": "mosaicml/llm-foundry"}]
    with pytest.raises(UserError, match=r"several programs \(Megatron-LM, llm-foundry\)"):
        calibrate_program(rows)
    assert calibrate_program(rows, start=START).start == START


def test_a_cluster_says_on_what_network_the_rows_ran():
    cluster, _ = load_cluster("a100")
    slow = cluster.model_copy(update={"network_gb_per_second": 1.0})
    rates = {run.job.cluster.network_gb_per_second
             for run in calibrate_program(ROWS, cluster=slow).runs}  # fmt: skip
    assert rates == {1.0}


def test_the_command_writes_a_program_that_a_plan_takes(tmp_path: Path):
    table, stack = tmp_path / "rows.csv", tmp_path / "mine.yaml"
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, ROWS[0].keys())
        writer.writeheader()
        writer.writerows(ROWS)
    runner = CliRunner()
    shown = runner.invoke(app, ["plan", "calibrate", str(table), "-o", str(stack)])
    assert shown.exit_code == 0
    assert "left out" in shown.output
    named = ["plan", "calibrate", str(table), "--stack", "megatron", "-o", str(stack), "--json"]
    data = json.loads(runner.invoke(app, named).output)
    assert load_stack(str(stack)).compute_factor == pytest.approx(
        data["stack"]["compute_factor"], rel=1e-3
    )
    planned = runner.invoke(app, ["plan", "mt-nlg-530b", f"plan.stack={stack}", "--json"])
    usual = runner.invoke(app, ["plan", "mt-nlg-530b", "plan.stack=megatron", "--json"])
    slower, before = (json.loads(each.output)["step"]["total"] for each in (planned, usual))
    assert slower > before


def test_an_option_that_says_nothing_is_refused(tmp_path: Path):
    (tmp_path / "rows.csv").write_text("id\n")
    runner = CliRunner()
    for words in (["rows.csv", "--device", "cpu"], ["metrics.jsonl", "--stack", "megatron"]):
        found = runner.invoke(app, ["plan", "calibrate", *words, "-o", str(tmp_path / "x.yaml")])
        assert isinstance(found.exception, UserError)
        assert "says nothing" in str(found.exception)
