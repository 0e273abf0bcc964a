"""A curve in a terminal: eight dots a character (braille), axes in plain text."""

from collections.abc import Iterator, Sequence

_WIDTH, _HEIGHT = 64, 12  # characters
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # by row and column
_EMPTY = 0x2800


def plot_lines(
    xs: Sequence[float], ys: Sequence[float], *, x_name: str, x_end: float | None = None
) -> Iterator[str]:
    """Yield the lines of a plot of y over x.

    Args:
        xs: ascending.
        ys: as many.
        x_name: what x counts.
        x_end: where the axis ends; the last x if None.
    """
    low, high = min(ys), max(ys)
    start, end = xs[0], xs[-1] if x_end is None else max(x_end, xs[-1])
    cells = [[_EMPTY] * _WIDTH for _ in range(_HEIGHT)]
    for x, y in zip(xs, ys, strict=True):
        column = round((x - start) / ((end - start) or 1) * (2 * _WIDTH - 1))
        row = round((high - y) / ((high - low) or 1) * (4 * _HEIGHT - 1))
        cells[row // 4][column // 2] |= _DOTS[row % 4][column % 2]
    for number, row_cells in enumerate(cells):
        label = {0: f"{high:.3f}", _HEIGHT - 1: f"{low:.3f}"}.get(number, "")
        yield f"{label:>8} ┤{''.join(map(chr, row_cells)).replace(chr(_EMPTY), ' ').rstrip()}"
    yield f"{'':>8} └{'─' * _WIDTH}"
    first, last = f"{start:,.0f}", f"{end:,.0f} {x_name}"
    yield f"{'':>9} {first}{last:>{_WIDTH - len(first)}}"
