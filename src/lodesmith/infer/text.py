"""From tokens to the text that may be shown: whole characters only, and nothing of a stop string.

A stop string can begin in one token and end three tokens later. Text that may be its beginning is
therefore held back until it is clear what it was.
"""

from collections.abc import Sequence

from lodesmith.data.tokenizer import IncrementalDecoder, Tokenizer


class AnswerText:
    """The text of one answer as its tokens arrive."""

    def __init__(self, tokenizer: Tokenizer, *, stop: Sequence[str] = ()) -> None:
        self.stopped = False  # a stop string has come; nothing after it counts
        self.num_decoded = 0  # characters of all tokens so far, shown or held back
        self._stop = tuple(stop)
        self._decoder = IncrementalDecoder(tokenizer, skip_special=True)
        self._held = ""

    def push(self, *token_ids: int) -> str:
        """Return the text that may be shown now, which may be empty."""
        return self._take(self._decoder.push(token_ids))

    def finish(self) -> str:
        """Return what was held back, when no more tokens come."""
        shown = self._take(self._decoder.finish())
        if self.stopped:
            return shown
        shown, self._held = shown + self._held, ""
        return shown

    def _take(self, text: str) -> str:
        if self.stopped:
            return ""
        self.num_decoded += len(text)
        if not self._stop:
            return text
        self._held += text
        ends = [at for at in (self._held.find(stop) for stop in self._stop) if at >= 0]
        if ends:
            self.stopped = True
            shown, self._held = self._held[: min(ends)], ""
            return shown
        num_shown = len(self._held) - _longest_beginning(self._held, self._stop)
        shown, self._held = self._held[:num_shown], self._held[num_shown:]
        return shown


def _longest_beginning(text: str, stop: Sequence[str]) -> int:
    """Return how many of the last characters may be the beginning of a stop string.

    >>> _longest_beginning("one\\n#", ["\\n##", "END"])
    2
    """
    longest = min(len(text), max((len(string) for string in stop), default=1) - 1)
    for length in range(longest, 0, -1):
        if any(string.startswith(text[-length:]) for string in stop):
            return length
    return 0
