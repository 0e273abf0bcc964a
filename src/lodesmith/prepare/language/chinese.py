"""Which script a Chinese text is written in, and whether Traditional text was once Simplified.

Characters that only one of the two national character sets has tell the scripts apart. Text that a
machine turned from Simplified into Traditional keeps two traces: characters that merged when they
were simplified come out as the wrong one of several (`皇後` for 皇后), and words are those of the
mainland (`默認` where Taiwan says 預設).

Source: GB/T 2312-1980 and Big5 as Python's codecs hold them; the word lists are our own.
"""

import functools
import math
import re
from dataclasses import dataclass

import numpy as np

from lodesmith.native.census import class_table, count_classes

_BOTH, _SIMPLIFIED, _TRADITIONAL, _CANTONESE = 1, 2, 3, 4
_MIN_EVIDENCE = 2  # characters of one script only
_MIXED_SHARE = 0.2  # of the telling characters
_MIN_CANTONESE = 0.012  # of the Han characters; Cantonese prose has above .05

_CANTONESE_CHARACTERS = "嘅咗喺唔冇啲嗰佢哋嚟咁乜嘢嘥畀嬲攞掟睇瞓揾喐嘞啱"

# Wrong forms of characters that were merged: they stand in no text that was born Traditional.
_WRONG = (
    "皇後|太後|王後(?!面)|公裡|英裡|裡程|千裡|萬裡|故裡|鄰裡|若幹|幹涉|幹擾|幹預|幹燥|餅幹|幹淨|幹杯|相幹|"
    "頭發|理發|毛發|白發|金發|髮展|髮現|髮生|髮表|髮布|出髮|方麵|麵對|麵前|麵積|表麵|全麵|製度|控製|"
    "限製|體製|機製|強製|製約|隻有|隻是|隻能|隻要|不隻|係統|聯係人|批準|準許|不準|為瞭|到瞭|有瞭|瞭一|除瞭|"
    "茶幾|北鬥|漏鬥|山穀|穀歌|誌願|同誌|標誌著著|意誌|長徵|徵服|徵程|宿捨|丑聞|曆史|經曆|來曆|簡曆|日歷|農歷|"
    "復雜|重復|復製|復印|復數|反複無|沖突|沖擊|迴答|迴來|返迴|迴到|麯線|歌麯|彆人|特彆|區彆|升彆|傢庭|國傢|"
    "大傢|專傢|傢人|於丹|範冰|薑子牙|鼕天|鞦天|韆萬|韆年|慾望強|齣現|提齣|齣來|齣版|讓齣|纔能|剛纔|嚮上|方嚮|"
    "一嚮|颱灣|舞颱|平颱|後颱|關係戶|獃在|儘量多|凈化|舍得|占領|吃飯瞭|註意|關註|註冊表|電錶達|發錶|代錶|錶示|"
    "隻好|松樹下鬆|鬆樹|雲雲|姦細|鍾頭|鬍說|鬍亂|衚同|闆凳|地闆|鬥爭|注冊|聯系|關系|體系統|干部|才干|骨干|主干"
)
_MAINLAND = (
    "軟件|信息|網絡|視頻|默認|服務器|數據庫|硬盤|鼠標|互聯網|博客|激光|出租車|公交車|導彈|土豆|鏈接|文件夾|"
    "登錄|短信|屏幕|打印|質量|悉尼|新西蘭|奧巴馬|立馬|給力|微信|淘寶|人民幣|高考|幼兒園|小區|民警|領導幹部|"
    "程序|用戶|數據|運行|界面|設備|支持|添加|字節|內存|光盤|在線|賬號|賬戶|智能手機|攝像頭|寬帶|硬件|菜單欄|刷新|"
    "優化|項目|水平|渠道|盒飯|冰箱貼|方便面|方便麵|酸奶|西紅柿|自行車|地鐵站|公安局|派出所|街道辦|村委會"
)
_BORN_TRADITIONAL = (
    "資訊|網路|軟體|預設|伺服器|資料庫|硬碟|滑鼠|部落格|雷射|計程車|公車|飛彈|馬鈴薯|連結|資料夾|登入|簡訊|"
    "螢幕|列印|品質|雪梨|紐西蘭|歐巴馬|捷運|透過|新臺幣|新台幣|幼稚園|警員|程式|使用者|資料|執行|介面|裝置|支援|"
    "新增|位元組|記憶體|光碟|線上|帳號|帳戶|智慧型|攝影機|寬頻|硬體|專案|水準|管道|便當|優格|番茄|腳踏車|"
    "機車|里長|立委|立法院|行政院|總統府|健保|國小|國中生|學測|港幣|巴士|的士|港鐵|屋邨|立法會|特首|"
    "喺|嘅|咗|冇|啲|什麽樣|甚麼|裏面|衆|爲了|着手|妳|祂|牠們"
)
_WRONG_WORDS = re.compile(_WRONG)
_MAINLAND_WORDS = re.compile(_MAINLAND)
_BORN_WORDS = re.compile(_BORN_TRADITIONAL)


@dataclass(frozen=True, slots=True)
class Script:
    """How Chinese text is written."""

    name: str  # "zh-Hans", "zh-Hant", "zh" where nothing tells, "mixed"
    share: float  # of the telling characters that are of this script
    is_cantonese: bool
    converted: float | None  # how sure it is that Traditional text was Simplified once, in [0, 1]


def chinese_script(text: str) -> Script:
    """Return how a Chinese text is written.

    >>> chinese_script("他们在学习计算机").name, chinese_script("他們在學習電腦").name
    ('zh-Hans', 'zh-Hant')
    """
    counts = count_classes(text.encode("utf-8", "surrogatepass"), _classes()).sum(axis=0).tolist()
    simplified, cantonese = counts[_SIMPLIFIED], counts[_CANTONESE]
    traditional = counts[_TRADITIONAL]
    telling = simplified + traditional
    num_han = telling + counts[_BOTH] + cantonese
    is_cantonese = cantonese >= 2 and cantonese >= _MIN_CANTONESE * num_han
    if telling < _MIN_EVIDENCE:
        return Script("zh", 0.0, is_cantonese, None)
    share = max(simplified, traditional) / telling
    if share < 1 - _MIXED_SHARE:
        return Script("mixed", round(share, 3), is_cantonese, None)
    name = "zh-Hans" if simplified > traditional else "zh-Hant"
    converted = _converted(text) if name == "zh-Hant" else None
    return Script(name, round(share, 3), is_cantonese, converted)


def _converted(text: str) -> float:
    """Return how sure it is that Traditional text was converted from Simplified, in [0, 1]."""
    wrong = len(_WRONG_WORDS.findall(text))
    mainland = len(_MAINLAND_WORDS.findall(text))
    born = len(_BORN_WORDS.findall(text))
    evidence = 2.5 * wrong + 0.8 * mainland - 1.0 * born - 0.7
    return round(1 / (1 + math.exp(-max(-30.0, min(30.0, evidence)))), 3)


@functools.cache
def _classes() -> np.ndarray:
    return class_table(_class_of)


def _class_of(code: int) -> int:
    character = chr(code)
    if character in _CANTONESE_CHARACTERS:
        return _CANTONESE
    if not 0x4E00 <= code <= 0x9FFF:
        return 0
    simplified, traditional = _has(character, "gb2312"), _has(character, "big5")
    if simplified != traditional:
        return _SIMPLIFIED if simplified else _TRADITIONAL
    return _BOTH


def _has(character: str, charset: str) -> bool:
    return bool(character.encode(charset, "ignore"))
