"""One request: asked with limits on everything that a server decides.

Time (to connect, between bytes, in all), size (as sent and unpacked, so that a bomb is noticed
while it unpacks), headers (httpcore's reader ends at 100 KiB) and type. Redirects are not followed
here: each hop is an address of its own, to be checked, counted and recorded like any other.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

import httpcore

from lodesmith.acquire.addresses import PrivateAddressError
from lodesmith.acquire.crawl.answer import Answer, TooLargeError, Unpacker
from lodesmith.acquire.crawl.config import Pace
from lodesmith.acquire.crawl.network import Connections
from lodesmith.acquire.crawl.urls import Url
from lodesmith.acquire.pages.pages import format_date
from lodesmith.core.version import VERSION

PRIVATE = "private address"  # an outcome, and what a host is given up for

_HEADERS = (
    (b"Accept", b"text/html,application/xhtml+xml,text/plain;q=0.8,*/*;q=0.1"),
    (b"Accept-Encoding", b"gzip, deflate"),
)
_RETRIED = frozenset({408, 429, 500, 502, 503, 504})
_FRAMING = {b"transfer-encoding", b"content-length", b"connection", b"keep-alive", b"trailer"}


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """How a request ended."""

    answer: Answer | None = None
    fault: str = ""  # why there is no whole answer: an outcome's words
    detail: str = ""
    may_retry: bool = False
    retry_after: float | None = None  # seconds that the server asks for


TypeCheck = Callable[[int, str], bool]  # status, media type -> is the body wanted?


def user_agent(contact: str) -> str:
    """Return how we introduce ourselves."""
    return f"Lodesmith/{VERSION} (+{contact})"


class Fetcher:
    """Asks for one address at a time of each caller."""

    def __init__(self, connections: Connections, *, pace: Pace, agent: str) -> None:
        self._connections, self._pace = connections, pace
        self._agent = agent.encode("ascii", "replace")

    async def fetch(
        self, url: Url, *, max_bytes: int, wants: TypeCheck, keep_beginning: bool = False
    ) -> Fetched:
        """Return how asking for an address ended; no fault of a server raises.

        Args:
            url: what to ask for.
            max_bytes: limit of the body, as sent and unpacked.
            wants: told the status and media type, says whether the body is worth its bytes.
            keep_beginning: read a body that is announced as too large, up to the limit.
        """
        exchange = _Exchange(url, agent=self._agent, max_bytes=max_bytes, wants=wants)
        exchange.keep_beginning = keep_beginning
        try:
            async with asyncio.timeout(self._pace.total_seconds):
                await exchange.run(self._connections, idle_seconds=self._pace.idle_seconds)
        except PrivateAddressError as error:
            return Fetched(fault=PRIVATE, detail=str(error))
        except (TimeoutError, httpcore.TimeoutException) as error:
            detail = str(error) or f"not whole after {self._pace.total_seconds:g} s"
            result = exchange.end("timed out", detail, cut="time", may_retry=True)
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            result = exchange.end(_fault_of(error), str(error), cut="disconnect", may_retry=True)
        except TooLargeError:
            result = exchange.end("too large", f"more than {max_bytes} bytes", cut="length")
        else:
            result = exchange.result()
        if exchange.is_broken:  # an answer left half read would hold up others of the connection
            await self._connections.close(url.origin)
        return result


class _Exchange:
    """One request and what is known of its answer so far."""

    def __init__(self, url: Url, *, agent: bytes, max_bytes: int, wants: TypeCheck) -> None:
        self.url, self.max_bytes, self.wants = url, max_bytes, wants
        place = url.origin.partition("://")[2].encode()
        self.headers = ((b"Host", place), (b"User-Agent", agent), *_HEADERS)
        self.started = time.time()
        self.response: httpcore.Response | None = None
        self.pieces: list[bytes] = []
        self.protocol, self.ip = "http/1.1", ""
        self.is_whole = False
        self.cut = ""
        self.keep_beginning = False

    @property
    def is_broken(self) -> bool:
        """Whether an HTTP/2 stream was left open."""
        return self.protocol == "h2" and not self.is_whole

    async def run(self, connections: Connections, *, idle_seconds: float) -> None:
        """Send the request and read the answer."""
        pool = await connections.pool(self.url.origin)
        names = ("connect", "read", "write", "pool")
        request = httpcore.Request(
            "GET", httpcore.URL(self.url.text), headers=list(self.headers),
            extensions={"timeout": dict.fromkeys(names, idle_seconds)},
        )  # fmt: skip
        response = await pool.handle_async_request(request)
        try:
            self._note(response)
            if self._is_wanted(response.status):
                await self._read(response)
        finally:
            await response.aclose()

    def _note(self, response: httpcore.Response) -> None:
        self.response = response
        stream = response.extensions.get("network_stream")
        peer = stream.get_extra_info("server_addr") if stream is not None else None
        self.ip = str(peer[0]) if peer else ""
        if response.extensions.get("http_version") == b"HTTP/2":
            self.protocol = "h2"

    def _is_wanted(self, status: int) -> bool:
        length = self.header(b"content-length")
        if status in (204, 304) or not self.wants(
            status, self.header(b"content-type").partition(";")[0].strip().lower()
        ):
            self.cut = "unspecified"
            return False
        is_long = length.isdigit() and int(length[:19]) > self.max_bytes
        if is_long and not self.keep_beginning:
            raise TooLargeError
        return True

    async def _read(self, response: httpcore.Response) -> None:
        unpacker = Unpacker(self.header(b"content-encoding"), self.max_bytes)
        size = 0
        async for piece in response.aiter_stream():
            size += len(piece)
            self.pieces.append(piece)
            unpacker.feed(piece)
            if size > self.max_bytes:
                raise TooLargeError
        self.is_whole = True

    def header(self, name: bytes) -> str:
        """Return the first header field of a lower-case name, "" for none."""
        fields = self.response.headers if self.response is not None else []
        found = (value for key, value in fields if key.lower() == name)
        return next(found, b"").decode("latin-1")

    def result(self) -> Fetched:
        """Return how a request ended that broke no limit."""
        if self.response is None:
            return Fetched(fault="connection broke off", may_retry=True)
        answer = self.answer(self.response, self.cut)
        retry_after = parse_retry_after(self.header(b"retry-after"), now=time.time())
        is_retried = answer.status in _RETRIED
        return Fetched(answer=answer, may_retry=is_retried, retry_after=retry_after)

    def end(self, fault: str, detail: str, *, cut: str, may_retry: bool = False) -> Fetched:
        """Return how a request ended that did break one."""
        answer = None if self.response is None else self.answer(self.response, cut)
        return Fetched(answer=answer, fault=fault, detail=detail, may_retry=may_retry)

    def answer(self, response: httpcore.Response, cut: str) -> Answer:
        """Return what came."""
        body = b"".join(self.pieces)[: self.max_bytes]
        lines = [b"%s: %s\r\n" % pair for pair in self.headers]
        return Answer(
            url=self.url.text,
            request=b"GET %s HTTP/1.1\r\n%s\r\n" % (self.url.target.encode(), b"".join(lines)),
            head=_head(response, len(body)),
            body=body,
            ip=self.ip,
            date=format_date(int(self.started)),
            protocol=self.protocol,
            truncated=cut,
            seconds=time.time() - self.started,
        )


def _head(response: httpcore.Response, body_bytes: int) -> bytes:
    """Return a head that fits the body as it is kept: whole, not in chunks.

    What framed the message on the wire is kept under X-Crawler- names, as Common Crawl does.
    """
    reason = response.extensions.get("reason_phrase") or _phrase(response.status)
    lines = [b"HTTP/1.1 %d %s\r\n" % (response.status, reason)]
    length = (b"content-length", b"%d" % body_bytes)
    is_told = [(name.lower(), value) for name, value in response.headers].count(length) == 1
    for name, value in response.headers:
        is_framing = name.lower() in _FRAMING and not (is_told and name.lower() == length[0])
        lines.append(b"%s%s: %s\r\n" % (b"X-Crawler-" if is_framing else b"", name, value))
    if not is_told:
        lines.append(b"Content-Length: %d\r\n" % body_bytes)
    return b"".join([*lines, b"\r\n"])


def _phrase(status: int) -> bytes:
    try:
        return HTTPStatus(status).phrase.encode()
    except ValueError:
        return b"Unknown"


def _fault_of(error: Exception) -> str:
    return "no connection" if isinstance(error, httpcore.ConnectError) else "connection broke off"


def parse_retry_after(value: str, *, now: float) -> float | None:
    """Return the seconds that a Retry-After asks for: a number, or a date (RFC 9110, 10.2.3).

    >>> parse_retry_after("7", now=0.0), parse_retry_after("soon", now=0.0)
    (7.0, None)
    >>> parse_retry_after("Thu, 01 Jan 1970 00:01:40 GMT", now=40.0)
    60.0
    """
    from email.utils import parsedate_to_datetime

    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        moment = parsedate_to_datetime(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return max(0.0, moment.timestamp() - now)
