"""Data sets in the layout of hubs, and files that lie elsewhere, become pages."""

import gzip
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from web_site import WebSite, answer

from lodesmith.acquire.config import STAGE_VERSION, AcquireConfig, resolve
from lodesmith.acquire.files.remote import Access, fetch_all, list_remote
from lodesmith.acquire.stage import make
from lodesmith.core.errors import UserError
from lodesmith.data.warc import WarcWriter, read_warc
from lodesmith.lineage.artifact import Artifact, Order
from lodesmith.lineage.workspace import Workspace

CARD = "---\nlicense: cc-by-4.0\nlanguage: [zh]\n---\n# A data set\n"


def acquire(workspace: Path, *sources: dict[str, object]) -> Artifact:
    section = resolve(AcquireConfig.model_validate({"sources": list(sources)}))
    order = Order(kind="acquire", version=STAGE_VERSION, config={"acquire": section})
    return Workspace(workspace).build(order, lambda draft: make(draft, parents={}, acquire=section))


def texts(artifact: Artifact, name: str) -> list[str]:
    return [record.payload.decode() for record in list(read_warc(artifact.file(name)))[1:]]


def plant(root: Path) -> Path:
    (root / "data").mkdir(parents=True)
    (root / "README.md").write_text(CARD)
    for number in range(2):
        table = pa.table({"text": [f"第{number}页 a", f"第{number}页 b"],
                          "url": ["https://a.cn/1", None]})  # fmt: skip
        pq.write_table(table, root / "data" / f"train-{number:05}-of-00002.parquet")
    pq.write_table(pa.table({"text": ["test"]}), root / "data" / "test-00000-of-00001.parquet")
    return root


def test_the_training_split_is_taken_with_the_licence_of_the_card(tmp_path: Path) -> None:
    artifact = acquire(tmp_path / "w", {"dataset": str(plant(tmp_path / "books"))})
    assert texts(artifact, "books.warc.gz") == ["第0页 a", "第0页 b", "第1页 a", "第1页 b"]
    records = list(read_warc(artifact.file("books.warc.gz")))[1:]
    assert [record.uri for record in records[:2]] == [
        "https://a.cn/1", "dataset:books/books/data/train-00000-of-00002.parquet#2"
    ]  # fmt: skip
    assert artifact.receipt.sources[0]["licence"] == "cc-by-4.0"
    every = acquire(tmp_path / "w", {"dataset": str(tmp_path / "books"), "split": None})
    assert "test" in texts(every, "books.warc.gz")


def test_lines_in_every_packing_and_a_text_column_of_any_name(tmp_path: Path) -> None:
    root = tmp_path / "set"
    root.mkdir()
    lines = "".join(json.dumps({"n": n, "main": f"text {n}"}) + "\n" for n in range(3)).encode()
    (root / "a.jsonl").write_bytes(lines + b"{torn\n[1]\n" + json.dumps({"main": " "}).encode())
    (root / "b.jsonl.gz").write_bytes(gzip.compress(lines))
    (root / "c.jsonl.zst").write_bytes(zstandard.compress(lines)[:-3])
    with pytest.raises(UserError, match=r"name the one that is the text .* there are main"):
        acquire(tmp_path / "w", {"dataset": str(root)})
    artifact = acquire(tmp_path / "w", {"dataset": str(root), "text_field": "main"})
    assert len(texts(artifact, "set.warc.gz")) >= 6
    assert artifact.receipt.dropped == {
        "line is no JSON": 1, "line is no JSON object": 1, "row has no text": 1,
        "table cannot be read further": 1,
    }  # fmt: skip
    assert any("c.jsonl.zst could not be read to its end" in n for n in artifact.receipt.notes)


def test_a_split_that_is_not_there_is_the_users_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no table is of the split dev"):
        acquire(tmp_path / "w", {"dataset": str(plant(tmp_path / "b")), "split": "dev"})


@pytest.fixture
def store(tmp_path: Path):
    """A store in memory that fsspec knows."""
    files = fsspec.filesystem("memory")
    files.put(str(plant(tmp_path / "books")), "/hub/books", recursive=True)
    path = tmp_path / "a.warc.gz"
    with path.open("wb") as file:
        writer = WarcWriter(file)
        for number in range(3):
            writer.write(uri=f"http://x/{number}", payload=b"<p>%d" % number,
                         content_type="text/html", date="2024-01-01T00:00:00Z")  # fmt: skip
    files.put(str(path), "/crawl/2024/a.warc.gz")
    yield files
    files.store.clear()


def test_archives_and_data_sets_of_object_storage_are_fetched_once(tmp_path: Path, store) -> None:
    sources = ({"dataset": "memory://hub/books"}, {"warc": "memory://crawl/**/*.warc.gz"})
    artifact = acquire(tmp_path / "w", *sources)
    assert texts(artifact, "books.warc.gz") == ["第0页 a", "第0页 b", "第1页 a", "第1页 b"]
    crawl = artifact.receipt.sources[1]
    assert (crawl["num_records"], artifact.receipt.sources[0]["licence"]) == (3, "cc-by-4.0")
    assert acquire(tmp_path / "w", *sources).id == artifact.id
    store.pipe_file("/hub/books/data/train-00000-of-00002.parquet", b"PAR1 no more PAR1")
    changed = acquire(tmp_path / "w", *sources)
    assert changed.id != artifact.id
    assert changed.receipt.dropped["table cannot be read further"] == 1


def test_a_part_that_is_there_is_gone_on_with(tmp_path: Path, store) -> None:
    access = Access()
    [file] = list_remote(["memory://crawl/2024/a.warc.gz"], patterns=(), access=access)
    whole = store.cat_file("/crawl/2024/a.warc.gz")
    (tmp_path / "000000-a.warc.gz.part").write_bytes(whole[:100])
    places = fetch_all([file], tmp_path, access=access)
    assert places[file.url].read_bytes() == whole


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("memory://none/x.parquet", "correct the address"),
        ("memory://hub/*.odd", "correct the address"),
        ("odd://x/y", "odd:// is not known"),
    ],
)
def test_what_is_not_there_is_the_users_error(store, entry: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        list_remote([entry], patterns=("**",), access=Access())


def test_an_s3_endpoint_in_a_private_network_is_refused_unless_allowed() -> None:
    access = Access(endpoint="http://127.0.0.1:9000")
    with pytest.raises(UserError, match="allow_private: true"):
        list_remote(["s3://bucket/a.parquet"], patterns=("**",), access=access)


def test_an_s3_endpoint_whose_name_turns_to_a_private_address_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("s3fs", reason="the extra `cloud` is not installed")
    real, answers = socket.getaddrinfo, ["93.184.216.34"]  # then one of this machine

    def rebind(host: Any, port: Any, *rest: Any, **more: Any) -> list[Any]:
        if host != "rebind.example":
            return real(host, port, *rest, **more)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (answers.pop() if answers else
                 "127.0.0.1", port))]  # fmt: skip

    with WebSite() as site:
        monkeypatch.setattr(socket, "getaddrinfo", rebind)
        access = Access(endpoint=f"http://rebind.example:{site.port}", anonymous=True)
        with pytest.raises(UserError, match="allow_private: true"):
            list_remote(["s3://bucket/a.parquet"], patterns=("**",), access=access)
        assert not answers
        assert not site.requests


@pytest.fixture
def s3_endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Address of a real S3 server of this machine."""
    pytest.importorskip("s3fs", reason="the extra `cloud` is not installed")
    server_module = pytest.importorskip("moto.server", reason="moto[server] is not installed")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        yield "http://{}:{}".format(*server.get_host_and_port())
    finally:
        server.stop()


def test_a_real_s3_server_is_read(tmp_path: Path, s3_endpoint: str) -> None:
    files = fsspec.filesystem("s3", endpoint_url=s3_endpoint)
    files.mkdir("hub")
    files.put(str(plant(tmp_path / "books")), "hub/books", recursive=True)
    source = {"dataset": "s3://hub/books", "endpoint": s3_endpoint, "allow_private": True}
    artifact = acquire(tmp_path / "w", source)
    assert texts(artifact, "books.warc.gz") == ["第0页 a", "第0页 b", "第1页 a", "第1页 b"]
    assert artifact.receipt.sources[0]["licence"] == "cc-by-4.0"


PAGES = {"a.html": b"<p>a</p>", "zh/b.txt": "第一页".encode(), "zh/c.pdf": b"%PDF"}


def records_of(artifact: Artifact, name: str) -> list[tuple[str, str, bytes]]:
    records = list(read_warc(artifact.file(name)))[1:]
    return [(record.uri, record.content_type, record.payload) for record in records]


def test_files_of_object_storage_are_pages_with_their_addresses(tmp_path: Path, store) -> None:
    for name, data in PAGES.items():
        store.pipe_file(f"/site/{name}", data)
    (tmp_path / "here.txt").write_bytes(b"of this machine")
    source = {"files": [str(tmp_path / "here.txt"), "memory://site"], "name": "site"}
    artifact = acquire(tmp_path / "w", source)
    expected = [
        (f"file:///{tmp_path.name}/here.txt", "text/plain", b"of this machine"),
        ("memory://site/a.html", "text/html", PAGES["a.html"]),
        ("memory://site/zh/b.txt", "text/plain", PAGES["zh/b.txt"]),
    ]
    assert records_of(artifact, "site.warc.gz") == expected
    assert acquire(tmp_path / "w", source).id == artifact.id
    store.pipe_file("/site/a.html", b"<p>other</p>")
    changed = acquire(tmp_path / "w", source)
    assert changed.id != artifact.id
    assert records_of(changed, "site.warc.gz")[1][2] == b"<p>other</p>"
    only = acquire(tmp_path / "w", {"files": "memory://site/**/*.txt", "name": "site"})
    assert [uri for uri, _, _ in records_of(only, "site.warc.gz")] == ["memory://site/zh/b.txt"]


def test_a_file_of_a_web_server_is_a_page(tmp_path: Path) -> None:
    with WebSite() as site:
        site.pages["/docs/a%20b.html"] = answer(b"<p>page</p>", ETag='"1"')
        url = f"http://127.0.0.1:{site.port}/docs/a%20b.html"
        source = {"files": url, "name": "site", "allow_private": True}
        with pytest.raises(UserError, match="allow_private: true"):
            acquire(tmp_path / "w", {**source, "allow_private": False})
        artifact = acquire(tmp_path / "w", source)
    assert records_of(artifact, "site.warc.gz") == [(url, "text/html", b"<p>page</p>")]


def test_files_of_a_real_s3_server_are_read(tmp_path: Path, s3_endpoint: str) -> None:
    files = fsspec.filesystem("s3", endpoint_url=s3_endpoint)
    files.mkdir("site-of-pages")
    for name, data in PAGES.items():
        files.pipe_file(f"site-of-pages/{name}", data)
    source = {"files": "s3://site-of-pages", "endpoint": s3_endpoint, "allow_private": True}
    artifact = acquire(tmp_path / "w", source)
    records = list(read_warc(artifact.file("site-of-pages.warc.gz")))[1:]
    assert [(record.uri, record.payload) for record in records] == [
        (f"s3://site-of-pages/{name}", PAGES[name]) for name in ("a.html", "zh/b.txt")
    ]
    assert all(record.date >= "2020" for record in records)  # when the store was given them
