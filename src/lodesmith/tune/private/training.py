"""DP-SGD: an adapter learns from records of which none can be told from the model.

Each step takes every record with the same small probability (so a batch has no fixed size), cuts
each record's gradient, adds noise to their sum and divides by the size expected. Draws and noise
come from the system's entropy, not from the recipe's seed: whoever knew them could take the noise
off again. So two runs differ, and a run that was killed begins again. No loss is written: it would
tell of records without noise.

What is promised is of the records that are learnt, one by one, and of the adapter's weights; not of
records held out, whose scores stand in the matrix, nor of the choice of settings by looking at
results. Noise is drawn in floating point by torch's generator, which is no cryptographic one.

Source: Abadi et al. 2016, arXiv:1607.00133, algorithm 1.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from lodesmith.core.errors import UserError
from lodesmith.core.log import show_progress
from lodesmith.core.storage import JSON
from lodesmith.model.adapter_shape import AdapterShape
from lodesmith.model.checkpoint import load_decoder, save_decoder
from lodesmith.model.decoder import Decoder
from lodesmith.model.lora import add_adapter, save_adapter, take_adapter
from lodesmith.train.config import TrainingConfig
from lodesmith.train.optimizer.schedule import rate_fraction
from lodesmith.train.samples.packed import Encoded
from lodesmith.tune.privacy import PrivateTraining
from lodesmith.tune.private.accountant import choose_noise, spent_epsilon
from lodesmith.tune.private.record_gradients import RecordProduct, clip_and_sum, watch_records

_ADAM_EPSILON = 1e-8


@dataclass(frozen=True, kw_only=True)
class PrivateJob:
    """What is to be learnt, and how."""

    config: TrainingConfig
    privacy: PrivateTraining
    adapter: AdapterShape
    start: Path
    model_folder: Path
    adapter_folder: Path
    eos_ids: Sequence[int]
    vocabulary: str
    title: str


def train_privately(job: PrivateJob, records: Sequence[Encoded]) -> JSON:
    """Write a model that learnt from records, one document each; return the run's facts.

    Raises:
        UserError: there are too few records for the batch or for delta, no noise is enough, or the
            device is not the CPU.
    """
    config, privacy = job.config, job.privacy
    if config.device != "cpu":
        raise UserError(f"{job.title}: private training runs on the CPU; leave out device")
    sample_rate = _sample_rate(job, len(records))
    noise = choose_noise(
        epsilon=privacy.epsilon,
        sample_rate=sample_rate,
        num_steps=config.max_steps,
        delta=privacy.delta,
    )
    decoder = load_decoder(job.start)
    add_adapter(decoder, job.adapter, seed=config.seed)
    products = watch_records(decoder)
    chance = torch.Generator().manual_seed(int.from_bytes(os.urandom(8), "little") >> 1)
    optimizer = _Adam(products, config)
    with show_progress(job.title, total=config.max_steps, unit="steps") as progress:
        for step in range(config.max_steps):
            drawn = torch.rand(len(records), generator=chance) < sample_rate
            batch = [records[int(place)] for place in drawn.nonzero()]
            total = sum_gradients(
                decoder, products, batch, max_norm=privacy.max_record_norm,
                micro_batch_size=config.micro_batch_size,
            )  # fmt: skip
            for gradient in total:
                spread = noise * privacy.max_record_norm
                gradient.add_(torch.randn(gradient.shape, generator=chance), alpha=spread)
                gradient.div_(config.global_batch_size)
            optimizer.step(total, step)
            progress.advance(1)
    save_adapter(job.adapter_folder, take_adapter(decoder, job.adapter))
    save_decoder(job.model_folder, decoder, eos_ids=list(job.eos_ids), vocabulary=job.vocabulary)
    return {
        "num_steps": config.max_steps,
        "num_records": len(records),
        "sample_rate": sample_rate,
        "noise_multiplier": round(noise, 4),
        "max_record_norm": privacy.max_record_norm,
        "epsilon": round(
            spent_epsilon(
                noise_multiplier=noise, sample_rate=sample_rate, num_steps=config.max_steps,
                delta=privacy.delta,
            ), 4,
        ),
        "delta": privacy.delta,
        "adapter_rank": job.adapter.rank,
        "learning_rate": config.learning_rate,
    }  # fmt: skip


def _sample_rate(job: PrivateJob, num_records: int) -> float:
    size, delta = job.config.global_batch_size, job.privacy.delta
    if num_records < 2 * size:
        raise UserError(
            f"{job.title}: {num_records} records are too few for differential privacy with a "
            f"global_batch_size of {size}; a step must take less than half of them"
        )
    if delta * num_records > 0.5:
        raise UserError(
            f"{job.title}: delta {delta:g} lets one of {num_records} records out whole; set it "
            f"below {0.5 / num_records:.1g}"
        )
    return size / num_records


def sum_gradients(
    decoder: Decoder,
    products: Sequence[RecordProduct],
    batch: Sequence[Encoded],
    *,
    max_norm: float,
    micro_batch_size: int,
) -> list[Tensor]:
    """Return the sum of the records' cut gradients, of A and B of each adapter by turns."""
    total = [torch.zeros_like(weight) for product in products for weight in product.weights]
    for rows in _micro_batches(batch, micro_batch_size):
        record_losses(decoder, rows).sum().backward()  # type: ignore[no-untyped-call]
        for whole, part in zip(total, clip_and_sum(products, max_norm=max_norm), strict=True):
            whole.add_(part)
    return total


def _micro_batches(batch: Sequence[Encoded], size: int) -> Iterator[Sequence[Encoded]]:
    """Yield records of like length together, so that little is padding."""
    ordered = sorted(batch, key=lambda record: len(record[0]))
    for start in range(0, len(ordered), size):
        yield ordered[start : start + size]


def record_losses(decoder: Decoder, rows: Sequence[Encoded]) -> Tensor:
    """Return each record's mean loss over its learnt tokens, nats."""
    width = max(len(ids) for ids, _ in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.long)  # what pads the end is never learnt
    mask = torch.zeros(len(rows), width, dtype=torch.bool)
    for number, (tokens, learnt) in enumerate(rows):
        ids[number, : len(tokens)] = torch.tensor(tokens)
        mask[number, : len(tokens)] = torch.tensor(learnt)
    labels, counts = ids[:, 1:], mask[:, 1:]
    logits = decoder.logits(decoder.hidden(ids[:, :-1])[counts])
    losses = torch.nn.functional.cross_entropy(logits.float(), labels[counts], reduction="none")
    owners = torch.arange(len(rows)).repeat_interleave(counts.sum(1))
    sums = torch.zeros(len(rows)).index_add(0, owners, losses)
    return sums / counts.sum(1).clamp(min=1)


class _Adam:
    """Adam on the noisy gradients; what is done with them after the noise costs no privacy."""

    def __init__(self, products: Sequence[RecordProduct], config: TrainingConfig) -> None:
        self.weights = [weight for product in products for weight in product.weights]
        self.config = config
        self.means = [torch.zeros_like(weight) for weight in self.weights]
        self.squares = [torch.zeros_like(weight) for weight in self.weights]

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor], step: int) -> None:
        config = self.config
        rate = config.learning_rate * rate_fraction(config, step)
        beta1, beta2 = config.adam_beta1, config.adam_beta2
        for weight, gradient, mean, square in zip(
            self.weights, gradients, self.means, self.squares, strict=True
        ):
            mean.lerp_(gradient, 1 - beta1)
            square.lerp_(gradient.square(), 1 - beta2)
            spread = (square / (1 - beta2 ** (step + 1))).sqrt_().add_(_ADAM_EPSILON)
            weight.addcdiv_(mean, spread, value=-rate / (1 - beta1 ** (step + 1)))
