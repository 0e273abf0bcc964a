"""A page and its translation fall on the same side."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lodesmith.data.split import is_held_out, page_key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "debian:debian-reference-zh-cn/usr/share/debian-reference/ch01.zh-cn.html",
            "debian:debian-reference-en/usr/share/debian-reference/ch01.en.html",
        ),
        (
            "debian:libreoffice-help-zh-cn/usr/share/libreoffice/help/zh-CN/text/swriter/main.html",
            "debian:libreoffice-help-en-us/usr/share/libreoffice/help/en-US/text/swriter/main.html",
        ),
        ("https://example.org/doc/index.html.en", "https://example.org/doc/index.html.zh_TW"),
        ("https://example.org/a/guide-zh-Hans.md", "https://example.org/a/guide-de.md"),
        ("https://example.org/en/start/", "https://example.org/fr/start/"),
    ],
)
def test_twins_have_one_key(one: str, other: str) -> None:
    assert page_key(one) == page_key(other)


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("file:///a/01010000.html", "01010000.html"),
        ("file:///a/ch01.html", "ch01.html"),
        ("file:///a/en.html", "en.html"),
        ("file:///a/.en", ".en"),
        ("https://example.org", "example.org"),
        ("https://example.org/page?id=5#part", "page?id=5"),
        ("no url at all", "no url at all"),
        ("", ""),
    ],
)
def test_key_is_the_file_name(url: str, key: str) -> None:
    assert page_key(url) == key


def test_different_pages_have_different_keys() -> None:
    assert page_key("file:///a/ch01.en.html") != page_key("file:///a/ch02.en.html")


@settings(deadline=None)
@given(st.text(), st.floats(0, 1), st.floats(0, 1))
def test_a_page_held_out_stays_so_when_more_are(name: str, one: float, other: float) -> None:
    fewer, more = sorted((one, other))
    url = f"x:/{name}"
    if is_held_out(url, held_out_fraction=fewer):
        assert is_held_out(url, held_out_fraction=more)
    assert not is_held_out(url, held_out_fraction=0)
    assert is_held_out(url, held_out_fraction=1)


def test_the_share_held_out_is_as_asked() -> None:
    urls = [f"https://example.org/page{number}.html" for number in range(20_000)]
    share = sum(is_held_out(url, held_out_fraction=0.03) for url in urls) / len(urls)
    assert share == pytest.approx(0.03, abs=0.005)  # four standard deviations


def test_the_side_never_changes_between_versions() -> None:
    """A change would let pages that were held out from one model slip into the next one's data."""
    urls = [f"x:/{number}.html" for number in range(200)]
    held_out = [place for place, url in enumerate(urls) if is_held_out(url, held_out_fraction=0.03)]
    assert held_out == [106, 128, 137]
