"""From a page's heading to the question that the text below it answers, by the heading's form.

Names of things give "What is ...?" / "...是什么？", names of actions "How do I ...?" / "如何...？".
"""

import re
from collections.abc import Callable, Collection

_NUMBERING = re.compile(
    r"^(?:(?:chapter|appendix|table|figure|section)\s+[\dA-Z]+(?:\.\d+)*[.:]?\s+"
    r"|第\s*[\d一二三四五六七八九十]+\s*[章节部]分?[.、:：\s]*"
    r"|附录\s*[A-Z][.、:：\s]*|[\dA-Z](?:\d*\.)+\d*\s*)",
    re.IGNORECASE,
)
_GERUND = re.compile(r"^([A-Z][a-z]{2,})ing\s+(\S.*)$")
_NO_ACTIONS = frozenset({"draw", "spac", "str", "spr", "build", "dur", "accord", "follow", "noth"})
"""Stems of words in -ing that begin names of things, or no name at all, in help pages."""

_ZH_ASKS = ("如何", "怎样", "怎么", "为什么", "什么是")
_ZH_ACTION = re.compile(
    r"(?:[将把]|"
    r"使用|更改|插入|设置|创建|添加|删除|打印|打开|关闭|"
    r"保存|编辑|应用|导入|导出|定义|移动|复制|选择|输入|"
    r"显示|隐藏|计算|修改|调整|安装|配置|启动|停止|查找|"
    r"替换|格式化|排序|筛选|保护|合并|拆分|链接|连接|"
    r"转换|旋转|对齐|分组|录制|运行|执行|搜索|控制|管理|"
    r"启用|禁用|检查|防止|避免|编写|绘制|指定|生成|更新|"
    r"切换|取消|自定义|粘贴|剪切|发送|接收|登录|备份|"
    r"恢复|升级|下载|撤销|重复|锁定"
    r")[^的].+"
)
"""Verbs that begin the headings of Chinese help pages, unless 的 makes a name of them."""


def ask(heading: str, *, language: str, words: Collection[str]) -> str | None:
    """Return the question that a heading stands for, None if it makes no sensible one.

    Args:
        heading: one line.
        language: of the page; only those of `LANGUAGES` are known.
        words: the page's words in lower case, which tell "change" from "chang" for "changing".

    >>> ask("2.1. Changing Page Margins", language="en", words={"change", "page"})
    'How do I change Page Margins?'
    >>> ask("插入超链接", language="zh", words=())
    '如何插入超链接？'
    """
    name = _NUMBERING.sub("", heading.strip()).strip(" \t:：。.;；，,")
    return LANGUAGES[language](name, words)


def _ask_english(name: str, words: Collection[str]) -> str | None:
    if not 3 <= len(name) <= 80 or not name.isascii() or not name[0].isalpha():
        return None
    if name.endswith("?"):
        return name
    for beginning in ("How to ", "To "):
        if name.startswith(beginning) and name.count(" ") >= 3:  # not "To Grid"
            return f"How do I {_lower(name.removeprefix(beginning))}?"
    gerund = _GERUND.match(name)
    if gerund and gerund[1].lower() not in _NO_ACTIONS:
        verb = _base_form(gerund[1].lower(), words)
        return f"How do I {verb} {gerund[2]}?" if verb else f"How do I go about {_lower(name)}?"
    return f"What is {name}?"


def _base_form(stem: str, words: Collection[str]) -> str | None:
    """Return the verb whose form in -ing has this stem, as far as the page uses it."""
    forms = [stem + "e", stem, stem[:-1] if stem[-1] == stem[-2] else ""]
    return next((form for form in forms if len(form) > 1 and form in words), None)


def _lower(name: str) -> str:
    return name if name[:2].isupper() else name[0].lower() + name[1:]


def _ask_chinese(name: str, words: Collection[str]) -> str | None:
    del words
    if not 2 <= len(name) <= 30 or not any("\u4e00" <= letter <= "\u9fff" for letter in name):
        return None
    if name.endswith(("？", "?")):
        return name
    if name.startswith(_ZH_ASKS):
        return f"{name}？"
    if name.startswith("要") and len(name) > 4:
        return f"如何{name[1:]}？"
    return f"如何{name}？" if _ZH_ACTION.match(name) else f"{name}是什么？"


LANGUAGES: dict[str, Callable[[str, Collection[str]], str | None]] = {
    "en": _ask_english,
    "zh": _ask_chinese,
}
