"""The order in which a training run reads its windows, as one integer: the sample's number.

Sample `i` belongs to epoch `i // num_windows` and reads the window to which a permutation keyed by
(seed, epoch) maps `i % num_windows`. The permutation is a Feistel network over the next even number
of bits; a value that falls outside the domain is sent through again until it falls inside ("cycle
walking"), which keeps it a permutation. It takes no table, costs the same for ten windows and for
10^12, and can be run backwards: that tells when a document was read.

Source: J. Black, P. Rogaway, "Ciphers with Arbitrary Finite Domains", CT-RSA 2002, section 4 (cycle
walking) and 5 (Feistel); M. Luby, C. Rackoff, SIAM J. Computing 17(2), 1988 (rounds).
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from lodesmith.core.errors import UserError

_ROUNDS = 8  # four make a strong pseudo-random permutation; small domains need some more
_MAX_WINDOWS = 1 << 62  # two halves of 31 bits; sample numbers are int64

Indexes = npt.NDArray[np.int64]
_Words = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class SampleOrder:
    """A different permutation of the same windows for each epoch."""

    num_windows: int
    seed: int

    def __post_init__(self) -> None:
        if not 1 <= self.num_windows <= _MAX_WINDOWS:
            raise UserError(
                f"there are {self.num_windows} windows to train on, and at least one is needed; "
                "use more text or a shorter sequence_length"
            )

    def place(self, sample: int) -> tuple[int, int]:
        """Return the epoch that a sample belongs to and the window that it reads.

        >>> order = SampleOrder(num_windows=5, seed=1)
        >>> sorted(order.place(sample)[1] for sample in range(5, 10))
        [0, 1, 2, 3, 4]
        """
        epoch, position = divmod(sample, self.num_windows)
        window = self._permute(np.array([position], np.uint64), epoch)
        return epoch, int(window[0])

    def windows(self, samples: Indexes) -> Indexes:
        """Return the window that each sample reads; samples may lie in different epochs."""
        epochs, positions = np.divmod(np.asarray(samples, np.int64), self.num_windows)
        result = np.empty(epochs.shape, np.int64)
        for epoch in np.unique(epochs):
            inside = epochs == epoch
            result[inside] = self._permute(positions[inside].astype(np.uint64), int(epoch))
        return result

    def readings(self, window: int, consumed: int) -> Iterator[tuple[int, int]]:
        """Yield (epoch, sample) for each time that a window is read before sample `consumed`."""
        for epoch in range(-(-consumed // self.num_windows)):
            sample = self.sample_of(window, epoch)
            if sample < consumed:
                yield epoch, sample

    def sample_of(self, window: int, epoch: int) -> int:
        """Return the sample that reads a window in an epoch: the inverse of `place`.

        >>> order = SampleOrder(num_windows=1000, seed=7)
        >>> order.place(order.sample_of(window=123, epoch=2))
        (2, 123)
        """
        if not 0 <= window < self.num_windows:
            raise UserError(f"window {window} is not one of 0 to {self.num_windows - 1}")
        position = self._permute(np.array([window], np.uint64), epoch, backwards=True)
        return epoch * self.num_windows + int(position[0])

    def _permute(self, values: _Words, epoch: int, *, backwards: bool = False) -> Indexes:
        half_bits = max(1, ((self.num_windows - 1).bit_length() + 1) // 2)
        keys = _round_keys(self.seed, epoch)
        cipher = _decrypt if backwards else _encrypt
        values = cipher(values, half_bits, keys)
        outside = np.flatnonzero(values >= self.num_windows)
        while outside.size:
            values[outside] = cipher(values[outside], half_bits, keys)
            outside = outside[values[outside] >= self.num_windows]
        return values.astype(np.int64)


@cache
def _round_keys(seed: int, epoch: int) -> tuple[np.uint64, ...]:
    keys = []
    for number in range(_ROUNDS):
        digest = hashlib.sha256(f"lodesmith sample order {seed} {epoch} {number}".encode()).digest()
        keys.append(np.uint64(int.from_bytes(digest[:8], "little")))
    return tuple(keys)


def _encrypt(values: _Words, half_bits: int, keys: tuple[np.uint64, ...]) -> _Words:
    left, right = _halves(values, half_bits)
    for key in keys:
        left, right = right, left ^ _mix(right, key, half_bits)
    return (left << np.uint64(half_bits)) | right


def _decrypt(values: _Words, half_bits: int, keys: tuple[np.uint64, ...]) -> _Words:
    left, right = _halves(values, half_bits)
    for key in reversed(keys):
        left, right = right ^ _mix(left, key, half_bits), left
    return (left << np.uint64(half_bits)) | right


def _halves(values: _Words, half_bits: int) -> tuple[_Words, _Words]:
    mask = np.uint64((1 << half_bits) - 1)
    return values >> np.uint64(half_bits), values & mask


def _mix(values: _Words, key: np.uint64, half_bits: int) -> _Words:
    """Return `half_bits` well-mixed bits of each value and the key.

    Source: finaliser of SplitMix64, G. Steele, D. Lea, C. Flood, OOPSLA 2014, figure 16.
    """
    mixed = values ^ key
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed = mixed ^ (mixed >> np.uint64(31))
    return mixed >> np.uint64(64 - half_bits)
