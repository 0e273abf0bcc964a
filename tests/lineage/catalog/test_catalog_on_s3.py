"""The same catalog on a server that speaks S3, conditional puts included."""

import threading
from collections.abc import Iterator

import pytest
from s3_server import NEEDS_S3, local_s3

from lodesmith.lineage.catalog import Catalog

pytestmark = NEEDS_S3


@pytest.fixture
def place(monkeypatch) -> Iterator[str]:
    with local_s3(monkeypatch) as bucket:
        yield f"{bucket}/some/catalog"


def add(catalog: Catalog, name: str, count: int) -> None:
    ids = [f"{name}-{i}" for i in range(count)]
    with catalog.writer(tag=name) as rows:
        rows.add(ids=ids, archives=name, offsets=list(range(count)), lengths=[1] * count,
                 urls=[f"http://{i}/" for i in ids])  # fmt: skip


def test_of_two_puts_of_one_name_one_succeeds(place: str) -> None:
    store = Catalog(place)._store
    assert store.put_if_absent("commits/x", b"first")
    assert not store.put_if_absent("commits/x", b"second")
    assert store.read("commits/x") == b"first"
    assert store.read("commits/y") is None


def test_four_writers_on_s3_lose_no_row_and_compaction_and_vacuum_work(place: str) -> None:
    threads = [
        threading.Thread(target=add, args=(Catalog(place), f"w{number}", 300))
        for number in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    catalog = Catalog(place)
    names = [f"w{writer}-{i}" for writer in range(4) for i in range(0, 300, 9)]
    for is_merged in (False, True):
        snapshot = catalog.snapshot()
        assert all(len(places) == 1 for places in snapshot.find_many(names))
        (found,) = snapshot.find_url("http://w2-7/")
        assert (found.archive, found.offset) == ("w2", 7)
        assert (catalog.compact(whole=True) is None) == is_merged
    assert len(catalog.snapshot(1).find("w0-5") + catalog.snapshot(4).find("w0-5")) in (1, 2)
    assert catalog.vacuum(grace_seconds=0) == 4
    assert len(Catalog(place).snapshot().find("w3-299")) == 1
