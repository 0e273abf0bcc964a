"""Keeping what a crawl learns: each answer into the log, what it means into the frontier.

Live answers and answers read again after a kill take the same way, so both leave the same frontier.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lodesmith.acquire.crawl.answer import Answer
from lodesmith.acquire.crawl.config import Limits
from lodesmith.acquire.crawl.frontier import Frontier
from lodesmith.acquire.crawl.log import CrawlLog
from lodesmith.acquire.crawl.records import Member, pack_answer, restore_answer
from lodesmith.acquire.crawl.robots import MAX_ROBOTS_BYTES, parse_robots
from lodesmith.acquire.crawl.rows import TOO_DEEP, Done, Row
from lodesmith.acquire.crawl.urls import Territory, Url, parse_url, shape_of, why_trap
from lodesmith.acquire.crawl.verdict import Verdict, judge
from lodesmith.data.warc_http import parse_headers

_MAX_SITEMAP_DEPTH = 3


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What decides which addresses are fetched and what becomes of them."""

    territory: Territory
    limits: Limits
    heed_tags: bool
    follow_sitemaps: bool


class Ledger:
    """Log and frontier, kept in step."""

    def __init__(self, folder: Path, rules: Rules) -> None:
        """Open what an earlier attempt left in a folder, or begin."""
        folder.mkdir(parents=True, exist_ok=True)
        self.rules = rules
        self.frontier = Frontier(folder / "frontier.sqlite")
        self.log = CrawlLog(folder / "log.warc.gz")
        self.num_recovered = 0
        for records in self.log.recover(self.frontier.log_bytes):
            self._replay(*records)
            self.num_recovered += 1
        self.commit()

    def seed(self, starts: Sequence[Url]) -> None:
        """Take the start addresses in."""
        for url in starts:
            path = url.target.partition("?")[0]
            kind = "sitemap" if path.endswith((".xml", ".xml.gz")) else "page"
            self.frontier.add(url.text, url.origin, kind=kind, depth=0)
        self.commit()

    def commit(self) -> None:
        """Make everything durable: the log first, then what follows from it."""
        self.log.sync()
        self.frontier.commit(log_bytes=self.log.size)

    def close(self) -> None:
        """Commit and close."""
        self.commit()
        self.frontier.close()
        self.log.close()

    def record(self, row: Row, answer: Answer, *, fault: str = "", detail: str = "",
               robots_of: str = "") -> Verdict:  # fmt: skip
        """Keep an answer that is an address's last; return what it means."""
        verdict = self._judge(row.kind, answer, fault)
        notes = {
            "kind": row.kind,
            "hopsFromSeed": str(row.depth),
            "fetchTimeMs": str(round(answer.seconds * 1000)),
            "fault": fault,
            "detail": detail.replace("\r", " ").replace("\n", " ")[:300],
            "robots-of": robots_of,
            "charset-told-by": verdict.charset_told_by,
            "links-left-out": str(verdict.num_left_out or ""),
        }
        told = {name: value for name, value in notes.items() if value}
        packed = pack_answer(answer, notes=told, media_type=verdict.media_type)
        span = self.log.append(packed)
        self._apply(row, answer, verdict, detail=detail, span=span, robots_of=robots_of)
        return verdict

    def discover(self, url: Url, *, kind: str, depth: int, hops: int = 0, via: int | None = None,
                 ) -> None:  # fmt: skip
        """Take an address in, with its outcome if it is not to be fetched."""
        if not self.frontier.is_known(url.text, depth):
            refused = self._why_refused(url, kind, depth, hops)
            address = url.text[: 4 * self.rules.limits.max_url_chars]
            self.frontier.add(address, url.origin, kind=kind, depth=depth, hops=hops, via=via,
                              refused=refused)  # fmt: skip

    def _why_refused(self, url: Url, kind: str, depth: int, hops: int) -> str | None:
        limits = self.rules.limits
        if not self.rules.territory.holds(url, any_path=kind == "sitemap"):
            return "out of scope"
        trap = why_trap(url, limits)
        if trap is not None:
            return f"trap: {trap}"
        if hops > limits.max_redirects:
            return "too many redirects"
        if depth > (_MAX_SITEMAP_DEPTH if kind == "sitemap" else limits.max_depth):
            return TOO_DEEP
        shape = shape_of(url)
        if shape and self.frontier.count_shape(url.origin, url.text, shape) > limits.max_alike:
            return "trap: too many alike"
        return None

    def _judge(self, kind: str, answer: Answer, fault: str) -> Verdict:
        rules = self.rules
        return judge(answer, kind=kind, fault=fault, limits=rules.limits, heed_tags=rules.heed_tags)

    def _apply(self, row: Row, answer: Answer, verdict: Verdict, *, detail: str,
               span: tuple[int, int], robots_of: str) -> None:  # fmt: skip
        done = Done(
            outcome=verdict.outcome,
            detail=verdict.detail or detail,
            status=answer.status,
            first_byte=span[0],
            stop_byte=span[1],
            digest=verdict.digest,
            canonical=verdict.canonical,
        )
        self.frontier.finish(row, done)
        if robots_of:
            self._take_robots(robots_of, answer, row)
        for link in verdict.links:
            step = 0 if link.is_hop else 1
            self.discover(link.url, kind=link.kind, depth=row.depth + step,
                          hops=row.hops + 1 if link.is_hop else 0, via=row.id)  # fmt: skip

    def _take_robots(self, origin: str, answer: Answer, row: Row) -> None:
        if answer.status in range(300, 400) and row.kind == "robots":
            return  # a hop; its target speaks for the host
        if (
            answer.status == 429
            or answer.status >= 500
            or answer.truncated in ("time", "disconnect")
        ):
            return  # says nothing about what is allowed; the host is given up or asked again
        body = answer.unpack_some(MAX_ROBOTS_BYTES) if answer.status in range(200, 300) else b""
        host = self.frontier.host_id(origin)
        self.frontier.set_robots(host, body=body, status=str(answer.status))
        if self.rules.follow_sitemaps:
            for address in parse_robots(body).sitemaps:
                if (url := parse_url(address)) is not None:
                    self.discover(url, kind="sitemap", depth=0, via=row.id)

    def _replay(self, request: Member, metadata: Member, response: Member) -> None:
        notes = parse_headers(metadata.block)
        answer = restore_answer(response)
        url = parse_url(answer.url)
        if url is None:
            return
        kind, depth = notes.get("kind", "page"), int(notes.get("hopsfromseed", "0"))
        if kind == "robots":
            row = self.frontier.add_robots(url.text, url.origin)
        else:
            self.frontier.add(url.text, url.origin, kind=kind, depth=depth)
            row = self.frontier.find(answer.url)
        if row is None:
            return
        verdict = self._judge(row.kind, answer, notes.get("fault", ""))
        span = (request.start, response.stop)
        self._apply(row, answer, verdict, detail=notes.get("detail", ""), span=span,
                    robots_of=notes.get("robots-of", ""))  # fmt: skip
