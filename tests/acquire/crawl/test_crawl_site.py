"""A whole crawl of a real local site: every trap survived, every address accounted for."""

import asyncio
import errno
import gzip
import json
import ssl
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from crawling import make_source, read_list, run_crawl
from web_site import WebSite, answer, article, html, plant_articles, plant_traps, redirect

from lodesmith.acquire import addresses
from lodesmith.acquire.config import AcquireConfig
from lodesmith.acquire.crawl.dashboard import HostLine
from lodesmith.acquire.crawl.log import CrawlLog
from lodesmith.acquire.crawl.records import Packed
from lodesmith.data.warc import read_warc

NUM_ARTICLES = 300


@pytest.fixture(scope="module")
def crawled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, WebSite]]:
    folder = tmp_path_factory.mktemp("crawl")
    with WebSite() as site:
        plant_articles(site, NUM_ARTICLES)
        plant_traps(site)
        run_crawl(folder, f"{site.origin}/")
        yield folder, site


def test_every_page_comes_to_its_outcome(crawled: tuple[Path, WebSite]) -> None:
    entries = read_list(crawled[0])
    outcomes = {path: entry["outcome"] for path, entry in entries.items()}
    assert all(outcomes[f"/a/{number}"] == "fetched" for number in range(NUM_ARTICLES))
    expected = {
        "/zh/gb": "fetched", "/zh/big5": "fetched", "/zh/utf8": "fetched", "/packed": "fetched",
        "/chunked": "fetched", "/busy": "fetched", "/refreshed": "fetched", "/mapped/4": "fetched",
        "/calendar/2027/8": "fetched", "/calendar/2027/9": "too deep",
        "/loop/a": "redirected", "/loop/b": "redirected", "/cookie": "redirected",
        "/chain/10": "redirected", "/chain/11": "too many redirects",
        "/trickle": "timed out", "/hang": "timed out", "/endless-header": "connection broke off",
        "/endless-body": "too large", "/bomb": "too large", "/reset": "connection broke off",
        "/cut-short": "connection broke off", "/limited": "HTTP 429", "/missing": "HTTP 404",
        "/forbidden": "refused by robots.txt", "/noindex": "noindex", "/nofollow": "fetched",
        "/copy/1": "fetched", "/copy/2": "same bytes as another page", "/image": "wrong type",
        "/binary": "wrong type", "/empty": "empty page", "/robots.txt": "robots.txt",
        "/sitemap.xml": "sitemap", "/map-1.xml.gz": "sitemap", "/spelled": "fetched",
        "/spelled?sort=up": "other spelling of another page (rel=canonical)",
        "/deep/deep/x/deep/x/deep/x/": "trap: repeated path segments",
        "/x?a&b&c&d&e&f&g&h&i&j": "trap: too many parameters",
    }  # fmt: skip
    assert {path: outcomes[path] for path in expected} == expected
    assert "/unnamed" not in outcomes  # only a nofollow page names it


def test_nothing_forbidden_was_asked_for_and_nothing_twice(crawled: tuple[Path, WebSite]) -> None:
    asked = crawled[1].asked
    assert "/forbidden" not in asked
    again = {"/trickle", "/hang", "/endless-header", "/reset", "/cut-short", "/busy", "/limited"}
    assert {path for path, count in asked.items() if count > 1} == again


def test_requests_say_who_asks(crawled: tuple[Path, WebSite]) -> None:
    request = crawled[1].requests[0]
    assert b"(+tests@example.org)" in request
    assert not any(b"\r\nCookie:" in request for request in crawled[1].requests)


def test_the_pages_file_holds_each_fetched_page_once_in_order(
    crawled: tuple[Path, WebSite],
) -> None:
    info, *records = read_warc(crawled[0] / "site.warc.gz")
    assert info.type == "warcinfo"
    fetched = [entry["url"] for entry in read_list(crawled[0]).values()
               if entry["outcome"] == "fetched"]  # fmt: skip
    assert [record.uri for record in records] == sorted(fetched)
    assert {(record.type, record.http_status) for record in records} == {("response", 200)}
    packed = next(record for record in records if record.uri.endswith("/packed"))
    assert packed.payload == article(8000)  # kept packed, read unpacked


def test_the_other_file_holds_the_rest_of_the_truth(crawled: tuple[Path, WebSite]) -> None:
    records = list(read_warc(crawled[0] / "site.crawl.warc.gz"))
    entries = read_list(crawled[0]).values()
    asked = [entry for entry in entries if entry.get("status")]
    kinds = Counter(record.type for record in records)
    same = sum(entry["outcome"] == "same bytes as another page" for entry in entries)
    fetched = sum(entry["outcome"] == "fetched" for entry in entries)
    assert kinds["request"] == kinds["metadata"] == len(asked)
    assert kinds["revisit"] == same
    assert kinds["response"] == len(asked) - fetched - same


def test_crawling_again_with_equal_answers_gives_equal_pages(tmp_path: Path) -> None:
    payloads = []
    with WebSite() as site:
        plant_articles(site, 40)
        for name in ("first", "second"):
            run_crawl(tmp_path / name, f"{site.origin}/a/0")
            records = read_warc(tmp_path / name / "site.warc.gz")
            payloads.append([(record.uri, record.payload) for record in records])
    assert payloads[0] == payloads[1]
    assert len(payloads[0]) == 41  # 40 pages and the warcinfo record


def test_the_limits_end_a_crawl_and_say_so(tmp_path: Path) -> None:
    with WebSite() as site:
        plant_articles(site, 60)
        written = run_crawl(tmp_path / "all", f"{site.origin}/a/0", limits={"max_pages": 10})
        host = run_crawl(tmp_path / "host", f"{site.origin}/a/0", limits={"max_pages_per_host": 10})
    assert written.outcomes["fetched"] == host.outcomes["fetched"] == 10
    assert written.outcomes["over the page limit"] > 0
    assert host.outcomes["over the host's page limit"] > 0


def test_pages_that_differ_in_their_numbers_only_are_limited(tmp_path: Path) -> None:
    links = "".join(f"<a href='/list?page={n}'>x</a>" for n in range(50))
    with WebSite() as site:
        site.pages |= {"/": answer(html(links)), "/list*": answer(html("<p>list</p>"))}
        written = run_crawl(tmp_path, f"{site.origin}/", limits={"max_alike": 5})
    assert written.outcomes["trap: too many alike"] == 45


@pytest.mark.parametrize(
    ("status", "outcome"),
    [("404 Not Found", "fetched"), ("403 Forbidden", "fetched"),
     ("503 Busy", "robots.txt unreachable")],
)  # fmt: skip
def test_a_missing_robots_file_allows_and_a_failing_one_forbids(
    tmp_path: Path, status: str, outcome: str
) -> None:
    with WebSite() as site:
        site.pages |= {"/robots.txt": answer(b"Disallow: /", status=status), "/": answer(html("x"))}
        run_crawl(tmp_path, f"{site.origin}/")
        assert read_list(tmp_path)["/"]["outcome"] == outcome
        assert site.asked["/"] == (outcome == "fetched")


def test_robots_redirects_are_followed(tmp_path: Path) -> None:
    with WebSite() as site:
        site.pages |= {
            "/robots.txt": redirect("/rules"),
            "/rules": answer(b"User-agent: *\nDisallow: /", content_type="text/plain"),
            "/": answer(html("x")),
        }
        run_crawl(tmp_path, f"{site.origin}/")
    assert read_list(tmp_path)["/"]["outcome"] == "refused by robots.txt"


def test_private_addresses_are_refused_unless_allowed(tmp_path: Path) -> None:
    with WebSite() as site:
        site.pages["/"] = answer(html("x"))
        written = run_crawl(tmp_path, f"{site.origin}/", allow_private=False)
        assert written.outcomes == {"private address": 2}  # the page and its robots.txt
        assert not site.asked


@pytest.mark.parametrize(
    "host", ["127.0.0.2", "2130706434", "0177.0.0.2", "0x7f000002", "127.2", "[::ffff:127.0.0.2]"]
)
def test_a_redirect_into_the_private_network_is_refused_however_it_is_spelled(
    tmp_path: Path, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = addresses.is_public
    monkeypatch.setattr(
        addresses, "is_public", lambda ip: ip in ("127.0.0.1", "::1") or real(ip)
    )  # so that the local site stands for a public one
    with WebSite() as site:
        inside = f"http://{host}:{site.port}/secret"
        site.pages |= {"/": redirect(inside), "/secret": answer(html("secret"))}
        starts = [f"{site.origin}/", f"http://{host}:{site.port}/never"]
        run_crawl(tmp_path, starts, allow_private=False)  # type: ignore[arg-type]
        assert read_list(tmp_path)["/secret"]["outcome"] == "private address"
        assert "/secret" not in site.asked


def test_a_name_is_resolved_once_and_the_checked_address_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolved: list[str] = []

    async def rebind(self: Any, host: str, port: int, **_: Any) -> list[Any]:
        resolved.append(host)
        ip = "93.184.216.34" if host == "rebind.example" and len(resolved) % 2 == 0 else "127.0.0.1"
        return [(2, 1, 6, "", (ip, port))]

    monkeypatch.setattr(asyncio.base_events.BaseEventLoop, "getaddrinfo", rebind)
    with WebSite() as site:
        site.pages["/"] = answer(html("x"))
        run_crawl(tmp_path, f"http://rebind.example:{site.port}/", allow_private=False)
        assert not site.asked  # the private answer was refused, and no second one was asked for


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def secure_site(authority: trustme.CA, name: str) -> WebSite:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["h2", "http/1.1"])
    authority.issue_cert(name).configure_cert(context)
    return WebSite(context=context)


def test_http_2_over_tls_is_spoken_and_recorded(
    tmp_path: Path, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with secure_site(authority, "localhost") as site:
        plant_articles(site, 30)
        written = run_crawl(tmp_path / "w", f"{site.origin}/a/0")
    assert written.outcomes["fetched"] == 30
    assert not site.requests  # none came as HTTP/1.1
    data = (tmp_path / "w" / "site.warc.gz").read_bytes()
    assert gzip.decompress(data).count(b"WARC-Protocol: h2\r\n") == 30


def test_a_certificate_of_another_name_is_refused(
    tmp_path: Path, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with secure_site(authority, "other.example") as site:
        site.pages["/"] = answer(html("x"))
        run_crawl(tmp_path / "w", f"{site.origin}/")
    entry = read_list(tmp_path / "w")["/robots.txt"]
    assert entry["outcome"] == "no connection"
    assert "certificate is not valid" in entry["detail"]


def test_the_pace_is_no_part_of_the_artifacts_identity() -> None:
    slow, quick = (
        AcquireConfig(sources=[make_source("http://a.org/", pace={"delay_seconds": delay})])
        for delay in (5, 1)
    )
    other = AcquireConfig(sources=[make_source("http://a.org/", snapshot="2026-11")])
    assert (
        json.dumps(slow.identity()) == json.dumps(quick.identity()) != json.dumps(other.identity())
    )


def test_the_delay_between_requests_is_kept(tmp_path: Path) -> None:
    with WebSite() as site:
        plant_articles(site, 5)
        site.pages["/robots.txt"] = answer(b"User-agent: *\nCrawl-delay: 0.2", content_type="")
        started = time.monotonic()
        run_crawl(tmp_path, f"{site.origin}/a/0")
        assert time.monotonic() - started >= 0.8  # four waits; a machine under load adds to it


def test_of_a_huge_robots_file_the_beginning_counts(tmp_path: Path) -> None:
    rules = b"User-agent: *\nDisallow: /\n" + b"# padding\n" * 100_000
    with WebSite() as site:
        site.pages |= {"/robots.txt": answer(rules, content_type=""), "/": answer(html("x"))}
        run_crawl(tmp_path, f"{site.origin}/")
        assert "/" not in site.asked


def test_a_link_to_robots_txt_is_no_page(tmp_path: Path) -> None:
    with WebSite() as site:
        site.pages |= {
            "/": answer(html("<a href=/robots.txt>x</a>")),
            "/robots.txt": answer(b"User-agent: *\nAllow: /", content_type="text/plain"),
        }
        run_crawl(tmp_path, [f"{site.origin}/robots.txt", f"{site.origin}/"])  # type: ignore[arg-type]
        assert read_list(tmp_path)["/robots.txt"]["kind"] == "robots"
        assert site.asked["/robots.txt"] == 1


def test_a_full_disk_is_said_plainly_and_what_was_done_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, num_writes = CrawlLog.append, 0

    def fill_up(self: CrawlLog, packed: Packed) -> tuple[int, int]:
        nonlocal num_writes
        num_writes += 1
        if num_writes == 20:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(self, packed)

    with WebSite() as site:
        plant_articles(site, 60)
        monkeypatch.setattr(CrawlLog, "append", fill_up)
        with pytest.raises(OSError, match="No space left"):  # explained where artifacts are made
            run_crawl(tmp_path, f"{site.origin}/a/0")
        known = sum(site.asked.values())
        assert run_crawl(tmp_path, f"{site.origin}/a/0").outcomes["fetched"] == 60
        assert sum(site.asked.values()) <= 61 + 4 + 4  # those in flight were asked for again
    assert known >= 20


def test_a_host_that_is_gone_does_not_hold_up_the_others(tmp_path: Path) -> None:
    with WebSite() as gone:
        dead = gone.origin
    with WebSite() as site:
        plant_articles(site, 20)
        written = run_crawl(tmp_path, [f"{dead}/", f"{site.origin}/a/0"])  # type: ignore[arg-type]
    assert written.outcomes["fetched"] == 20
    assert written.outcomes["robots.txt unreachable"] == 1


def test_a_host_line_says_pages_queue_errors_and_rate() -> None:
    line = HostLine("http://a.org", pages=12, errors=1, num_bytes=0, last="asked to wait 7 s")
    assert line.text(34) == (
        "  http://a.org: 12 pages, 34 queued, 1 error, 0 B/s  asked to wait 7 s"
    )
