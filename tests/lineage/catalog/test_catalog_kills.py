"""Processes that write and merge are killed at any moment: what was told is there, and whole."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lodesmith.lineage.catalog import Catalog

WRITER = """
import itertools, sys
from lodesmith.lineage.catalog import Catalog
catalog, name = Catalog(sys.argv[1]), sys.argv[2]
for number in itertools.count():
    ids = [f"{name}-{number}-{i}" for i in range(40)]
    with catalog.writer() as writer:
        writer.add(ids=ids, archives=name, offsets=list(range(40)), lengths=[1] * 40,
                   urls=[f"http://{i}/" for i in ids])
    print(number, flush=True)
    if number % 3 == 2:
        catalog.compact(whole=number % 2 == 0)
"""


@pytest.mark.chaos
def test_killed_writers_lose_no_published_row_and_leave_no_half_commit(tmp_path: Path) -> None:
    pick = random.Random(11)
    told: dict[str, int] = {}
    for wave in range(3):
        names = [f"w{wave}-{number}" for number in range(4)]  # four writers at once
        running = [
            subprocess.Popen(
                [sys.executable, "-c", WRITER, str(tmp_path), name], stdout=subprocess.PIPE
            )
            for name in names
        ]
        for process in running:  # until each has published something
            assert process.stdout is not None
            process.stdout.readline()
        for name, process in zip(names, running, strict=True):
            time.sleep(pick.uniform(0, 0.15))
            process.send_signal(signal.SIGKILL)
            rest = process.communicate()[0].split()
            told[name] = 1 + (int(rest[-1]) if rest else 0)
    catalog = Catalog(tmp_path)
    for snapshot in (catalog.snapshot(), after_cleaning(catalog)):
        for name, count in told.items():
            for number in range(count + 1):  # the one after the last told may be there, but whole
                found = snapshot.find_many([f"{name}-{number}-{i}" for i in range(40)])
                rows = [len(places) for places in found]
                assert rows == [1] * 40 or (number == count and rows == [0] * 40)


def after_cleaning(catalog: Catalog):
    catalog.compact(whole=True)
    catalog.vacuum(grace_seconds=0)
    return Catalog(catalog._store.root).snapshot()
