"""What a model thinks of packed answers: the log-probability of each, computed before training.

The reference of DPO and KTO does not change while another model is trained, so one pass over the
rows gives all of it, and no second model stands in memory during training.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lodesmith.core.process import count_free_cores
from lodesmith.core.shards import Markers, map_shards
from lodesmith.core.storage import JSON
from lodesmith.model.checkpoint import load_decoder
from lodesmith.train.objectives.batch import Batch
from lodesmith.train.objectives.loss import summed_loss
from lodesmith.train.objectives.preferences import segment_sums
from lodesmith.train.samples.loader import PackedSource
from lodesmith.train.samples.packed import open_packed

_ROWS_PER_SHARD = 256
_TOKENS_PER_FORWARD = 2048


def score_rows(
    model: Path, packed: Path, *, num_segments: int, markers: Markers
) -> npt.NDArray[np.float32]:
    """Return the log-probability of each segment of packed rows, as rows x segments.

    Args:
        model: folder.
        packed: folder of the rows; labels out of the loss mask do not count.
        num_segments: of a row, at most; others have 0.
        markers: where finished pieces are kept.
    """
    num_rows = len(open_packed(packed).input_ids)
    tasks = {
        f"rows-{start}": (str(model), str(packed), start, num_segments)
        for start in range(0, num_rows, _ROWS_PER_SHARD)
    }
    found = map_shards(_score, tasks, markers=markers, num_workers=count_free_cores())
    return np.array([row for piece in found for row in piece], np.float32)


@torch.inference_mode()
def _score(model: str, packed: str, start: int, num_segments: int) -> JSON:
    torch.set_num_threads(1)
    decoder = load_decoder(Path(model))
    source = PackedSource(open_packed(Path(packed)))
    length = source.rows.input_ids.shape[1] - 1
    size = max(1, _TOKENS_PER_FORWARD // length)
    end = min(start + _ROWS_PER_SHARD, source.num_samples)
    rows: list[list[float]] = []
    for first in range(start, end, size):
        batch = source.batch(np.arange(first, min(first + size, end)))
        reader = _SumsOfSegments(num_segments)
        summed_loss(decoder, batch, objective=reader)
        rows.extend(reader.rows)
    return rows


class _SumsOfSegments:
    """An objective that keeps what it is shown."""

    sums_labels = False
    is_smooth = False

    def __init__(self, num_segments: int) -> None:
        self.num_segments = num_segments
        self.rows: list[list[float]] = []

    def count(self, batch: Batch) -> int:
        return len(batch.input_ids)

    def summed_loss(self, losses_BT: Tensor, batch: Batch) -> Tensor:  # noqa: N803
        sums = segment_sums(-losses_BT, batch, num_segments=self.num_segments)
        self.rows = sums.tolist()
        return losses_BT.sum()
