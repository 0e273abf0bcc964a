"""Repair mends what is broken and leaves what is whole."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodesmith.data.documents import Document
from lodesmith.prepare.repair import repair, repair_text

_BROKEN = [
    ("cafÃ© crÃ¨me", "café crème"),
    ("donâ€™t", "don't"),
    ("浣犲ソ锛屼笘鐣岋紒", "你好，世界！"),
    ("A &amp; B &#20013;&#x6587;&nbsp;C", "A & B 中文 C"),
    ("if a <b> then &lt;c&gt;", "if a <b> then &lt;c&gt;"),  # beside tags entities are meant
    ("one\r\ntwo\rthree\u2028four", "one\ntwo\nthree\nfour"),
    ("zero\u200bwidth\ufeff soft\xadhyphen\x00", "zerowidth softhyphen"),
    ("cafe\u0301", "café"),
    ("　　段落\u3000开头", "  段落 开头"),
    ("a \t\t b  \n\n\n\nc\n", "a\tb\n\nc"),
    ("    indented = 1  ", "    indented = 1"),
]
_PIECES = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        [broken for broken, _ in _BROKEN] + ["&", "&amp;", "<", "\t", " ", "\n", "Ã", "©"]
    ),
)


@pytest.mark.parametrize(("broken", "whole"), _BROKEN)
def test_known_damage_is_mended(broken: str, whole: str) -> None:
    assert repair_text(broken).replace("’", "'") == whole


@given(st.lists(_PIECES, max_size=8).map("".join))
def test_repaired_text_is_a_fixed_point(text: str) -> None:
    once = repair_text(text)
    assert repair_text(once) == once


@given(st.text(max_size=60))
def test_repaired_text_has_no_invisible_characters_and_is_nfc(text: str) -> None:
    repaired = repair_text(text)
    assert not any(unicodedata.category(char) in ("Cs", "Co") for char in repaired)
    assert not set(repaired) & set("\r\x00\x0b\x0c\x85\u200b\u2028\ufeff\xa0\u3000")
    assert unicodedata.is_normalized("NFC", repaired)


@pytest.mark.parametrize(
    "text",
    [
        "他说：“你好，世界！”这是一段正常的中文，夹着 English 单词。",
        "Ein schöner Tag – für alle. Ça va très bien, señor?",
        "日本語の文章です。\n韩国语 한국어 문장.",
        "def f(x):\n    return x < 1 && y\n",
        "锛 and 鐨 are rare characters; 涓 is one too.",
    ],
)
def test_whole_text_comes_out_as_it_went_in(text: str) -> None:
    assert repair_text(text) == text.rstrip("\n")


def test_headings_stay_lines_of_the_text() -> None:
    document = Document(
        id="1", source="s", url="u", language="und", text="Caf\u00e9\u200b \u00a0menu\nbody",
        headings=["Caf\u00e9\u200b \u00a0menu"], title=" T\u200b ",
    )  # fmt: skip
    repaired = repair(document)
    assert repaired.headings == ["Café menu"]
    assert repaired.title == "T"
