"""The processes that train together: how they meet, and what they must agree on first.

On one machine they find each other through a file of a fresh name, so that the remains of a killed
attempt cannot be mistaken for a peer, and talk over the loopback interface only. On several they
meet at a fresh port of the first, and talk over the network that the launcher was told.
"""

import datetime
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from lodesmith.core.errors import UserError

_TIMEOUT = datetime.timedelta(minutes=10)  # a peer may be writing a large checkpoint


@dataclass(frozen=True)
class Ranks:
    """The processes that train together, seen from one of them."""

    rank: int
    num_ranks: int
    device: str = "cpu"  # that this one computes on: cpu, or cuda and its number

    def sum_in_place(self, buffer: Tensor) -> None:
        """Replace the buffer of each rank by the sum over all ranks."""
        if self.num_ranks > 1:
            dist.all_reduce(buffer)

    def share(self, segments: Sequence[Tensor]) -> None:
        """Give every rank all segments, of which segment r was filled by rank r."""
        if self.num_ranks > 1:
            for owner, segment in enumerate(segments):
                dist.broadcast(segment, src=owner)

    def check_agreement(self, facts: Mapping[str, str]) -> None:
        """Check that all ranks were given the same facts, such as settings and code version.

        Args:
            facts: what must be equal, by what people call it; all ranks name the same.

        Raises:
            UserError: on every rank, if one differs from the others.
        """
        if self.num_ranks == 1:
            return
        digests = [hashlib.sha256(text.encode()).digest() for text in facts.values()]
        own = torch.frombuffer(bytearray(b"".join(digests)), dtype=torch.uint8)
        gathered = [torch.empty_like(own) for _ in range(self.num_ranks)]
        dist.all_gather(gathered, own)
        for place, name in enumerate(facts):
            said = [bytes(all_of[place * 32 : place * 32 + 32].tolist()) for all_of in gathered]
            usual = max(said, key=said.count)
            odd = [rank for rank, digest in enumerate(said) if digest != usual]
            if odd:
                raise UserError(
                    f"ranks disagree on {name}: rank {odd[0]} has another than rank "
                    f"{said.index(usual)} (here: {facts[name]}); start all ranks from one recipe "
                    "and one version of the code"
                )


@contextmanager
def join_ranks(
    *,
    rank: int,
    num_ranks: int,
    rendezvous: Path | str,
    wants_group: bool = False,
    device: str = "cpu",
) -> Iterator[Ranks]:
    """Yield the group of ranks once all have come.

    Args:
        rank: of this process, from 0.
        num_ranks: how many processes come.
        rendezvous: a file name that no earlier attempt has used, or HOST:PORT of rank 0's machine;
            all ranks give the same.
        wants_group: make a process group even for one rank, as a layout needs one.
        device: that this rank computes on; tensors on GPUs travel through NCCL, others by gloo.
    """
    if num_ranks == 1 and not wants_group:
        yield Ranks(rank=0, num_ranks=1, device=device)
        return
    store = _open_store(rendezvous, rank=rank, num_ranks=num_ranks)
    dist.init_process_group(
        "gloo" if device == "cpu" else "cpu:gloo,cuda:nccl",
        store=store, rank=rank, world_size=num_ranks, timeout=_TIMEOUT,
    )  # fmt: skip
    try:
        yield Ranks(rank=rank, num_ranks=num_ranks, device=device)
    finally:
        dist.destroy_process_group()


def _open_store(rendezvous: Path | str, *, rank: int, num_ranks: int) -> Any:
    if isinstance(rendezvous, Path):
        return dist.FileStore(str(rendezvous), num_ranks)  # type: ignore[attr-defined]
    host, _, port = rendezvous.rpartition(":")
    return dist.TCPStore(host, int(port), num_ranks, rank == 0)  # type: ignore[attr-defined]
