"""The rules of a host: its robots.txt, asked for once a day and kept like any other answer.

Source: RFC 9309, section 2.3.1: no file (4xx) allows everything; a server that fails (5xx) or
cannot be reached forbids everything; section 2.4: not kept longer than a day.
"""

import asyncio
import time

from lodesmith.acquire.crawl.config import Pace
from lodesmith.acquire.crawl.fetch import PRIVATE, Fetched, Fetcher
from lodesmith.acquire.crawl.ledger import Ledger
from lodesmith.acquire.crawl.robots import MAX_ROBOTS_BYTES, Robots, parse_robots
from lodesmith.acquire.crawl.rows import Done
from lodesmith.acquire.crawl.urls import parse_url

_ROBOTS_SECONDS = 86_400.0
_ROBOTS_REDIRECTS = 5  # RFC 9309, section 2.3.1.2: at least five
_UNREACHABLE = "robots.txt unreachable"


class HostRules:
    """Learns the rules of hosts."""

    def __init__(self, ledger: Ledger, fetcher: Fetcher, *, pace: Pace) -> None:
        self._ledger, self._fetcher, self._pace = ledger, fetcher, pace
        self._frontier = ledger.frontier

    async def learn(self, number: int) -> Robots | None:
        """Return a host's rules, asking for them if need be; None if it must be left alone."""
        row = self._frontier.host(number)
        if row.robots_status is None or time.time() - row.robots_time > _ROBOTS_SECONDS:
            outcome = await self._ask_robots(row.origin)
            if outcome is not None:
                self._frontier.close_host(number, outcome)
                return None
            row = self._frontier.host(number)
        return parse_robots(row.robots or b"")

    async def _ask_robots(self, origin: str) -> str | None:
        """Fetch a host's robots.txt into the ledger; return why its pages cannot be had."""
        for attempt in range(self._pace.max_attempts):
            if attempt:
                wait = self._pace.retry_seconds * 2 ** (attempt - 1)
                await asyncio.sleep(min(wait, self._pace.max_wait_seconds))
            is_last = attempt + 1 == self._pace.max_attempts
            result = await self._follow_robots(origin, is_last=is_last)
            if result.fault == PRIVATE:
                return result.fault
            if result.answer is not None and not result.may_retry:
                return None
        return _UNREACHABLE

    async def _follow_robots(self, origin: str, *, is_last: bool) -> Fetched:
        """Ask for a robots.txt and follow its redirects; keep every answer that stands."""
        url = parse_url(f"{origin}/robots.txt")
        result = Fetched(fault="no connection")
        for _ in range(_ROBOTS_REDIRECTS + 1):
            if url is None:
                break
            row = self._frontier.add_robots(url.text, url.origin)
            result = await self._fetcher.fetch(
                url, max_bytes=MAX_ROBOTS_BYTES, wants=lambda _, __: True, keep_beginning=True
            )
            if row is None or result.answer is None or (result.may_retry and not is_last):
                if row is not None and (is_last or result.fault == PRIVATE):
                    self._frontier.finish(row, Done(result.fault, result.detail))
                break
            verdict = self._ledger.record(row, result.answer, fault=result.fault, robots_of=origin)
            if verdict.outcome != "redirected":
                break
            url = parse_url(verdict.detail)
        return result
