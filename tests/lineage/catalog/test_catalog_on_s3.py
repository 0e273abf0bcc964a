"""The same catalog on a server that speaks S3, conditional puts included."""

import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator

import pytest

from lodesmith.lineage.catalog import Catalog

pytestmark = pytest.mark.slow
pytest.importorskip("moto", reason="needs `pip install 'moto[server]' s3fs`, a local S3")
pytest.importorskip("s3fs", reason="needs `pip install 'lodesmith[cloud]'`")
pytest.importorskip("flask", reason="needs `pip install 'moto[server]'`")


@pytest.fixture
def place(monkeypatch, free_port: int) -> Iterator[str]:
    import s3fs

    url = f"http://127.0.0.1:{free_port}"
    names = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
             "AWS_ENDPOINT_URL": url, "AWS_DEFAULT_REGION": "us-east-1"}  # fmt: skip
    for name, value in names.items():
        monkeypatch.setenv(name, value)
    command = [sys.executable, "-m", "moto.server", "-p", str(free_port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(url, server)
        s3fs.S3FileSystem.clear_instance_cache()
        s3fs.S3FileSystem().mkdir("bucket")
        yield "s3://bucket/some/catalog"
    finally:
        server.kill()
        server.wait()


@pytest.fixture
def free_port() -> int:
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_for(url: str, server: subprocess.Popen) -> None:
    for _ in range(300):
        assert server.poll() is None, "moto's server ended"
        try:
            urllib.request.urlopen(url, timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("moto's server does not answer")


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
    names = [f"w{writer}-{i}" for writer in range(4) for i in range(300)]
    for _ in range(2):
        snapshot = catalog.snapshot()
        assert all(len(places) == 1 for places in snapshot.find_many(names))
        (found,) = snapshot.find_url("http://w2-7/")
        assert (found.archive, found.offset) == ("w2", 7)
        catalog.remove(["w0-0"])
        assert catalog.compact(whole=True) is not None
        names = names[1:] if names[0] == "w0-0" else names
    assert len(catalog.snapshot(1).find("w0-5") + catalog.snapshot(4).find("w0-5")) in (1, 2)
    assert catalog.vacuum(grace_seconds=0) > 4
    assert Catalog(place).snapshot().find("w0-0") == []
    assert len(Catalog(place).snapshot().find("w3-299")) == 1
