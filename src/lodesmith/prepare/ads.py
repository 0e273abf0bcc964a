"""Fifth step: lines that are there to be clicked, and pages that are nothing but advertising.

A line goes if all of it is a share button, a cookie notice, a copyright footer, a link to the next
page and the like; a page goes if too many of its words are those of gambling, pornography and
pills, or if nothing is left of it. First version: word lists, Chinese and English.

Source: the C4 rule that drops lines asking for Javascript (Raffel et al., arXiv:1910.10683,
section 2.2); the lists are our own.
"""

import re
from dataclasses import dataclass, replace

from lodesmith.data.documents import Document
from lodesmith.prepare.pages import Drop

_MAX_LINE_CHARS = 200  # a longer line is a paragraph
_MAX_SPAM_FRACTION = 0.05  # characters in spam words, of all characters
_MIN_SPAM_KINDS = 3  # different spam words, so that an article about one of them stays

_BUTTON = (
    r"(?:share|tweet|like|follow us|pin it|print|e-?mail|save|subscribe|sign up|sign in|log ?in|"
    r"register|read more|learn more|back to top|prev|next|previous|home|up|top|menu|search|"
    r"advertisement|sponsored|loading|facebook|twitter|linkedin|whatsapp|pinterest|reddit|"
    r"上一[页篇章条步]|下一[页篇章条步]|起始页|首页|尾页|末页|登录|注册|打印|收藏|分享|点赞|评论|关闭|关闭窗口|"
    r"返回顶部|回到顶部|返回首页|查看更多|阅读全文|加载更多|广告|网站地图|联系我们|关于我们|设为首页|加入收藏|"
    r"terms of (?:use|service)|privacy policy|cookie policy|contact us|about us|sitemap)[.…]*"
)
_GAP = r"[\s|/·•»«<>,&-]+"
_WEAK = re.compile(_BUTTON, re.IGNORECASE)  # an ad only beside another

_STRONG = re.compile(
    rf"{_BUTTON}(?:{_GAP}{_BUTTON})+|"
    r"(?:click here|skip to (?:main )?content|follow us on .{0,60}|like us on .{0,60})[.!]?|"
    r"share (?:this )?(?:page |post |article )?(?:on|via|to|with) .{0,60}|"
    r"(?:分享到|分享至|转发到|转载请注明|点击关注|扫码关注|扫一扫|长按识别).{0,60}|"
    r"字体[:：]?\s*大[\s|]*中[\s|]*小|点击查看更多.{0,10}",
    re.IGNORECASE,
)
# By a word without which no line matches the rule.
_BY_KEYWORD = {
    "cookie": r".{0,80}\b(?:we|site|page|website) uses? cookies\b.{0,120}|"
    r".{0,40}\b(?:accept|reject|allow|manage) (?:all |your )?cookies\b.{0,40}|"
    r".{0,30}(?:本网站|我们|本站)使用.{0,6}cookies?.{0,80}",
    "javascript": r".{0,60}\b(?:enable|turn on|requires?|without) javascript\b.{0,80}|"
    r".{0,20}(?:请|需要).{0,4}(?:启用|开启)\s?javascript.{0,40}",
    "copyright": r"copyright\s?(?:©|\(c\))?.{0,10}\b(?:19|20)\d\d\b.{0,120}",
    "©": r"(?:copyright\s?)?©.{0,10}\b(?:19|20)\d\d\b.{0,120}|(?:copyright\s?)?©.{0,60}",
    "rights reserved": r".{0,120}all rights reserved\.?",
    "版权所有": r".{0,40}版权所有[^。]{0,60}",
    "icp": r".{0,60}[\u4e00-\u9fff][ \t]?ICP[备证].{0,60}",
    "公网安备": r".{0,20}公网安备.{0,60}",
}
_RULES = {word: re.compile(rule, re.IGNORECASE) for word, rule in _BY_KEYWORD.items()}

_SPAM_WORDS = (
    "时时彩", "六合彩", "北京赛车", "博彩", "赌场", "赌博", "百家乐", "老虎机", "葡京", "真人娱乐",
    "娱乐城", "彩票平台", "投注", "开户送", "棋牌", "成人电影", "成人视频", "黄色网站", "裸聊",
    "一夜情", "性爱", "无码", "代开发票", "办证", "刷单", "兼职日结",
    "casino", "slot machine", "sportsbook", "betting odds", "poker online", "jackpot", "free spins",
    "porn", "xxx video", "escort service", "viagra", "cialis", "payday loan", "replica watch",
    "buy followers",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class WithoutAds:
    """A document, and what was taken out of it."""

    document: Document
    lines: list[str]  # those that were taken out


def remove_ads(
    document: Document, *, code_lines: frozenset[str] = frozenset()
) -> WithoutAds | Drop:
    """Return the document without advertising lines, or why nothing of it stays.

    Args:
        document: from which lines go; its headings stay.
        code_lines: lines that stay as well.
    """
    lowered = document.text.lower()
    spam = _spam_fraction(lowered)
    if spam > _MAX_SPAM_FRACTION:
        return Drop("spam words (fraction of characters)", round(spam, 3), _MAX_SPAM_FRACTION)
    lines = document.text.split("\n")
    gone = _find_ads(lines, lowered, code_lines.union(document.headings))
    if not gone:
        return WithoutAds(document, [])
    kept = [line for index, line in enumerate(lines) if index not in gone]
    if not any(line.strip() for line in kept):
        return Drop("only advertising lines", len(gone), 0)
    text = "\n".join(kept).strip("\n")
    return WithoutAds(replace(document, text=text), [lines[index] for index in sorted(gone)])


def _find_ads(lines: list[str], lowered: str, kept: frozenset[str]) -> set[int]:
    """Return the places of advertising lines; single buttons only where several follow."""
    rules = [rule for word, rule in _RULES.items() if word in lowered]
    strong, weak = set(), set()
    for index, line in enumerate(lines):
        bare = line.strip()
        if not 0 < len(bare) <= _MAX_LINE_CHARS or bare in kept:
            continue
        if _STRONG.fullmatch(bare) or any(rule.fullmatch(bare) for rule in rules):
            strong.add(index)
        elif _WEAK.fullmatch(bare):
            weak.add(index)
    either = strong | weak
    return strong | {index for index in weak if {index - 1, index + 1} & either}


def _spam_fraction(lowered: str) -> float:
    found = [word for word in _SPAM_WORDS if word in lowered]
    if len(found) < _MIN_SPAM_KINDS:
        return 0.0
    return sum(len(word) * lowered.count(word) for word in found) / len(lowered)
