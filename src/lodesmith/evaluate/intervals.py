"""How sure a share of right answers is."""

from math import sqrt
from typing import Any

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
