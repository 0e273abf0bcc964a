"""Which of many short words stand in a text: one pass over its pairs of characters first.

A word can only be there if its first and its last pair of characters are; so most of a thousand
words are ruled out by two looks into a table each.
"""

import numpy as np

_BITS = 18
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # Source: Knuth, TAOCP 3, section 6.4 (golden ratio)


class Needles:
    """Words to look for; each has two characters at least."""

    def __init__(self, words: tuple[str, ...]) -> None:
        self.words = words
        self._seen = np.zeros(1 << _BITS, dtype=np.bool_)  # all false between two texts
        self._first = _pairs("".join(word[:2] for word in words))[::2]
        self._last = _pairs("".join(word[-2:] for word in words))[::2]

    def present(self, text: str) -> list[str]:
        """Return those that stand in a text, in the order in which they were given."""
        pairs = _pairs(text)
        self._seen[pairs] = True
        places = np.flatnonzero(self._seen[self._first] & self._seen[self._last])
        self._seen[pairs] = False
        return [word for word in map(self.words.__getitem__, places.tolist()) if word in text]


def _pairs(text: str) -> np.ndarray:
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    codes = codes.astype(np.uint64)
    pairs: np.ndarray = (codes[:-1] << np.uint64(21) | codes[1:]) * _MULTIPLIER
    return pairs >> np.uint64(64 - _BITS)
