"""The loop in one process: what it resumes to, what it refuses, what it says."""

import json
import os
from dataclasses import replace

import pytest
import tokenizers
import torch
from tiny_training import SHAPE, make_job, packed_job, weights_digest

from lodesmith.core.errors import UserError
from lodesmith.core.storage import read_json
from lodesmith.data.tokenizer import Tokenizer
from lodesmith.model.checkpoint import load_decoder
from lodesmith.parallel.checkpoint.export import export_checkpoint
from lodesmith.parallel.ranks import Ranks
from lodesmith.train.job import RankTask, TrainingJob
from lodesmith.train.loop import loop
from lodesmith.train.loop.pulse import Pulse, PulseBoard
from lodesmith.train.loop.training import Training
from lodesmith.train.record.metrics import LineReader, MetricsFile, read_metrics

ONE_RANK = Ranks(rank=0, num_ranks=1)


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def task_of(job):
    job.scratch.mkdir(parents=True, exist_ok=True)
    return RankTask(
        job=job, rank=0, num_ranks=1, num_threads=1, attempt=job.scratch, parent_pid=os.getpid()
    )


def run(job):
    task = task_of(job)
    PulseBoard(task.pulse_file, num_ranks=1)
    with Pulse(task.pulse_file, slot=0) as pulse:
        return loop.train(task, ranks=ONE_RANK, pulse=pulse)


def stop_after(monkeypatch, step):
    """Let training be interrupted in the middle of the step after this one."""
    real = Training.step

    def interrupted(self, batch):
        if self.progress.step == step:
            raise KeyboardInterrupt
        return real(self, batch)

    monkeypatch.setattr(Training, "step", interrupted)


@pytest.mark.parametrize(
    ("optimizer", "dtype", "interrupted_at"),
    [("muon", "fp32", 2), ("muon", "fp32", 4), ("adamw", "fp32", 11), ("muon", "bf16", 6)],
)
def test_an_interrupted_run_ends_with_the_same_bits(
    tmp_path, monkeypatch, optimizer, dtype, interrupted_at
):
    settings = {"optimizer": optimizer, "param_dtype": dtype, "learning_rate": 0.01}
    whole, cut = make_job(tmp_path / "whole", **settings), make_job(tmp_path / "cut", **settings)
    facts = run(whole)
    with monkeypatch.context() as patch:
        stop_after(patch, interrupted_at)
        with pytest.raises(KeyboardInterrupt):
            run(cut)
    assert run(cut) == facts
    assert weights_digest(cut) == weights_digest(whole)
    losses = [[record["loss"] for record in read_metrics(job.metrics_file)] for job in (whole, cut)]
    assert losses[0] == losses[1]
    started = read_json(task_of(cut).started_file)
    assert started["step"] == interrupted_at // 4 * 4


def test_training_learns_and_its_facts_add_up(tmp_path):
    job = make_job(tmp_path, max_steps=40)
    facts = run(job)
    assert facts["first_loss"] == pytest.approx(3.69, abs=0.1)  # ln 40: it knows nothing
    assert facts["final_loss"] < 1.5
    assert facts["num_steps"] == 40
    assert facts["tokens_seen"] == facts["learnt_tokens"] == 40 * 8 * 16
    assert facts["samples_consumed"] == 40 * 8
    assert facts["num_parameters"] == SHAPE.num_parameters
    records = read_metrics(job.metrics_file)
    assert [record["step"] for record in records] == list(range(1, 41))
    assert records[-1]["tokens_seen"] == facts["tokens_seen"]
    told = {"loss", "grad_norm", "learning_rate", "step_seconds", "tokens_per_second", "mfu"}
    told |= {"data_wait_seconds", "memory_bytes", "slowest_rank"}
    assert all(told <= record.keys() for record in records)
    assert all(record["tokens_per_second"] > 0 for record in records)
    assert load_decoder(job.model_folder).config == SHAPE


def test_bf16_learns_nearly_what_fp32_learns(tmp_path):
    losses = []
    for dtype in ("fp32", "bf16"):
        job = make_job(tmp_path / dtype, param_dtype=dtype, max_steps=40)
        losses.append(run(job)["final_loss"])
        assert load_decoder(job.model_folder).output_weight.dtype == torch.float32
    assert losses[0] != losses[1]
    assert losses[1] == pytest.approx(losses[0], rel=0.05)  # 8 bits of mantissa


def test_micro_batches_change_the_result_by_rounding_only(tmp_path):
    weights = []
    for size in (1, 4):
        job = make_job(tmp_path / str(size), micro_batch_size=size, optimizer="adamw", max_steps=3,
                       learning_rate=0.001)  # fmt: skip
        run(job)
        weights.append(load_decoder(job.model_folder))
    for name, weight in weights[0].named_parameters():
        torch.testing.assert_close(weight, weights[1].get_parameter(name), atol=1e-4, rtol=0)


def test_a_damaged_checkpoint_is_said_aloud_and_the_one_before_is_used(tmp_path, monkeypatch):
    whole, cut = make_job(tmp_path / "whole"), make_job(tmp_path / "cut")
    run(whole)
    with monkeypatch.context() as patch:
        stop_after(patch, 9)
        with pytest.raises(KeyboardInterrupt):
            run(cut)
    folder = cut.scratch / "checkpoints" / "step-00000008"
    (path,) = folder.glob("part-*.safetensors")
    path.write_bytes(path.read_bytes()[:-1])
    run(cut)
    started = read_json(task_of(cut).started_file)
    assert started["step"] == 4
    assert "step-00000008 is damaged" in started["messages"][0]
    assert weights_digest(cut) == weights_digest(whole)


def write_words(folder, word):
    """Write a tokenizer of as few tokens as the tiny model has."""
    words = {f"{word}{number}": number for number in range(30)}
    folder.mkdir()
    model = tokenizers.models.WordLevel(words, unk_token=f"{word}0")
    tokenizers.Tokenizer(model).save(str(folder / "tokenizer.json"))
    return folder


def test_a_checkpoint_is_exported_as_the_model_that_the_run_would_write(tmp_path):
    tokenizer, other = (write_words(tmp_path / name, name) for name in ("tokenizer", "other"))
    out, vocabulary = tmp_path / "out", Tokenizer.load(tokenizer).vocabulary
    job = replace(make_job(tmp_path), vocabulary=vocabulary)
    run(job)
    place = job.scratch / "checkpoints"
    assert export_checkpoint(place, out, tokenizer=tokenizer) == 12
    for name in ("model.safetensors", "config.json", "generation_config.json"):
        assert (out / name).read_bytes() == (job.model_folder / name).read_bytes()
    assert (out / "tokenizer.json").exists()
    with pytest.raises(UserError, match="the tokenizer is another model's"):
        export_checkpoint(place, tmp_path / "mixed", tokenizer=other)
    assert not (tmp_path / "mixed").exists()
    with pytest.raises(UserError, match="not an empty folder"):
        export_checkpoint(place, out, tokenizer=None)
    with pytest.raises(UserError, match="holds no checkpoint"):
        export_checkpoint(tokenizer, tmp_path / "none", tokenizer=None)


def test_checkpoints_stay_where_a_recipe_puts_them_and_other_settings_get_their_own(tmp_path):
    place = str(tmp_path / "kept")
    for seed in (1, 2):
        job = make_job(tmp_path / str(seed), seed=seed, checkpoint_every_steps=2, max_steps=8,
                       checkpoint_place=place, keep_checkpoints_every_steps=4)  # fmt: skip
        run(job)
        assert not (job.scratch / "checkpoints").exists()
    steps = [sorted(path.glob("step-*")) for path in (tmp_path / "kept").iterdir()]
    assert [[int(step.name[5:]) for step in one] for one in steps] == [[4, 6, 8]] * 2
    with pytest.raises(ValueError, match=r"\(5\) must be a multiple of checkpoint_every_steps"):
        make_job(tmp_path, keep_checkpoints_every_steps=5)


def test_checkpoints_of_other_settings_are_refused(tmp_path):
    run(make_job(tmp_path, max_steps=4))
    with pytest.raises(UserError, match="other settings"):
        run(make_job(tmp_path, max_steps=4, seed=2))


def test_a_loss_that_is_no_number_stops_with_advice(tmp_path):
    job = make_job(tmp_path, optimizer="adamw", learning_rate=1e38, warmup_steps=0)
    with pytest.raises(UserError, match=r"come apart: at step \d.*lower learning_rate"):
        run(job)


def test_long_gradients_are_shortened(tmp_path):
    free, clipped = (
        make_job(tmp_path / str(limit), max_steps=2, max_grad_norm=limit, optimizer="adamw",
                 learning_rate=0.001)
        for limit in (None, 1e-3)
    )  # fmt: skip
    run(free)
    run(clipped)
    assert read_metrics(clipped.metrics_file)[0]["grad_norm"] > 1e-3  # told before shortening
    assert weights_digest(free) != weights_digest(clipped)


def test_tuning_goes_on_from_a_model_folder_and_learns_masked_tokens_only(tmp_path):
    base = make_job(tmp_path / "base")
    run(base)
    job = replace(packed_job(tmp_path / "tune", max_steps=10), start=base.model_folder)
    facts = run(job)
    assert 0 < facts["learnt_tokens"] < facts["tokens_seen"] / 2
    assert facts["final_loss"] < facts["first_loss"]
    assert weights_digest(job) != weights_digest(base)


def test_packed_rows_of_another_length_are_refused(tmp_path):
    with pytest.raises(UserError, match="packed for sequence_length 16"):
        run(packed_job(tmp_path, sequence_length=8))


def test_a_job_survives_its_way_through_json(tmp_path):
    for job in (make_job(tmp_path), replace(packed_job(tmp_path), start=tmp_path / "model")):
        task = task_of(job)
        assert RankTask.from_json(json.loads(json.dumps(task.to_json()))) == task
        assert isinstance(job, TrainingJob)


def test_lines_after_the_checkpoint_and_torn_lines_are_cut(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step": 1}\n{"step": 2}\n{"step": 3}\n{"st')
    reader = LineReader(path)
    assert len(reader.new_lines()) == 3
    with MetricsFile(path, steps_done=2) as metrics:
        metrics.write({"step": 3})
    assert [record["step"] for record in read_metrics(path)] == [1, 2, 3]
