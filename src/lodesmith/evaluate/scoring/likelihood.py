"""Log-likelihoods of token rows: the one door through which evaluation asks a model.

Rows that begin alike are laid into groups (see `shared_prefix`), which a scorer computes together.
There are two: packed weights and kernels in C for dense models on the CPU in fp32, PyTorch for all
others. Both give the same numbers but for rounding.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

from lodesmith.core.log import Progress
from lodesmith.evaluate.scoring.native_scorer import NativeScorer
from lodesmith.evaluate.scoring.rows import Row
from lodesmith.evaluate.scoring.shared_prefix import Group, group_rows
from lodesmith.evaluate.scoring.torch_scorer import TorchScorer
from lodesmith.infer.native_runner import is_computable
from lodesmith.infer.weights import StoredWeights, Weights
from lodesmith.model.checkpoint import load_decoder


class Scorer(Protocol):
    """A model that says how likely tokens are."""

    def score(self, groups: Sequence[Group]) -> Iterator[list[tuple[int, float]]]:
        """Yield the place and log-likelihood of all rows, some groups at a time."""


def open_scorer(weights: Weights, *, window: int) -> Scorer:
    """Return a scorer over a model as it is now.

    Args:
        weights: a decoder on the device where it is to run, or weights in a folder.
        window: input tokens of the longest row.

    Raises:
        UserError: the folder is not as it was.
        DamagedArtifactError: a file of it is torn.
    """
    if is_computable(weights):
        return NativeScorer(weights, window=window)
    if isinstance(weights, StoredWeights):
        weights = load_decoder(weights.folder)
    return TorchScorer(weights)


def log_likelihoods(
    scorer: Scorer, rows: Sequence[Row], *, progress: Progress | None = None
) -> list[float]:
    """Return the natural log of each row's scored tokens' joint probability.

    The result does not depend on the order of the rows but for rounding.

    Args:
        scorer: of the model.
        rows: tokens; none longer than the scorer's window.
        progress: advanced by the tokens scored.
    """
    results = [0.0] * len(rows)
    places = [place for place, row in enumerate(rows) if row.num_scored]
    groups = group_rows([rows[place] for place in places])
    for found in scorer.score(groups) if groups else ():
        for number, value in found:
            results[places[number]] = value
        if progress is not None:
            progress.advance(sum(rows[places[number]].num_scored for number, _ in found))
    return results
