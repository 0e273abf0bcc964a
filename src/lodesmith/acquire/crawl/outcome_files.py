"""The files of a finished crawl, in the order of addresses, whatever order they were fetched in.

`NAME.warc.gz` holds the pages and nothing else: what `prepare` reads. `NAME.crawl.warc.gz` holds
the rest of the truth: requests, notes, redirects, refusals, robots.txt, sitemaps, cut answers, and
a revisit record for each page whose bytes another page has. `NAME.urls.jsonl.zst` says of every
address that was ever seen what became of it. Records are copied from the log as they are, so each
keeps its moment.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import zstandard

from lodesmith.acquire.crawl.frontier import Frontier
from lodesmith.acquire.crawl.records import Member, pack_info, pack_revisit, read_members
from lodesmith.acquire.crawl.verdict import FETCHED
from lodesmith.core.storage import replace_file

SAME_BYTES = "same bytes as another page"
OTHER_SPELLING = "other spelling of another page (rel=canonical)"


@dataclass(frozen=True)
class Written:
    """What the files hold."""

    outcomes: dict[str, int]
    num_pages: int
    page_bytes: int
    first_date: str  # WARC-Date of the earliest record, "" where there is none


def write_files(folder: Path, name: str, *, frontier: Frontier, log: Path, info: dict[str, str],
                ) -> Written:  # fmt: skip
    """Write the three files of a crawl that is at its end."""
    _mark_copies(frontier)
    date = _first_date(log)
    with (
        log.open("rb") as records,
        replace_file(folder / f"{name}.warc.gz") as pages,
        replace_file(folder / f"{name}.crawl.warc.gz") as others,
    ):
        for file, suffix in ((pages, ""), (others, ".crawl")):
            file.write(pack_info(info, date=date, file_name=f"{name}{suffix}.warc.gz"))
        num_pages, page_bytes = _copy_records(frontier, records, pages, others)
    outcomes = _write_list(folder / f"{name}.urls.jsonl.zst", frontier)
    return Written(outcomes, num_pages, page_bytes, date)


def _mark_copies(frontier: Frontier) -> None:
    """Give pages that another page stands for their outcome; the same after a kill in between."""
    names = {"fetched": FETCHED, "other": OTHER_SPELLING, "same": SAME_BYTES}
    statements = (
        "UPDATE urls SET outcome = :other WHERE outcome = :fetched AND canonical IN "
        "(SELECT url FROM urls WHERE outcome = :fetched AND canonical IS NULL)",
        "DROP TABLE IF EXISTS firsts",
        "CREATE TABLE firsts (digest BLOB PRIMARY KEY, id INTEGER) WITHOUT ROWID",
        "INSERT OR IGNORE INTO firsts SELECT digest, id FROM urls "
        "WHERE outcome IN (:fetched, :same) AND digest IS NOT NULL ORDER BY url",
        "UPDATE urls SET outcome = :same WHERE outcome = :fetched AND id NOT IN "
        "(SELECT id FROM firsts)",
    )
    for statement in statements:
        list(frontier.query(statement, names))


def _copy_records(
    frontier: Frontier, log: IO[bytes], pages: IO[bytes], others: IO[bytes]
) -> tuple[int, int]:
    rows = frontier.query(
        "SELECT u.outcome, u.first_byte, u.stop_byte, f.first_byte, f.stop_byte FROM urls u "
        "LEFT JOIN firsts ON firsts.digest = u.digest LEFT JOIN urls f ON f.id = firsts.id "
        "WHERE u.first_byte IS NOT NULL ORDER BY u.url"
    )
    num_pages = page_bytes = 0
    for outcome, start, stop, first_start, first_stop in rows:
        request, metadata, response = _members(log, start, stop)
        _copy(log, others, request.start, metadata.stop)
        if outcome == FETCHED:
            _copy(log, pages, response.start, response.stop)
            num_pages += 1
            page_bytes += len(response.block.partition(b"\r\n\r\n")[2])
        elif outcome == SAME_BYTES:
            _, _, first = _members(log, first_start, first_stop)
            others.write(_revisit(response, first))
        else:
            _copy(log, others, response.start, response.stop)
    return num_pages, page_bytes


def _members(log: IO[bytes], start: Any, stop: Any) -> tuple[Member, Member, Member]:
    request, metadata, response = read_members(log, start=int(start), stop=int(stop))
    return request, metadata, response


def _copy(log: IO[bytes], target: IO[bytes], start: int, stop: int) -> None:
    log.seek(start)
    target.write(log.read(stop - start))


def _revisit(response: Member, first: Member) -> bytes:
    fields = first.fields
    return pack_revisit(
        response,
        of_uri=fields["warc-target-uri"],
        of_date=fields["warc-date"],
        of_id=fields["warc-record-id"],
    )


def _first_date(log: Path) -> str:
    with log.open("rb") as file:
        first = next(read_members(file, start=0), None)
    return first.fields["warc-date"] if first is not None else ""


def _write_list(path: Path, frontier: Frontier) -> dict[str, int]:
    """Write what became of every address; return how many came to what."""
    outcomes: Counter[str] = Counter()
    with (
        replace_file(path) as file,
        zstandard.ZstdCompressor(level=6).stream_writer(file, closefd=False) as packed,
    ):
        for entry in _entries(frontier):
            outcomes[entry["outcome"]] += 1
            packed.write((json.dumps(entry, ensure_ascii=False) + "\n").encode())
    return dict(sorted(outcomes.items()))


def _entries(frontier: Frontier) -> Iterator[dict[str, Any]]:
    names = ("url", "outcome", "detail", "status", "kind", "depth", "attempts", "via", "canonical",
             "same_as")  # fmt: skip
    rows = frontier.query(
        "SELECT u.url, u.outcome, u.detail, u.status, u.kind, u.depth, u.attempts, v.url, "
        "u.canonical, CASE u.outcome WHEN :same THEN f.url END FROM urls u "
        "LEFT JOIN urls v ON v.id = u.via LEFT JOIN firsts ON firsts.digest = u.digest "
        "LEFT JOIN urls f ON f.id = firsts.id ORDER BY u.url",
        {"same": SAME_BYTES},
    )
    for row in rows:
        yield {name: value for name, value in zip(names, row, strict=True) if value is not None}
