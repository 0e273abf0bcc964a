"""The 5-gram baseline: interpolated modified Kneser-Ney, counted by sorting whole numbers.

An n-gram of symbols below `base` is one 64-bit number, oldest symbol in the highest digit. So the
suffix of an n-gram is a remainder, its context a quotient, and counting is one sort: ten million
bytes take a few seconds of numpy and no dictionary.

    p(w | c) = (count(c w) - D(count(c w))) / count(c) + gamma(c) * p(w | c without oldest symbol)

The longest order counts occurrences; each shorter one counts the distinct symbols before it.

Source: S. F. Chen, J. Goodman, "An empirical study of smoothing techniques for language modeling",
Computer Speech & Language 13(4), 1999, section 3 (equations 20-26), doi:10.1006/csla.1999.0128.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]
Reals = NDArray[np.float64]

_CODE_LIMIT = 2**63
_FALLBACK_DISCOUNTS = (0.5, 1.0, 1.5)
"""For texts too small to estimate them. Source: KenLM, lmplz --discount_fallback."""


@dataclass(frozen=True, slots=True)
class _Order:
    """All n-grams of one length, and what their contexts add up to."""

    grams: Numbers  # sorted codes
    counts: Numbers
    contexts: Numbers  # sorted codes of the n-grams without their last symbol
    totals: Numbers  # counts of all n-grams of a context
    gammas: Reals  # probability that a context leaves to the shorter order
    discounts: Reals  # by min(count, 3); that of 0 is 0


class NgramModel:
    """Gives each symbol a probability from the `order - 1` symbols before it."""

    def __init__(self, documents: Iterable[Numbers], *, num_symbols: int, order: int = 5) -> None:
        """Count the n-grams of documents.

        Args:
            documents: symbols in [0, num_symbols), one array a document.
            num_symbols: symbols that can be predicted.
            order: longest n-gram in symbols.
        """
        self.num_symbols, self.order = num_symbols, order
        self._base = num_symbols + 1  # the last one stands before each document's first symbol
        if self._base**order >= _CODE_LIMIT:
            raise ValueError(f"{order}-grams of {num_symbols} symbols do not fit into 63 bits")
        grams, counts = _count(self._encode(documents))
        orders = []
        for length in range(order, 0, -1):
            orders.append(_summarise(grams, counts, base=self._base))
            grams, counts = _count(grams % self._base ** (length - 1))
        self._orders = orders[::-1]

    def bits(self, documents: Iterable[Numbers]) -> float:
        """Return how many bits the documents take under the model."""
        grams, counts = _count(self._encode(documents))
        return float(-(np.log2(self._probabilities(grams)) * counts).sum())

    def distribution(self, context: Sequence[int]) -> Reals:
        """Return the probability of each symbol after a context; a short one starts a document."""
        padded = ([self.num_symbols] * self.order + list(context))[-(self.order - 1) :]
        code = 0
        for symbol in padded:
            code = code * self._base + symbol
        return self._probabilities(code * self._base + np.arange(self.num_symbols))

    def _encode(self, documents: Iterable[Numbers]) -> Numbers:
        """Return the code of the longest n-gram that ends at each symbol of each document."""
        start = np.full(self.order - 1, self.num_symbols, np.int64)
        stream = np.concatenate([part for document in documents for part in (start, document)])
        num_grams = len(stream) - self.order + 1
        codes = np.zeros(num_grams, np.int64)
        for offset in range(self.order):
            codes *= self._base
            codes += stream[offset : offset + num_grams]
        is_predicted = codes % self._base != self.num_symbols  # a document's start never is
        predicted: Numbers = codes[is_predicted]
        return predicted

    def _probabilities(self, grams: Numbers) -> Reals:
        probabilities = np.full(len(grams), 1 / self.num_symbols)
        for length, order in enumerate(self._orders, start=1):
            suffixes = grams % self._base**length
            counts = _look_up(order.counts, order.grams, suffixes)
            contexts = suffixes // self._base
            totals = _look_up(order.totals, order.contexts, contexts)
            gammas = _look_up(order.gammas, order.contexts, contexts)
            kept = counts - order.discounts[np.minimum(counts, 3)]
            interpolated = kept / np.maximum(totals, 1) + gammas * probabilities
            probabilities = np.where(totals > 0, interpolated, probabilities)
        return probabilities


def _count(codes: Numbers) -> tuple[Numbers, Numbers]:
    """Return the distinct codes in ascending order and how often each occurs."""
    ordered = np.sort(codes)
    starts = _starts(ordered)
    return ordered[starts], np.diff(starts, append=len(ordered))


def _starts(ordered: Numbers) -> Numbers:
    """Return where each run of equal numbers begins."""
    return np.flatnonzero(np.diff(ordered, prepend=-1))


def _summarise(grams: Numbers, counts: Numbers, *, base: int) -> _Order:
    discounts = _estimate_discounts(counts)
    contexts = grams // base
    starts = _starts(contexts)
    totals = np.add.reduceat(counts, starts)
    freed = np.add.reduceat(discounts[np.minimum(counts, 3)], starts)
    return _Order(
        grams=grams,
        counts=counts,
        contexts=contexts[starts],
        totals=totals,
        gammas=freed / totals,
        discounts=discounts,
    )


def _estimate_discounts(counts: Numbers) -> Reals:
    """Return what to take off a count of 0, 1, 2, and 3 or more.

    Source: Chen and Goodman 1999, equation 26.
    """
    n1, n2, n3, n4 = (int((counts == value).sum()) for value in (1, 2, 3, 4))
    if min(n1, n2, n3, n4) == 0:
        return np.array((0.0, *_FALLBACK_DISCOUNTS))
    y = n1 / (n1 + 2 * n2)
    found = np.array((0.0, 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3))
    usable = (found[1:] > 0).all() and (found[1:] <= (1, 2, 3)).all()
    return found if usable else np.array((0.0, *_FALLBACK_DISCOUNTS))


def _look_up(values: NDArray[Any], keys: Numbers, wanted: Numbers) -> NDArray[Any]:
    """Return the value of each wanted key, 0 where the key is not there."""
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[places] == wanted, values[places], values.dtype.type(0))
