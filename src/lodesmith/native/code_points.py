"""What Unicode says of code points, for whole planes at once: tables of kernels begin with this.

A call of Python for each code point costs tenths of a second a table, at every start.
"""

import unicodedata
from functools import cache

import numpy as np
from numpy.typing import NDArray

NUM_POINTS = 0x20000  # the planes that hold living scripts


@cache
def all_points() -> str:
    """Return every code point of two planes, surrogates too, in order."""
    return np.arange(NUM_POINTS, dtype="<u4").tobytes().decode("utf-32-le", "surrogatepass")


@cache
def _categories() -> NDArray[np.uint8]:
    names = "".join(map(unicodedata.category, all_points())).encode("ascii")
    table = np.frombuffer(names, np.uint8).reshape(NUM_POINTS, 2)
    table.flags.writeable = False
    return table


def has_category(*names: str) -> NDArray[np.bool_]:
    """Tell of each code point whether it is of one of these general categories.

    Args:
        names: as in "Lu", or "L" for all that begin so.
    """
    first, second = _categories().T
    found = np.zeros(NUM_POINTS, bool)
    for name in names:
        is_of = first == ord(name[0])
        found |= is_of & (second == ord(name[1])) if name[1:] else is_of
    return found


@cache
def is_space() -> NDArray[np.bool_]:
    """Tell of each code point whether `str.isspace` holds."""
    found = has_category("Z", "Cc")
    for point in np.flatnonzero(found).tolist():
        found[point] = chr(point).isspace()
    return found
