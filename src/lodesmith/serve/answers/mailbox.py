"""From engines' threads to the event loop: all that a step says, by one wake-up.

To wake the loop, and to send to each client, costs system calls and changes of threads: more than
all else that is done for a token, and where every core computes it is taken from the engine. Events
are therefore put in a line, and the loop is woken once a step. Where steps are short it is not
woken after each: what comes within `GATHER_SECONDS` is handed out together, and so is what comes
while the loop would otherwise take more than `_SHARE` of a core, up to a frame of a film. The first
and the last of an answer are urgent and wait for nobody.

Source: vLLM's `--stream-interval` does the same by counting tokens.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable

from lodesmith.infer.interface import Event

GATHER_SECONDS = 0.01
MOST_GATHER_SECONDS = 0.04
_SHARE = 1 / 40  # of a core, for reading and sending while nothing is urgent

Take = Callable[[tuple[int, Event]], None]


class Mailbox:
    """The line of one event loop."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        clock: Callable[[], float] = time.thread_time,
    ) -> None:
        """Make a line.

        Args:
            loop: that hands events out.
            clock: of the processor time that the loop's thread has used, s.
        """
        self._loop, self._clock = loop, clock
        self._used_seconds = clock()
        self._line: deque[tuple[Take, int, Event]] = deque()
        self._is_called = self._is_urgent = False
        self._not_before = 0.0  # the loop's time of the next handing out that is not urgent

    def put(self, take: Take, index: int, event: Event, *, is_urgent: bool = False) -> None:
        """Put an event in the line for `take`; on any thread."""
        self._line.append((take, index, event))
        if is_urgent:
            self._is_urgent = True

    def wake(self) -> None:
        """Let the loop hand out soon what is in the line; on any thread."""
        if self._is_urgent or not self._is_called:
            self._is_called = True
            with contextlib.suppress(RuntimeError):  # the loop has closed: nobody waits any more
                self._loop.call_soon_threadsafe(self._hand_out_in_time)

    def _hand_out_in_time(self) -> None:
        if self._is_urgent or self._loop.time() >= self._not_before:
            self._hand_out()
        else:
            self._loop.call_at(self._not_before, self._hand_out)

    def _hand_out(self) -> None:
        self._is_called = self._is_urgent = False  # first: what is put in from now on calls again
        self._not_before = self._loop.time() + self._pause()
        while self._line:
            take, index, event = self._line.popleft()
            take((index, event))

    def _pause(self) -> float:
        """Return for how long what is not urgent is gathered, by what the last time cost."""
        before, self._used_seconds = self._used_seconds, self._clock()
        fair = (self._used_seconds - before) / _SHARE
        return min(max(fair, GATHER_SECONDS), MOST_GATHER_SECONDS)
