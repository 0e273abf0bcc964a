"""A web site on loopback with good pages and every trap that a crawler must get out of.

It runs in a thread of the test's process, so it outlives a crawler that is killed, and it counts
what was asked of it.
"""

import asyncio
import gzip
import socket
import ssl
import struct
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress

Handler = Callable[["WebSite", str, asyncio.StreamWriter], Awaitable[None]]

SENTENCE = "黄河流经九个省区，在山东注入渤海，两岸的平原养育了许多城市和村庄。"
BIG5_SENTENCE = "這是一個關於臺灣歷史與文化的網頁，介紹各地的風景與人物，歡迎閱讀。"


def html(body: str, *, head: str = "") -> bytes:
    text = f"<!doctype html><html><head>{head}<title>t</title></head><body>{body}</body></html>"
    return text.encode()


def answer(
    body: bytes, *, status: str = "200 OK", content_type: str = "text/html", **fields: str
) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    if content_type:
        lines.append(f"Content-Type: {content_type}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def redirect(target: str, **fields: str) -> bytes:
    return answer(b"", status="302 Found", Location=target, **fields)


def article(number: int, links: str = "") -> bytes:
    text = "".join(f"<p>第{number}页第{line}段。{SENTENCE}</p>" for line in range(6))
    return html(f"<h1>文章 {number}</h1>{text}{links}")


class WebSite:
    """A server with routes; paths that end in `*` hold for what begins like them."""

    def __init__(
        self, *, delay_seconds: float = 0.0, context: ssl.SSLContext | None = None
    ) -> None:
        self.pages: dict[str, bytes | list[bytes] | Handler] = {}
        self.asked: Counter[str] = Counter()
        self.requests: list[bytes] = []
        self.delay_seconds, self.context = delay_seconds, context
        self.port = 0
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> "WebSite":
        self._thread.start()
        self._started.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    @property
    def origin(self) -> str:
        return f"{'https' if self.context else 'http'}://localhost:{self.port}"

    def _serve(self) -> None:
        asyncio.run(self._main())

    async def _main(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        server = await asyncio.start_server(self._connect, "127.0.0.1", 0, ssl=self.context)
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._stop.wait()
        server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                tls = writer.get_extra_info("ssl_object")
                if tls is not None and tls.selected_alpn_protocol() == "h2":
                    await self._talk_h2(reader, writer)
                else:
                    await self._talk(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            request = await reader.readuntil(b"\r\n\r\n")
            self.requests.append(request)
            path = request.split(b" ")[1].decode()
            self.asked[path] += 1
            if self.delay_seconds:
                await asyncio.sleep(self.delay_seconds)
            page = self._find(path)
            if isinstance(page, bytes):
                writer.write(page)
                await writer.drain()
            else:
                await page(self, path, writer)

    def _find(self, path: str) -> bytes | Handler:
        page = self.pages.get(path)
        if page is None:
            begin = next(
                (key for key in self.pages if key.endswith("*") and path.startswith(key[:-1])), ""
            )
            page = self.pages.get(begin, answer(b"no such page", status="404 Not Found"))
        if isinstance(page, list):  # one answer after the other, the last for ever
            return page[min(self.asked[path], len(page)) - 1]
        return page

    async def _talk_h2(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        import h2.config
        import h2.connection
        import h2.events

        talk = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        talk.initiate_connection()
        writer.write(talk.data_to_send())
        while data := await reader.read(65536):
            for event in talk.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    path = dict(event.headers)[b":path"].decode()
                    self.asked[path] += 1
                    page = self._find(path)
                    assert isinstance(page, bytes)
                    head, _, body = page.partition(b"\r\n\r\n")
                    first, *lines = head.decode().split("\r\n")
                    fields = [(":status", first.split(" ")[1])]
                    fields += [(name.lower(), value) for name, _, value in
                               (line.partition(": ") for line in lines)]  # fmt: skip
                    talk.send_headers(event.stream_id, fields)
                    talk.send_data(event.stream_id, body, end_stream=True)
            writer.write(talk.data_to_send())


async def trickle(_: WebSite, path: str, writer: asyncio.StreamWriter) -> None:
    """One byte at a time, for ever."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 100000\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.05)


async def hang(_: WebSite, path: str, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(3600)


async def endless_header(_: WebSite, path: str, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X-Filler: " + b"y" * 1000 + b"\r\n")
        await writer.drain()


async def endless_body(_: WebSite, path: str, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")
    while True:
        writer.write(b"<p>more</p>" * 1000)
        await writer.drain()


async def reset(_: WebSite, path: str, writer: asyncio.StreamWriter) -> None:
    writer.write(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 9000\r\n\r\n<p>half"
    )
    await writer.drain()
    await asyncio.sleep(0.05)
    sock: socket.socket = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raise OSError


async def cut_short(_: WebSite, path: str, writer: asyncio.StreamWriter) -> None:
    writer.write(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 9000\r\n\r\n<p>half"
    )
    await writer.drain()
    raise OSError


async def chunked(_: WebSite, path: str, writer: asyncio.StreamWriter) -> None:
    body = article(9000)
    writer.write(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    )
    await writer.drain()


async def calendar(site: WebSite, path: str, writer: asyncio.StreamWriter) -> None:
    _, _, year, month = path.split("/")
    months = int(year) * 12 + int(month)
    link = f"/calendar/{months // 12}/{months % 12 + 1}"
    writer.write(answer(html(f"<p>{path}</p><a href='{link}'>next month</a>")))
    await writer.drain()


def plant_articles(site: WebSite, count: int) -> None:
    """A tree of articles below /a/, each naming two more and its neighbours."""
    for number in range(count):
        near = [2 * number + 1, 2 * number + 2, number - 1, number // 2]
        links = "".join(f"<a href='/a/{other}#part'>{other}</a> " for other in near
                        if 0 <= other < count)  # fmt: skip
        site.pages[f"/a/{number}"] = answer(
            article(number, links), content_type="text/html; charset=utf-8"
        )


def plant_traps(site: WebSite) -> None:
    """One page for each trap, all named by the front page."""
    gb_page = html(f"<h1>黄河</h1>{''.join(f'<p>{i}、{SENTENCE}</p>' for i in range(8))}").decode()
    big5_page = html("".join(f"<p>{i}、{BIG5_SENTENCE}</p>" for i in range(8)),
                     head="<meta charset=big5>").decode()  # fmt: skip
    plain = html("".join(f"<p>{i}、长江全长约六千三百公里，{SENTENCE}</p>" for i in range(8)))
    bomb = gzip.compress(bytes(50 << 20))
    sitemap = "".join(f"<url><loc>{site.origin}/mapped/{i}</loc></url>" for i in range(5))
    pages: dict[str, bytes | list[bytes] | Handler] = {
        "/zh/gb": answer(gb_page.encode("gb18030"), content_type="text/html; charset=GB2312"),
        "/zh/big5": answer(big5_page.encode("big5"), content_type="text/html; charset=iso-8859-1x"),
        "/zh/utf8": answer(plain),
        "/calendar/2026/1": calendar,
        "/loop/a": redirect("/loop/b"),
        "/loop/b": redirect("/loop/a"),
        "/chain/0": redirect("/chain/1"),
        **{f"/chain/{n}": redirect(f"/chain/{n + 1}") for n in range(1, 40)},
        "/trickle": trickle,
        "/hang": hang,
        "/endless-header": endless_header,
        "/endless-body": endless_body,
        "/bomb": answer(bomb, Content_Encoding="gzip"),
        "/packed": answer(gzip.compress(article(8000)), Content_Encoding="gzip"),
        "/reset": reset,
        "/cut-short": cut_short,
        "/chunked": chunked,
        "/busy": [
            answer(b"", status="503 Busy", Retry_After="1"),
            answer(article(7000)),
        ],
        "/limited": answer(b"", status="429 Too Many", Retry_After="0"),
        "/forbidden": answer(article(1)),
        "/cookie": redirect("/cookie", Set_Cookie="seen=1"),
        "/refresh": html("", head="<meta http-equiv=refresh content='0; url=/refreshed'>"),
        "/refreshed": answer(article(7100)),
        "/noindex": answer(html("<p>x</p>", head="<meta name=robots content=noindex>")),
        "/nofollow": answer(article(7200, "<a href='/unnamed'>x</a>"), X_Robots_Tag="nofollow"),
        "/copy/1": answer(article(7300)),
        "/copy/2": answer(article(7300)),
        "/image": answer(b"\x89PNG\r\n", content_type="image/png"),
        "/binary": answer(b"\0\1\2" * 500, content_type=""),
        "/spelled": answer(html(f"<p>1 {SENTENCE}</p>")),
        "/spelled?sort=up": answer(
            html(f"<p>2 {SENTENCE}</p>", head="<link rel=canonical href='/spelled'>")
        ),
        "/deep/*": answer(html("<p>again</p><a href='deep/x/'>deeper</a>")),
        "/empty": answer(b""),
        "/sitemap.xml": answer(
            f"<sitemapindex><sitemap><loc>{site.origin}/map-1.xml.gz</loc></sitemap>"
            "</sitemapindex>".encode(), content_type="application/xml",
        ),
        "/map-1.xml.gz": answer(gzip.compress(f"<urlset>{sitemap}</urlset>".encode()),
                                content_type="application/gzip"),
        **{f"/mapped/{n}": answer(article(6000 + n)) for n in range(5)},
    }  # fmt: skip
    pages["/refresh"] = answer(pages["/refresh"])  # type: ignore[arg-type]
    skipped = ("/chain/", "/mapped/", "/loop/b", "/refreshed", "/map", "/sitemap", "/deep/*")
    named = [path for path in pages if not path.startswith(skipped)]
    odd = ["mailto:a@b.c", "javascript:x()", "http://elsewhere.invalid/", "/a/0?utm_source=x#y"]
    names = [*named, *odd, "/chain/0", "/deep/", "/missing", "/x?" + "&".join("abcdefghij")]
    links = "".join(f'<a href="{name}">x</a>\n' for name in names)
    site.pages |= pages
    site.pages["/calendar/*"] = calendar
    site.pages["/"] = answer(html(f"<p>front</p><a href='/a/0'>all</a>{links}"))
    site.pages["/robots.txt"] = answer(
        f"User-agent: *\nDisallow: /forbidden\nSitemap: {site.origin}/sitemap.xml\n".encode(),
        content_type="text/plain",
    )
