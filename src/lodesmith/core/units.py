"""Numbers as people read them."""

from collections import Counter
from collections.abc import Iterable
from pathlib import PurePosixPath


def format_bytes(num_bytes: float) -> str:
    """Return a size with a decimal unit.

    >>> format_bytes(51_200_000)
    '51.2 MB'
    >>> format_bytes(812)
    '812 B'
    """
    return _scaled(num_bytes, "B")


def format_count(count: float) -> str:
    """Return a count with a decimal suffix from ten thousand on.

    >>> format_count(5152), format_count(3_410_000)
    ('5,152', '3.41 M')
    """
    if abs(count) < 10_000:
        return f"{count:,.0f}"
    return _scaled(count, "").rstrip()


def format_counted(count: float, noun: str, plural: str | None = None) -> str:
    """Return a count with what it counts, in the singular where it is one.

    Args:
        count: is written in full.
        noun: in the singular.
        plural: where it is not the noun with an s.

    >>> format_counted(1, "page"), format_counted(51520, "page"), format_counted(2, "box", "boxes")
    ('1 page', '51,520 pages', '2 boxes')
    """
    return f"{count:,.0f} {noun if count == 1 else plural or noun + 's'}"


def format_endings(paths: Iterable[str], *, count: int = 5) -> str:
    """Return how many files there are of the commonest endings.

    >>> format_endings(["a.pdf", "b/c.pdf", "Makefile"])
    '2 .pdf, 1 Makefile'
    """
    endings = Counter(PurePosixPath(path).suffix or PurePosixPath(path).name for path in paths)
    named = ", ".join(f"{number} {ending}" for ending, number in endings.most_common(count))
    return named + (", ..." if len(endings) > count else "")


def format_seconds(seconds: float) -> str:
    """Return a duration with the two units that matter.

    >>> format_seconds(0.42), format_seconds(71), format_seconds(4000), format_seconds(200_000)
    ('0.42 s', '1 min 11 s', '1 h 06 min', '2 d 07 h')
    """
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600:02d} h"


def _scaled(value: float, unit: str) -> str:
    for prefix, factor in (("P", 1e15), ("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(value) >= factor:
            return f"{value / factor:.3g} {prefix}{unit}"
    return f"{value:.0f} {unit}"
