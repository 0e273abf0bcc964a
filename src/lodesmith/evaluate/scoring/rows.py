"""Rows of tokens to be scored."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """Tokens of which those from `first` on are scored, each given all tokens before it."""

    input_ids: list[int]
    first: int  # at least 1: a row's first token has nothing before it

    @property
    def num_scored(self) -> int:
        """How many tokens are scored."""
        return len(self.input_ids) - self.first


def slide_windows(input_ids: list[int], *, window: int) -> list[Row]:
    """Return rows of at most `window` inputs that score each token after the first exactly once.

    A window starts half a window after the one before it, so that each token but those of the first
    window has at least `window // 2` tokens before it.

    >>> [(row.input_ids, row.first) for row in slide_windows([5, 6, 7, 8, 9, 10], window=4)]
    [([5, 6, 7, 8, 9], 1), ([7, 8, 9, 10], 3)]
    """
    stride = max(1, window // 2)
    rows = []
    scored = 1  # tokens before this one are scored, or are the first
    for start in range(0, len(input_ids), stride):
        end = min(start + window + 1, len(input_ids))
        if end > scored:
            rows.append(Row(input_ids=input_ids[start:end], first=scored - start))
            scored = end
    return rows
