"""How the ranks of a run agree on a checkpoint, without meeting in what training itself says.

Saving goes on in the background while training's own collectives run, so it has a group of its
own: two threads that use one group in different orders would hang.
"""

import datetime
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch.distributed as dist
from torch import Tensor

_TIMEOUT = datetime.timedelta(minutes=30)  # a rank may be writing much to a slow disk

_T = TypeVar("_T")


class Team:
    """All ranks of the default group, or this process alone where there is none."""

    def __init__(self) -> None:
        """All ranks construct it together."""
        self._group: dist.ProcessGroup | None = None
        self.rank, self.size = 0, 1
        if dist.is_initialized() and dist.get_world_size() > 1:
            self._group = dist.new_group(backend="gloo", timeout=_TIMEOUT)
            self.rank, self.size = dist.get_rank(), dist.get_world_size()

    def gather(self, value: _T) -> list[_T]:
        """Return all ranks' values on rank 0, nothing elsewhere."""
        if self._group is None:
            return [value]
        values: list[Any] | None = [None] * self.size if self.rank == 0 else None
        dist.gather_object(value, values, group=self._group, group_dst=0)
        return values or []

    def scatter(self, values: Sequence[_T]) -> _T:
        """Return this rank's of the values that rank 0 has."""
        if self._group is None:
            return values[0]
        mine: list[Any] = [None]
        dist.scatter_object_list(
            mine, list(values) if self.rank == 0 else None, group=self._group, group_src=0
        )
        value: _T = mine[0]
        return value

    def decide(self, choose: Callable[[], _T]) -> _T:
        """Return what rank 0 chooses, on every rank; its error is raised on every rank."""
        answer: list[Any] = [None, None]
        if self.rank == 0:
            try:
                answer[0] = choose()
            except Exception as error:
                if self._group is None:
                    raise
                answer[1] = error
        if self._group is not None:
            dist.broadcast_object_list(answer, group=self._group, group_src=0)
        if answer[1] is not None:
            raise answer[1]
        chosen: _T = answer[0]
        return chosen

    def share(self, value: _T) -> list[_T]:
        """Return all ranks' values on every rank; for few and small ones."""
        values = self.gather(value)
        return self.decide(lambda: values)

    def pass_on(self, data: Tensor, *, source: int, target: int) -> None:
        """Send a tensor from one rank to another; both call it, others need not."""
        assert self._group is not None  # noqa: S101 alone there is nobody to send to
        if self.rank == source:
            dist.send(data, dst=target, group=self._group)
        elif self.rank == target:
            dist.recv(data, src=source, group=self._group)

    def exchange(self, data: Tensor, into: Tensor, *, target: int, source: int) -> None:
        """Send a tensor to one rank while another's comes in; all ranks of a ring call it."""
        assert self._group is not None  # noqa: S101
        work = [
            dist.isend(data, dst=target, group=self._group),
            dist.irecv(into, src=source, group=self._group),
        ]
        for one in work:
            if one is not None:
                one.wait()

    def close(self) -> None:
        """Give the group back."""
        if self._group is not None and dist.is_initialized():
            dist.destroy_process_group(self._group)
            self._group = None
