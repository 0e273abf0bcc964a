"""Words as arrays of hashes: one pass over a text, shared by every step that compares texts.

A word is a run of letters, digits and marks, or one Chinese character or kana, without regard to
case. The pass itself is a kernel in C (`native/words.c`); a hash is a polynomial over code points
modulo 2^64, mixed.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lodesmith.native import words as native

Hashes = NDArray[np.uint64]


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
    hashes, lengths, flags = native.split(text.encode("utf-8", "surrogatepass"))
    return Words(
        hashes=hashes,
        lengths=lengths,
        is_cjk=(flags & 1).astype(bool),
        has_letter=(flags & 2).astype(bool),
    )


def hash_runs(hashes: Hashes, num_words: int) -> Hashes:
    """Return the hash of each run of so many words; of all words where there are fewer."""
    if not len(hashes):
        return hashes
    return native.hash_runs(hashes, min(num_words, len(hashes)))


def mix(values: Hashes) -> Hashes:
    """Return 64-bit hashes whose every bit depends on every bit of the values.

    Source: finaliser of SplitMix64, G. Steele et al., OOPSLA 2014, doi:10.1145/2660193.2660195.
    """
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
