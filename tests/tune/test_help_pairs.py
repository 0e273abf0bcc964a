"""Question-answer pairs from headings: sensible questions, whole sentences, no ambiguity."""

import pytest

from lodesmith.data.documents import Document
from lodesmith.tune.conversations.help_pairs import make_help_pairs
from lodesmith.tune.conversations.questions import ask


@pytest.mark.parametrize(
    ("heading", "language", "question"),
    [
        ("Hyperlink Bar", "en", "What is Hyperlink Bar?"),
        ("2.1. Changing Page Margins", "en", "How do I change Page Margins?"),
        ("Setting Tab Stops:", "en", "How do I set Tab Stops?"),
        ("Defragmenting Disks", "en", "How do I go about defragmenting Disks?"),
        ("To create a Fontwork object", "en", "How do I create a Fontwork object?"),
        ("To Grid", "en", "What is To Grid?"),
        ("How to print on A4", "en", "How do I print on A4?"),
        ("Chapter 5. Network setup", "en", "What is Network setup?"),
        ("What is new?", "en", "What is new?"),
        ("Drawing Objects", "en", "What is Drawing Objects?"),
        ("5.1", "en", None),
        ("插入超链接", "zh", "如何插入超链接？"),
        ("第 5 章 网络设置", "zh", "网络设置是什么？"),
        ("要在输入时创建编号列表", "zh", "如何在输入时创建编号列表？"),
        ("输入的单词", "zh", "输入的单词是什么？"),
        ("删除", "zh", "删除是什么？"),
        ("如何打印文档？", "zh", "如何打印文档？"),
        ("如何打印文档", "zh", "如何打印文档？"),
        ("Vertical", "zh", None),
    ],
)
def test_the_form_of_a_heading_decides_the_question(heading, language, question):
    assert ask(heading, language=language, words={"change", "set", "draw"}) == question


def page(name, text, *, language="en"):
    headings = [line.removeprefix("# ") for line in text.split("\n") if line.startswith("# ")]
    text = text.replace("# ", "")
    return Document(id=name, source="s", url=name, language=language, text=text, headings=headings)


def pairs(*pages, **settings):
    defaults = {"languages": ["zh", "en"], "max_pairs": 100, "max_answer_bytes": 80, "seed": 0}
    return make_help_pairs(pages, **{**defaults, **settings})


def said(harvest):
    return {row.messages[0]["content"]: row.messages[1]["content"] for row in harvest.rows}


def test_the_answer_is_the_first_whole_sentences_below_the_heading():
    text = (
        "# Tab Stops\nA tab stop is a place on the ruler. It holds text in columns.\n"
        "This third sentence would make the answer too long to be taken.\n# Other\nx"
    )
    answer = "A tab stop is a place on the ruler. It holds text in columns."
    assert said(pairs(page("a", text))) == {"What is Tab Stops?": answer}


def test_an_answer_ends_before_a_list_or_the_next_heading():
    text = "# Styles\nStyles change many paragraphs at once.\nName\nFont\n# Fonts\n# Sizes\n10 pt"
    assert said(pairs(page("a", text))) == {
        "What is Styles?": "Styles change many paragraphs at once."
    }


def test_headings_that_different_pages_answer_differently_are_no_questions():
    one, two = (f"# Options\nHere you find option number {number} of it." for number in (1, 2))
    harvest = pairs(
        page("a", one), page("b", two), page("c", "# Cells\nA cell holds one value only.")
    )
    assert list(said(harvest)) == ["What is Cells?"]
    assert harvest.dropped["ambiguous heading"] == 1


def test_the_same_answer_on_two_pages_is_one_pair():
    text = "# Cells\nA cell holds one value only."
    assert len(pairs(page("a", text), page("b", text)).rows) == 1


def test_a_chinese_page_gives_no_english_answer():
    zh = "# 网格\n网格是一组用来对齐的看不见的线。\n# 标尺\nThe ruler has not been translated yet."
    assert said(pairs(page("a", zh, language="zh"))) == {
        "网格是什么？": "网格是一组用来对齐的看不见的线。"
    }


def test_the_limit_draws_the_same_pairs_in_any_order_of_pages():
    pages = [
        page(f"p{n}", f"# Thing{n}\nThing number {n} is good for something.") for n in range(9)
    ]
    first, again = pairs(*pages, max_pairs=3), pairs(*reversed(pages), max_pairs=3)
    assert [row.origin for row in first.rows] == [row.origin for row in again.rows]
    assert len(first.rows) == 3
    assert first.dropped["help pair beyond the limit"] == 6
    assert said(first) != said(pairs(*pages, max_pairs=3, seed=1))
