"""Records, log and frontier: what is written is read again, whatever was torn."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from lodesmith.acquire.crawl.answer import Answer
from lodesmith.acquire.crawl.config import Limits
from lodesmith.acquire.crawl.frontier import Frontier
from lodesmith.acquire.crawl.ledger import Ledger, Rules
from lodesmith.acquire.crawl.log import CrawlLog
from lodesmith.acquire.crawl.records import pack_answer, restore_answer
from lodesmith.acquire.crawl.urls import make_territory, parse_url
from lodesmith.data.warc import read_warc


def an_answer(number: int, body: bytes = b"<p>page</p>") -> Answer:
    return Answer(
        url=f"http://a.org/{number}",
        request=b"GET / HTTP/1.1\r\nHost: a.org\r\n\r\n",
        head=b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n"
        % len(body),
        body=body,
        ip="93.184.216.34",
        date="2026-11-25T00:00:00Z",
        protocol="http/1.1",
    )


@pytest.fixture
def log(tmp_path: Path) -> Iterator[CrawlLog]:
    with closing(CrawlLog(tmp_path / "log.warc.gz")) as log:
        yield log


@pytest.fixture
def frontier(tmp_path: Path) -> Iterator[Frontier]:
    with closing(Frontier(tmp_path / "f.sqlite")) as frontier:
        yield frontier


def rules() -> Rules:
    territory = make_territory(["http://a.org/"], "host", [], [])
    return Rules(territory=territory, limits=Limits(), heed_tags=True, follow_sitemaps=True)


def test_an_answer_comes_out_of_its_record_as_it_went_in(log: CrawlLog) -> None:
    answer = an_answer(1, b"a\r\n\r\nb" * 1000)
    log.append(pack_answer(answer, notes={"kind": "page"}))
    ((request, _, response),) = log.recover(0)
    assert restore_answer(response, request.block) == answer


def test_the_three_records_refer_to_each_other(log: CrawlLog) -> None:
    log.append(pack_answer(an_answer(1), notes={"kind": "page"}, media_type="text/html"))
    ((request, metadata, response),) = log.recover(0)
    name = response.fields["warc-record-id"]
    assert request.fields["warc-concurrent-to"] == metadata.fields["warc-concurrent-to"] == name
    assert response.fields["warc-ip-address"] == "93.184.216.34"
    assert response.fields["warc-payload-digest"].startswith("sha256:")
    assert [record.type for record in read_warc(log.path)] == [
        "request", "metadata", "response",
    ]  # fmt: skip


@pytest.mark.parametrize("lost", [1, 8, 40, 200, 350, 500])
def test_a_torn_tail_is_cut_off_and_every_whole_answer_stays(log: CrawlLog, lost: int) -> None:
    path = log.path
    stops = [log.append(pack_answer(an_answer(n), notes={"kind": "page"}))[1] for n in range(3)]
    data = path.read_bytes()
    assert len(data) - lost > stops[1]
    path.write_bytes(data[:-lost])
    with closing(CrawlLog(path)) as again:
        assert len(list(again.recover(0))) == 2
        assert again.size == path.stat().st_size == stops[1]
        again.append(pack_answer(an_answer(9), notes={"kind": "page"}))
        assert len(list(again.recover(0))) == 3


def test_answers_that_the_database_has_not_seen_are_taken_from_the_log(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, rules())
    start = parse_url("http://a.org/1")
    assert start is not None
    ledger.seed([start])
    row = ledger.frontier.find("http://a.org/1")
    assert row is not None
    ledger.record(row, an_answer(1, b"<p>x</p><a href=/2>2</a>"))
    ledger.frontier.close()  # as a kill does: the transaction is lost, the log is not
    ledger.log.close()
    with closing(Ledger(tmp_path, rules())) as again:
        assert again.num_recovered == 1
        told = dict(again.frontier.query("SELECT url, outcome FROM urls"))
        assert told == {"http://a.org/1": "fetched", "http://a.org/2": None}
    with closing(Ledger(tmp_path, rules())) as third:
        assert third.num_recovered == 0


def test_a_shorter_way_takes_too_deep_back(frontier: Frontier) -> None:
    add = frontier.add
    add("http://a.org/x", "http://a.org", kind="page", depth=21, refused="too deep")
    assert frontier.next_ready() is None
    add("http://a.org/x", "http://a.org", kind="page", depth=3)
    row, _ = frontier.take(frontier.host_id("http://a.org"), busy=set())
    assert row is not None
    assert row.depth == 3


def test_the_shallow_come_first_and_the_busy_not_at_all(frontier: Frontier) -> None:
    for depth in (3, 1, 2):
        frontier.add(f"http://a.org/{depth}", "http://a.org", kind="page", depth=depth)
    host = frontier.host_id("http://a.org")
    first, _ = frontier.take(host, busy=set())
    assert first is not None
    second, _ = frontier.take(host, busy={first.id})
    assert second is not None
    assert (first.depth, second.depth) == (1, 2)
    frontier.postpone(second, due=4e9)
    frontier.postpone(first, due=3e9)
    third, _ = frontier.take(host, busy=set())
    assert third is not None
    assert frontier.take(host, busy={third.id}) == (None, 3e9)
