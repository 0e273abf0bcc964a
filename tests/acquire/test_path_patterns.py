"""Glob patterns: what they mean does not depend on the machine."""

import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodesmith.acquire.pages.patterns import matches_any, show_some, split_root

NAMES = st.text("ab.[]!-*?^\\", min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("path", "pattern", "fits"),
    [
        ("a/b/c.html", "**/*.html", True),
        ("c.html", "**/*.html", True),
        ("c.htmlx", "**/*.html", False),
        ("a/b/c.html", "a/**", True),
        ("a/b/c.html", "a/*/c.html", True),
        ("a/b/c.html", "a/*.html", False),
        ("a/b/c.html", "/a/b/*", True),
        ("chapter-7.html", "chapter-[0-9].html", True),
        ("chapter-x.html", "chapter-[!0-9].html", True),
        ("a/b", "a[/]b", False),
        ("a\nb.html", "*.html", True),
        ("zh/首页.html", "zh/??.html", True),
    ],
)
def test_a_pattern_fits_whole_paths(path: str, pattern: str, fits: bool) -> None:
    assert matches_any(path, [pattern]) is fits


@given(name=NAMES, pattern=NAMES.filter(lambda text: "**" not in text and "[" not in text))
def test_inside_one_folder_a_pattern_means_what_the_shell_means(name: str, pattern: str) -> None:
    assert matches_any(name, [pattern]) == fnmatch.fnmatchcase(name, pattern)


@given(path=NAMES, pattern=NAMES)
def test_no_pattern_is_an_error(path: str, pattern: str) -> None:
    assert matches_any(path, [pattern]) in (True, False)


def test_a_pattern_starts_from_the_folder_before_its_first_wildcard() -> None:
    assert split_root("/data/pages/*/a.html") == ("/data/pages", "*/a.html")
    assert split_root("/*.html") == ("/", "*.html")


def test_a_message_shows_a_few_names_of_many() -> None:
    assert (
        show_some([f"{n}.html" for n in range(10, 30)], count=2) == "10.html, 20.html and 18 more"
    )
    assert show_some([]) == "nothing"
