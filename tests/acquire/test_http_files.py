"""Files from a web server: whole and unchanged, or an error that says why."""

import hashlib
import random
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from lodesmith.acquire import addresses
from lodesmith.acquire.config import AcquireConfig, resolve
from lodesmith.acquire.files import http_files
from lodesmith.acquire.files.http_files import RemoteFile, download, look_up
from lodesmith.core.errors import EngineError, UserError

CONTENT = random.Random(9).randbytes(3_000_000)


class Site:
    """What the server does, and what it was asked."""

    def __init__(self) -> None:
        self.tag = '"v1"'
        self.cut_after: list[int] = []  # bytes after which answers are cut, one for each GET
        self.announced: int | None = None  # a wrong length
        self.resumes = True
        self.statuses: list[int] = []
        self.ranges: list[str | None] = []
        self.url = ""
        self.inside = ""  # the host that /inside redirects to
        self.paths: list[str] = []


@contextmanager
def serve() -> Iterator[Site]:  # noqa: C901 a server that misbehaves in many ways
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.answer(with_body=False)

        def do_GET(self) -> None:
            site.ranges.append(self.headers.get("Range"))
            self.answer(with_body=True)

        def answer(self, *, with_body: bool) -> None:
            site.paths.append(self.path)
            if self.path in ("/away", "/inside"):
                self.send_response(302)
                inside = f"http://{site.inside}:{self.server.server_address[1]}/file.bin"
                self.send_header("Location", "/file.bin" if self.path == "/away" else inside)
                self.end_headers()
                return
            if self.path == "/loop" or (with_body and site.statuses):
                self.send_response(302 if self.path == "/loop" else site.statuses.pop(0))
                self.send_header("Location", "/loop")
                self.end_headers()
                return
            if self.path != "/file.bin":
                self.send_error(404)
                return
            asked = self.headers.get("Range")
            start = 0
            if asked and site.resumes and self.headers.get("If-Range") == site.tag:
                start = int(asked.removeprefix("bytes=").removesuffix("-"))
            self.send_response(206 if start else 200)
            if start:
                self.send_header(
                    "Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"
                )
            self.send_header("Content-Length", str(site.announced or len(CONTENT) - start))
            self.send_header("ETag", site.tag)
            self.send_header("Last-Modified", "Tue, 14 Nov 2023 22:13:20 GMT")
            self.end_headers()
            if with_body:
                stop = start + site.cut_after.pop(0) if site.cut_after else len(CONTENT)
                self.wfile.write(CONTENT[start:stop])

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    site.url = f"http://127.0.0.1:{server.server_address[1]}/file.bin"
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_files, "_pause", lambda _: 0.0)


def fetch(site: Site, folder: Path) -> bytes:
    file = look_up(site.url, allow_private=True)
    download(file, folder / "file.bin", allow_private=True)
    return (folder / "file.bin").read_bytes()


def test_a_file_comes_whole_with_its_time_and_tag(tmp_path: Path) -> None:
    with serve() as site:
        assert look_up(site.url, allow_private=True) == RemoteFile(
            site.url, "file.bin", len(CONTENT), '"v1"', 1_700_000_000
        )
        assert fetch(site, tmp_path) == CONTENT
        site.url = site.url.replace("file.bin", "away")
        assert hashlib.sha256(fetch(site, tmp_path / "b")).digest() == (
            hashlib.sha256(CONTENT).digest()
        )
    assert int((tmp_path / "file.bin").stat().st_mtime) == 1_700_000_000
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["file.bin"]


def test_a_cut_download_goes_on_where_it_stopped(tmp_path: Path) -> None:
    with serve() as site:
        site.cut_after = [1_000_000, 5, 0, 700_000]
        assert fetch(site, tmp_path) == CONTENT
        assert site.ranges == [None, "bytes=1000000-", "bytes=1000005-", "bytes=1000005-",
                               "bytes=1700005-"]  # fmt: skip


def test_a_server_that_cannot_resume_sends_it_again(tmp_path: Path) -> None:
    with serve() as site:
        site.resumes, site.cut_after = False, [1_000_000]
        assert fetch(site, tmp_path) == CONTENT


def test_a_server_that_is_busy_for_a_while_is_asked_again(tmp_path: Path) -> None:
    with serve() as site:
        site.statuses = [503, 429]
        assert fetch(site, tmp_path) == CONTENT


def test_a_server_that_always_cuts_is_given_up_and_the_part_kept(tmp_path: Path) -> None:
    with serve() as site:
        site.cut_after = [1000, 0, 0, 0, 0, 0]
        with pytest.raises(EngineError, match="could not be fetched after 5 attempts"):
            fetch(site, tmp_path)
        assert (tmp_path / "file.bin.part").stat().st_size == 1000
        assert fetch(site, tmp_path) == CONTENT
        assert site.ranges[-1] == "bytes=1000-"


def test_a_file_that_changed_since_it_was_listed_is_refused(tmp_path: Path) -> None:
    with serve() as site:
        file = look_up(site.url, allow_private=True)
        site.tag = '"v2"'
        with pytest.raises(EngineError, match="has changed since it was listed"):
            download(file, tmp_path / "file.bin", allow_private=True)
    assert not list(tmp_path.iterdir())


def test_a_wrong_length_is_noticed(tmp_path: Path) -> None:
    with serve() as site:
        file = RemoteFile(site.url, "file.bin", 1_000_000, '"v1"')
        with pytest.raises(EngineError, match="sends more than"):
            download(file, tmp_path / "file.bin", allow_private=True)
        file = RemoteFile(site.url, "file.bin", 4_000_000, '"v1"')
        with pytest.raises(EngineError, match="3000000 bytes, not the 4000000"):
            download(file, tmp_path / "other.bin", allow_private=True)


@pytest.mark.parametrize("address", ["/none", "/loop", "ftp://x/y"])
def test_what_is_not_there_is_the_users_error(address: str) -> None:
    with serve() as site:
        url = address if "://" in address else site.url.replace("/file.bin", address)
        with pytest.raises(UserError, match=r"correct the address|no address of a web server"):
            look_up(url, allow_private=True)


def test_a_private_address_is_refused_unless_allowed() -> None:
    with serve() as site, pytest.raises(UserError, match="allow_private: true"):
        look_up(site.url, allow_private=False)


@pytest.fixture
def _loopback_is_public(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let 127.0.0.1, and only it, stand for an address of the open internet."""
    real = addresses.is_public
    monkeypatch.setattr(addresses, "is_public", lambda ip: ip == "127.0.0.1" or real(ip))


@pytest.mark.usefixtures("_loopback_is_public")
@pytest.mark.parametrize(
    "host", ["127.0.0.2", "2130706434", "0177.0.0.2", "0x7f000002", "127.2", "[::ffff:127.0.0.2]"]
)
def test_a_redirect_into_the_private_network_is_refused(tmp_path: Path, host: str) -> None:
    with serve() as site:
        site.inside = host
        url = site.url.replace("/file.bin", "/inside")
        file = RemoteFile(url=url, path="file.bin", size=len(CONTENT), tag="")
        with pytest.raises(UserError, match="allow_private: true"):
            look_up(url, allow_private=False)
        with pytest.raises(UserError, match="allow_private: true"):
            download(file, tmp_path / "file.bin", allow_private=False)
        assert site.paths == ["/inside", "/inside"]
    assert not (tmp_path / "file.bin").exists()


@pytest.mark.usefixtures("_loopback_is_public")
def test_a_name_that_turns_to_a_private_address_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = ["127.0.0.1"]  # then another one, as a server of names says that means harm
    real = socket.getaddrinfo

    def rebind(host: str, port: int, *rest: Any, **more: Any) -> list[Any]:
        if host != "rebind.example":  # an address already
            return real(host, port, *rest, **more)
        return [(2, 1, 6, "", (answers.pop() if answers else "127.0.0.2", port))]

    with serve() as site:
        url = site.url.replace("127.0.0.1", "rebind.example")
        monkeypatch.setattr(socket, "getaddrinfo", rebind)
        file = look_up(url, allow_private=False)  # the address that was checked is connected to
        assert not answers
        with pytest.raises(UserError, match="allow_private: true"):
            download(file, tmp_path / "file.bin", allow_private=False)
        assert site.ranges == []


@pytest.mark.usefixtures("_loopback_is_public")
@pytest.mark.parametrize("kind", ["dataset", "warc"])
def test_a_source_that_redirects_inside_is_refused_by_the_stage(kind: str) -> None:
    with serve() as site:
        site.inside = "127.0.0.2"
        source = {kind: site.url.replace("/file.bin", "/inside")}
        section = AcquireConfig.model_validate({"sources": [source]})
        with pytest.raises(UserError, match="allow_private: true"):
            resolve(section)
        assert site.paths == ["/inside"]
