"""The language of a document, told by script and by words."""

import pytest

from lodesmith.data.documents import Document
from lodesmith.prepare.config import PrepareConfig
from lodesmith.prepare.language import detect_language, identify, judge_language
from lodesmith.prepare.pages import Drop

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
