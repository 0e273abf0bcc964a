"""What is said of a run, from files written by hand; and where metrics go besides."""

import json
import math
import os
import struct
import sys
import types

import pytest

from lodesmith.core.errors import UserError
from lodesmith.train.loop.roll_call import StragglerWatch
from lodesmith.train.record.metrics import read_metrics
from lodesmith.train.record.plot import plot_lines
from lodesmith.train.record.record import RunRecord, measure_goodput, read_record
from lodesmith.train.record.run_report import report_facts, report_lines, report_run
from lodesmith.train.record.tensorboard import EventFile, _masked_sum
from lodesmith.train.record.trackers import Trackers

STEP = {
    "grad_norm": 1.0, "learning_rate": 0.1, "step_seconds": 100.0, "tokens_per_second": 10.0,
    "mfu": 0.5, "data_wait_seconds": 1.0, "memory_bytes": 10**9, "slowest_rank": 1,
    "rank_seconds_most": 90.0, "rank_seconds_least": 60.0,
}  # fmt: skip


def write_run(folder, *, steps, end=None):
    with (folder / "metrics.jsonl").open("w") as file:
        for step in range(1, steps + 1):
            line = {"step": step, "loss": 2 + 3 * step**-0.3, "tokens_seen": 1000 * step, **STEP}
            file.write(json.dumps(line) + "\n")
    record = RunRecord(folder / "run.jsonl")
    record.write("launched", num_ranks=2, max_steps=4000, step_tokens=1000)
    record.write("training", seconds=1000.0, step=1)
    record.write(
        "interruption", what="killed", rank=1, says="rank 1 was killed by signal 9", step=500,
        resumed_step=490, steps_repeated=10, seconds_to_notice=0.0, seconds_to_next_step=9.0,
        seconds_lost=9000.0,
    )  # fmt: skip
    record.write(
        "rollback", step=700, says="the loss is nan", good_step=698, samples=[1, 2],
        documents=["a", "b", "c"], seconds_lost=200.0,
    )  # fmt: skip
    if end:
        record.write(end, step=steps)


def test_a_run_under_way_is_told_with_its_past_its_cost_and_its_end(tmp_path):
    write_run(tmp_path, steps=1500)
    report = report_run(tmp_path)
    assert (report.state, report.step, report.tokens_seen) == ("training", 1500, 1_500_000)
    assert report.loss_day_ago == pytest.approx(2 + 3 * 612**-0.3, abs=0.05)  # 864 steps ago
    assert report.forecast.low <= 2 + 3 * 4000**-0.3 <= report.forecast.high
    assert report.goodput.share == pytest.approx(150_000 / 160_200)
    assert report.seconds_left == pytest.approx(2500 * 100 * 160_200 / 150_000)
    assert report.rank_spread == pytest.approx(1.5)
    text = "\n".join(report_lines(report))
    for part in (
        "training: step 1,500 of 4,000", "lower than a day ago", "forecast", "goodput     93.6%",
        "rank 1 was killed by signal 9; training again after 9.00 s, 10 steps repeated",
        "2 samples of 3 documents", "time left   3 d",
    ):  # fmt: skip
        assert part in text
    facts = json.loads(json.dumps(report_facts(report)))
    assert facts["goodput"]["num_interruptions"] == 1
    assert "losses" not in facts


def test_a_finished_run_has_no_time_left_and_no_forecast(tmp_path):
    write_run(tmp_path, steps=4000, end="finished")
    report = report_run(tmp_path)
    assert (report.state, report.forecast, report.seconds_left) == ("finished", None, 0.0)
    assert "time left" not in "\n".join(report_lines(report))


def test_no_step_yet_is_said(tmp_path):
    with pytest.raises(UserError, match="no training step"):
        report_run(tmp_path)


def test_a_torn_line_costs_only_itself(tmp_path):
    path = tmp_path / "run.jsonl"
    RunRecord(path).write("launched", num_ranks=1)
    with path.open("ab") as file:
        file.write(b'{"event": "train')
    RunRecord(path).write("stopped")
    assert [event["event"] for event in read_record(path)] == ["launched", "stopped"]


def test_goodput_does_not_look_at_the_clock_on_the_wall(tmp_path):
    write_run(tmp_path, steps=100)
    files = {"metrics": tmp_path / "metrics.jsonl", "record": tmp_path / "run.jsonl"}
    before = measure_goodput(**files)
    text = files["record"].read_text().replace('"at": "20', '"at": "19')  # a century back
    files["record"].write_text(text)
    assert measure_goodput(**files) == before


def test_a_plot_puts_high_values_high():
    lines = list(plot_lines([0, 50, 100], [3.0, 2.0, 1.0], x_name="steps", x_end=200))
    assert lines[0].startswith("   3.000 ┤")
    assert len(lines[0].strip()) < len(lines[-3].strip())
    assert lines[-1].endswith("200 steps")
    assert list(plot_lines([1], [1.0], x_name="steps"))  # one point is no division by zero


def test_a_slow_rank_is_named_once_and_noise_is_not():
    watch = StragglerWatch()
    named = []
    for step in range(600):
        slow = 0.3 if 100 <= step < 400 else 0.1
        named.append(watch.see([0.1, 0.1 + 0.01 * math.sin(step), slow]))
    found = [answer for answer in named if answer]
    assert len(found) == 1
    assert found[0][0] == 2
    assert found[0][1] > 1.3
    assert StragglerWatch().see([5.0]) is None


def read_events(path):
    data = path.read_bytes()
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        assert data[8:12] == _masked_sum(data[:8])
        event, data = data[12 : 12 + length], data[12 + length :]
        assert data[:4] == _masked_sum(event)
        data = data[4:]
        yield event


def test_event_files_hold_framed_events(tmp_path):
    # The check value of CRC-32C, e3069283, turned right by 15 bits and added to a282ead8.
    assert _masked_sum(b"123456789") == struct.pack("<I", 0xC78AB0E5)
    events = EventFile(tmp_path)
    events.write({"loss": 1.5, "mfu": 0.25}, step=300)
    events.close()
    version, start, step = read_events(tmp_path / "events.out.tfevents.000000")
    assert b"brain.Event:2" in version
    assert start[9:] == b"\x10\xac\x02\x3a\x02\x08\x01"  # step 300, a session that starts there
    assert b"loss" in step
    assert struct.pack("<f", 1.5) in step
    EventFile(tmp_path).close()
    assert len(list(tmp_path.iterdir())) == 2


def test_a_tracker_that_fails_is_left_out_and_the_others_go_on(tmp_path, monkeypatch, capsys):
    logged = []

    class Run:
        def log(self, values, step):
            logged.append((step, values["loss"]))
            if step == 2:
                raise OSError("no route to host")

        def finish(self):
            logged.append("finished")

    library = types.SimpleNamespace(init=lambda **_: Run(), __spec__="a fake")
    monkeypatch.setitem(sys.modules, "wandb", library)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    with Trackers(["tensorboard", "wandb"], folder=tmp_path, title="tiny") as trackers:
        for step in (1, 2, 3):
            trackers.write({"step": step, "loss": float(step)})
    assert logged == [(1, 1.0), (2, 2.0)]
    assert "wandb takes no metrics (no route to host)" in capsys.readouterr().err
    files = list((tmp_path / "tensorboard").iterdir())
    assert len(list(read_events(files[0]))) == 5
    assert os.environ["WANDB_MODE"] == "offline"


def test_a_tracker_that_is_not_installed_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("lodesmith.train.record.trackers.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"lodesmith\[mlflow\]"):
        Trackers(["mlflow"], folder=tmp_path, title="tiny")


def test_metrics_of_a_run_without_any_are_empty(tmp_path):
    assert read_metrics(tmp_path / "metrics.jsonl") == []
