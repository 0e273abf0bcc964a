"""A `crawl:` source of the recipe, from its settings to its files."""

import asyncio
import shutil
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from lodesmith.acquire.crawl.crawler import Crawler
from lodesmith.acquire.crawl.dashboard import Dashboard
from lodesmith.acquire.crawl.fetch import PRIVATE, Fetcher, user_agent
from lodesmith.acquire.crawl.ledger import Ledger, Rules
from lodesmith.acquire.crawl.network import Connections
from lodesmith.acquire.crawl.outcome_files import Written, write_files
from lodesmith.acquire.crawl.robots import AGENT
from lodesmith.acquire.crawl.urls import make_territory
from lodesmith.acquire.crawl.verdict import FETCHED
from lodesmith.acquire.source_base import NO_LICENCE
from lodesmith.core.errors import EngineError, UserError
from lodesmith.core.log import say
from lodesmith.core.storage import JSON
from lodesmith.lineage.artifact import Draft

if TYPE_CHECKING:
    from lodesmith.acquire.crawl.source_crawl import CrawlSource


def make_crawl(source: "CrawlSource", draft: Draft) -> JSON:
    """Crawl a source into an artifact; return its entry and what became of every address.

    Raises:
        UserError: not one page was fetched.
    """
    written = crawl(source, draft.path, scratch=draft.scratch / "crawl" / source.label)
    outcomes = dict(written.outcomes)
    if not written.num_pages:
        for path in draft.path.glob(f"{source.label}.*"):
            path.unlink()
        told = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items())
        remedy = "look at the addresses, at their robots.txt and at the network, and run again"
        if PRIVATE in outcomes:
            remedy = "if that network is meant, write allow_private: true, and run again"
        raise UserError(f"source {source.label}: no page was fetched ({told}); {remedy}")
    entry = {
        "name": source.label,
        "kind": "crawl",
        "origin": source.origin,
        "version": source.snapshot or written.first_date[:10],
        "licence": source.licence or NO_LICENCE,
        "use": source.use,
        "num_records": written.num_pages,
        "bytes": written.page_bytes,
        "file": f"{source.label}.warc.gz",
    }
    dropped = {f"{source.label}: {outcome}": count for outcome, count in outcomes.items()
               if outcome != FETCHED}  # fmt: skip
    counts = {f"{source.label}: addresses seen": sum(outcomes.values())}
    return {"source": entry, "dropped": dropped, "notes": [], "counts": counts}


def crawl(source: "CrawlSource", folder: Path, *, scratch: Path) -> Written:
    """Crawl a source and write its files; go on where an earlier attempt stopped.

    Args:
        source: an entry of the recipe.
        folder: where the three files go.
        scratch: what survives a kill; removed when the files are written.

    Raises:
        EngineError: the disk is full, or the crawl's state is damaged.
    """
    territory = make_territory(source.crawl, source.scope, source.include, source.exclude)
    rules = Rules(
        territory=territory,
        limits=source.limits,
        heed_tags=source.heed_tags,
        follow_sitemaps=source.sitemaps,
    )
    try:
        ledger = Ledger(scratch, rules)
        if ledger.num_recovered:
            say(f"  crawl {source.label}: {ledger.num_recovered} answers found again in the log")
        try:
            asyncio.run(_crawl(source, ledger))
            written = _write(source, folder, ledger)
        finally:
            ledger.close()
    except sqlite3.Error as error:
        raise EngineError(
            f"the state of crawl {source.label} in {scratch} cannot be kept ({error}); make room "
            "on the disk and run the same command again, or remove that folder to begin anew"
        ) from None
    if not written.num_pages:  # perhaps the network was down: the next attempt begins anew
        shutil.rmtree(scratch, ignore_errors=True)
    return written


async def _crawl(source: "CrawlSource", ledger: Ledger) -> None:
    pace = source.pace
    connections = Connections(
        per_host=pace.connections_per_host,
        max_hosts=pace.max_hosts,
        allow_private=source.allow_private,
    )
    fetcher = Fetcher(connections, pace=pace, agent=user_agent(source.contact))
    dashboard = Dashboard(source.label, count_queued=ledger.frontier.count_waiting)
    try:
        crawler = Crawler(ledger, fetcher, pace=pace, dashboard=dashboard)
        await crawler.run(ledger.rules.territory.starts)
    finally:
        await connections.close_all()


def _write(source: "CrawlSource", folder: Path, ledger: Ledger) -> Written:
    info = {
        "software": "Lodesmith",
        "format": "WARC File Format 1.1",
        "robots": "RFC 9309",
        "http-header-user-agent": user_agent(source.contact),
        "operator": source.contact,
        "source": source.origin,
        "robots-agent": AGENT,
    }
    return write_files(
        folder, source.label, frontier=ledger.frontier, log=ledger.log.path, info=info
    )
