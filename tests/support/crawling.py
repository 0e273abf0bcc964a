"""What tests of the crawler share: a source for the local site, and reading what a crawl wrote."""

import json
import sys
from pathlib import Path
from typing import Any

import zstandard

from lodesmith.acquire.crawl.outcome_files import Written
from lodesmith.acquire.crawl.source import crawl
from lodesmith.acquire.crawl.source_crawl import CrawlSource

QUICK = {
    "delay_seconds": 0.0,
    "connections_per_host": 4,
    "idle_seconds": 0.6,
    "total_seconds": 1.2,
    "retry_seconds": 0.05,
    "max_attempts": 2,
}


def make_source(start: str, **settings: Any) -> CrawlSource:
    pace = {**QUICK, **settings.pop("pace", {})}
    limits = {"max_page_bytes": 1 << 20, **settings.pop("limits", {})}
    data = {"crawl": start, "contact": "tests@example.org", "allow_private": True,
            "pace": pace, "limits": limits, "name": "site", **settings}  # fmt: skip
    return CrawlSource.model_validate(data)


def run_crawl(folder: Path, start: str, **settings: Any) -> Written:
    folder.mkdir(parents=True, exist_ok=True)
    return crawl(make_source(start, **settings), folder, scratch=folder / "scratch")


def read_list(folder: Path) -> dict[str, dict[str, Any]]:
    """What became of each address, by path and query."""
    with (folder / "site.urls.jsonl.zst").open("rb") as file:
        text = zstandard.ZstdDecompressor().stream_reader(file).read().decode()
    entries = [json.loads(line) for line in text.splitlines()]
    return {"/" + entry["url"].split("/", 3)[3]: entry for entry in entries}


if __name__ == "__main__":  # what the chaos test kills
    run_crawl(Path(sys.argv[1]), sys.argv[2], pace={"idle_seconds": 5, "total_seconds": 10})
