"""A device fitted to our own runs predicts steps that the fit has not seen."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_training import make_job
from typer.testing import CliRunner

import lodesmith.cli.main  # noqa: F401 adds the commands
from lodesmith.cli.app import app
from lodesmith.core.errors import UserError
from lodesmith.parallel.config import ParallelConfig
from lodesmith.plan.hardware.load import load_device
from lodesmith.plan.measured.calibrate import calibrate, fit_device, predict_run
from lodesmith.plan.measured.calibration_report import (
    calibration_data,
    calibration_text,
    device_yaml,
)
from lodesmith.plan.measured.measured_run import MeasuredRun, read_run
from lodesmith.plan.workload.layout import Layout, Training
from lodesmith.plan.workload.shape import ModelShape
from lodesmith.train.ranks.launch import run_training

START = load_device("cpu")
TRUE = START.model_copy(
    update={"peak_tflops": {"fp32": 0.15}, "memory_gb_per_second": 14.0, "kernel_seconds": 3e-5}
)
SIZES = ((64, 8, 128), (128, 3, 256), (192, 4, 256), (256, 6, 512), (384, 6, 256))


def run_of(hidden: int, layers: int, sequence: int, *, ranks: int = 1) -> MeasuredRun:
    run = MeasuredRun(
        name=f"{hidden}-{layers}",
        shape=ModelShape(
            kind="llama", vocab_size=4096, hidden_size=hidden, intermediate_size=3 * hidden,
            num_hidden_layers=layers, num_attention_heads=hidden // 64,
            num_key_value_heads=hidden // 64, head_dim=64, max_position_embeddings=512,
            tie_word_embeddings=True,
        ),
        layout=Layout(data_parallel_size=ranks, micro_batch_size=2),
        training=Training(
            global_batch_size=8, sequence_length=sequence, precision="fp32", optimizer="muon"
        ),
        step_seconds=(1.0,), num_skipped=0, ranks_assumed=False,
    )  # fmt: skip
    seconds = predict_run(TRUE, run)
    jitter = (0.98, 1.0, 1.03, 0.99, 1.01, 1.0, 0.97, 1.02)
    return replace(run, step_seconds=tuple(seconds * each for each in jitter))


def test_calibrating_meets_runs_of_a_size_left_out_far_better_than_the_file_does():
    found = calibrate(START, [run_of(*size) for size in SIZES], name="mine")
    for row in found.held_out:
        assert abs(row.error(row.after_seconds)) < 0.05
        assert abs(row.error(row.before_seconds)) > 0.2
        assert row.unseen_seconds is not None
        assert abs(row.error(row.unseen_seconds)) < 0.15


def test_a_processor_faster_than_the_file_raises_the_peak_and_no_share_is_above_one():
    fitted = fit_device(START, [run_of(*size) for size in SIZES])
    assert fitted.peak_tflops["fp32"] > START.peak_tflops["fp32"]
    assert fitted.matmul_efficiency <= 1
    assert fitted.attention_efficiency <= 1


def test_what_no_run_speaks_of_stays_where_it_was():
    alone = fit_device(START, [run_of(*size) for size in SIZES])
    assert alone.link_gb_per_second == pytest.approx(START.link_gb_per_second)
    both = fit_device(START, [run_of(*SIZES[2], ranks=2), run_of(*SIZES[3], ranks=1)])
    assert both.watts == START.watts


def test_the_written_file_is_a_device_that_predicts_alike(tmp_path: Path):
    runs = [run_of(*size) for size in SIZES]
    found = calibrate(START, runs, name="mine")
    path = tmp_path / "mine.yaml"
    path.write_text(device_yaml(found))
    loaded = load_device(str(path))
    assert loaded.name == "mine"
    assert predict_run(loaded, runs[0]) == pytest.approx(
        predict_run(found.device, runs[0]), rel=0.01
    )
    assert "run left out" in calibration_text(found)
    assert len(calibration_data(found)["held_out"]) == len(SIZES)


def write_run(folder: Path, *, seconds: float = 0.5, **settings: object) -> Path:
    (folder / "model").mkdir(parents=True)
    shape = {
        "model_type": "llama", "vocab_size": 600, "hidden_size": 64, "intermediate_size": 128,
        "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 32,
        "max_position_embeddings": 64, "rope_theta": 1e4, "rms_norm_eps": 1e-6,
        "tie_word_embeddings": True,
    }  # fmt: skip
    (folder / "model" / "config.json").write_text(json.dumps(shape))
    pretrain = {"micro_batch_size": 2, "global_batch_size": 8, "sequence_length": 64,
                "optimizer": "adamw", "num_ranks": "auto", **settings}  # fmt: skip
    (folder / "receipt.json").write_text(json.dumps({"config": {"pretrain": pretrain}}))
    records = [{"step": step, "step_seconds": seconds} for step in range(8)]
    lines = [*map(json.dumps, records), '{"step": 8}', '{"step": 9, "step_seco']
    (folder / "metrics.jsonl").write_text("\n".join(lines))
    return folder / "metrics.jsonl"


def test_a_run_is_read_from_its_artifact_and_holes_are_counted(tmp_path: Path):
    run = read_run(write_run(tmp_path / "a"))
    assert (len(run.step_seconds), run.num_skipped, run.ranks_assumed) == (6, 2, True)
    assert run.training.optimizer == "adamw"
    known = read_run(write_run(tmp_path / "b", num_ranks=2).parent)
    assert (known.layout.data_parallel_size, known.ranks_assumed) == (2, False)


def test_a_path_that_is_no_run_is_named_with_what_to_give(tmp_path: Path):
    with pytest.raises(UserError, match=r"nowhere: does not exist; give the folder of a pretrain"):
        read_run(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"holds no metrics.jsonl; give the folder of a pretrain"):
        read_run(tmp_path)


def test_a_run_without_its_receipt_or_with_too_few_steps_is_refused(tmp_path: Path):
    metrics = write_run(tmp_path / "a")
    metrics.write_text('{"step": 1, "step_seconds": 1}\n')
    with pytest.raises(UserError, match="at least 4 are needed"):
        read_run(metrics)
    (tmp_path / "a" / "receipt.json").unlink()
    with pytest.raises(UserError, match="must lie in its artifact's folder"):
        read_run(metrics)


def test_a_device_that_lacks_the_runs_format_is_refused(tmp_path: Path):
    run = read_run(write_run(tmp_path / "a", param_dtype="bf16"))
    with pytest.raises(UserError, match=r"computed in bf16, which .* lacks"):
        calibrate(START, [run], name="mine")


def test_the_command_writes_a_device_that_a_plan_takes(tmp_path: Path):
    metrics, device = write_run(tmp_path / "a"), tmp_path / "here.yaml"
    runner = CliRunner()
    shown = runner.invoke(
        app, ["plan", "calibrate", str(metrics), "-o", str(device), "--ranks", "1"]
    )
    assert shown.exit_code == 0
    assert "written" in shown.output
    planned = runner.invoke(app, ["plan", "quickstart", f"plan.device={device}", "--json"])
    assert json.loads(planned.output)["device"].endswith("calibrated")


def trained(folder: Path, hidden: int, **settings: object) -> Path:
    """Return the folder of a real run of the trainer, with the receipt that a stage would add."""
    job = make_job(folder, max_steps=14, sequence_length=32, **settings)
    shape = job.start.model_copy(update={"hidden_size": hidden, "intermediate_size": 3 * hidden})
    run_training(replace(job, start=shape))
    receipt = {"config": {"pretrain": job.config.model_dump(mode="json")}}
    (folder / "receipt.json").write_text(json.dumps(receipt))
    return folder


@pytest.mark.dist
def test_real_runs_of_the_trainer_correct_a_device_file_that_is_far_off(tmp_path: Path):
    folders = [
        trained(tmp_path / "narrow", 64, num_ranks="auto"),
        trained(tmp_path / "laid", 128, num_ranks="auto",
                parallel=ParallelConfig(data_parallel_shard_size=2)),
    ]  # fmt: skip
    runs = [read_run(folder) for folder in folders]
    assert not any(run.ranks_assumed for run in runs)
    assert runs[1].layout.sharded == "everything"
    wrong = START.model_copy(
        update={"kernel_seconds": 100 * START.kernel_seconds, "peak_tflops": {"fp32": 0.001}}
    )
    for row in calibrate(wrong, runs, name="mine").held_out:
        before, after = (
            abs(math.log(seconds / row.measured_seconds))
            for seconds in (row.before_seconds, row.after_seconds)
        )
        assert after < before
