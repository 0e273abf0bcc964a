"""Spikes: told from noise, rolled back, their samples passed over and named, and that bounded."""

import random

import pytest
import torch
from tiny_training import make_job, weights_digest
from watched_training import events_of

from lodesmith.core.errors import UserError
from lodesmith.core.storage import read_json
from lodesmith.data.order import SampleOrder
from lodesmith.data.skips import SkipList
from lodesmith.data.tokens import TokenSet, write_token_set
from lodesmith.parallel.ranks import Ranks
from lodesmith.pipeline.trace_training import find_readings
from lodesmith.train.job import RankTask
from lodesmith.train.learners import replicated
from lodesmith.train.loop import loop
from lodesmith.train.loop.guard import SpikeGuard, may_roll_back
from lodesmith.train.loop.pulse import Pulse, PulseBoard
from lodesmith.train.loop.training import Training
from lodesmith.train.record.metrics import read_metrics

STEPS, BATCH, LENGTH = 48, 8, 16


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def run(job):
    job.scratch.mkdir(parents=True, exist_ok=True)
    task = RankTask(job=job, rank=0, num_ranks=1, num_threads=1, attempt=job.scratch, parent_pid=0)
    PulseBoard(task.pulse_file, num_ranks=1)
    with Pulse(task.pulse_file, slot=0) as pulse:
        return loop.train(task, ranks=Ranks(rank=0, num_ranks=1), pulse=pulse)


def poison(monkeypatch, job, samples, *, factor):
    """Multiply the loss of batches that hold one of these samples."""
    source = loop.open_source(job.data, sequence_length=LENGTH)
    windows = SampleOrder(source.num_samples, job.config.seed).windows(samples)
    bad = {tuple(row) for row in source.batch(windows).input_ids.tolist()}
    real = replicated.summed_loss

    def poisoned(decoder, rows, **options):
        loss, count = real(decoder, rows, **options)
        hit = any(tuple(row) in bad for row in rows.input_ids.tolist())
        return (loss * factor if hit else loss), count

    monkeypatch.setattr(replicated, "summed_loss", poisoned)


def make(folder, **settings):
    """Return a job on random tokens: no two of its samples are alike."""
    draw = random.Random(3)
    documents = ((f"text-{n}", [draw.randrange(39) for _ in range(50)]) for n in range(160))
    write_token_set(
        folder / "tokens", documents, vocab_size=40, tokenizer_digest="none", separator_id=39
    )
    return make_job(folder, max_steps=STEPS, checkpoint_every_steps=10, **settings)


def test_the_median_tells_a_spike_from_noise():
    draw = random.Random(1)
    guard = SpikeGuard()
    for step in range(2000):
        loss = 3.0 - step / 1000 + draw.gauss(0, 0.1)
        norm = draw.lognormvariate(0, 0.5)
        assert guard.judge(loss=loss, grad_norm=norm) is None, step
        guard.accept(loss=loss, grad_norm=norm)
    assert "the loss is 4 after 1." in guard.judge(loss=4.0, grad_norm=1.0)
    assert "norm is 500" in guard.judge(loss=1.0, grad_norm=500.0)
    assert "nan" in SpikeGuard().judge(loss=float("nan"), grad_norm=1.0)
    assert SpikeGuard().judge(loss=1e6, grad_norm=1.0) is None  # nothing to compare with


@pytest.mark.parametrize("factor", [float("nan"), 40.0])
def test_a_bad_batch_is_passed_over_and_its_documents_are_named(tmp_path, monkeypatch, factor):
    job = make(tmp_path)
    poison(monkeypatch, job, [29 * BATCH + 3], factor=factor)
    facts = run(job)
    [event] = events_of(job, "rollback")
    assert event["step"] == 30
    assert event["samples"] == list(range(28 * BATCH, 30 * BATCH))
    assert facts["samples_skipped"] == [[28 * BATCH, 30 * BATCH]]
    tokens = TokenSet.open(job.data.folder)
    order = SampleOrder(tokens.num_windows(LENGTH), job.config.seed)
    named = {
        name
        for sample in event["samples"]
        for name in tokens.documents_in_window(order.place(sample)[1], LENGTH)
    }
    assert event["documents"] == sorted(named)
    lines = read_metrics(job.metrics_file)
    assert [line["step"] for line in lines] == list(range(1, STEPS + 1))
    assert max(line["loss"] for line in lines) < 5
    assert facts["num_steps"] == STEPS


def test_a_trace_knows_which_samples_were_passed_over(tmp_path, monkeypatch):
    job = make(tmp_path)
    poison(monkeypatch, job, [29 * BATCH + 3], factor=float("nan"))
    seen = []
    real = Training.step
    tokens = TokenSet.open(job.data.folder)
    number = {
        tuple(tokens.window(window, LENGTH)[:-1].tolist()): window
        for window in range(tokens.num_windows(LENGTH))
    }

    def watched(self, batch):
        record = real(self, batch)
        read = [number[tuple(row)] for row in batch.input_ids.tolist()]
        seen[record["step"] - 1 :] = [read]
        return record

    monkeypatch.setattr(Training, "step", watched)
    facts = run(job)
    for document in tokens.document_ids:
        readings = find_readings(document, tokens, facts)
        expected = [
            (step, window)
            for step, windows in enumerate(seen, start=1)
            for window in windows
            if window in tokens.windows_of_document(document, LENGTH)
        ]
        assert [(reading.step, reading.window) for reading in readings] == expected


def test_a_run_that_never_met_the_bad_samples_is_the_same_run(tmp_path, monkeypatch):
    """The list alone decides: given from the start it leads to the same bits."""
    rolled = make(tmp_path / "rolled")
    with monkeypatch.context() as patch:
        poison(patch, rolled, [29 * BATCH], factor=float("nan"))
        facts = run(rolled)
    given = make(tmp_path / "given")
    given.scratch.mkdir(parents=True)
    decided = (rolled.scratch / "rollbacks.json").read_bytes()
    (given.scratch / "rollbacks.json").write_bytes(decided)
    assert run(given) == facts
    assert weights_digest(given) == weights_digest(rolled)


@pytest.mark.parametrize("killed_at", [21, 29, 35])
def test_a_run_killed_around_a_roll_back_ends_with_the_same_bits(tmp_path, monkeypatch, killed_at):
    whole, cut = make(tmp_path / "whole"), make(tmp_path / "cut")
    poison(monkeypatch, whole, [29 * BATCH], factor=float("nan"))
    facts = run(whole)
    real = Training.step
    with monkeypatch.context() as patch:

        def interrupted(self, batch):
            if self.progress.step == killed_at:
                raise KeyboardInterrupt
            return real(self, batch)

        patch.setattr(Training, "step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(cut)
    assert run(cut) == facts
    assert weights_digest(cut) == weights_digest(whole)


def test_a_spike_before_any_checkpoint_starts_over_without_its_samples(tmp_path, monkeypatch):
    job = make(tmp_path)
    poison(monkeypatch, job, [0], factor=float("nan"))
    assert run(job)["samples_skipped"] == [[0, BATCH]]


def test_after_three_roll_backs_the_run_stops_and_says_what_to_do(tmp_path):
    job = make_job(tmp_path, optimizer="adamw", learning_rate=1e38, warmup_steps=0)
    with pytest.raises(UserError, match=r"come apart: at step \d.*3 roll-backs.*learning_rate"):
        run(job)
    assert len(events_of(job, "rollback")) == 3
    skips = SkipList.from_json(read_json(job.scratch / "rollbacks.json")["skips"])
    assert len(skips) == sum(len(event["samples"]) for event in events_of(job, "rollback"))


def test_roll_backs_long_ago_do_not_count():
    assert not may_roll_back([10, 20, 30], step=900)
    assert may_roll_back([10, 20, 30], step=1015)
