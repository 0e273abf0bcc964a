"""How sure a share of right answers is, and how right a model is that is sure."""

from collections.abc import Sequence
from math import sqrt
from typing import Any

_NUM_BINS = 10
_Z_95 = 1.959963984540054  # 97.5 % point of the standard normal distribution


def wilson_interval(num_right: int, num_items: int) -> tuple[float, float]:
    """Return the 95 % interval of a share that `num_right` of `num_items` independent items show.

    It stays inside [0, 1] and is honest for few items and for shares near 0 or 1.

    Source: E. B. Wilson, JASA 22(158), 1927, doi:10.1080/01621459.1927.10502953; recommended by
    Brown, Cai and DasGupta, Statistical Science 16(2), 2001.

    >>> low, high = wilson_interval(81, 263)
    >>> f"{low:.4f} {high:.4f}"
    '0.2553 0.3662'
    """
    if num_items == 0:
        return 0.0, 1.0
    share, square = num_right / num_items, _Z_95**2
    middle = share + square / (2 * num_items)
    reach = _Z_95 * sqrt(share * (1 - share) / num_items + square / (4 * num_items**2))
    scale = 1 + square / num_items
    return (middle - reach) / scale, (middle + reach) / scale


def describe_share(name: str, num_right: int, num_items: int) -> dict[str, Any]:
    """Return a share with its standard error and 95 % interval, as scores name them.

    >>> describe_share("acc", 3, 4)["acc"], describe_share("acc", 3, 4)["acc_stderr"]
    (0.75, 0.25)
    """
    share = num_right / max(num_items, 1)
    stderr = sqrt(share * (1 - share) / (num_items - 1)) if num_items > 1 else 0.0
    low, high = wilson_interval(num_right, num_items)
    return {
        "num_items": num_items,
        name: round(share, 6),
        f"{name}_stderr": round(stderr, 6),
        f"{name}_ci95": [round(low, 6), round(high, 6)],
    }


def reliability(certainties: Sequence[float], is_right: Sequence[bool]) -> dict[str, Any]:
    """Return the number of answers, their mean certainty and the share right, in tenths of it.

    `error` is the mean distance between certainty and share, each answer counting alike.

    Args:
        certainties: probability that the model gave to each answer that it chose.
        is_right: whether that answer was right.

    Source: expected calibration error, Guo et al., arXiv:1706.04599, section 2.

    >>> reliability([0.95, 0.95, 0.55, 0.51], [True, True, True, False])
    {'error': 0.04, 'bins': [[2, 0.53, 0.5], [2, 0.95, 1.0]]}
    """
    tenths: dict[int, list[tuple[float, bool]]] = {}
    for certainty, right in zip(certainties, is_right, strict=True):
        place = min(int(certainty * _NUM_BINS), _NUM_BINS - 1)
        tenths.setdefault(place, []).append((certainty, right))
    bins = [
        (len(found), sum(sure for sure, _ in found) / len(found),
         sum(right for _, right in found) / len(found))
        for _, found in sorted(tenths.items())
    ]  # fmt: skip
    error = sum(number * abs(sure - right) for number, sure, right in bins) / max(len(is_right), 1)
    return {
        "error": round(error, 6),
        "bins": [[number, round(sure, 6), round(right, 6)] for number, sure, right in bins],
    }
