"""How politely a site is asked: never more at once than allowed, and every wait kept in full.

Waits are kept on a clock that a sleep moves on at once, so that hours pass in no time and no test
depends on how fast a machine is.
"""

import asyncio
import itertools
import re
import threading
import time
from email.utils import formatdate
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from crawling import read_list, run_crawl
from web_site import WebSite, answer, article, html, plant_articles

from lodesmith.acquire.crawl import crawler, dashboard, fetch, frontier, host, host_rules

_SHORT_SECONDS = 0.3  # what is really slept: polls of the crawl's own loop


class SkippingClock:
    """Time that a sleep of a coroutine moves on; what is read elsewhere is the same."""

    def __init__(self) -> None:
        self.skipped = 0.0
        self.sleeps: list[float] = []

    def time(self) -> float:
        return time.time() + self.skipped

    async def sleep(self, seconds: float) -> None:
        if seconds > _SHORT_SECONDS:
            self.sleeps.append(seconds)
            self.skipped += seconds
            seconds = 0
        await asyncio.sleep(seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SkippingClock:
    skipping = SkippingClock()
    moments = SimpleNamespace(time=skipping.time, monotonic=time.monotonic)
    loop = SimpleNamespace(**{**vars(asyncio), "sleep": skipping.sleep})
    for module in (crawler, fetch, frontier, host, host_rules):
        monkeypatch.setattr(module, "time", moments)
        if hasattr(module, "asyncio"):
            monkeypatch.setattr(module, "asyncio", loop)
    return skipping


class Recorder:
    """Answers of a site in turn, with the moment at which each was asked for."""

    def __init__(self, clock: SkippingClock, answers: dict[str, list[bytes]]) -> None:
        self.clock, self.answers = clock, answers
        self.asked: list[tuple[str, float]] = []

    async def __call__(self, _: WebSite, path: str, writer: asyncio.StreamWriter) -> None:
        moment = self.clock.time()
        number = sum(asked == path for asked, _ in self.asked)
        self.asked.append((path, moment))
        answers = self.answers.get(path) or [answer(article(sum(path.encode())))]
        writer.write(answers[min(number, len(answers) - 1)])
        await writer.drain()

    def waits(self, path: str) -> list[float]:
        moments = [moment for asked, moment in self.asked if asked == path]
        return [later - earlier for earlier, later in itertools.pairwise(moments)]


_PATIENT = {"connections_per_host": 1, "idle_seconds": 300, "total_seconds": 600}


def _crawl(folder: Path, recorder: Recorder, start: str, **pace: Any) -> dict[str, Any]:
    with WebSite() as site:
        site.pages |= {"/robots.txt": answer(b"", status="404 Not Found"), "/*": recorder}
        run_crawl(folder, f"{site.origin}{start}", pace={**_PATIENT, **pace})
    return read_list(folder)


def test_each_further_try_waits_twice_as_long(tmp_path: Path, clock: SkippingClock) -> None:
    recorder = Recorder(clock, {"/busy": [answer(b"", status="500 Broken")]})
    entries = _crawl(tmp_path, recorder, "/busy", retry_seconds=7, max_attempts=5)
    assert entries["/busy"]["outcome"] == "HTTP 500"
    waits = recorder.waits("/busy")
    assert len(waits) == 4
    assert all(wait >= least for wait, least in zip(waits, (7, 14, 28, 56), strict=True))


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_server_that_asks_for_a_wait_gets_it_for_all_its_pages(
    tmp_path: Path, clock: SkippingClock, form: str
) -> None:
    until = int(time.time()) + 600
    value = "600" if form == "seconds" else formatdate(until, usegmt=True)
    busy = answer(b"", status="503 Busy", Retry_After=value)
    links = answer(html("<p>front</p>" + "".join(f"<a href='/p/{n}'>x</a>" for n in range(6))))
    recorder = Recorder(clock, {"/": [links], "/p/2": [busy, answer(article(2))]})
    entries = _crawl(tmp_path, recorder, "/", retry_seconds=1, max_attempts=3)
    assert all(entries[f"/p/{n}"]["outcome"] == "fetched" for n in range(6))
    place = [path for path, _ in recorder.asked].index("/p/2")
    assert [path for path, _ in recorder.asked].count("/p/2") == 2
    least = until if form == "date" else recorder.asked[place][1] + 600
    assert all(moment >= least for _, moment in recorder.asked[place + 1 :])
    assert len(recorder.asked) >= place + 4


def test_a_wait_longer_than_the_limit_is_not_waited_for(
    tmp_path: Path, clock: SkippingClock
) -> None:
    busy = answer(b"", status="429 Too Many", Retry_After="90000")
    recorder = Recorder(clock, {"/busy": [busy]})
    entries = _crawl(tmp_path, recorder, "/busy", max_wait_seconds=3600)
    assert entries["/busy"]["outcome"] == "HTTP 429"
    assert recorder.waits("/busy") == []
    assert sum(clock.sleeps) < 3600


def test_the_delay_is_kept_between_all_requests(tmp_path: Path, clock: SkippingClock) -> None:
    links = answer(html("".join(f"<a href='/p/{n}'>x</a>" for n in range(8))))
    recorder = Recorder(clock, {"/": [links]})
    _crawl(tmp_path, recorder, "/", delay_seconds=300, connections_per_host=4)
    moments = sorted(moment for _, moment in recorder.asked)
    assert len(moments) == 9
    assert moments[-1] - moments[0] >= 7 * 300  # eight waits, and a first request that came late


@pytest.mark.parametrize("connections", [1, 3])
def test_never_more_requests_at_once_than_connections_per_host(
    tmp_path: Path, connections: int
) -> None:
    lock, full = threading.Lock(), threading.Event()
    now, most, served = 0, 0, 0
    num_pages = 40

    async def hold(_: WebSite, path: str, writer: asyncio.StreamWriter) -> None:
        """Answer when as many as may be are here, and let any that should not come in."""
        nonlocal now, most, served
        with lock:
            now += 1
            most = max(most, now)
            if now >= connections or served > num_pages - 2 * connections:
                full.set()
        for _ in range(24_000):
            if full.is_set():
                break
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.005)
        with lock:
            now -= 1
            served += 1
        writer.write(answer(article(sum(path.encode()))))
        await writer.drain()

    links = "".join(f"<a href='/p/{n}'>x</a>" for n in range(num_pages))
    with WebSite() as site:
        site.pages |= {
            "/robots.txt": answer(b"", status="404 Not Found"),
            "/": answer(html(links)),
            "/p/*": hold,
        }
        pace = {**_PATIENT, "connections_per_host": connections}
        run_crawl(tmp_path, f"{site.origin}/", pace=pace)
        assert all(site.asked[f"/p/{n}"] == 1 for n in range(num_pages))
    assert most == connections


def test_the_dashboard_of_a_crawl_has_a_line_for_each_host(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dashboard, "_PLAIN_SECONDS", 0.0)
    with WebSite() as one, WebSite() as other:
        plant_articles(one, 12)
        plant_articles(other, 5)
        other.pages["/a/4"] = answer(b"", status="404 Not Found")
        run_crawl(tmp_path, [f"{one.origin}/a/0", f"{other.origin}/a/0"])  # type: ignore[arg-type]
        told = capsys.readouterr().err
    last = told[told.rindex("crawl site: ") :]
    for site, pages, errors in ((one, 12, 0), (other, 5, 1)):
        line = rf"  {site.origin}: {pages} pages, 0 queued, {errors} errors?, [\d.]+ \w+/s"
        assert re.search(line, last), last
