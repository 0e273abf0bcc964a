"""The best size for a budget, by both laws, and shifted to runs of one's own."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import lodesmith.cli.main  # noqa: F401 adds the commands
from lodesmith.cli.app import app
from lodesmith.core.errors import UserError
from lodesmith.plan.whole_run.loss import LAWS
from lodesmith.plan.whole_run.size import advice_text, advise_size, count_budget, read_point


def test_both_laws_are_named_and_spend_the_whole_budget():
    advice = advise_size(5.76e23, basis="as given")
    assert [size.law for size in advice.sizes] == ["Hoffmann 2022", "Besiroglu 2024"]
    for size in advice.sizes:
        assert 6 * size.num_parameters * size.tokens == pytest.approx(5.76e23)
    assert advice.sizes[1].tokens_per_parameter == pytest.approx(20, rel=0.1)


def test_a_cluster_and_days_are_peak_times_seconds_times_a_share():
    flops, basis = count_budget("h100-node", days=10, mfu=0.4)
    assert flops == pytest.approx(8 * 989e12 * 0.4 * 864_000, rel=0.01)
    assert "at 40% of peak" in basis


def test_runs_of_ones_own_shift_the_forecast_and_not_the_size():
    own = [(1e8, 6e9, LAWS[0].loss(1e8, tokens=6e9) + 0.5)]
    plain = advise_size(1e21, basis="as given")
    shifted = advise_size(1e21, basis="as given", points=own)
    assert shifted.sizes[0].loss == pytest.approx(plain.sizes[0].loss + 0.5)
    assert shifted.sizes[0].num_parameters == plain.sizes[0].num_parameters
    assert "your own runs" in advice_text(shifted)


def test_a_run_smaller_than_the_laws_reach_shifts_nothing():
    with pytest.raises(UserError, match="smaller than the laws were fitted on"):
        advise_size(1e21, basis="as given", points=[(2e6, 3e6, 5.0)])


@pytest.mark.parametrize("flops", [0.0, -1.0, float("nan"), float("inf")])
def test_a_budget_of_nothing_is_refused(flops: float):
    with pytest.raises(UserError, match="must be above 0 FLOPs"):
        advise_size(flops, basis="as given")


@pytest.mark.parametrize(("days", "mfu"), [(0.0, 0.4), (1.0, 0.0), (1.0, 1.5)])
def test_days_and_shares_out_of_range_are_refused(days: float, mfu: float):
    with pytest.raises(UserError, match=r"--(days|mfu)"):
        count_budget("h100", days=days, mfu=mfu)


def write_facts(folder: Path, **changes: float) -> Path:
    facts = {"num_non_embedding_parameters": 1e8, "tokens_seen": 6e9, "final_loss": 3.2, **changes}
    (folder / "training.json").write_text(json.dumps(facts))
    return folder


def test_a_finished_run_is_a_point(tmp_path: Path):
    assert read_point(write_facts(tmp_path)) == (1e8, 6e9, 3.2)
    write_facts(tmp_path, final_loss=0.0)
    with pytest.raises(UserError, match="must be above 0"):
        read_point(tmp_path)
    (tmp_path / "training.json").write_text("{}")
    with pytest.raises(UserError, match=r"is not the training\.json"):
        read_point(tmp_path)


def test_the_command_takes_one_budget_and_only_one(tmp_path: Path):
    runner = CliRunner()
    run = str(write_facts(tmp_path))
    shown = runner.invoke(app, ["plan", "size", run, "--flops", "1e21", "--json"])
    assert json.loads(shown.output)["num_runs"] == 1
    by_days = runner.invoke(app, ["plan", "size", "--cluster", "h100-node", "--days", "3"])
    assert "Besiroglu 2024" in by_days.output
    none = runner.invoke(app, ["plan", "size"])
    assert isinstance(none.exception, UserError)
