"""One spelling for each address, and the addresses that lead nowhere.

Two spellings of one page would be fetched twice. Undone is what RFC 3986, section 6.2, and the
WHATWG URL Standard call equal (case of scheme and host, default port, dot segments, escapes of
plain characters, an empty path, the fragment), and parameters that only tell a site where a visitor
came from. Nothing that a server could read differently is touched: the order of parameters, a
trailing slash.
"""

import functools
import re
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass

from lodesmith.acquire.crawl.config import Limits, Scope
from lodesmith.acquire.pages.patterns import matches_any

_DEFAULT_PORTS = {"http": 80, "https": 443}
_TRACKING = re.compile(
    r"(?:utm_[a-z_]+|gclid|dclid|fbclid|msclkid|yclid|mc_[ce]id|igshid|_hs(?:enc|mi)|spm|scm|"
    r"jsessionid|phpsessid|aspsessionid\w*)(?:=|$)",
    re.IGNORECASE,
)
_PATH_SESSION = re.compile(r";(?:jsessionid|phpsessid)=[^/?;]*", re.IGNORECASE)
_UNRESERVED_ESCAPE = re.compile(r"%(2D|2E|5F|7E|3\d|[46][1-9A-F]|[57][0-9A])", re.IGNORECASE)
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
_SAFE = "%/:@!$&'()*+,;=~-._?[]|"  # a browser leaves these alone too
_DIGITS = re.compile(r"\d+")
_DATE = re.compile(r"/(?:19|20|21)\d\d[/-]\d{1,2}(?:[/-]|$)")
_MAX_REPEATS = 3  # of one path segment; a/b/a/b/a/b/... comes of a wrong relative link


@dataclass(frozen=True, slots=True)
class Url:
    """An address in its one spelling."""

    text: str
    origin: str  # scheme://host or scheme://host:port
    host: str
    target: str  # path and query, as it is asked for

    @property
    def glob_text(self) -> str:
        """What include and exclude patterns are laid over: host, path and query."""
        return self.text.partition("://")[2]


@functools.lru_cache(maxsize=1 << 15)
def parse_url(text: str) -> Url | None:
    """Return an absolute http or https address in its one spelling, None for anything else.

    >>> parse_url("HTTP://Example.ORG:80/a/../%7euser/?utm_source=x&b=1#top").text
    'http://example.org/~user/?b=1'
    >>> parse_url("http://例え.jp").text, parse_url("mailto:a@b"), parse_url("http://[::1")
    ('http://xn--r8jz45g.jp/', None, None)
    """
    try:
        parts = urllib.parse.urlsplit(_clean(text))
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    scheme = parts.scheme.lower()
    if scheme not in _DEFAULT_PORTS or not host:
        return None
    ascii_host = _ascii_host(host)
    if ascii_host is None:
        return None
    shown = f"[{ascii_host}]" if ":" in ascii_host else ascii_host
    place = shown if port in (None, _DEFAULT_PORTS[scheme]) else f"{shown}:{port}"
    origin = f"{scheme}://{place}"
    target = _path(parts.path) + _query(parts.query)
    return Url(origin + target, origin, ascii_host, target)


def join_url(base: str, link: str) -> Url | None:
    """Return the address that a link of a page means, None if it is no page's.

    Args:
        base: a page's address in its one spelling.
        link: as the page has it.

    >>> join_url("http://a.org/b/c?d", " ../e#f ").text, join_url("http://a.org/b?c", "?d").text
    ('http://a.org/e', 'http://a.org/b?d')
    """
    link = _clean(link)
    if link[:1] == "/" and link[1:2] not in ("/", "\\"):  # most links; urljoin is slow
        return parse_url(base[: base.find("/", len("https://"))] + link)
    if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:", link) and not link[:5].lower().startswith("http"):
        return None
    try:
        return parse_url(urllib.parse.urljoin(base, link))
    except ValueError:
        return None


def why_trap(url: Url, limits: Limits) -> str | None:
    """Return why an address looks like one of an endless site; None where it does not.

    >>> why_trap(parse_url("http://a.org/x/y/x/y/x/y/x/y"), Limits())
    'repeated path segments'
    """
    if len(url.text) > limits.max_url_chars:
        return "address too long"
    path, _, query = url.target.partition("?")
    if query.count("&") + query.count(";") + bool(query) > limits.max_parameters:
        return "too many parameters"
    segments = [segment for segment in path.split("/") if segment]
    most = max((segments.count(segment) for segment in set(segments)), default=0)
    return "repeated path segments" if most > _MAX_REPEATS else None


def shape_of(url: Url) -> str | None:
    """Return what is left of an address without its numbers and values; None: not worth counting.

    >>> shape_of(parse_url("http://a.org/cal/2031/05?view=month&id=3"))
    '/cal/0/0?id&view'
    >>> shape_of(parse_url("http://a.org/articles/123")) is None
    True
    """
    path, _, query = url.target.partition("?")
    if not query and not _DATE.search(path):
        return None
    names = sorted({pair.partition("=")[0] for pair in re.split("[&;]", query)})
    return f"{_DIGITS.sub('0', path)}?{'&'.join(names)}"[:500]


@dataclass(frozen=True)
class Territory:
    """Which addresses belong to a crawl."""

    starts: tuple[Url, ...]
    scope: Scope
    include: tuple[str, ...]
    exclude: tuple[str, ...]

    def holds(self, url: Url, *, any_path: bool = False) -> bool:
        """Tell whether an address belongs to the crawl; `any_path` asks for its host only."""
        if any_path:
            return any(self._near(url, start, any_path=True) for start in self.starts)
        if not any(self._near(url, start) for start in self.starts):
            return False
        if self.include and not matches_any(url.glob_text, self.include):
            return False
        return not (self.exclude and matches_any(url.glob_text, self.exclude))

    def _near(self, url: Url, start: Url, *, any_path: bool = False) -> bool:
        near, domain = url.host.removeprefix("www."), start.host.removeprefix("www.")
        if self.scope == "host" or (any_path and self.scope == "prefix"):
            return near == domain  # many sites redirect from one to the other
        if self.scope == "domain":
            return url.host == domain or url.host.endswith(f".{domain}")
        folder = start.target.partition("?")[0].rpartition("/")[0] + "/"
        return near == domain and url.target.startswith(folder)


def _clean(text: str) -> str:
    """Return an address without the spaces and control characters that browsers drop."""
    stripped = text.strip("\0\t\n\f\r ")
    return re.sub(r"[\t\n\r]", "", stripped)


def _ascii_host(host: str) -> str | None:
    host = host.rstrip(".").lower()
    if not host.isascii():
        try:
            host = host.encode("idna").decode("ascii")
        except UnicodeError:
            return None
    is_plain = re.fullmatch(r"[a-z0-9._-]{1,253}|[0-9a-f:.]{2,45}", host) is not None
    return host if is_plain and all(len(label) <= 63 for label in host.split(".")) else None


def _path(path: str) -> str:
    path = _escape(_PATH_SESSION.sub("", path)) or "/"
    if "/." not in path:
        return path
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)


def _query(query: str) -> str:
    if not query:
        return ""
    kept = [pair for pair in query.split("&") if pair and not _TRACKING.match(pair)]
    return "?" + _escape("&".join(kept)) if kept else ""


def _escape(text: str) -> str:
    if "%" in text:
        text = _UNRESERVED_ESCAPE.sub(lambda match: chr(int(match[1], 16)), text)
        text = _ESCAPE.sub(lambda match: match[0].upper(), text)
        text = re.sub(r"%(?![0-9A-F]{2})", "%25", text)
    quoted: str = urllib.parse.quote(text, safe=_SAFE, errors="replace")
    return quoted


def make_territory(
    starts: Sequence[str], scope: Scope, include: Sequence[str], exclude: Sequence[str]
) -> Territory:
    """Return the scope of a recipe's source; its start addresses are known to be valid."""
    urls = tuple(url for url in map(parse_url, starts) if url is not None)
    return Territory(urls, scope, tuple(include), tuple(exclude))
