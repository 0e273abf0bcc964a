"""The language of a document, told by script and by words."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodesmith.data.documents import Document
from lodesmith.prepare.config import PrepareConfig
from lodesmith.prepare.input.pages import Drop
from lodesmith.prepare.language import (
    detect_language,
    identify,
    judge_language,
    label_paragraphs,
)

_ENGLISH = "The settings of a document can be changed with the commands that you find in the menu."


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (_ENGLISH, "en"),
        ("选择「工具 - 选项」，然后在对话框中更改文档的设置。", "zh"),
        ("使用 LibreOffice Calc 的 Autofilter 命令可以筛选数据。", "zh"),
        ("設定は「ツール」メニューのコマンドで変更できます。", "ja"),
        ("문서의 설정은 도구 메뉴의 명령으로 바꿀 수 있습니다.", "ko"),
        ("Die Einstellungen eines Dokuments können Sie über das Menü ändern.", "de"),
        ("Les paramètres d'un document peuvent être modifiés par le menu Outils.", "fr"),
        ("Настройки документа можно изменить с помощью команд меню.", "ru"),
        ("12345 67890 --- !!!", "und"),
        ("", "und"),
    ],
)
def test_languages_are_told(text: str, language: str) -> None:
    assert detect_language(text)[0] == language


def test_a_page_with_a_chinese_title_and_english_text_is_english() -> None:
    assert detect_language(f"插入对象的属性设置\n要访问此命令...\n{_ENGLISH * 3}")[0] == "en"


def test_code_says_nothing_of_the_language() -> None:
    code = [f"Dim oTarget{n} As Object, oSource{n} As Variant" for n in range(20)]
    text = "该函数返回单元格区域的引用，并且可以在宏中使用。\n" + "\n".join(code)
    document = Document(id="1", source="s", url="u", language="und", text=text)
    assert identify(document)[0].language != "zh"
    assert identify(document, code_lines=frozenset(code))[0].language == "zh"


def test_languages_that_are_not_wanted_are_dropped_with_their_name() -> None:
    document = Document(id="1", source="s", url="u", language="de", text="x")
    dropped = judge_language(document, 0.9, PrepareConfig(languages=("zh", "en")))
    assert isinstance(dropped, Drop)
    assert (dropped.reason, dropped.value) == ("language not wanted", "de")
    assert judge_language(document, 0.9, PrepareConfig()) is document
    assert isinstance(judge_language(document, 0.1, PrepareConfig()), Drop)


_CHINESE = "这一章说明怎样在系统里安装软件，以及安装之后要做的设置。"
_GERMAN = "Dieses Kapitel beschreibt, wie man Programme installiert und danach einrichtet."


def _document(text: str) -> Document:
    return Document(id="1", source="s", url="u", language="und", text=text)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Οι ρυθμίσεις ενός εγγράφου αλλάζουν από το μενού.", "el"),
        ("การตั้งค่าเอกสารสามารถเปลี่ยนได้จากเมนู", "th"),
        ("ஆவணத்தின் அமைப்புகளை பட்டியிலிருந்து மாற்றலாம்.", "ta"),
        ("დოკუმენტის პარამეტრები მენიუდან იცვლება.", "ka"),
        ("Фајл са подешавањима се налази на серверу.", "sr"),
        ("La configuración del documento se puede cambiar desde el menú.", "es"),
        ("As configurações do documento podem ser alteradas no menu.", "pt"),
        ("Cài đặt của tài liệu có thể được thay đổi từ trình đơn.", "vi"),
        ("Ko te whakamahi i tēnei kōnae kei roto i ngā tautuhinga.", "mi"),
        ("Dokumentet kan ikkje opnast fordi fila ikkje finst på disken.", "nn"),
        ("Datoteka se ne može otvoriti tijekom ispisa na poslužitelju.", "hr"),
    ],
)
def test_languages_of_other_alphabets_and_close_neighbours_are_told(
    text: str, language: str
) -> None:
    assert detect_language(text)[0] == language


def test_a_page_in_two_languages_says_so_with_their_shares() -> None:
    found, _ = identify(_document("\n".join([_CHINESE] * 6 + [_GERMAN] * 4)))
    shares = found.measures["languages"]
    assert found.language == "zh"
    assert list(shares) == ["zh", "de"]
    assert sum(shares.values()) == pytest.approx(1, abs=0.01)
    assert 0.15 < shares["de"] < 0.5


@pytest.mark.parametrize(
    "lines",
    [
        [_CHINESE] * 5 + [_ENGLISH] * 5,
        [_ENGLISH] * 5 + [_CHINESE] * 5,
        [_CHINESE, _ENGLISH] * 5,
        [f"{_CHINESE} {_ENGLISH}"] * 5,  # both in each paragraph
        [f"{_CHINESE * 5} {_ENGLISH * 5}"],  # one paragraph, one after the other
    ],
)
def test_a_page_half_chinese_half_english_is_kept_with_both_shares(lines: list[str]) -> None:
    found, confidence = identify(_document("\n".join(lines)))
    shares = found.measures["languages"]
    assert set(shares) == {"zh", "en"}
    assert min(shares.values()) > 0.3
    assert judge_language(found, confidence, PrepareConfig()) is found


def test_short_lines_of_a_talk_in_two_languages_count_for_both() -> None:
    talk = ["早上好，你吃了吗？", "Good morning, have you eaten yet?", "我吃过了，谢谢。"]
    shares = identify(_document("\n".join(talk * 4)))[0].measures["languages"]
    assert set(shares) == {"zh", "en"}


def test_terms_and_commands_in_chinese_are_no_second_language() -> None:
    line = "使用 pip install numpy 命令安装 NumPy，然后在 Python 中 import numpy as np 就可以了。"
    assert identify(_document("\n".join([line] * 5)))[0].measures["languages"] == {"zh": 1.0}


def test_headings_without_kana_are_japanese_on_a_japanese_page() -> None:
    text = "基本設定方法\n設定は「ツール」メニューのコマンドで変更できます。\n" * 4
    assert identify(_document(text))[0].measures["languages"] == {"ja": 1.0}


def test_an_address_without_kana_is_japanese_on_a_japanese_page_and_a_chinese_sentence_is_not() -> (
    None
):
    japanese = ["設定は「ツール」メニューのコマンドで変更できます。"] * 4
    address = "住所 神奈川県川崎市宮前区宮崎二丁目一番地二十二号 営業時間 午前十時 終了 午後六時"
    assert identify(_document("\n".join([*japanese, address])))[0].measures["languages"] == {
        "ja": 1.0
    }
    chinese = "这本书是我在图书馆里借来的，里面的故事讲的是一位年轻的医生怎样帮助了他的病人。"
    shares = identify(_document("\n".join([*japanese, chinese])))[0].measures["languages"]
    assert set(shares) == {"ja", "zh"}


def _paragraph_languages(lines: list[str], **arguments: frozenset[str]) -> list[list[str | int]]:
    found, _ = identify(_document("\n".join(lines)))
    runs: list[list[str | int]] = label_paragraphs(found, **arguments).measures[
        "paragraph_languages"
    ]
    return runs


def test_each_paragraph_of_a_mixed_page_has_its_language() -> None:
    lines = [_CHINESE] * 3 + [_ENGLISH, "Home"] + [f"{_CHINESE} {_ENGLISH}"] + [_CHINESE]
    assert _paragraph_languages(lines) == [["zh", 3], ["en", 2], ["en+zh", 1], ["zh", 1]]


def test_code_goes_with_the_paragraph_before_it() -> None:
    code = "from the list with this and that: print(numbers) and return from the loop"
    lines = [_CHINESE, code, _CHINESE, _ENGLISH]
    labelled = _paragraph_languages(lines, code_lines=frozenset([code]))
    assert labelled == [["zh", 3], ["en", 1]]


@given(st.lists(st.sampled_from([_CHINESE, _ENGLISH, _GERMAN, "", "x", "42"]), min_size=1))
def test_labels_cover_every_line_once(lines: list[str]) -> None:
    document = replace(
        _document("\n".join(lines)), language="zh", measures={"languages": {"zh": 0.5, "en": 0.5}}
    )
    runs = label_paragraphs(document).measures["paragraph_languages"]
    assert sum(count for _, count in runs) == len(lines)
    assert all(before[0] != after[0] for before, after in pairwise(runs))


def test_a_page_in_one_language_has_no_labels() -> None:
    found, _ = identify(_document("\n".join([_ENGLISH] * 5)))
    assert label_paragraphs(found) is found


def test_a_page_in_many_languages_is_not_unclear() -> None:
    russian = "Настройки документа можно изменить с помощью команд меню."
    korean = "문서의 설정은 도구 메뉴의 명령으로 바꿀 수 있습니다."
    lines = [_CHINESE, _ENGLISH, _GERMAN, russian, korean]
    found, confidence = identify(_document("\n".join(lines)))
    assert len(found.measures["languages"]) == 5
    assert judge_language(found, confidence, PrepareConfig()) is found


def test_a_beginning_in_another_language_does_not_decide() -> None:
    found, _ = identify(_document("\n".join([_ENGLISH] * 8 + [_GERMAN] * 40)))
    assert found.language == "de"


def test_short_lines_have_no_say() -> None:
    found, _ = identify(_document(f"{_GERMAN}\nLogin\nHome\nNews\n{_GERMAN}"))
    assert found.measures["languages"] == {"de": 1.0}


@pytest.mark.parametrize(
    ("text", "script"),
    [
        (_CHINESE, "zh-Hans"),
        ("這一章說明怎樣在系統裡安裝軟體，以及安裝之後要做的設定。", "zh-Hant"),
        ("中文小字", "zh"),
        ("这里说明怎样设置这个软件\n這裡說明怎樣設定這個軟體", "mixed"),
    ],
)
def test_the_script_of_chinese_is_told(text: str, script: str) -> None:
    assert identify(_document(text))[0].measures["script"] == script


def test_cantonese_is_told_from_other_traditional_text() -> None:
    measures = identify(_document("佢哋琴日喺度食咗飯，我唔知係咩事，啲嘢都冇晒。"))[0].measures
    assert measures["variety"] == "yue"
    assert "variety" not in identify(_document("他們昨天在這裡吃了飯，我不知道。"))[0].measures


@pytest.mark.parametrize(
    ("text", "is_converted"),
    [
        ("他的頭發白瞭，皇後說隻有這樣才能控製若幹問題，發展製度。", True),
        ("用戶可以通過網絡下載軟件，默認設置保存在硬盤的文件夾里，打印質量很好。", True),
        ("使用者可以透過網路下載軟體，預設值儲存在硬碟的資料夾裡，列印品質很好。", False),
        ("皇后的頭髮白了，她說只有這樣才能控制若干問題。", False),
    ],
)
def test_traditional_text_that_was_simplified_once_is_told(text: str, is_converted: bool) -> None:
    assert (
        identify(_document(text))[0].measures["converted_from_simplified"] > 0.5
    ) == is_converted
