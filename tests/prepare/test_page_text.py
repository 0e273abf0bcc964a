"""What becomes of a page's bytes: charset, main text, headings, and pages that mean harm."""

import pytest

from lodesmith.data.charset import decode_page
from lodesmith.prepare.config import ExtractConfig
from lodesmith.prepare.extract import Extracted, extract
from lodesmith.prepare.input.pages import Drop, Page

_PARAGRAPH = (
    "<p>The style of a paragraph decides its font, its spacing and its colour on the page.</p>"
)
_CHROME = (
    "<header><a href='/'>Help centre</a></header><nav><a href='/a'>All topics</a></nav>"
    "<aside>Other pages you may like</aside>"
)


def _page(body: str, **fields: str | bytes) -> Page:
    payload = f"<html><head><title>Title</title></head><body>{body}</body></html>".encode()
    defaults = {"source": "a", "url": "http://x/", "payload": payload, "content_type": "text/html"}
    return Page(**{**defaults, **fields})  # type: ignore[arg-type]


def _text(body: str) -> str:
    result = extract(_page(body), ExtractConfig())
    assert isinstance(result, Extracted), result
    return result.document.text


def test_navigation_goes_and_the_article_stays() -> None:
    text = _text(f"{_CHROME}<main><h1>Styles</h1>{_PARAGRAPH * 3}</main><footer>Imprint</footer>")
    assert text.startswith("Styles\nThe style of a paragraph")
    for chrome in ("Help centre", "All topics", "Other pages", "Imprint"):
        assert chrome not in text


def test_a_single_chinese_character_between_tags_survives() -> None:
    text = _text(
        f"{_PARAGRAPH}<p>格式介于 <code>tar</code>和<code>cpio</code> 之间，gzip<b>→</b>xz。</p>"
    )
    assert "tar和cpio" in text
    assert "gzip→xz" in text


def test_list_items_with_sentences_stay() -> None:
    items = "".join(
        f"<li><p>To reach goal {n}, press the key named F{n} twice.</p></li>" for n in "123"
    )
    text = _text(f"{_PARAGRAPH}<h2>Keys</h2><ul>{items}</ul>{_PARAGRAPH}")
    assert text.count("press the key") == 3


def test_of_several_hidden_wordings_the_last_is_read() -> None:
    text = _text(
        f"{_PARAGRAPH}<p>Press <span><span hidden='true'>Command</span>"
        "<span hidden='true'>Ctrl</span></span>+C to copy the words that you have chosen.</p>"
        "<p hidden>A menu that nobody has opened.</p>"
    )
    assert "Press Ctrl+C to copy" in text
    assert "nobody has opened" not in text


def test_headings_are_lines_of_the_text() -> None:
    result = extract(
        _page(f"<h1>Styles &amp; <i>fonts</i></h1>{_PARAGRAPH}<h2>More</h2>{_PARAGRAPH}"
              "<!-- <h2>Never shown</h2> -->"),
        ExtractConfig(),
    )  # fmt: skip
    assert isinstance(result, Extracted)
    assert result.document.headings == ["Styles & fonts", "More"]
    assert set(result.document.headings) <= set(result.document.text.split("\n"))
    assert result.document.title == "Title"


def test_code_keeps_its_indentation_and_is_known_as_code() -> None:
    result = extract(
        _page(f"{_PARAGRAPH}<pre>Sub Main\n    x = 1 &lt; 2\nEnd Sub</pre>{_PARAGRAPH}"),
        ExtractConfig(),
    )
    assert isinstance(result, Extracted)
    assert "\n    x = 1 < 2\nEnd Sub" in result.document.text
    assert result.code_lines == {"Sub Main", "x = 1 < 2", "End Sub"}


def test_the_same_page_has_the_same_id_and_another_address_another() -> None:
    first, same, other = _page("a"), _page("a"), _page("a", url="http://y/")
    assert first.id == same.id != other.id
    assert len(first.id) == 16


@pytest.mark.parametrize(
    ("payload", "content_type", "reason"),
    [
        (b"\x89PNG\r\n", "image/png", "content is no text"),
        (b"\x00\x01\x02", "", "content is no text"),
        (b"var a = 1;", "application/javascript", "content is no text"),
        (b"<html><body><nav>Home</nav></body></html>", "text/html", "page has no text"),
        (b"   \n", "text/plain", "page has no text"),
        (b"<p>" + b"x" * 200, "text/html", "page too large (bytes)"),
    ],
)
def test_what_is_no_page_is_dropped_with_a_reason(
    payload: bytes, content_type: str, reason: str
) -> None:
    page = _page("", payload=payload, content_type=content_type)
    result = extract(page, ExtractConfig(max_page_bytes=100))
    assert isinstance(result, Drop)
    assert result.reason == reason


@pytest.mark.parametrize("content_type", ["", "text/xml", "application/xml"])
def test_xhtml_is_a_page_whatever_its_server_calls_it(content_type: str) -> None:
    payload = f"<?xml version='1.0'?>\n<html><body>{_PARAGRAPH}</body></html>".encode()
    result = extract(_page("", payload=payload, content_type=content_type), ExtractConfig())
    assert isinstance(result, Extracted)
    assert result.document.text.startswith("The style")


@pytest.mark.parametrize(
    ("payload", "charset", "text"),
    [
        ("中文网页".encode("gb18030"), "gb2312", "中文网页"),
        (b"<meta charset=gbk>" + "中文网页".encode("gbk"), "", "<meta charset=gbk>中文网页"),
        ("中文网页".encode(), "gb2312", "中文网页"),  # the server is wrong
        ("café".encode("cp1252"), "iso-8859-1", "café"),
        ("中文網頁".encode("big5"), "big5", "中文網頁"),
        ("日本語".encode("iso-2022-jp"), "iso-2022-jp", "日本語"),
        ("日本語のページ".encode("shift_jis"), "no-such-charset\x00", None),
        ("中文".encode("utf-16"), "", "中文"),
        ("\ufeff中文".encode(), "gbk", "中文"),
        (b"", "", ""),
    ],
)
def test_charsets_are_believed_only_if_the_bytes_agree(
    payload: bytes, charset: str, text: str | None
) -> None:
    decoded = decode_page(payload, charset=charset).text
    assert decoded == text if text is not None else isinstance(decoded, str)
