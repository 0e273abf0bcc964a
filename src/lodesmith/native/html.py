"""The text of an HTML page, in C: parsed, the main content chosen, boilerplate left out.

`html_parse.c` reads the page into a flat tree, `html_judge.c` finds the main content,
`html_render.c` writes it; `html.h` says what they share. Linear in the page's bytes, no recursion.
"""

import ctypes
import functools
import html
from dataclasses import dataclass
from typing import Any, Final

from lodesmith.core.errors import EngineError
from lodesmith.native.library import load_library

KIND_TEXT: Final = 0
KIND_HEADING: Final = range(1, 7)  # the heading's level
KIND_ITEM: Final = 7
KIND_CELL: Final = 8
KIND_CODE: Final = 9
KIND_QUOTE: Final = 10

SIGN_ARTICLE: Final = 1  # the page says that it is an article
SIGN_MANUAL: Final = 2  # written by a tool for manuals
SIGN_CUT: Final = 4  # more than 2 million nodes: the rest was not read

_RANGES = ("title", "author", "date", "canonical", "language", "site", "og_title")


class _Range(ctypes.Structure):
    _fields_ = (("start", ctypes.c_uint32), ("size", ctypes.c_uint32))


class _Extracted(ctypes.Structure):
    _fields_ = (
        ("text", ctypes.c_void_p),
        ("kinds", ctypes.c_void_p),
        ("size", ctypes.c_uint64),
        ("num_lines", ctypes.c_uint64),
        ("steps", ctypes.c_uint64),
        ("signs", ctypes.c_uint32),
        ("num_nodes", ctypes.c_uint32),
        *((name, _Range) for name in _RANGES),
    )


@dataclass(frozen=True, slots=True)
class HtmlText:
    """What a page says, and what it says of itself."""

    text: str  # a line for each block
    kinds: bytes  # a byte for each line: what it was
    signs: int
    steps: int  # work done, in bytes and nodes looked at
    said: dict[str, str]  # title, author, date, canonical, language, site, og_title


def extract_html(markup: bytes, *, everything: bool = False, markdown: bool = False) -> HtmlText:
    """Return the main text of a page.

    Args:
        markup: the page in UTF-8.
        everything: all that a reader sees, instead of the main content.
        markdown: headings, items, tables, code and formulae marked as in Markdown.

    Raises:
        EngineError: there is not enough memory for the page.
    """
    result = _Extracted()
    mode = int(everything) | int(markdown) << 1
    kernels = _kernels()
    try:
        if kernels.ls_html_extract(markup, len(markup), mode, ctypes.byref(result)):
            raise EngineError(f"not enough memory to read a page of {len(markup)} bytes")
        text = ctypes.string_at(result.text, result.size) if result.size else b""
        kinds = ctypes.string_at(result.kinds, result.num_lines) if result.num_lines else b""
    finally:
        kernels.ls_html_free(ctypes.byref(result))
    return HtmlText(
        text=text.decode("utf-8", "replace").removesuffix("\n"),
        kinds=kinds,
        signs=result.signs,
        steps=result.steps,
        said={name: _said(markup, getattr(result, name)) for name in _RANGES},
    )


def _said(markup: bytes, where: _Range) -> str:
    raw = markup[where.start : where.start + min(where.size, 2000)]
    return " ".join(html.unescape(raw.decode("utf-8", "replace")).split())


@functools.cache
def _kernels() -> Any:
    library = load_library()
    library.ls_html_extract.argtypes = [
        ctypes.c_char_p, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_void_p,
    ]  # fmt: skip
    library.ls_html_extract.restype = ctypes.c_int
    library.ls_html_free.argtypes = [ctypes.c_void_p]
    library.ls_html_free.restype = None
    return library
