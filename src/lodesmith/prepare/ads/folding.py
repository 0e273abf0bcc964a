"""Undoes what spammers do to letters so that word lists miss them, for comparison only."""

import re
import unicodedata

_HAN = "\u4e00-\u9fff"
_DECORATION = re.compile(
    "[\u200b-\u200f\u2060\ufe0f\u2500-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff]"
)
_SPREAD = re.compile(
    f"(?<=[{_HAN}])[ \\-*·.~_+|/丨]{{1,3}}(?=[{_HAN}](?:[ \\-*·.~_+|/丨]|$|[^{_HAN}]))"
)
_SPREAD_LATIN = re.compile(r"\b(?:[a-z0-9][ .\-_*]){3,}[a-z0-9]\b")
_ALIKE = "аеорсхуіѕԁɡοαν"
_LOOK_ALIKES = str.maketrans(_ALIKE, "aeopcxyisdgoav")
_MIXED = re.compile(f"[a-z]+[{_ALIKE}][a-z{_ALIKE}]*|[{_ALIKE}]+[a-z][a-z{_ALIKE}]*")
_WECHAT = re.compile(
    "加\\s?(?:薇|v|徽|威)(?:信|芯|心|❤|♥)?(?![a-z])|(?:徽|薇|溦|嶶|威|微|维|卫|唯|魏)\\s?(?:信|"
    "芯|心|星|❤|♥|xin|x)(?=[号:：\\s]*[a-z0-9]|号|$|同步|联系|咨询)|"
    "加\\s?(?:薇|v|徽|威)(?:信|芯|心|❤|♥)?(?![a-z])|[v\\+]\\s?(?:信|❤|♥|芯)|\\b(?:v|"
    "w)x\\b(?=\\s?[:：号]?\\s?\\w)|weixin|wei信|微x"
)
_QQ = re.compile("扣扣|扣(?=\\s?[:：]?\\s?\\d{5})|q\\s?q|企鹅号|抠抠|蔻蔻|\\bq群|球球号")


def fold(line: str) -> str:
    """Return a line in small letters, with look-alikes, spread letters and decoration undone.

    >>> fold("加薇芯：ＡＢＣ１２３"), fold("澳 门 赌 场"), fold("V❤信 88888")
    ('加微信:abc123', '澳门赌场', '微信 88888')
    """
    line = line.lower()
    if line.isascii():
        return _SPREAD_LATIN.sub(_join, line) if " " in line or "." in line else line
    line = unicodedata.normalize("NFKC", line)
    line = _MIXED.sub(lambda match: match[0].translate(_LOOK_ALIKES), line)
    line = _WECHAT.sub(lambda match: "加微信" if match[0][0] == "加" else "微信", line)
    line = _QQ.sub("qq", line.replace("v微信", "微信"))
    line = _DECORATION.sub("", line).replace("微信信", "微信")
    return _SPREAD_LATIN.sub(_join, _SPREAD.sub("", line))


def _join(match: re.Match[str]) -> str:
    return re.sub(r"[ .\-_*]", "", match[0])
