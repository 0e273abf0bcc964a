"""The crawl itself: which host is asked next, when, and what is done with each answer.

A few hosts are at work at a time, each with a runner per connection. A runner takes the host's next
address, waits for its turn, asks, and keeps the answer. A host rests after a while so that others
come to it, and when all its addresses wait for another try.
"""

import asyncio
import time
from collections.abc import Sequence

from lodesmith.acquire.crawl.config import Pace
from lodesmith.acquire.crawl.dashboard import Dashboard
from lodesmith.acquire.crawl.fetch import Fetched, Fetcher
from lodesmith.acquire.crawl.host import Host
from lodesmith.acquire.crawl.host_rules import HostRules
from lodesmith.acquire.crawl.ledger import Ledger
from lodesmith.acquire.crawl.rows import Done, Row
from lodesmith.acquire.crawl.sitemaps import MAX_SITEMAP_BYTES
from lodesmith.acquire.crawl.urls import Url, parse_url
from lodesmith.acquire.crawl.verdict import wants_body

_COMMIT_SECONDS = 1.0
_COMMIT_FETCHES = 200
_HOST_SHARE = 500  # addresses of one host before others get their turn
_MAX_FAILURES = 20  # connections in a row without any answer, and a host is given up
_SHORT_SECONDS = 2.0  # a wait so short is slept through

UNREACHABLE = "host unreachable"
REFUSED_BY_ROBOTS = "refused by robots.txt"
OVER_LIMIT = "over the page limit"
OVER_HOST_LIMIT = "over the host's page limit"
UNAVAILABLE = "unavailable"


class Crawler:
    """One run of a crawl, from where the ledger stands to its end."""

    def __init__(
        self, ledger: Ledger, fetcher: Fetcher, *, pace: Pace, dashboard: Dashboard
    ) -> None:
        self._ledger, self._fetcher, self._pace = ledger, fetcher, pace
        self._frontier = ledger.frontier
        self._limits = ledger.rules.limits
        self._dashboard = dashboard
        self._rules = HostRules(ledger, fetcher, pace=pace)
        self._fetched = self._frontier.count_pages()
        self._in_flight = 0
        self._hosts: dict[int, asyncio.Task[None]] = {}
        self._committed = time.monotonic()

    async def run(self, starts: Sequence[Url]) -> None:
        """Fetch until nothing waits or the limit is reached."""
        self._ledger.seed(starts)
        try:
            await self._run_hosts()
        except BaseExceptionGroup as faults:  # a full disk fails all hosts alike
            raise faults.exceptions[0] from None
        if self._is_full():
            self._frontier.close_all(OVER_LIMIT)
        self._ledger.commit()
        self._dashboard.show(total=self._fetched, is_last=True)

    async def _run_hosts(self) -> None:
        async with asyncio.TaskGroup() as group:
            while not self._is_full():
                for host in self._next_hosts():
                    self._hosts[host] = group.create_task(self._crawl_host(host))
                if not await self._wait():
                    break
                self._dashboard.show(total=self._fetched)

    def _next_hosts(self) -> list[int]:
        """Return hosts to begin with, none where the limit may be reached by what is in flight."""
        room = self._pace.max_hosts - len(self._hosts)
        if room <= 0 or self._fetched + self._in_flight >= self._limits.max_pages:
            return []
        return self._frontier.ready_hosts(busy=set(self._hosts), count=room)

    async def _wait(self) -> bool:
        """Wait for something to happen; tell whether anything can."""
        if self._hosts:
            await asyncio.wait(
                self._hosts.values(), timeout=0.5, return_when=asyncio.FIRST_COMPLETED
            )
            for host in [host for host, task in self._hosts.items() if task.done()]:
                del self._hosts[host]
            return True
        ready = self._frontier.next_ready()
        if ready is None:  # the end; counted once more, so that no address is left behind
            return self._frontier.recount() > 0
        self._commit_sometimes(_COMMIT_FETCHES)
        await asyncio.sleep(min(max(ready - time.time(), 0.01), 1.0))
        return True

    def _is_full(self) -> bool:
        return self._fetched + self._in_flight >= self._limits.max_pages and not self._in_flight

    async def _crawl_host(self, number: int) -> None:
        row = self._frontier.host(number)
        line = self._dashboard.open_host(number, row.origin)
        try:
            rules = await self._rules.learn(number)
            if rules is None:
                return
            host = Host(
                id=number, origin=row.origin, rules=rules, line=line,
                delay_seconds=max(self._pace.delay_seconds, rules.delay_seconds),
                fetched=self._frontier.count_pages(number),
            )  # fmt: skip
            if rules.delay_seconds > self._pace.max_wait_seconds:
                self._frontier.close_host(number, UNAVAILABLE)
                return
            await asyncio.gather(*(self._run(host) for _ in range(self._pace.connections_per_host)))
            self._frontier.set_ready(number, max(host.resume_at, host.next_start))
        finally:
            self._dashboard.close_host(number)

    async def _run(self, host: Host) -> None:
        """Take a host's addresses one after the other."""
        while self._may_go_on(host):
            row, due = self._frontier.take(host.id, busy=host.busy)
            if row is None:
                if not await self._wait_for_row(host, due):
                    return
                continue
            if not self._is_allowed(host, row):
                self._frontier.finish(row, Done(REFUSED_BY_ROBOTS, num_requests=0))
                self._commit_sometimes()
                continue
            host.busy.add(row.id)
            host.taken += 1
            self._in_flight += row.kind == "page"
            try:
                await host.wait_turn()
                await self._visit(host, row)
            finally:
                self._in_flight -= row.kind == "page"
                host.busy.discard(row.id)
                host.wake()

    def _may_go_on(self, host: Host) -> bool:
        if self._fetched + self._in_flight >= self._limits.max_pages:
            return False
        if host.fetched + len(host.busy) >= self._limits.max_pages_per_host:
            if not host.busy:
                self._frontier.close_host(host.id, OVER_HOST_LIMIT)
            return False
        if host.failures >= _MAX_FAILURES:
            self._frontier.close_host(host.id, UNREACHABLE)
            return False
        is_crowded = len(self._hosts) >= self._pace.max_hosts
        return not (is_crowded and host.taken >= _HOST_SHARE)

    async def _wait_for_row(self, host: Host, due: float | None) -> bool:
        """Wait until a host may have an address; tell whether that is worth waiting for."""
        wait = None if due is None else due - time.time()
        if wait is not None and wait <= _SHORT_SECONDS:
            await asyncio.sleep(max(wait, 0.001))
            return True
        if host.busy:
            await host.changed.wait()
            return True
        host.resume_at = due or 0.0
        return False

    def _is_allowed(self, host: Host, row: Row) -> bool:
        url = parse_url(row.url)
        return url is not None and host.rules.allows(url.target)

    async def _visit(self, host: Host, row: Row) -> None:
        url = parse_url(row.url)
        if url is None:  # cannot be: it was one when it came in
            self._frontier.finish(row, Done("no address"))
            return
        limit = MAX_SITEMAP_BYTES if row.kind == "sitemap" else self._limits.max_page_bytes
        result = await self._fetcher.fetch(
            url, max_bytes=limit, wants=lambda status, kind: wants_body(row.kind, status, kind)
        )
        host.failures = host.failures + 1 if result.answer is None else 0
        if result.answer is not None:
            host.line.num_bytes += len(result.answer.body)
        if self._postpone(host, row, result):
            host.line.errors += 1
        else:
            self._settle(host, row, result)
        self._commit_sometimes()

    def _postpone(self, host: Host, row: Row, result: Fetched) -> bool:
        """Let an address wait for another try, if one is due to it."""
        if not result.may_retry or row.attempts + 1 >= self._pace.max_attempts:
            return False
        wait = self._pace.retry_seconds * 2**row.attempts
        if result.retry_after is not None:
            if result.retry_after > self._pace.max_wait_seconds:
                return False
            wait = max(wait, result.retry_after)
            host.pause(result.retry_after)  # the server speaks for all of its pages
        self._frontier.postpone(row, due=time.time() + wait)
        return True

    def _settle(self, host: Host, row: Row, result: Fetched) -> None:
        if result.answer is None:
            host.line.errors += 1
            host.line.last = result.fault
            self._frontier.finish(row, Done(result.fault, result.detail))
            return
        verdict = self._ledger.record(row, result.answer, fault=result.fault, detail=result.detail)
        host.line.errors += bool(result.fault) or result.answer.status >= 400
        if row.kind == "page":
            self._fetched += 1
            host.fetched += 1
            host.line.pages += 1
        host.line.last = verdict.outcome if verdict.outcome != "fetched" else ""

    def _commit_sometimes(self, enough: int = _COMMIT_FETCHES) -> None:
        now = time.monotonic()
        if now - self._committed > _COMMIT_SECONDS or self._frontier.changed >= enough:
            self._committed = now
            self._ledger.commit()
