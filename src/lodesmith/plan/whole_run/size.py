"""How large a model to train, and on how much text, for a budget of compute; and to what loss.

Both fits of the law are asked (`loss.py`), because they answer differently. Runs of one's own shift
their losses to one's own text and vocabulary.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lodesmith.core.errors import UserError
from lodesmith.core.units import format_count
from lodesmith.plan.hardware.load import load_cluster
from lodesmith.plan.whole_run.loss import LAWS, LossLaw, is_in_range

_TERA = 1e12
USUAL_MFU = 0.4  # of large runs on A100 and H100: arXiv 2204.02311, table 3; 2407.21783, table 4

Point = tuple[float, float, float]  # parameters without embedding, tokens, measured loss


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """What one law advises for a budget."""

    law: str
    num_parameters: float  # without embedding
    tokens: float
    loss: float  # nats a token

    @property
    def tokens_per_parameter(self) -> float:
        """How much text each parameter sees."""
        return self.tokens / self.num_parameters


@dataclass(frozen=True, kw_only=True, slots=True)
class SizeAdvice:
    """What all laws advise."""

    flops: float
    basis: str  # where the budget comes from
    sizes: tuple[Size, ...]
    num_runs: int  # of one's own, which the losses are shifted to


def advise_size(flops: float, *, basis: str, points: Sequence[Point] = ()) -> SizeAdvice:
    """Return the best size for a budget by each law.

    Args:
        flops: training compute.
        basis: where the budget comes from, in words.
        points: measured runs of one's own.

    Raises:
        UserError: the budget is not above 0 or not finite, or a run is smaller than the laws reach.
    """
    if not 0 < flops < math.inf:
        raise UserError(f"a budget must be above 0 FLOPs and finite, not {flops:g}")
    for parameters, tokens, _ in points:
        if not is_in_range(parameters, tokens=tokens):
            raise UserError(
                f"a run of {format_count(parameters)} parameters on {format_count(tokens)} tokens "
                "is smaller than the laws were fitted on (70 M and 5 G), and shifts nothing there; "
                "give a larger one"
            )
    laws = [law.calibrated(points) if points else law for law in LAWS]
    return SizeAdvice(
        flops=flops,
        basis=basis,
        sizes=tuple(_size_by(law, flops) for law in laws),
        num_runs=len(points),
    )


def count_budget(cluster: str, *, days: float, mfu: float = USUAL_MFU) -> tuple[float, str]:
    """Return the model FLOPs that a cluster does in so many days, and a phrase that says how.

    Raises:
        UserError: there is no such cluster, or days or the share are out of range.
    """
    if not days > 0:
        raise UserError(f"--days must be above 0, not {days:g}")
    if not 0 < mfu <= 1:
        raise UserError(f"--mfu is a share of peak between 0 and 1, not {mfu:g}")
    place, device = load_cluster(cluster)
    peak = device.peak_tflops.get("bf16") or max(device.peak_tflops.values())
    flops = place.num_devices * peak * _TERA * mfu * days * 86_400
    return flops, (
        f"{days:g} days of {place.num_devices:,} x {device.name} ({peak:g} TFLOP/s) at {mfu:.0%} "
        "of peak"
    )


def read_point(path: Path) -> Point:
    """Return size, text and final loss of a finished pretraining, by its folder or `training.json`.

    Raises:
        UserError: the file cannot be read or says too little.
    """
    file = path / "training.json" if path.is_dir() else path
    try:
        facts = json.loads(file.read_text("utf-8"))
        point = tuple(
            float(facts[name])
            for name in ("num_non_embedding_parameters", "tokens_seen", "final_loss")
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{file}: is not the training.json of a pretrain artifact ({error!r})"
        ) from None
    if min(point) <= 0:
        raise UserError(f"{file}: parameters, tokens and loss must be above 0, got {point}")
    return point[0], point[1], point[2]


def advice_data(advice: SizeAdvice) -> dict[str, Any]:
    """Return the advice as JSON data."""
    data = asdict(advice)
    for row, size in zip(data["sizes"], advice.sizes, strict=True):
        row["tokens_per_parameter"] = size.tokens_per_parameter
    return data


def advice_text(advice: SizeAdvice) -> str:
    """Return the advice as a person reads it."""
    lines = [f"Budget: {advice.flops:.3g} FLOPs ({advice.basis})"]
    lines.extend(
        f"  {size.law:<26} {format_count(size.num_parameters):>8} parameters, "
        f"{format_count(size.tokens):>8} tokens ({size.tokens_per_parameter:.0f} each), "
        f"loss {size.loss:.3f}"
        for size in advice.sizes
    )
    if advice.num_runs:
        lines.append(f"losses are shifted to {advice.num_runs} of your own runs")
    lines.append("The second agrees with Chinchilla's 20 tokens a parameter; sizes omit embeddings")
    return "\n".join(lines)


def _size_by(law: LossLaw, flops: float) -> Size:
    parameters, tokens = law.split(flops)
    return Size(
        law=law.name,
        num_parameters=parameters,
        tokens=tokens,
        loss=law.loss(parameters, tokens=tokens),
    )
