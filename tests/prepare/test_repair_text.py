"""Repair mends what is broken and leaves what is whole."""

import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodesmith.data.charset import decode_page
from lodesmith.data.documents import Document
from lodesmith.prepare.config import RepairConfig
from lodesmith.prepare.repair import repair, repair_text
from lodesmith.prepare.repair.pinyin import reading_of

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
    ("ÄãºÃ£¬ÊÀ½ç¡£", "你好，世界。"),  # GBK read as latin-1
    ("斕疑ㄛ岍賜ㄐ", "你好，世界！"),  # GBK read as Big5
    ("Ïðèâåò, êàê äåëà ñåãîäíÿ?", "Привет, как дела сегодня?"),  # windows-1251 as latin-1
    ("РџСЂРёРІРµС‚, РєР°Рє РґРµР»Р°", "Привет, как дела"),  # UTF-8 read as windows-1251
    ("ＡＢＣ１２３，全角字母", "ABC123，全角字母"),
    ("⼈们⽤⽂字说话", "人们用文字说话"),  # Kangxi radicals
    ("一\ue81e字\uf0b7点", "一\u9fb4字•点"),  # private use of GBK, and of Symbol
    ("ﾊﾝｶｸ", "ハンカク"),
    ("中\u200d文", "中文"),
    ("&amp;lt;p&amp;gt; x", "<p> x"),
    ("ä½ å¥½ä¸–ç•Œ", "你好世界"),  # UTF-8 as windows-1252, 0xA0 made a space
    ("ã“ã‚“ã«ã¡ã¯", "こんにちは"),  # the same, bytes without a meaning there lost
    ("他(ta)今天(tian)很(hen)高兴地来到了学校。", "他今天很高兴地来到了学校。"),
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


def test_what_a_script_needs_is_not_taken_for_invisible() -> None:
    for text in ("ᠨᠡᠷ᠎ᠡ", "می\u200cخواهم", "क्\u200dष", "👨\u200d👩\u200d👧 ❤\ufe0f"):
        assert repair_text(text) == text
    assert repair_text("a\u180eb") == "ab"


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
        "重(chóng)庆和亳(bó)州是两个城市，读音要记住。",
        "你去过北京吗?我没有去过?真的吗?我想今年去一次。",
        '他问:"为什么?"我说(see above)不知道。',
        "НАСТРОЙКИ СИСТЕМЫ и параметры",
        "Αυτή είναι μια πρόταση (με παρένθεση) στα ελληνικά; Ο Raphaël?",
        "床前明月光，疑是地上霜。\n蒹葭苍苍，白露为霜。\n亳州市谯城区的鼋鼍。",
        "日本語の１２３とＡＢＣ",
        "می\u200cخواهم",
        "Đây là một câu tiếng Việt có rất nhiều dấu.",
    ],
)
def test_whole_text_comes_out_as_it_went_in(text: str) -> None:
    assert repair_text(text) == text.rstrip("\n")


_SENTENCES = [
    "他对这个问题很明白，所以没有再说什么。",
    "经过三年的努力，工程终于在去年秋天完成了。",
    "春天的时候，河边的柳树都长出了新的叶子。",
    "医生告诉病人要多喝水，注意休息，按时吃药。",
    "这家公司的产品质量一直很好，价格也比较合理。",
]


def _inject_note(sentence: str, place: int) -> str:
    """Put a note between the bytes of a character, and read the bytes as a browser does."""
    lead, trail = sentence[place].encode("gbk")
    note = f"({reading_of(sentence[place])})".encode()
    damaged = (
        sentence[:place].encode("gbk")
        + bytes((lead,))
        + note
        + bytes((trail,))
        + sentence[place + 1 :].encode("gbk")
    )
    return damaged.decode("gb18030", "replace").replace("\ufffd", "?")


@pytest.mark.parametrize("sentence", _SENTENCES)
@pytest.mark.parametrize("place", [1, 4, 8])
def test_bytes_that_slipped_at_a_pinyin_note_are_put_in_step(sentence: str, place: int) -> None:
    if not reading_of(sentence[place]):
        place += 1
    damaged = _inject_note(sentence, place)
    repaired = repair_text(damaged)
    same = sum(map(str.__eq__, repaired, sentence))
    assert same >= len(sentence) - 2, (damaged, repaired)
    assert "(" not in repaired


@pytest.mark.parametrize("sentence", _SENTENCES)
def test_bytes_that_slipped_without_a_note_are_put_in_step(sentence: str) -> None:
    data = sentence.encode("gbk")
    damaged = "?" + data[1:].decode("gb18030", "replace").replace("\ufffd", "?")
    assert repair_text(damaged)[1:-1] == sentence[1:-1]


@given(st.sampled_from(_SENTENCES), st.sampled_from(["gb18030", "latin-1"]))
def test_utf8_read_in_another_charset_is_read_again(sentence: str, charset: str) -> None:
    damaged = sentence.encode().decode(charset, "replace")
    repaired = repair_text(damaged)
    assert sum(map(str.__eq__, repaired, sentence)) >= len(sentence) - 2


def test_what_was_mended_is_said_with_its_certainty() -> None:
    text = _inject_note(_SENTENCES[0], 4) + "\nA &amp; B"
    document = Document(id="1", source="s", url="u", language="zh", text=text)
    repairs = repair(document).measures["repairs"]
    assert set(repairs) == {"entities", "pinyin notes", "shifted bytes"}
    assert repairs["entities"] == {"count": 1, "confidence": 1.0}
    assert 0.9 < repairs["shifted bytes"]["confidence"] <= 1


def test_clean_text_says_nothing_was_mended() -> None:
    document = Document(id="1", source="s", url="u", language="zh", text=_SENTENCES[0])
    assert repair(document) is document or "repairs" not in repair(document).measures


def test_chinese_is_converted_where_asked_and_nothing_else_is() -> None:
    document = Document(id="1", source="s", url="u", language="zh", text="後來他們學會了電腦")
    assert repair(document, RepairConfig(chinese_script="zh-Hans")).text == "后来他们学会了电脑"
    assert repair(document).text == document.text
    japanese = replace(document, text="図書館で本を読みました。漢字の練習です。")
    assert repair(japanese, RepairConfig(chinese_script="zh-Hans")).text == japanese.text


def test_a_page_cut_in_the_middle_of_a_character_is_still_read() -> None:
    text = "<p>" + "".join(_SENTENCES) * 3
    assert decode_page(text.encode()[:-1], charset="iso-8859-1").text[:-1] == text[:-1]
    assert decode_page(text.encode("gbk")[:-1], charset="gb2312").text[:-1] == text[:-1]


def test_headings_stay_lines_of_the_text() -> None:
    document = Document(
        id="1", source="s", url="u", language="und", text="Caf\u00e9\u200b \u00a0menu\nbody",
        headings=["Caf\u00e9\u200b \u00a0menu"], title=" T\u200b ",
    )  # fmt: skip
    repaired = repair(document)
    assert repaired.headings == ["Café menu"]
    assert repaired.title == "T"
