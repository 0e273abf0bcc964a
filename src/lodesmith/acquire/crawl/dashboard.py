"""A line for each host that is being asked: pages, queue, errors, bytes a second.

On a terminal the lines stay in place; elsewhere those of the busiest hosts come every few seconds.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lodesmith.core.log import say
from lodesmith.core.units import format_bytes, format_count

_PLAIN_SECONDS = 10.0
_MAX_LINES = 20


@dataclass
class HostLine:
    """What is shown of a host."""

    origin: str
    pages: int = 0
    errors: int = 0
    num_bytes: int = 0
    started: float = field(default_factory=time.monotonic)
    last: str = ""  # what happened last that is worth a word: a pause, a fault

    def text(self, queued: int) -> str:
        """Return the line."""
        rate = self.num_bytes / max(time.monotonic() - self.started, 0.1)
        return (
            f"  {self.origin}: {format_count(self.pages)} pages, {format_count(queued)} queued, "
            f"{format_count(self.errors)} errors, {format_bytes(rate)}/s  {self.last}"
        ).rstrip()


class Dashboard:
    """The lines of the hosts at work."""

    def __init__(self, label: str, *, count_queued: Callable[[int], int]) -> None:
        """Show nothing yet.

        Args:
            label: the source's name.
            count_queued: how many addresses of a host wait.
        """
        self._label, self._count_queued = label, count_queued
        self._hosts: dict[int, HostLine] = {}
        self._live: Any = None
        self._printed = time.monotonic()
        self._is_terminal = sys.stderr.isatty()

    def open_host(self, host: int, origin: str) -> HostLine:
        """Begin a host's line."""
        return self._hosts.setdefault(host, HostLine(origin))

    def close_host(self, host: int) -> None:
        """Take a host's line away."""
        self._hosts.pop(host, None)

    def show(self, *, total: int, is_last: bool = False) -> None:
        """Bring the lines up to date, if it is time to."""
        if self._is_terminal:
            self._show_live(total)
            if is_last and self._live is not None:
                self._live.stop()
            return
        now = time.monotonic()
        if now - self._printed >= _PLAIN_SECONDS:
            self._printed = now
            for line in self._lines(total):
                say(line)

    def _lines(self, total: int) -> list[str]:
        busiest = sorted(self._hosts.items(), key=lambda item: -item[1].pages)
        lines = [line.text(self._count_queued(host)) for host, line in busiest[:_MAX_LINES]]
        more = f", {len(busiest) - _MAX_LINES} more hosts" if len(busiest) > _MAX_LINES else ""
        return [f"crawl {self._label}: {format_count(total)} pages{more}", *lines]

    def _show_live(self, total: int) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.text import Text

        if self._live is None:
            console = Console(stderr=True)
            self._live = Live(console=console, auto_refresh=False)
            self._live.start()
        self._live.update(Text("\n".join(self._lines(total))), refresh=True)
