"""A host while it is being asked: its rules, its pace, and what is in flight."""

import asyncio
import time
from dataclasses import dataclass, field

from lodesmith.acquire.crawl.dashboard import HostLine
from lodesmith.acquire.crawl.robots import Robots


@dataclass
class Host:
    """The state of one host at work; what must survive is in the frontier."""

    id: int
    origin: str
    rules: Robots
    delay_seconds: float
    line: HostLine
    fetched: int  # pages so far, of all sessions
    busy: set[int] = field(default_factory=set)  # rows in flight
    failures: int = 0  # in a row, without any answer
    taken: int = 0  # in this session
    resume_at: float = 0.0  # when to come back
    next_start: float = 0.0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait_turn(self) -> None:
        """Sleep until the next request may start, and take that moment for oneself."""
        now = time.time()
        start = max(now, self.next_start)
        self.next_start = start + self.delay_seconds
        if start > now:
            await asyncio.sleep(start - now)

    def pause(self, seconds: float) -> None:
        """Start no request for a while, because the server asks for that."""
        self.next_start = max(self.next_start, time.time() + seconds)
        self.line.last = f"asked to wait {seconds:.0f} s"

    def wake(self) -> None:
        """Tell waiting runners that the queue may have changed."""
        self.changed.set()
        self.changed = asyncio.Event()
