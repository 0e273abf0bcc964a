"""The whole stage: what it writes, what it says, and that it can be stopped anywhere."""

import gzip
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lodesmith.acquire import stage
from lodesmith.acquire.config import STAGE_VERSION, AcquireConfig, resolve
from lodesmith.acquire.stage import make
from lodesmith.core.errors import EngineError, UserError
from lodesmith.data.warc import read_warc
from lodesmith.lineage.artifact import Artifact, Draft, Order
from lodesmith.lineage.workspace import Workspace

MOMENT = 1_700_000_000


def plant(root: Path, **files: str | bytes) -> Path:
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        os.utime(path, (MOMENT, MOMENT))
    return root


def acquire(workspace: Path, *sources: dict[str, object]) -> Artifact:
    section = resolve(AcquireConfig.model_validate({"sources": list(sources)}))
    order = Order(kind="acquire", version=STAGE_VERSION, config={"acquire": section})
    return Workspace(workspace).build(order, lambda draft: make(draft, parents={}, acquire=section))


def test_pages_are_written_in_order_with_address_date_and_type(tmp_path: Path) -> None:
    pages = plant(tmp_path / "pages", b_html="<p>b</p>", a__首页_txt="首页", c_xhtml="<html/>")
    artifact = acquire(tmp_path / "w", {"files": str(pages), "paths": "**", "licence": "CC0-1.0"})
    info, *records = read_warc(artifact.file("pages.warc.gz"))
    assert info.type == "warcinfo"
    assert [(record.uri, record.content_type, record.date) for record in records] == [
        ("file:///pages/a/%E9%A6%96%E9%A1%B5.txt", "text/plain", "2023-11-14T22:13:20Z"),
        ("file:///pages/b.html", "text/html", "2023-11-14T22:13:20Z"),
        ("file:///pages/c.xhtml", "application/xhtml+xml", "2023-11-14T22:13:20Z"),
    ]
    entry = {
        "name": "pages", "kind": "files", "origin": "files:pages", "version": "",
        "licence": "CC0-1.0", "use": "pages", "num_records": 3, "bytes": 21,
        "file": "pages.warc.gz",
    }  # fmt: skip
    assert json.loads(artifact.file("sources.json").read_text()) == [entry]
    assert artifact.receipt.sources == [entry]
    assert artifact.receipt.counts == {"num_sources": 1, "num_records": 3, "payload_bytes": 21}


def test_files_that_are_no_pages_are_told_with_what_makes_pages_of_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pages = plant(
        tmp_path / "资料", a_HTM="<p>a</p>", b_docx="b", c_pdf="c", d_PDF="d", e__f_jsonl="{}"
    )
    artifact = acquire(tmp_path / "w", {"files": str(pages)})
    (note,) = artifact.receipt.notes
    assert note.startswith("资料: 4 files of other kinds left out: ")
    assert all(word in note for word in (".docx", "1 .pdf", "soffice", "pdftotext", "dataset:"))
    assert f"warning: {note}" in capsys.readouterr().err
    assert artifact.file("资料.warc.gz").exists()


def test_a_crawl_of_this_machine_says_what_allows_it(tmp_path: Path) -> None:
    source = {"crawl": "http://127.0.0.1:9/", "contact": "me@example.org"}
    with pytest.raises(UserError, match=r"private address\); .* write allow_private: true"):
        acquire(tmp_path / "w", source)


def test_equal_pages_give_an_equal_digest_wherever_they_lie(tmp_path: Path) -> None:
    digests = set()
    for place in ("here", "there"):
        pages = plant(tmp_path / place / "pages", a_html="<p>x</p>")
        digests.add(acquire(tmp_path / place / "w", {"files": str(pages)}).receipt.digest)
    assert len(digests) == 1


def test_a_changed_file_is_another_artifact_and_an_unchanged_one_is_not(tmp_path: Path) -> None:
    pages = plant(tmp_path / "pages", a_html="<p>one</p>")
    first = acquire(tmp_path / "w", {"files": str(pages)})
    assert acquire(tmp_path / "w", {"files": str(pages)}).id == first.id
    (pages / "a.html").write_text("<p>two and more</p>")
    assert acquire(tmp_path / "w", {"files": str(pages)}).id != first.id


def test_a_json_list_of_texts_stands_for_as_many_pages(tmp_path: Path) -> None:
    pages = plant(
        tmp_path / "book", a_json=json.dumps(["第一回", " ", "第二回"]), b_json='["x", 7]'
    )
    source = {"files": str(pages), "paths": "*.json"}
    records = list(read_warc(acquire(tmp_path / "w", source).file("book.warc.gz")))[1:]
    assert [(record.uri[-9:], record.payload.decode()) for record in records] == [
        ("/a.json#1", "第一回"),
        ("/a.json#3", "第二回"),
        ("ok/b.json", '["x", 7]'),
    ]
    chat = acquire(tmp_path / "w", {**source, "use": "chat"})
    assert chat.receipt.counts["num_records"] == 2


def test_archives_give_their_pages_and_a_count_of_the_rest(tmp_path: Path) -> None:
    def record(kind: str, uri: str, block: bytes, content_type: str = "application/http") -> bytes:
        return gzip.compress(
            f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Target-URI: {uri}\r\nContent-Type: "
            f"{content_type}\r\nWARC-Date: 2020-01-02T03:04:05Z\r\n"
            f"Content-Length: {len(block)}\r\n\r\n".encode()
            + block
            + b"\r\n\r\n"
        )

    html = b"Content-Type: text/html; charset=gbk\r\n\r\n<p>\xd6\xd0</p>"
    torn = bytearray(record("resource", "http://a.cn/torn", b"<p>torn</p>", "text/html"))
    torn[-6] ^= 1
    (tmp_path / "crawl.warc.gz").write_bytes(
        record("warcinfo", "", b"software: x\r\n")
        + record("response", "http://a.cn/1", b"HTTP/1.1 200 OK\r\n" + html)
        + record("response", "http://a.cn/2", b"HTTP/1.1 404 Not Found\r\n" + html)
        + record("request", "http://a.cn/1", b"GET / HTTP/1.1\r\n\r\n")
        + bytes(torn)
        + record("resource", "http://a.cn/3", b"<html><p>3</html>", "")
        + record("resource", "http://a.cn/4", b"\x89PNG", "image/png")
        + record("conversion", "http://a.cn/5", b"text", "text/plain")
        + record("resource", "http://a.cn/6", b" \n", "text/html")
    )
    artifact = acquire(tmp_path / "w", {"warc": f"{tmp_path}/*.warc.gz", "name": "crawl"})
    records = list(read_warc(artifact.file("crawl.warc.gz")))[1:]
    assert [(r.uri, r.content_type, r.charset, r.date) for r in records] == [
        ("http://a.cn/1", "text/html", "gbk", "2020-01-02T03:04:05Z"),
        ("http://a.cn/3", "text/html", "", "2020-01-02T03:04:05Z"),
        ("http://a.cn/5", "text/plain", "", "2020-01-02T03:04:05Z"),
    ]
    assert records[0].payload == b"<p>\xd6\xd0</p>"
    assert artifact.receipt.dropped == {
        "HTTP status is not 2xx": 1, "damaged record": 1, "not HTML or text": 1, "empty page": 1,
    }  # fmt: skip
    assert any("crawl.warc.gz: byte " in note for note in artifact.receipt.notes)


def test_a_source_without_a_page_says_what_is_there_instead(tmp_path: Path) -> None:
    pages = plant(tmp_path / "pages", a_odd="x", b_odd="y")
    with pytest.raises(UserError, match=r"source pages: no file fits \*\*/\*.html.* a.odd, b.odd$"):
        acquire(tmp_path / "w", {"files": str(pages)})
    plant(tmp_path / "pages", c_html="")
    with pytest.raises(UserError, match=r"source pages holds no page \(1 empty file\)"):
        acquire(tmp_path / "w", {"files": str(pages)})


def test_the_fallback_is_taken_aloud_where_a_client_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    pages = plant(tmp_path / "pages", a_html="<p>a</p>")
    recipe = {"sources": [{"debian": "dpkg"}], "fallback": [{"files": str(pages)}]}
    section = resolve(AcquireConfig.model_validate(recipe))
    assert "warning: not installed here: apt-get, dpkg-deb; taking" in capsys.readouterr().err
    assert [source.label for source in section.sources] == ["pages"]
    assert resolve(section) == section
    assert capsys.readouterr().err == ""
    draft = Draft(path=tmp_path / "draft")
    make(draft, parents={}, acquire=section)
    assert draft.notes == ["fallback sources were taken: not installed here: apt-get, dpkg-deb"]


def test_without_a_fallback_a_missing_client_is_the_users_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for fallback in ([], [{"debian": "dpkg"}]):
        recipe = {"sources": [{"npm": "pages"}], "fallback": fallback}
        with pytest.raises(UserError, match=r"not installed here: .*install that or give"):
            resolve(AcquireConfig.model_validate(recipe))


def test_nothing_installed_is_missed_when_all_is_there(tmp_path: Path) -> None:
    pages = plant(tmp_path / "pages", a_html="x")
    recipe = {"sources": [{"files": str(pages)}], "fallback": [{"python": "standard-library"}]}
    section = resolve(AcquireConfig.model_validate(recipe))
    assert [source.label for source in section.sources] == ["pages"]
    assert (section.fallback, section.fallback_reason) == ([], None)


def test_a_finished_source_is_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = [
        {"files": str(plant(tmp_path / name, a_html=f"<p>{name}</p>"))} for name in ("one", "two")
    ]
    whole = acquire(tmp_path / "other", *sources)
    real, made = stage.open_origin, []

    def fail_once(source, downloads, tally):
        made.append(source.label)
        if made == ["one", "two"]:
            raise EngineError("the network is gone")
        return real(source, downloads, tally)

    monkeypatch.setattr(stage, "open_origin", fail_once)
    with pytest.raises(EngineError):
        acquire(tmp_path / "w", *sources)
    again = acquire(tmp_path / "w", *sources)
    assert made == ["one", "two", "two"]
    assert again.receipt.digest == whole.receipt.digest
    assert again.receipt.num_attempts == 2


@pytest.mark.chaos
def test_killed_at_any_moment_the_next_run_ends_with_the_same_bytes(tmp_path: Path) -> None:
    texts = random.Random(7)
    sources = []
    for name in ("one", "two", "three"):
        pages = {f"p{n}_html": texts.randbytes(20_000) for n in range(500)}
        sources.append({"files": str(plant(tmp_path / name, **pages))})
    digest = acquire(tmp_path / "unharmed", *sources).receipt.digest
    program = (
        "import json, sys; sys.path.insert(0, sys.argv[3])\n"
        "from pathlib import Path; import test_acquire_stage as t\n"
        "print('ready', flush=True)\n"
        "t.acquire(Path(sys.argv[1]), *json.loads(sys.argv[2]))"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "w"), json.dumps(sources),
               str(Path(__file__).parent)]  # fmt: skip
    for seconds in (0.0, 0.02, 0.05, 0.1, 0.2):
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            while process.poll() is None and not list(tmp_path.glob("w/unfinished/*/scratch/*")):
                time.sleep(0.01)  # the kill must fall into the work, however slow the machine
            time.sleep(seconds)
            process.send_signal(signal.SIGKILL)
    receipt = acquire(tmp_path / "w", *sources).receipt
    assert receipt.digest == digest
    assert receipt.num_attempts > 1  # the kills fell into the work, not before it


@pytest.mark.network
def test_real_clients_fetch_real_packages(tmp_path: Path) -> None:
    artifact = acquire(
        tmp_path / "w",
        {"debian": "debian-reference-zh-cn"},
        {"pypi": "chatterbot-corpus", "paths": "**/chinese/*.yml", "use": "chat"},
    )
    pages, chat = artifact.receipt.sources
    assert pages["num_records"] >= 15
    assert pages["licence"] == "GPL-2+"
    assert chat["num_records"] >= 15


@pytest.mark.network
@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_a_real_npm_package_is_fetched(tmp_path: Path) -> None:
    artifact = acquire(tmp_path / "w", {"npm": "is-odd@3.0.1", "paths": "**/*.md"})
    (source,) = artifact.receipt.sources
    assert (source["version"], source["licence"], source["num_records"]) == ("3.0.1", "MIT", 1)
    page = list(read_warc(artifact.file("is-odd.warc.gz")))[1]
    assert page.uri.endswith("/README.md")
    assert b"is-odd" in page.payload
