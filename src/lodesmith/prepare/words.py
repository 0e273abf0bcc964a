"""Words as arrays of hashes: one pass over a text, shared by every step that compares texts.

A word is a run of letters, digits and marks, or one Chinese character or kana, without regard to
case. Its hash is a polynomial over code points, found for all words at once from prefix sums:

    prefix(i) = sum of c_j * B^j for j < i        (all modulo 2^64)
    hash(start, end) = (prefix(end) - prefix(start)) * B^-start

Source: R. Karp and M. Rabin, IBM J. Res. Dev. 31(2), 1987, for hashes from prefix sums.
"""

import functools
import unicodedata
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

_BASE = 0x9E3779B97F4A7C15  # odd, so that it has an inverse modulo 2^64
_MASK = (1 << 64) - 1
_INVERSE = pow(_BASE, -1, 1 << 64)
_RUN_FACTOR = np.uint64(0xD6E8FEB86659FD93)  # odd

_APART, _WORD, _DIGIT, _SINGLE = range(4)
_SINGLE_RANGES = (
    (0x3005, 0x3007), (0x3041, 0x30FF), (0x31F0, 0x31FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF), (0xFF66, 0xFF9D), (0x20000, 0x3FFFF),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a text in order."""

    hashes: Hashes
    lengths: NDArray[np.int64]  # characters
    is_cjk: NDArray[np.bool_]  # a word of one Chinese character or kana
    has_letter: NDArray[np.bool_]  # not digits only

    @property
    def cjk_fraction(self) -> float:
        """Words that are one Chinese character or kana."""
        return float(self.is_cjk.mean()) if len(self.is_cjk) else 0.0


def split_words(text: str) -> Words:
    """Return the words of a text.

    >>> words = split_words("Tokyo 东京, tokyo")
    >>> words.lengths.tolist(), bool(words.hashes[0] == words.hashes[3])
    ([5, 1, 1, 5], True)
    """
    encoded = text.lower().encode("utf-32-le", "surrogatepass")
    points = np.frombuffer(encoded, dtype=np.uint32)
    kinds = _kinds()[points]
    is_word = (kinds == _WORD) | (kinds == _DIGIT)
    before = np.concatenate(([False], is_word[:-1]))
    after = np.concatenate((is_word[1:], [False]))
    is_single = kinds == _SINGLE
    starts = np.flatnonzero(is_single | (is_word & ~before))
    ends = np.flatnonzero(is_single | (is_word & ~after)) + 1
    powers, inverses = _powers(_round_up(len(points)))
    prefix = np.zeros(len(points) + 1, dtype=np.uint64)
    np.cumsum((points.astype(np.uint64) + np.uint64(1)) * powers[: len(points)], out=prefix[1:])
    hashes = mix((prefix[ends] - prefix[starts]) * inverses[starts])
    lengths = ends - starts
    digits = np.concatenate(([0], np.cumsum(kinds == _DIGIT)))
    return Words(
        hashes=hashes,
        lengths=lengths,
        is_cjk=is_single[starts],
        has_letter=digits[ends] - digits[starts] < lengths,
    )


def hash_runs(hashes: Hashes, num_words: int) -> Hashes:
    """Return the hash of each run of so many words; of all words where there are fewer."""
    num_runs = len(hashes) - num_words + 1
    if num_runs < 1:
        return hash_runs(hashes, len(hashes)) if len(hashes) else hashes
    total = np.zeros(num_runs, dtype=np.uint64)
    for index in range(num_words):
        total *= _RUN_FACTOR
        total += hashes[index : index + num_runs]
    return mix(total)


def mix(values: Hashes) -> Hashes:
    """Return 64-bit hashes whose every bit depends on every bit of the values.

    Source: finaliser of SplitMix64, G. Steele et al., OOPSLA 2014, doi:10.1145/2660193.2660195.
    """
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


@functools.cache
def _kinds() -> NDArray[np.uint8]:
    """Return what each code point is to a word."""
    kinds = np.zeros(0x110000, dtype=np.uint8)
    for point in range(0x20000):
        # Letters, digits, and the marks that Indic scripts write vowels with.
        category = unicodedata.category(chr(point))[0]
        if category in "LNM":
            kinds[point] = _DIGIT if category == "N" else _WORD
    for first, last in _SINGLE_RANGES:
        kinds[first : last + 1] = _SINGLE
    return kinds


def _round_up(length: int) -> int:
    return max(1 << 16, 1 << length.bit_length())


@functools.cache
def _powers(length: int) -> tuple[Hashes, Hashes]:
    return _geometric(_BASE, length), _geometric(_INVERSE, length)


def _geometric(base: int, length: int) -> Hashes:
    """Return base^0, base^1, ... modulo 2^64, doubling the known part each round."""
    powers = np.ones(length, dtype=np.uint64)
    known = 1
    while known < length:
        step = np.uint64(pow(base, known, 1 << 64))
        powers[known : 2 * known] = powers[: min(known, length - known)] * step
        known *= 2
    return powers
