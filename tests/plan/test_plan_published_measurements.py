"""The planner against several hundred published measurements, where they are at hand."""

from pathlib import Path

import pytest

from lodesmith.plan.measured.validation import predict_rows, summarise_errors

TABLE = Path(__file__).parents[2].parent / "shared" / "data" / "plan" / "validation_open.csv"


@pytest.mark.skipif(not TABLE.exists(), reason="the table of published measurements is not here")
def test_half_of_the_published_steps_are_predicted_within_six_percent():
    summary = summarise_errors(predict_rows(TABLE))
    assert summary["num_compared"] > 480
    assert summary["median_absolute_error"] < 0.06
    assert abs(summary["median_error"]) < 0.03
