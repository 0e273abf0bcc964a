"""A crawler killed at any moment loses no finished page and asks for none of them again."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from crawling import read_list, run_crawl
from web_site import WebSite, plant_articles

from lodesmith.acquire.crawl.records import read_members
from lodesmith.data.warc import read_warc

NUM_KILLS = 12
NUM_PAGES = 400


def finished(folder: Path) -> set[str]:
    """The addresses whose response is whole in the log."""
    path = folder / "scratch" / "log.warc.gz"
    if not path.exists():
        return set()
    with path.open("rb") as file:
        return {
            member.fields["warc-target-uri"]
            for member in read_members(file, start=0)
            if member.fields["warc-type"] == "response"
        }


@pytest.mark.slow
@pytest.mark.chaos
def test_killed_at_random_moments_it_ends_as_if_never_killed(tmp_path: Path) -> None:
    chance = random.Random(7)
    num_kills = 0
    with WebSite(delay_seconds=0.02) as site:
        plant_articles(site, NUM_PAGES)
        start = f"{site.origin}/a/0"
        run_crawl(tmp_path / "calm", start)
        site.asked.clear()
        once: set[str] = set()
        while num_kills < NUM_KILLS:
            command = [sys.executable, "-m", "crawling", str(tmp_path / "killed"), start]
            folder = Path(__file__).parents[2] / "support"
            with subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL) as child:
                target = len(finished(tmp_path / "killed")) + chance.randint(2, 25)
                while child.poll() is None and len(finished(tmp_path / "killed")) < target:
                    time.sleep(0.005)
                time.sleep(chance.random() * 0.05)
                child.send_signal(signal.SIGKILL)
            assert child.returncode == -signal.SIGKILL
            num_kills += 1
            known = finished(tmp_path / "killed")
            assert known >= once, "a finished record was lost"
            once = known
        asked = {url: site.asked["/" + url.split("/", 3)[3]] for url in once}
        run_crawl(tmp_path / "killed", start)
        for url, count in asked.items():
            assert site.asked["/" + url.split("/", 3)[3]] == count, f"{url} was asked for again"
    calm, killed = (
        [(record.uri, record.payload) for record in read_warc(tmp_path / name / "site.warc.gz")][1:]
        for name in ("calm", "killed")
    )
    assert calm == killed
    assert len(calm) == NUM_PAGES
    assert {path: entry["outcome"] for path, entry in read_list(tmp_path / "killed").items()} == {
        path: entry["outcome"] for path, entry in read_list(tmp_path / "calm").items()
    }
