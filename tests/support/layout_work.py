"""What each rank of a layout test does: one batch and some steps, compared with one process."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.tensor import DTensor

from lodesmith.model.config import DecoderConfig
from lodesmith.model.decoder import Decoder, causal_attention, fresh_weights
from lodesmith.model.moe import MixtureOfExperts
from lodesmith.parallel.config import ParallelConfig, check_layout
from lodesmith.parallel.layers import Recompute
from lodesmith.parallel.mesh import Layout, build_layout
from lodesmith.parallel.parts import local_part
from lodesmith.parallel.sharded import Rows, ShardedDecoder, Treatment, own_rows
from lodesmith.train.objectives.segments import attend_within_segments

NUM_ROWS, NUM_TOKENS = 8, 16

SHAPE = {
    "vocab_size": 48,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "head_dim": 8,
    "tie_word_embeddings": False,
}


@dataclass(frozen=True)
class Case:
    """One layout to be compared."""

    name: str
    parallel: dict[str, Any]
    model: dict[str, Any] = field(default_factory=dict)
    packed: bool = False
    compiled: bool = False
    recompute: Recompute = "none"
    z_loss: float = 0.0
    loss_scale: float = 1.0
    micro_batch_size: int = 1
    float8: bool = False

    @property
    def treatment(self) -> Treatment:
        """How the laid-out model is computed."""
        return Treatment(
            recompute=self.recompute,
            compile_backend="aot_eager" if self.compiled else None,
            z_loss=self.z_loss,
            float8=self.float8,
        )


def model_of(case: Case) -> Decoder:
    """Return a model whose every weight has an effect."""
    decoder = Decoder.fresh(DecoderConfig(**{**SHAPE, **case.model}), seed=1)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for weight in decoder.parameters():
            weight.add_(torch.randn(weight.shape, generator=generator), alpha=0.1)
    return decoder


def batch_of(case: Case, step: int) -> Rows:
    """Return a global batch with a different number of labels in each row."""
    generator = torch.Generator().manual_seed(100 + step)
    vocab_size = {**SHAPE, **case.model}["vocab_size"]
    ids = torch.randint(0, vocab_size, (NUM_ROWS, NUM_TOKENS + 1), generator=generator)
    labels = ids[:, 1:].clone()
    labels[torch.rand(labels.shape, generator=generator) < 0.3] = -100
    segments = None
    if case.packed:
        starts = torch.rand(labels.shape, generator=generator) < 0.25
        segments = starts.int().cumsum(1)
    return Rows(input_ids=ids[:, :-1], labels=labels, segment_ids=segments)


def plain_loss(decoder: Decoder, rows: Rows, z_loss: float = 0.0) -> torch.Tensor:
    """Return the mean loss of a batch as one process computes it."""
    attend = causal_attention
    if rows.segment_ids is not None:
        attend = attend_within_segments(rows.segment_ids)
    num_labels = int((rows.labels >= 0).sum())
    for mixture in (part for part in decoder.modules() if isinstance(part, MixtureOfExperts)):
        mixture.z_loss_weight = (mixture.config.router_z_loss or 0.0) / num_labels
    logits = decoder(rows.input_ids, attend=attend)
    loss = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), rows.labels.flatten(), ignore_index=-100
    )
    normalisers = logits.logsumexp(-1)[rows.labels >= 0]
    return loss + z_loss * normalisers.square().mean()


def compare_starts(cases: list[Case]) -> list[str]:
    """Return where weights that a seed starts a layout from differ from the plain model's."""
    warnings.simplefilter("ignore")
    faults = []
    for case in cases:
        plain = Decoder.fresh(DecoderConfig(**{**SHAPE, **case.model}), seed=7)
        sharded = ShardedDecoder(
            plain.config,
            build_layout(ParallelConfig(**case.parallel)),
            micro_batch_size=1,
            sequence_length=NUM_TOKENS,
        )
        sharded.fill(fresh_weights(plain.config, seed=7))
        faults += [
            f"{case.name}: {name} differs"
            for name, weight in sharded.weights().items()
            if not torch.equal(weight.full_tensor(), plain.get_parameter(name))
        ]
    return faults


def compare_layouts(cases: list[Case], num_steps: int) -> list[str]:
    """Return the faults of all cases, each named."""
    return [fault for case in cases for fault in _compare(case, num_steps)]


def compare_roughly(cases: list[Case]) -> list[str]:
    """Return where a layout's loss or a gradient is not near one process's, or is the very same."""
    faults = []
    for case in cases:
        plain, sharded, layout = _lay_out(case)
        rows = batch_of(case, 0)
        expected = plain_loss(plain, rows)
        expected.backward()
        loss, _ = sharded.accumulate(own_rows(rows, layout))
        if not 1e-7 < abs(loss / expected.item() - 1) < 0.05:
            faults.append(f"{case.name}: loss {loss} beside {expected.item()}")
        faults += [
            f"{case.name}: the gradient of {name} is far off, or the very same"
            for name, gradient, wanted in _gradients(plain, sharded)
            if not is_near(gradient, wanted)
        ]
    return faults


def is_near(gradient: torch.Tensor | None, expected: torch.Tensor) -> bool:
    """Tell whether a gradient is a rounded one: not the same, but as long along the expected one.

    Rounding to 2 or 3 bits adds noise in all directions. A gradient that is lost, or counted
    twice, is 0 or 2 times as long in this one.
    """
    if gradient is None or torch.equal(gradient, expected):
        return False
    along = float((gradient * expected).sum() / expected.square().sum())
    return 0.6 < along < 1.4


def _lay_out(case: Case) -> tuple[Decoder, ShardedDecoder, Layout]:
    warnings.simplefilter("ignore")
    torch._dynamo.reset()
    plain, parallel = model_of(case), ParallelConfig(**case.parallel)
    check_layout(
        parallel,
        plain.config,
        num_ranks=dist.get_world_size(),
        sequence_length=NUM_TOKENS,
        global_batch_size=NUM_ROWS,
        micro_batch_size=case.micro_batch_size,
    )
    layout = build_layout(parallel)
    sharded = ShardedDecoder(
        plain.config,
        layout,
        micro_batch_size=case.micro_batch_size,
        sequence_length=NUM_TOKENS,
        treatment=case.treatment,
    )
    sharded.fill(plain.named_parameters())
    return plain, sharded, layout


def _compare(case: Case, num_steps: int) -> list[str]:
    plain, sharded, layout = _lay_out(case)
    own = sharded.weights()
    optimizers = [
        torch.optim.AdamW(plain.parameters(), lr=3e-3, foreach=False),
        torch.optim.AdamW(own.values(), lr=3e-3, foreach=False),
    ]
    faults = []
    for step in range(num_steps):
        rows = batch_of(case, step)
        expected = plain_loss(plain, rows, case.z_loss)
        expected.backward()
        loss, _ = sharded.accumulate(own_rows(rows, layout), loss_scale=case.loss_scale)
        for weight in own.values():
            if weight.grad is not None:
                local_part(weight.grad).div_(case.loss_scale)
        where = f"{case.name}, step {step}"
        if abs(loss - expected.item()) > 1e-5 * abs(expected.item()):
            faults.append(f"{where}: loss {loss} is not {expected.item()}")
        if step == 0:
            faults += [f"{where}: {fault}" for fault in _gradient_faults(plain, sharded)]
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        balance_plain(plain)
        sharded.balance_experts()
    faults += [f"{case.name}, at the end: {fault}" for fault in _bias_faults(plain, sharded)]
    return faults


def balance_plain(decoder: Decoder) -> None:
    """Move the biases of experts as one process does."""
    for mixture in (part for part in decoder.modules() if isinstance(part, MixtureOfExperts)):
        if mixture.load_E is not None:
            mixture.balance(mixture.load_E)


def _bias_faults(plain: Decoder, sharded: ShardedDecoder) -> list[str]:
    faults = []
    for name, weight in sharded.weights().items():
        if not weight.requires_grad:
            expected = plain.get_parameter(name)
            if not torch.allclose(weight.full_tensor(), expected, atol=1e-6, rtol=0):
                faults.append(f"{name} is {weight.full_tensor()}, not {expected}")
    return faults


def _gradients(
    plain: Decoder, sharded: ShardedDecoder
) -> Iterator[tuple[str, torch.Tensor | None, torch.Tensor]]:
    """Yield the name of each weight that is trained, its gradient, whole, and the expected one."""
    for name, weight in sharded.weights().items():
        if weight.requires_grad:
            gradient = weight.grad.full_tensor() if isinstance(weight.grad, DTensor) else None
            yield name, gradient, plain.get_parameter(name).grad


def _gradient_faults(plain: Decoder, sharded: ShardedDecoder) -> list[str]:
    faults = []
    for name, gradient, expected in _gradients(plain, sharded):
        if gradient is None:
            faults.append(f"{name} has no gradient, or one that is no DTensor")
            continue
        difference = torch.linalg.vector_norm(gradient - expected)
        relative = float(difference / torch.linalg.vector_norm(expected))
        if not relative <= 1e-5:
            faults.append(f"the gradient of {name} is off by {relative:.2e}")
    norm = torch.linalg.vector_norm(
        torch.stack(
            [
                torch.linalg.vector_norm(weight.grad)
                for weight in plain.parameters()
                if weight.requires_grad
            ]
        )
    )
    if not abs(sharded.gradient_norm() - float(norm)) <= 1e-5 * float(norm):
        faults.append(f"the gradients' norm {sharded.gradient_norm()} is not {float(norm)}")
    return faults
