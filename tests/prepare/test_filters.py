"""Rules on quality and advertising, each with a text it drops and one it must keep."""

import pytest

from lodesmith.data.documents import Document
from lodesmith.prepare.ads import WithoutAds, remove_ads
from lodesmith.prepare.config import QualityConfig
from lodesmith.prepare.input.pages import Drop
from lodesmith.prepare.quality import judge

_SENTENCES = [
    "The quick start shows how to open a document and where its settings are kept.",
    "A template holds styles, so that every letter of a company looks the same.",
    "You can protect single cells against changes with a password of your own.",
    "When a formula refers to another sheet, the name of that sheet stands before the cell.",
    "Charts follow their data: whatever you type into the table is drawn at once.",
]
_GOOD = "\n".join(_SENTENCES)
_GOOD_ZH = (
    "用户可以在文档中插入表格，并通过菜单更改它的样式。如果公式引用了另一个工作表，该工作表的名称会写在单元格前面。"
    "图表会随数据而变化，在表格中输入的内容会立即绘制出来。模板保存了各种样式，使公司的所有信件看起来一致。"
)


def _document(text: str, language: str = "en", **fields: object) -> Document:
    return Document(id="1", source="s", url="u", language=language, text=text, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(("text", "language"), [(_GOOD, "en"), (_GOOD_ZH, "zh")])
def test_prose_passes_all_rules(text: str, language: str) -> None:
    kept = judge(_document(text, language), QualityConfig())
    assert isinstance(kept, Document)
    assert kept.text == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Too short to say anything.", "too few words"),
        ("", "too few words"),
        ("a b c d e f g h i j " * 10, "words too short on average"),
        ("the be to of and that have " + "internationalisation" * 2 + " konstantinopolitan " * 60,
         "words too long on average"),
        ("the 1234 to 3456 of 5678 and 7890 that 9012 " * 11, "too few words with letters"),
        (" ".join(f"keyword{n} product{n} price{n}" for n in range(40)), "too few stop words"),
        (_GOOD + " #tag" * 20, "too many hash signs"),
        ("\n".join(f"• {line}" for line in _SENTENCES), "almost only bullet points"),
        ("\n".join(f"{line} Read on…" for line in _SENTENCES), "too many lines cut short"),
        (_GOOD + "\n" + "\n".join([_SENTENCES[0]] * 14), "lines repeated"),
        (_GOOD + "\n" + " ".join(f"Cheap pills against illness {n * 7919}," for n in range(30)),
         "one run of 2 words over and over"),
        (_GOOD + "锟斤拷" * 9, "characters lost"),
    ],
)  # fmt: skip
def test_each_rule_drops_what_it_is_for_and_says_how_much(text: str, reason: str) -> None:
    result = judge(_document(text), QualityConfig())
    assert isinstance(result, Drop)
    assert result.reason == reason
    assert result.value is not None
    assert result.limit is not None


def test_headings_and_code_may_repeat() -> None:
    bodies = [" ".join(f"part{number}x{word}" for word in range(9)) for number in range(12)]
    text = _GOOD + "".join(f"\nArguments:\n{body}\n    End Sub" for body in bodies)
    dropped = judge(_document(text), QualityConfig())
    assert isinstance(dropped, Drop)
    assert dropped.reason == "lines repeated"
    document = _document(text, headings=["Arguments:"])
    config = QualityConfig(rule_sets=("general",))
    assert judge(document, config, code_lines=frozenset(["End Sub"])) is document


@pytest.mark.parametrize(
    "line",
    [
        "Share on Facebook", "Prev | Next", "上一页\t\t下一页", "分享到：微信 微博 QQ空间",
        "Print Email Share",
        "© 2023 Example Inc. All rights reserved.", "Copyright © 2013-2021 Somebody",
        "京ICP备12345678号-1",
        "本网站使用cookies来改善您的体验", "This site uses cookies to improve your visit.",
        "版权所有 某某公司",
        "Please enable JavaScript to view this page", "扫一扫，关注我们的公众号", "字体：大 中 小",
    ],
)  # fmt: skip
def test_advertising_lines_go(line: str) -> None:
    result = remove_ads(_document(f"{_GOOD}\n{line}\n{_SENTENCES[0]}"))
    assert isinstance(result, WithoutAds)
    assert result.lines == [line]
    assert line not in result.document.text


@pytest.mark.parametrize(
    "line",
    [
        "Next", "Print", "上一页的内容继续讨论这个问题。",
        "Share price of the company fell on Monday.",
        "The copyright of 1998 was extended by law.", "分享是一种美德。",
        "Press Home to go to the first cell.",
        "A cookie is a small file that a site keeps in the browser.",
    ],
)  # fmt: skip
def test_lines_that_only_look_like_it_stay(line: str) -> None:
    text = f"{_SENTENCES[0]}\n{line}\n{_SENTENCES[1]}"
    result = remove_ads(_document(text))
    assert isinstance(result, WithoutAds)
    assert result.document.text == text


def test_buttons_in_a_row_go_but_headings_and_code_stay() -> None:
    text = f"{_GOOD}\nPrint\nSave\nShare\n{_SENTENCES[0]}\nNext\nHome"
    result = remove_ads(_document(text, headings=["Home"]), code_lines=frozenset(["Next"]))
    assert isinstance(result, WithoutAds)
    assert result.lines == ["Print", "Save", "Share"]


@pytest.mark.parametrize(
    "text",
    [
        "澳门葡京娱乐城，真人娱乐百家乐老虎机，注册开户送888，时时彩六合彩投注平台",
        "casino online jackpot free spins slot machine casino poker online viagra",
        "Share on Facebook\nPrev | Next\n© 2023 Example",
    ],
)
def test_pages_that_are_only_advertising_are_dropped(text: str) -> None:
    assert isinstance(remove_ads(_document(text)), Drop)


def test_an_article_about_gambling_stays() -> None:
    text = _GOOD * 3 + " A casino pays out a jackpot when the slot machine shows three bells."
    assert isinstance(remove_ads(_document(text)), WithoutAds)
