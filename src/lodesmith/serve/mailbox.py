"""From engines' threads to the event loop: all that a step says, by one wake-up.

To wake the loop costs a system call and a change of threads, more than all else that is done for a
token. Events are therefore put in a line, and the loop is woken only where it has not been yet.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable

from lodesmith.infer.interface import Event

Take = Callable[[tuple[int, Event]], None]


class Mailbox:
    """The line of one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._line: deque[tuple[Take, int, Event]] = deque()
        self._is_called = False

    def put(self, take: Take, index: int, event: Event) -> None:
        """Let the loop call `take` with an event soon; on any thread."""
        self._line.append((take, index, event))
        if not self._is_called:
            self._is_called = True
            with contextlib.suppress(RuntimeError):  # the loop has closed: nobody waits any more
                self._loop.call_soon_threadsafe(self._hand_out)

    def _hand_out(self) -> None:
        self._is_called = False  # first: whoever puts something in from now on calls again
        while self._line:
            take, index, event = self._line.popleft()
            take((index, event))
