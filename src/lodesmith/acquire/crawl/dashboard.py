"""A line for each host that is being asked: pages, queue, errors, bytes a second.

On a terminal the lines stay in place; elsewhere those of the busiest hosts come every few seconds.
At the end come those of the hosts that gave most.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lodesmith.core.log import say
from lodesmith.core.units import format_bytes, format_count, format_counted

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
    seconds: float = 0.0  # at work, before `started`
    is_open: bool = True
    last: str = ""  # what happened last that is worth a word: a pause, a fault

    def text(self, queued: int) -> str:
        """Return the line."""
        now = time.monotonic() - self.started if self.is_open else 0.0
        rate = self.num_bytes / max(self.seconds + now, 0.1)
        return (
            f"  {self.origin}: {format_counted(self.pages, 'page')}, "
            f"{format_count(queued)} queued, {format_counted(self.errors, 'error')}, "
            f"{format_bytes(rate)}/s  {self.last}"
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
        self._rested: dict[int, HostLine] = {}  # hosts that are not asked now
        self._live: Any = None
        self._printed = time.monotonic()
        self._is_terminal = sys.stderr.isatty()

    def open_host(self, host: int, origin: str) -> HostLine:
        """Begin a host's line, or go on with it."""
        line = self._rested.pop(host, None) or HostLine(origin)
        line.started, line.is_open = time.monotonic(), True
        return self._hosts.setdefault(host, line)

    def close_host(self, host: int) -> None:
        """Take a host's line away; those of the hosts that gave most are kept for the end."""
        line = self._hosts.pop(host, None)
        if line is None:
            return
        line.seconds, line.is_open = line.seconds + time.monotonic() - line.started, False
        self._rested[host] = line
        if len(self._rested) > 2 * _MAX_LINES:
            self._rested = dict(_busiest(self._rested))

    def show(self, *, total: int, is_last: bool = False) -> None:
        """Bring the lines up to date, if it is time to."""
        if is_last:
            self._hosts = {**self._rested, **self._hosts}
        if self._is_terminal:
            self._show_live(total)
            if is_last and self._live is not None:
                self._live.stop()
            return
        now = time.monotonic()
        if is_last or now - self._printed >= _PLAIN_SECONDS:
            self._printed = now
            for line in self._lines(total):
                say(line)

    def _lines(self, total: int) -> list[str]:
        lines = [line.text(self._count_queued(host)) for host, line in _busiest(self._hosts)]
        num_more = len(self._hosts) - len(lines)
        more = f", {format_counted(num_more, 'more host')}" if num_more else ""
        return [f"crawl {self._label}: {format_counted(total, 'page')}{more}", *lines]

    def _show_live(self, total: int) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.text import Text

        if self._live is None:
            console = Console(stderr=True)
            self._live = Live(console=console, auto_refresh=False)
            self._live.start()
        self._live.update(Text("\n".join(self._lines(total))), refresh=True)


def _busiest(hosts: dict[int, HostLine]) -> list[tuple[int, HostLine]]:
    return sorted(hosts.items(), key=lambda item: -item[1].pages)[:_MAX_LINES]
