"""Sizes that divide a number, for layouts and for hints when one does not."""

import math
from collections.abc import Collection

_MOST_TRIED = 10**6  # divisors of a mistaken size


def list_divisors(number: int) -> list[int]:
    """Return the divisors of a number, ascending.

    >>> list_divisors(12)
    [1, 2, 3, 4, 6, 12]
    """
    most = min(math.isqrt(number), _MOST_TRIED)
    small = [size for size in range(1, most + 1) if number % size == 0]
    return sorted({*small, *(number // size for size in small)})


def near_divisors(number: int, wanted: int) -> list[int]:
    """Return the divisors of a number next to a wanted one, below and above, the nearest first.

    >>> near_divisors(32, 7)
    [8, 4]
    >>> near_divisors(12, 5)
    [4, 6]
    >>> near_divisors(7, 9)
    [7]
    """
    return next_to(list_divisors(number), wanted)


def near_multiples(number: int, unit: int) -> str:
    """Return in words the multiples of a unit around a number.

    >>> near_multiples(1920, 1000)
    '1000 or 2000'
    >>> near_multiples(3, 8)
    '8'
    """
    below = number // unit * unit
    return f"{below} or {below + unit}" if below else str(unit)


def next_to(sizes: Collection[int], wanted: int) -> list[int]:
    """Return the size next below a wanted one and the one next above, the nearest first."""
    near = [max((size for size in sizes if size < wanted), default=None),
            min((size for size in sizes if size > wanted), default=None)]  # fmt: skip
    return sorted((size for size in near if size), key=lambda size: abs(size - wanted))
