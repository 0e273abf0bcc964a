"""A file from a web server: once, whole, resumed after a cut, never from a private address unasked.

Each connection goes to an address that was checked (`addresses.py`), also after a redirect. A cut
download goes on where it stopped, if the server says that the file is still the same.

Source: RFC 9110, sections 8.8.3 (ETag), 13.1.5 (If-Range), 14 (ranges).
"""

import http.client
import os
import re
import socket
import ssl
import time
import urllib.parse
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path

from lodesmith.acquire.addresses import resolve_host
from lodesmith.core.errors import EngineError, UserError
from lodesmith.core.units import format_bytes
from lodesmith.core.version import VERSION

_TIMEOUT_SECONDS = 60.0  # without a byte
_ATTEMPTS = 5  # in a row that brought nothing new
_MAX_REDIRECTS = 5
_MAX_UNKNOWN_BYTES = 64 << 30  # of a file whose server does not say how long it is
_BLOCK_BYTES = 1 << 20
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})  # worth another attempt


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file elsewhere, as it is now."""

    url: str
    path: str  # its name below what the recipe names
    size: int | None  # bytes; None where nobody says
    tag: str  # changes when the file does: ETag, generation or time; "" where nobody says
    modified: int = 0  # seconds since 1970, 0 where nobody says


class _CutError(Exception):
    """The connection ended too early; what came is kept."""


def look_up(url: str, *, allow_private: bool) -> RemoteFile:
    """Return what a server says of a file.

    Raises:
        UserError: there is no such file, or its host may not be reached.
        EngineError: the server cannot be reached or fails.
    """
    for attempt in range(_ATTEMPTS):
        try:
            with _ask("HEAD", url, {}, allow_private=allow_private) as answer:
                return _describe(url, answer)
        except _CutError as error:
            if attempt == _ATTEMPTS - 1:
                raise _give_up(url, str(error)) from None
            time.sleep(_pause(attempt))
    raise AssertionError("unreachable")


def download(file: RemoteFile, target: Path, *, allow_private: bool) -> None:
    """Write a file to `target`, whole or not at all; a part that is there is gone on with.

    Raises:
        UserError: the file is gone, or its host may not be reached.
        EngineError: the server fails, or what it sends is not what it announced.
    """
    part = target.with_name(f"{target.name}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    failures = 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            _download_rest(file, part, allow_private=allow_private)
            break
        except _CutError as error:
            now = part.stat().st_size if part.exists() else 0
            failures = 0 if now > before else failures + 1
            if failures == _ATTEMPTS:
                raise _give_up(file.url, str(error)) from None
            time.sleep(_pause(failures))
    size = part.stat().st_size
    if file.size is not None and size != file.size:
        part.unlink()
        raise EngineError(
            f"{file.url} came with {size} bytes, not the {file.size} that were announced; "
            "run the same command again"
        )
    os.utime(part, (file.modified, file.modified))
    part.rename(target)


def _download_rest(file: RemoteFile, part: Path, *, allow_private: bool) -> None:
    have = part.stat().st_size if part.exists() else 0
    if file.size is not None and have == file.size:
        return
    can_resume = bool(have and file.tag and not file.tag.startswith("W/"))
    asked = {"Range": f"bytes={have}-", "If-Range": file.tag} if can_resume else {}
    with _ask("GET", file.url, asked, allow_private=allow_private) as answer:
        now = _describe(file.url, answer)
        if file.tag and now.tag and now.tag != file.tag:
            part.unlink(missing_ok=True)
            raise EngineError(f"{file.url} has changed since it was listed; run again")
        start = _range_start(answer) if answer.status == 206 else 0
        if start != (have if answer.status == 206 else 0):
            part.unlink(missing_ok=True)
            raise _CutError("the server sent another part than was asked for")
        limit = file.size if file.size is not None else _MAX_UNKNOWN_BYTES
        with part.open("ab" if start else "wb") as output:
            _copy(answer, output.fileno(), limit - start, file.url)


def _copy(answer: http.client.HTTPResponse, output: int, limit: int, url: str) -> None:
    size = 0
    while True:
        try:
            block = answer.read(_BLOCK_BYTES)
        except http.client.IncompleteRead as error:
            os.write(output, error.partial[: limit - size])
            raise _CutError("the connection was cut") from None
        except (OSError, http.client.HTTPException) as error:
            raise _CutError(str(error) or "the connection was cut") from None
        if not block:
            break
        size += len(block)
        if size > limit:
            os.ftruncate(output, 0)
            raise EngineError(f"{url} sends more than {format_bytes(limit)}, which is too much")
        os.write(output, block)
    if answer.length:  # what was announced and did not come
        raise _CutError("the connection was cut")


def _ask(
    method: str, url: str, headers: dict[str, str], *, allow_private: bool
) -> http.client.HTTPResponse:
    """Return the answer to a request, redirects followed.

    Raises:
        _CutError: another attempt may do better.
        UserError: it will not.
    """
    first = url
    for _ in range(_MAX_REDIRECTS + 1):
        answer = _ask_once(method, url, headers, allow_private=allow_private)
        place = answer.getheader("Location")
        if answer.status in (301, 302, 303, 307, 308) and place:
            answer.close()
            url = urllib.parse.urljoin(url, place)
            continue
        if answer.status in (200, 206):
            return answer
        answer.close()
        if answer.status in _PASSING:
            raise _CutError(f"HTTP status {answer.status}")
        raise UserError(f"{url} cannot be had: HTTP status {answer.status}; correct the address")
    raise UserError(f"{first} redirects more than {_MAX_REDIRECTS} times; correct the address")


def _ask_once(
    method: str, url: str, headers: dict[str, str], *, allow_private: bool
) -> http.client.HTTPResponse:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError(f"{url} is no address of a web server; write http:// or https://")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    address = resolve_host(parts.hostname, port, allow_private=allow_private)[0]
    connection = _Connection(parts.hostname, port, address=address, is_tls=parts.scheme == "https")
    target = urllib.parse.quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    target += f"?{parts.query}" if parts.query else ""
    sent = {"User-Agent": f"lodesmith/{VERSION}", "Accept-Encoding": "identity", **headers}
    try:
        connection.request(method, target, headers={**sent, "Connection": "close"})
        answer = connection.getresponse()
        if connection.sock is not None:  # a server that keeps it open all the same
            connection.sock.close()  # as soon as the answer is closed, which reads from it
        return answer
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        raise _CutError(str(error) or type(error).__name__) from None


class _Connection(http.client.HTTPConnection):
    """Connects to an address that was checked; TLS is verified against the host's name."""

    def __init__(self, host: str, port: int, *, address: str, is_tls: bool) -> None:
        super().__init__(host, port, timeout=_TIMEOUT_SECONDS)
        self._address, self._is_tls = address, is_tls

    def connect(self) -> None:
        self.sock = socket.create_connection((self._address, self.port), _TIMEOUT_SECONDS)
        if self._is_tls:
            context = ssl.create_default_context()
            self.sock = context.wrap_socket(self.sock, server_hostname=self.host)


def _describe(url: str, answer: http.client.HTTPResponse) -> RemoteFile:
    length = answer.getheader("Content-Length") or ""
    dated = answer.getheader("Last-Modified") or ""
    try:
        modified = int(parsedate_to_datetime(dated).timestamp())
    except (ValueError, TypeError, OverflowError):
        modified = 0
    name = urllib.parse.unquote(urllib.parse.urlsplit(url).path.rpartition("/")[2])
    safe = re.sub(r"[\0/]", "_", name).strip(".") or "file"
    return RemoteFile(
        url=url,
        path=safe,
        size=int(length) if length.isascii() and length.isdigit() else None,
        tag=answer.getheader("ETag") or dated,
        modified=max(0, modified),
    )


def _range_start(answer: http.client.HTTPResponse) -> int:
    found = re.match(r"bytes (\d+)-", answer.getheader("Content-Range") or "")
    return int(found[1]) if found else -1


def _pause(attempt: int) -> float:
    return min(30.0, 0.5 * 2.0**attempt)


def _give_up(url: str, why: str) -> EngineError:
    return EngineError(
        f"{url} could not be fetched after {_ATTEMPTS} attempts ({why}); check the network and run "
        "the same command again: it goes on where it stopped"
    )
