"""Audits models that learnt secrets with and without differential privacy, from the same records.

    python bench/private_audit.py [--num-records 1000] [--num-canaries 48] [--steps 150]

A small model learns records and made-up secrets, each secret once. Printed for each epsilon (none:
no noise, no cutting): bits per byte of held-out records, the audit's mean exposure with the limit
it is held to, secrets written out, and the share of secrets told from others at 1 % false alarms,
beside about the most that anybody could tell who saw every step.

Source: Bu et al. 2020, arXiv:1911.11607, theorem 5 (Gaussian privacy of DP-SGD in the limit).
"""

import argparse
import math
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.support.tiny_model import write_model

from lodesmith.core.shards import Markers
from lodesmith.data.tokenizer import Tokenizer
from lodesmith.model.adapter_shape import AdapterShape
from lodesmith.model.checkpoint import load_decoder, save_decoder
from lodesmith.model.lora import add_adapter, take_adapter
from lodesmith.train.config import TrainingConfig
from lodesmith.train.samples.packed import Encoded
from lodesmith.tune.measures.score import score_models
from lodesmith.tune.privacy import AuditConfig, PrivateTraining
from lodesmith.tune.private.audit import audit_model
from lodesmith.tune.private.canaries import make_canaries, planted_samples
from lodesmith.tune.private.record_gradients import watch_records
from lodesmith.tune.private.training import PrivateJob, _Adam, record_losses, train_privately
from lodesmith.tune.samples.encode import choose_encoder
from lodesmith.tune.samples.samples import Sample

_TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
_DELTA = 1e-4
_FALSE_ALARMS = 0.01


def main() -> None:
    parser = argparse.ArgumentParser(description="Audits models with and without privacy.")
    parser.add_argument("--num-records", type=int, default=1000)
    parser.add_argument("--num-canaries", type=int, default=48)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--hidden-size", type=int, default=64)
    parser.add_argument("--learning-rate", type=float, default=0.01)
    parser.add_argument("--epsilon", type=float, nargs="*", default=[1, 4, 8])
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        start = write_model(Path(folder) / "base", hidden_size=arguments.hidden_size)
        for number, epsilon in enumerate((None, *arguments.epsilon)):
            scratch = Path(folder) / str(number)
            _show(_learn_and_audit(start, scratch, epsilon, arguments), epsilon)


def _learn_and_audit(
    start: Path, folder: Path, epsilon: float | None, arguments: argparse.Namespace
) -> dict[str, Any]:
    audit = AuditConfig(planted=(1,), num_canaries=arguments.num_canaries)
    encoder = choose_encoder(Tokenizer.load(start), None)
    samples = _records(arguments.num_records + 100)
    canaries = make_canaries(audit, seed=arguments.seed)
    secrets = list(planted_samples(canaries, is_text=False))
    records, planted, held_out = (
        [encoder.documents(sample, max_tokens=129)[0] for sample in some]
        for some in (samples[:-100], secrets, samples[-100:])
    )
    config = TrainingConfig(
        max_steps=arguments.steps,
        warmup_steps=5,
        global_batch_size=arguments.batch,
        micro_batch_size=arguments.batch // 2,
        sequence_length=128,
        learning_rate=arguments.learning_rate,
        seed=arguments.seed,
    )
    job = PrivateJob(
        config=config,
        privacy=PrivateTraining(epsilon=epsilon or 1, delta=_DELTA),
        adapter=AdapterShape(8, 16.0, _TARGETS),
        start=start,
        model_folder=folder / "model",
        adapter_folder=folder / "adapter",
        eos_ids=encoder.answer_ends,
        vocabulary="",
        title=f"epsilon {epsilon}",
    )
    if epsilon is None:
        run = None
        _learn_plainly(job, [*records, *planted])
    else:
        run = train_privately(job, [*records, *planted])
    for file in start.glob("*token*"):
        (job.model_folder / file.name).write_bytes(file.read_bytes())
    found = audit_model(
        job.model_folder, encoder, audit=audit, seed=arguments.seed, is_text=False, learnt=records,
        held_out=held_out,
    )  # fmt: skip
    scores = score_models(
        {"model": (job.model_folder, {"records": samples[-100:]})}, encoder=encoder,
        markers=Markers(folder / "scores"),
    )  # fmt: skip
    return {**found, "bits_per_byte": scores["model"]["records"], "run": run}


def _records(count: int) -> list[Sample]:
    colours = ("red", "blue", "green", "white", "black")
    return [
        Sample(
            origin=str(number),
            messages=(
                {"role": "user", "content": f"Which colour has table {number}?"},
                {"role": "assistant", "content": f"The table {number} is {colours[number % 5]}."},
            ),
        )
        for number in range(count)
    ]


def _learn_plainly(job: PrivateJob, records: list[Encoded]) -> None:
    """Learn by the same steps, without cutting and noise."""
    decoder = load_decoder(job.start)
    add_adapter(decoder, job.adapter, seed=job.config.seed)
    products = watch_records(decoder)
    optimizer = _Adam(products, job.config)
    chance = torch.Generator().manual_seed(job.config.seed)
    for step in range(job.config.max_steps):
        drawn = torch.rand(len(records), generator=chance) < job.config.global_batch_size / len(
            records
        )
        batch = [records[int(place)] for place in drawn.nonzero()]
        record_losses(decoder, batch).sum().backward()  # type: ignore[no-untyped-call]
        sums = [
            gradient.sum(0) / job.config.global_batch_size
            for one in products
            for gradient in one.gradients or ()
        ]
        optimizer.step(sums, step)
    take_adapter(decoder, job.adapter)
    save_decoder(job.model_folder, decoder, eos_ids=list(job.eos_ids))


def _show(audit: dict[str, Any], epsilon: float | None) -> None:
    most = 1.0 if audit["run"] is None else _most_told(audit["run"])
    told, (low, high) = audit["membership"]["true_positive_rate"], audit["membership"]["ci95"]
    print(
        f"epsilon {epsilon or 'none':>4}: {audit['bits_per_byte']:.3f} bits per byte, exposure "
        f"{audit['mean_exposure_bits']:.2f} (limit {audit['limits']['mean_exposure_bits']:g}), "
        f"{audit['num_extracted']} written out, told {told:.3f} "
        f"[{low:.3f}, {high:.3f}], about {most:.2f} at most: "
        f"{'passed' if audit['is_passed'] else 'stopped'}",
        flush=True,
    )


def _most_told(run: dict[str, Any]) -> float:
    """Return about how many anybody could tell at 1 % false alarms, given noise and draws."""
    rate, noise = run["sample_rate"], run["noise_multiplier"]
    apart = rate * math.sqrt(run["num_steps"] * (math.exp(1 / noise**2) - 1))
    normal = statistics.NormalDist()
    return normal.cdf(normal.inv_cdf(_FALSE_ALARMS) + apart)


if __name__ == "__main__":
    main()
