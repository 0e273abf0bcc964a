"""From engines' threads to the event loop: all that a step says, by one wake-up.

To wake the loop, and to send to each client, costs system calls and changes of threads: more than
all else that is done for a token, and where every core computes it is taken from the engine. Events
therefore wait in the inbox of whoever asked, and the loop is woken once a step. Where steps are
short it is not woken after each: what comes within `GATHER_SECONDS` is handed out together, and so
is what comes while the loop would otherwise take more than `_SHARE` of a core, up to a frame of a
film; while events keep coming the loop wakes by its own clock. The first and the last of an answer
are urgent and wait for nobody.

Source: vLLM's `--stream-interval` does the same by counting tokens.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable

from lodesmith.infer.interface import Event, Finished

GATHER_SECONDS = 0.01
MOST_GATHER_SECONDS = 0.04
_SHARE = 1 / 80  # of a core, for reading and sending while nothing is urgent


class Mailbox:
    """The inboxes of one event loop."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        clock: Callable[[], float] = time.thread_time,
    ) -> None:
        """Make one without inboxes.

        Args:
            loop: that hands events out.
            clock: of the processor time that the loop's thread has used, s.
        """
        self._loop, self._clock = loop, clock
        self._used_seconds = clock()
        self._filled: deque[Inbox] = deque()  # that hold what has not been handed out
        self._is_called = False  # the loop will look, soon or by its clock
        self._is_urgent = False
        self._timer: asyncio.TimerHandle | None = None

    def inbox(self) -> "Inbox":
        """Return a new inbox."""
        return Inbox(self)

    def announce(self, inbox: "Inbox") -> None:
        """Note that an inbox has something; on any thread."""
        self._filled.append(inbox)

    def hurry(self) -> None:
        """Let the next wake-up wait for nothing; on any thread."""
        self._is_urgent = True

    def wake(self) -> None:
        """Let the loop hand out soon what has come; on any thread."""
        if self._is_urgent or not self._is_called:
            self._is_called = True
            with contextlib.suppress(RuntimeError):  # the loop has closed: nobody waits any more
                self._loop.call_soon_threadsafe(self._hand_out)

    def _hand_out(self) -> None:
        self._is_called = self._is_urgent = False  # first: what comes from now on calls again
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._filled:
            return
        while self._filled:
            self._filled.popleft().open()
        self._timer = self._loop.call_later(self._pause(), self._hand_out)
        self._is_called = True

    def _pause(self) -> float:
        """Return for how long what is not urgent is gathered, by what the last time cost."""
        before, self._used_seconds = self._used_seconds, self._clock()
        fair = (self._used_seconds - before) / _SHARE
        return min(max(fair, GATHER_SECONDS), MOST_GATHER_SECONDS)


class Inbox:
    """What engines tell one asker; written on any thread, read by one task of the loop."""

    def __init__(self, mailbox: Mailbox) -> None:
        """See `Mailbox.inbox`."""
        self._mailbox = mailbox
        self._events: deque[tuple[int, Event]] = deque()
        self._is_announced = self._has_begun = False
        self._is_open = asyncio.Event()

    def put(self, index: int, event: Event) -> None:
        """Put in what has happened to the request of a place: a `Deliver` of an engine."""
        self._events.append((index, event))  # before it is announced, so that none stays behind
        if not self._is_announced:
            self._is_announced = True
            self._mailbox.announce(self)
        if not self._has_begun or isinstance(event, Finished):
            self._has_begun = True
            self._mailbox.hurry()

    def open(self) -> None:
        """Let the reader have what is there."""
        self._is_announced = False
        self._is_open.set()

    async def take(self) -> list[tuple[int, Event]]:
        """Return what has come, in its order, once it is handed out."""
        while True:
            await self._is_open.wait()
            self._is_open.clear()
            if events := [self._events.popleft() for _ in range(len(self._events))]:
                return events
