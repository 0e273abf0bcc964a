"""Sitemaps: lists of a site's own pages, or of further such lists.

Read with expat, forwards, up to a number of addresses and bytes. A document type is refused: no
sitemap needs one, and entities that multiply are declared in it.

Source: the Sitemap protocol 0.90, https://www.sitemaps.org/protocol.html: at most 50,000 addresses
and 50 MB unpacked; text files with one address a line are allowed.
"""

import gzip
import io
import zlib
from dataclasses import dataclass, field
from xml.parsers import expat

MAX_SITEMAP_BYTES = 50 << 20
_MAX_URLS = 50_000
_CHUNK_BYTES = 1 << 16


@dataclass
class Sitemap:
    """What a sitemap holds."""

    pages: list[str] = field(default_factory=list)
    sitemaps: list[str] = field(default_factory=list)
    fault: str | None = None  # why it was read only in part, or not at all


class _TooMuchError(Exception):
    """The list is longer than the protocol allows, or tries a trick."""


def parse_sitemap(body: bytes) -> Sitemap:
    """Return the addresses of a sitemap, gzipped or not; what comes before a fault counts.

    >>> parse_sitemap(b"<urlset><url><loc> http://a.org/ </loc></url></urlset>").pages
    ['http://a.org/']
    """
    result = Sitemap()
    stream: io.BytesIO | gzip.GzipFile = io.BytesIO(body)
    if body[:2] == b"\x1f\x8b":
        stream = gzip.GzipFile(fileobj=stream)
    try:
        first = stream.read(_CHUNK_BYTES)
        if first.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<":
            _read_xml(first, stream, result)
        else:
            _read_text(first, stream, result)
    except _TooMuchError as error:
        result.fault = str(error)
    except (OSError, EOFError, zlib.error):
        result.fault = "its gzip data are damaged"
    except expat.ExpatError as error:
        result.fault = f"its XML is broken in line {error.lineno}"
    return result


def _read_xml(first: bytes, stream: io.BytesIO | gzip.GzipFile, result: Sitemap) -> None:
    parser = expat.ParserCreate(namespace_separator=" ")
    reader = _Reader(result)
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = _refuse_doctype
    size, chunk = 0, first
    while chunk:
        size += len(chunk)
        if size > MAX_SITEMAP_BYTES:
            raise _TooMuchError(f"it unpacks to more than {MAX_SITEMAP_BYTES >> 20} MiB")
        parser.Parse(chunk, False)
        chunk = stream.read(_CHUNK_BYTES)
    parser.Parse(b"", True)


def _refuse_doctype(*_: object) -> None:
    raise _TooMuchError("it declares a document type, which could hold entity bombs")


class _Reader:
    """Collects <loc> of <url> and <sitemap>, wherever they stand, whatever their namespace."""

    def __init__(self, result: Sitemap) -> None:
        self.result = result
        self.inside = ""  # url or sitemap
        self.pieces: list[str] | None = None
        self.size = 0

    def start(self, name: str, _: object) -> None:
        """Note where we are."""
        tag = name.rpartition(" ")[2].lower()
        if tag in ("url", "sitemap"):
            self.inside = tag
        self.pieces, self.size = ([], 0) if tag == "loc" and self.inside else (None, 0)

    def text(self, data: str) -> None:
        """Keep the text of an address."""
        if self.pieces is not None and self.size < 10_000:
            self.pieces.append(data)
            self.size += len(data)

    def end(self, name: str) -> None:
        """Take an address, or leave an entry."""
        tag = name.rpartition(" ")[2].lower()
        if tag in ("url", "sitemap"):
            self.inside = ""
        if tag != "loc" or self.pieces is None:
            return
        _add(self.result, "".join(self.pieces), to_sitemaps=self.inside == "sitemap")
        self.pieces = None


def _read_text(first: bytes, stream: io.BytesIO | gzip.GzipFile, result: Sitemap) -> None:
    body = first + stream.read(MAX_SITEMAP_BYTES)
    for line in body.decode("utf-8-sig", "replace").splitlines():
        if line.startswith(("http://", "https://")):
            _add(result, line, to_sitemaps=False)
    if not result.pages:
        result.fault = "it is neither XML nor a list of addresses"


def _add(result: Sitemap, address: str, *, to_sitemaps: bool) -> None:
    if len(result.pages) + len(result.sitemaps) >= _MAX_URLS:
        raise _TooMuchError(f"it lists more than {_MAX_URLS} addresses; the first were taken")
    (result.sitemaps if to_sitemaps else result.pages).append(address.strip())
