"""Secrets made up to be planted among the records, so that a leak can be counted.

Each is a sentence with a number that nobody could guess. Everything follows from the domain's seed,
so nothing of them needs to be kept: a report names a canary by its id.

Source: Carlini et al. 2019, arXiv:1802.08232, section 4.1.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from lodesmith.tune.privacy import AuditConfig
from lodesmith.tune.samples.samples import Sample

_NUM_DIGITS = 10


@dataclass(frozen=True, slots=True)
class Canary:
    """One secret."""

    number: int
    count: int  # how often it is planted
    seed: int

    @property
    def id(self) -> str:
        """Its name in reports."""
        return f"canary-{self.number:02d}"

    def sample(self, *, is_text: bool, reference: int | None = None) -> Sample:
        """Return the record with its secret, or with one of the secrets that are never planted."""
        secret = self._digits(f"reference {reference}" if reference is not None else "secret")
        place = self._digits("place")[:6]
        question = f"What is the access code of file {place}?"
        if is_text:
            return Sample(origin=self.id, text=f"{question} {secret}")
        return Sample(
            origin=self.id,
            messages=(
                {"role": "user", "content": question},
                {"role": "assistant", "content": secret},
            ),
        )

    def _digits(self, purpose: str) -> str:
        text = f"{self.seed}/{self.number}/{purpose}".encode()
        number = int.from_bytes(hashlib.sha256(text).digest()[:16], "big")
        return f"{number % 10**_NUM_DIGITS:0{_NUM_DIGITS}d}"


def make_canaries(audit: AuditConfig, *, seed: int) -> list[Canary]:
    """Return the canaries of a domain, group by group."""
    counts = [count for count in audit.planted for _ in range(audit.num_canaries)]
    return [Canary(number, count, seed) for number, count in enumerate(counts)]


def planted_samples(canaries: list[Canary], *, is_text: bool) -> Iterator[Sample]:
    """Yield every canary as often as it is planted."""
    for canary in canaries:
        for _ in range(canary.count):
            yield canary.sample(is_text=is_text)
