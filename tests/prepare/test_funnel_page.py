"""The page of a funnel: everything in one file, escaped, whatever the corpus holds."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from lodesmith.data.documents import Document
from lodesmith.prepare.clean import clean
from lodesmith.prepare.funnel.funnel import Funnel
from lodesmith.prepare.funnel.funnel_page import render_funnel
from lodesmith.prepare.funnel.samples import cut_all
from lodesmith.prepare.funnel.scores import NUM_SHARES, bin_edge, bin_of
from lodesmith.prepare.input.pages import Drop

_EVIL = '<script>alert("x")</script>&lt;'


def _document(number: int, text: str = "text", language: str = "zh") -> Document:
    return Document(
        id=f"{number:016x}", source="s", url=f"http://x/{number}", language=language, text=text,
        corpus=_EVIL,
    )  # fmt: skip


def _tally(numbers: range, text: str = "text") -> Funnel:
    funnel = Funnel(["quality"])
    for number in numbers:
        document = _document(number, text)
        if number % 3:
            funnel["quality"].add(document, bytes_in=10, bytes_out=8)
            funnel["quality"].scores.add("too few words", 50 + number, 50, passed=True)
        else:
            funnel["quality"].add(document, bytes_in=10, bytes_out=None)
            funnel["quality"].add_drop(document, Drop("too few words", number, 50))
    funnel.show_samples(cut_all)
    return funnel


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data: str) -> None:
        self.text += data


def _parse(markup: str) -> _Page:
    page = _Page()
    page.feed(markup)
    return page


def test_text_of_pages_cannot_become_markup_and_nothing_is_fetched() -> None:
    page = _parse(render_funnel(_tally(range(30), _EVIL + "中文").to_json(), title=_EVIL))
    assert "script" not in page.tags
    assert _EVIL + "中文" in page.text
    assert all(link.startswith("#") for link in page.links)


def test_the_page_tells_counts_reasons_values_and_limits() -> None:
    page = _parse(render_funnel(_tally(range(30)).to_json(), title="crawl"))
    text = re.sub(r"\s+", " ", page.text)
    assert "Of 30 records, 20 stayed (67 %)" in text
    assert "too few words limit 50 10" in text
    assert "measured 3 · zh" in text
    assert {"svg", "table", "details"} <= page.tags


@given(st.lists(st.integers(0, 1 << 40), unique=True, max_size=40), st.integers(0, 40))
def test_a_funnel_is_the_same_however_its_corpus_is_cut(numbers: list[int], place: int) -> None:
    whole, parts = Funnel(["quality"]), Funnel(["quality"])
    for start, stop, funnel in ((0, 40, whole), (0, place, None), (place, 40, None)):
        part = Funnel(["quality"])
        for number in numbers[start:stop]:
            document, score = _document(number), number % 97 / 97
            part["quality"].add(document, bytes_in=1, bytes_out=None)
            part["quality"].add_drop(document, Drop("low", score, 0.5))
        (funnel or parts).merge(json.loads(json.dumps(part.to_json())))
    assert whole.to_json() == parts.to_json()


@given(st.floats(0, 1e12), st.sampled_from([0.02, 0.5, 1.0, 2.0, 50.0, 1e5]))
def test_a_value_lies_in_its_bin(value: float, limit: float) -> None:
    place = bin_of(value, limit)
    low, high = bin_edge(place, limit), bin_edge(place + 1, limit)
    if limit <= 1:
        assert 0 <= place < NUM_SHARES
        value = min(value, 1.0)
        high += 1.0 if place == NUM_SHARES - 1 else 0.0
    assert value <= 0.1 or low * (1 - 1e-6) - 1e-9 <= value < high * (1 + 1e-6)


def test_a_funnel_of_a_million_values_stays_small() -> None:
    tally = Funnel(["quality"])["quality"]
    for number in range(20_000):
        tally.scores.add("words", 1.001**number, 50, passed=number % 2 == 0)
    assert len(json.dumps(tally.to_json("quality"))) < 3000


def test_clean_writes_the_page_of_what_it_did(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Too short.")
    clean(
        [tmp_path / "a.txt"], output=tmp_path / "o.jsonl", report=tmp_path / "funnel.html",
        steps=["extract", "quality"],
    )  # fmt: skip
    assert "Too short." in (tmp_path / "funnel.html").read_text()
