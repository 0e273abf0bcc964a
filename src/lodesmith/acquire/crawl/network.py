"""Connections to addresses that were checked, and to no others.

The name is resolved here, the addresses are checked, and the socket goes to one of those very
addresses: nothing is resolved a second time, so a name that answers otherwise a moment later (DNS
rebinding) gains nothing. That holds for every hop of a redirect, since each is a connection of this
module. TLS is verified against the name of the URL, never against the address.

httpcore speaks HTTP/1.1 and HTTP/2 over the streams made here. Proxies of the environment are not
used: behind one, nobody could tell which address is reached.
"""

import asyncio
import socket
import ssl
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

import httpcore
import httpx

from lodesmith.acquire.addresses import check_addresses

_ALPN = ["h2", "http/1.1"]
_BUFFER_BYTES = 1 << 18
_KEEP_SECONDS = 10.0


class _Stream(httpcore.AsyncNetworkStream):
    """One connected socket, plain or TLS."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            async with asyncio.timeout(timeout):
                return await self._reader.read(max_bytes)
        except TimeoutError as error:
            raise httpcore.ReadTimeout("no byte came in time") from error
        except OSError as error:
            raise httpcore.ReadError(_words(error)) from error

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        try:
            self._writer.write(buffer)
            async with asyncio.timeout(timeout):
                await self._writer.drain()
        except TimeoutError as error:
            raise httpcore.WriteTimeout("the request was not taken in time") from error
        except OSError as error:
            raise httpcore.WriteError(_words(error)) from error

    async def aclose(self) -> None:
        self._writer.transport.abort()  # a polite TLS farewell would wait for the other side

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,  # noqa: ARG002 TLS began with the connection
        server_hostname: str | None = None,  # noqa: ARG002
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore.AsyncNetworkStream:
        return self

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":  # an idle connection that became readable was closed
            return self._reader.at_eof() or self._writer.is_closing()
        names = {"server_addr": "peername", "ssl_object": "ssl_object", "socket": "socket"}
        return self._writer.get_extra_info(names[info]) if info in names else None


class _Backend(httpcore.AsyncNetworkBackend):
    """Connects to one origin's checked addresses."""

    def __init__(self, *, context: ssl.SSLContext | None, allow_private: bool) -> None:
        self._context = context  # None: plain HTTP
        self._allow_private = allow_private

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,  # noqa: ARG002
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> httpcore.AsyncNetworkStream:
        try:
            async with asyncio.timeout(timeout):
                return await self._connect(host, port)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout("no connection in time") from error
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(_words(error)) from error

    async def _connect(self, host: str, port: int) -> _Stream:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        checked = check_addresses(
            host, (str(entry[4][0]) for entry in found), allow_private=self._allow_private
        )
        fault: OSError | None = None
        for address in checked[:4]:
            try:
                reader, writer = await asyncio.open_connection(
                    address, port, limit=_BUFFER_BYTES, ssl=self._context,
                    server_hostname=host if self._context else None,
                )  # fmt: skip
                return _Stream(reader, writer)
            except OSError as error:
                fault = error
        raise fault or OSError("no address")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Connections:
    """The open connections of a crawl, a small pool for each host; those unused longest close."""

    def __init__(self, *, per_host: int, max_hosts: int, allow_private: bool) -> None:
        self._per_host, self._max_hosts = per_host, max_hosts
        self._allow_private = allow_private
        self._pools: OrderedDict[str, httpcore.AsyncConnectionPool] = OrderedDict()
        self._context: ssl.SSLContext | None = None  # slow to make, and not every crawl needs one

    async def pool(self, origin: str) -> httpcore.AsyncConnectionPool:
        """Return the pool of an origin such as https://example.org."""
        if origin not in self._pools:
            while len(self._pools) >= 2 * self._max_hosts:
                await self.close(next(iter(self._pools)))
            self._pools[origin] = self._open(is_secure=origin.startswith("https:"))
        self._pools.move_to_end(origin)
        return self._pools[origin]

    async def close(self, origin: str) -> None:
        """Close an origin's connections; those that ask meanwhile see a broken connection."""
        pool = self._pools.pop(origin, None)
        if pool is not None:
            await pool.aclose()

    async def close_all(self) -> None:
        """Close everything."""
        for origin in list(self._pools):
            await self.close(origin)

    def _open(self, *, is_secure: bool) -> httpcore.AsyncConnectionPool:
        if is_secure and self._context is None:
            self._context = httpx.create_ssl_context()  # certifi's roots, or SSL_CERT_FILE's
            self._context.set_alpn_protocols(_ALPN)
        context = self._context if is_secure else None
        return httpcore.AsyncConnectionPool(
            ssl_context=context or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
            max_connections=self._per_host,
            max_keepalive_connections=self._per_host,
            keepalive_expiry=_KEEP_SECONDS,
            http1=True,
            http2=is_secure,
            network_backend=_Backend(context=context, allow_private=self._allow_private),
        )


def _words(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not valid: {error.verify_message}"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
