"""Global batches in the order that one integer fixes, read ahead by a thread.

The loader's whole state is the number of samples consumed: step s of batch size G reads samples s
* G to (s + 1) * G - 1, whatever ranks there are, so nothing of it needs saving. A run that passes
samples over reads the next ones in their place (`data.skips`). Each rank reads those samples of a
batch that are its own.
"""

import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from lodesmith.core.errors import UserError
from lodesmith.data.corpora import mixture_order
from lodesmith.data.mixture import Order
from lodesmith.data.order import SampleOrder
from lodesmith.data.skips import NO_SKIPS, SkipList
from lodesmith.data.tokens import TokenSet
from lodesmith.train.job import PackedData, TokenSetData, TrainingJob
from lodesmith.train.objectives.batch import Batch
from lodesmith.train.samples.packed import PackedSamples, open_packed

_READ_AHEAD = 2  # batches


class SampleSource(Protocol):
    """Numbered samples of one length."""

    @property
    def num_samples(self) -> int:
        """How many different samples there are."""

    def batch(self, samples: npt.NDArray[np.int64]) -> Batch:
        """Return the samples of these numbers, in this order."""

    def documents(self, index: int) -> list[str]:
        """Return what a sample was made of: ids of documents, or a packed row's number."""


@dataclass(frozen=True)
class TokenSetSource:
    """Windows of a token set."""

    tokens: TokenSet
    sequence_length: int

    @property
    def num_samples(self) -> int:
        """How many windows there are."""
        return self.tokens.num_windows(self.sequence_length)

    def batch(self, samples: npt.NDArray[np.int64]) -> Batch:
        """Return windows; every token but the first of each is a label."""
        windows = [self.tokens.window(int(index), self.sequence_length) for index in samples]
        rows = torch.from_numpy(np.stack(windows))
        return Batch(input_ids=rows[:, :-1].contiguous(), labels=rows[:, 1:].contiguous())

    def documents(self, index: int) -> list[str]:
        """Return the ids of the documents that have a token in a window."""
        return self.tokens.documents_in_window(index, self.sequence_length)


@dataclass(frozen=True)
class PackedSource:
    """Rows of packed documents."""

    rows: PackedSamples

    @property
    def num_samples(self) -> int:
        """How many rows there are."""
        return len(self.rows.input_ids)

    def batch(self, samples: npt.NDArray[np.int64]) -> Batch:
        """Return rows; the labels that count are those of the loss mask."""
        ids = torch.from_numpy(self.rows.input_ids[samples].astype(np.int64))
        mask = torch.from_numpy(self.rows.loss_mask[samples])
        segments = torch.from_numpy(self.rows.segment_ids[samples])
        return Batch(
            input_ids=ids[:, :-1].contiguous(),
            labels=ids[:, 1:].contiguous(),
            loss_mask=mask[:, 1:].contiguous(),
            segment_ids=segments[:, :-1].contiguous(),
            extra={
                name: torch.from_numpy(values[samples]) for name, values in self.rows.extra.items()
            },
        )

    def documents(self, index: int) -> list[str]:
        """Return the number of a row; packed rows do not know their documents."""
        return [f"packed row {index}"]


def open_source(data: TokenSetData | PackedData, *, sequence_length: int) -> SampleSource:
    """Return the samples that a job trains on.

    Raises:
        UserError: packed rows have another length.
        DamagedArtifactError: a file is missing or torn.
    """
    if isinstance(data, TokenSetData):
        return TokenSetSource(TokenSet.open(data.folder), sequence_length)
    rows = open_packed(data.folder)
    if rows.input_ids.shape[1] != sequence_length + 1:
        raise UserError(
            f"{data.folder} was packed for sequence_length {rows.input_ids.shape[1] - 1}, "
            f"but the run wants {sequence_length}; pack it again or change sequence_length"
        )
    return PackedSource(rows)


def order_of(job: TrainingJob, source: SampleSource) -> Order:
    """Return the order in which a job reads its samples.

    Raises:
        UserError: there is no sample, or a corpus of the mixture is not there.
    """
    data, config = job.data, job.config
    if isinstance(data, TokenSetData) and data.mixture is not None:
        return mixture_order(
            TokenSet.open(data.folder),
            data.mixture,
            sequence_length=config.sequence_length,
            seed=config.seed,
        )
    return SampleOrder(source.num_samples, config.seed)


class Loader:
    """Yields one rank's rows of global batches, and counts the seconds that it was waited for."""

    def __init__(
        self,
        source: SampleSource,
        *,
        global_batch_size: int,
        order: Order,
        first_step: int,
        steps: int,
        skips: SkipList = NO_SKIPS,
        rows: slice = slice(None),
    ) -> None:
        """Start to read.

        Args:
            source: where samples are.
            global_batch_size: samples of a step, over all ranks.
            order: which of them each step reads.
            first_step: the first is 0.
            steps: of the whole run.
            skips: samples that are passed over.
            rows: which samples of each global batch are this rank's.
        """
        self.data_wait_seconds = 0.0
        self._source, self._size, self._rows = source, global_batch_size, rows
        self._order, self._skips = order, skips
        self._steps = range(first_step, steps)
        self._ready: queue.Queue[Batch | BaseException] = queue.Queue(_READ_AHEAD)
        threading.Thread(target=self._read_ahead, daemon=True).start()

    def __iter__(self) -> Iterator[Batch]:
        for _ in self._steps:
            started = time.perf_counter()
            batch = self._ready.get()
            self.data_wait_seconds += time.perf_counter() - started
            if isinstance(batch, BaseException):
                raise batch
            yield batch

    def _read_ahead(self) -> None:
        try:
            for step in self._steps:
                places = np.arange(step * self._size, (step + 1) * self._size)
                samples = self._skips.samples(places)[self._rows]
                self._ready.put(self._source.batch(self._order.windows(samples)))
        except BaseException as error:  # noqa: BLE001 handed to the reader, who raises it
            self._ready.put(error)
