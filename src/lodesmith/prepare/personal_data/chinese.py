"""Chinese street addresses and names, by what stands around them.

An address is looked for from its end: a house number behind a street, estate or village (路88号,
小区3栋). From there it reaches back to a province or city, or to the word that led to it. A name is
believed only beside a word that says so (姓名, 患者, 先生) and with a surname in front; a name in
running text is not found. Both are guesses, measured in `bench/personal_data.py`.

Source: the 300 most frequent surnames by the Ministry of Public Security's lists (2007 to 2020).
"""

import re
from collections.abc import Iterator

from lodesmith.prepare.personal_data.spans import Span

_HAN = "\u4e00-\u9fff"
_PROVINCES = (
    "北京|天津|上海|重庆|河北|山西|辽宁|吉林|黑龙江|江苏|浙江|安徽|福建|江西|山东|河南|湖北|湖南|广东|"
    "海南|四川|贵州|云南|陕西|甘肃|青海|台湾|内蒙古|广西|西藏|宁夏|新疆|香港|澳门"
)
_CITIES = (
    "石家庄|唐山|秦皇岛|邯郸|保定|太原|大同|呼和浩特|包头|沈阳|大连|鞍山|长春|哈尔滨|齐齐哈尔|大庆|南京|无锡|徐州|"
    "常州|苏州|南通|连云港|盐城|扬州|镇江|泰州|宿迁|杭州|宁波|温州|嘉兴|湖州|绍兴|金华|衢州|舟山|台州|丽水|合肥|"
    "芜湖|蚌埠|马鞍山|安庆|福州|厦门|莆田|泉州|漳州|南昌|九江|赣州|济南|青岛|淄博|烟台|潍坊|济宁|临沂|郑州|洛阳|"
    "开封|南阳|武汉|宜昌|襄阳|荆州|长沙|株洲|湘潭|衡阳|岳阳|常德|广州|韶关|深圳|珠海|汕头|佛山|江门|湛江|茂名|"
    "肇庆|惠州|东莞|中山|南宁|柳州|桂林|海口|三亚|成都|绵阳|德阳|南充|宜宾|贵阳|遵义|昆明|大理|丽江|拉萨|西安|"
    "宝鸡|咸阳|兰州|西宁|银川|乌鲁木齐"
)
_STREET_ENDS = (
    "大道|大街|胡同|公路|路|街|道|巷|弄|里|村|庄|屯|小区|花园|家园|新城|新村|苑|园|城|府|湾|庭|坊|社区|广场|"
    "大厦|公寓|中心|工业园|科技园|镇|乡|街道|区|段"
)
_NUMERAL = r"(?:[0-9０-９]{1,5}(?:[-之][0-9]{1,4})?|[一二三四五六七八九十]{1,3}|[甲乙丙丁A-Z])"
_UNIT = r"(?:号院|号楼|号|弄|栋|幢|座|单元|室|楼|层|组|房)"
_HOUSE = re.compile(
    rf"(?:{_STREET_ENDS})[东南西北中]?(?:第?{_NUMERAL}[段期])?"
    rf"[0-9０-９一二三四五六七八九十]{{1,5}}(?:[-之][0-9]{{1,4}})?{_UNIT}"
    rf"(?:[{_HAN}]{{2,8}}(?=[0-9]{{1,4}}{_UNIT}))?"  # a building's name
    rf"(?:[ ,，]?{_NUMERAL}{_UNIT})*(?:[0-9]{{3,4}}(?![0-9年月日]))?"
)
_FAR_CHARS = 40  # how far before its house number an address may begin
_REGION = re.compile(
    rf"(?:{_PROVINCES}|{_CITIES})(?:省|市|自治区|壮族自治区|回族自治区|维吾尔自治区)?"
)
_LEADS_TO = re.compile(
    r"住在|家住|住址|地址|位于|坐落于|座落于|居住于|居住在|租住在|搬到|搬至|寄到|寄往|寄至|送到|送至|发往|"
    r"前往|来到|赶到|现住|户籍|籍贯|在|于|到|至|[：:，。；、（()）\s\"“”《》]|为(?=.{2,6}[市区县镇])|是(?=.{2,6}[市区县镇])"
)
_NOT_HAN = re.compile(rf"[^{_HAN}0-9０-９A-Za-z·-]")

_SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩邓冯曹彭曾肖田董潘袁蔡蒋余"
    "于杜叶程魏苏吕丁任卢姚沈钟姜崔谭陆范汪廖石金韦贾夏付方邹熊白孟秦邱侯江尹薛闫段雷"
    "龙黎史陶贺毛郝顾龚邵万覃武钱戴严莫孔向常汤康易乔赖文施洪辛柯温欧牛樊葛邢安齐庞颜"
    "倪庄聂章鲁岳翟殷詹申耿关焦左柳甘祝包宁尚符舒阮纪梅童凌毕单裴霍成苗谷盛曲翁冉骆蓝"
    "路游靳管柴蒙鲍华喻祁房蒲滕屈饶解艾尤阳时穆农司卓古吉缪简车项连芦麦褚娄窦戚岑党宫"
    "费卜冷晏席卫米柏宗瞿桂全佟应臧闵苟邬边卞姬师和仇栾隋商刁沙荣巫寇郎桑丛仲从鞠佘郁"
)
_COMPOUND = "欧阳|上官|司马|诸葛|皇甫|东方|慕容|令狐|尉迟|司徒|夏侯|长孙|宇文|端木"
_GIVEN_END = (
    "的是于在因和与及到来说也都就被把将已曾有没不为从向对给以经由能会要可称诉主入出自"
    "住患男女年今现前后同"
)
_BEFORE_NAME = (
    "患者姓名|姓名|患者|病人|联系人|收件人|收货人|寄件人|申请人|法定代表人|法人代表|负责人|经办人|户主|"
    "家属|被告人|"
    "原告|被告|当事人|委托人|监护人|本人|我叫|名叫|叫做|我是|签名|持卡人|开户人|投保人|被保险人|业主|员工|学生"
)
_TITLES = (
    "先生|女士|小姐|医生|医师|大夫|主任|教授|老师|同学|同志|护士|律师|经理|师傅|阿姨|大爷|奶奶"
)
_NAME = rf"(?:(?:{_COMPOUND})[{_HAN}]{{1,2}}|[{_SURNAMES}](?:[{_HAN}][{_HAN}]?))"
_NAMED = re.compile(rf"(?:{_BEFORE_NAME})(?:[：:]|为|是)?[ 　]?({_NAME})")
_TITLED = re.compile(_TITLES)
_NAMES_BEFORE = tuple(  # the longer first
    re.compile(rf"{name}$")
    for name in (
        rf"(?:{_COMPOUND})[{_HAN}]{{1,2}}",
        rf"[{_SURNAMES}][{_HAN}]{{2}}",
        rf"[{_SURNAMES}][{_HAN}]",
    )
)


def find_chinese_addresses(text: str) -> Iterator[Span]:
    """Yield street addresses down to a house."""
    after = 0
    for house in _HOUSE.finditer(text):
        start = _start_of_address(text, max(after, house.start() - _FAR_CHARS), house.start())
        if start is not None:
            after = house.end()
            yield Span("address", start, house.end())


def _start_of_address(text: str, first: int, street_end: int) -> int | None:
    """Return where the address begins whose street ends in the word at `street_end`."""
    window = text[first:street_end]
    breaks = [match.end() for match in _NOT_HAN.finditer(window)]
    base = breaks[-1] if breaks else 0
    region = _REGION.search(window, base)
    if region is not None:
        return first + region.start()
    leads = [match.end() for match in _LEADS_TO.finditer(window, base)]
    start = leads[-1] if leads else base
    street = window[start:]
    return first + start if 1 <= len(street) <= 30 and _has_han(street) else None


def _has_han(text: str) -> bool:
    return any("\u4e00" <= char <= "\u9fff" for char in text)


def find_chinese_names(text: str) -> Iterator[Span]:
    """Yield names of people beside a word that says whose name it is."""
    for match in _NAMED.finditer(text):
        yield Span("person", match.start(1), match.start(1) + _length_of_name(match[1]))
    for title in _TITLED.finditer(text):
        before = text[max(0, title.start() - 5) : title.start()]
        name = next(filter(None, (pattern.search(before) for pattern in _NAMES_BEFORE)), None)
        if name:
            yield Span("person", title.start() - len(name[0]), title.start())


def _length_of_name(found: str) -> int:
    """Return how many characters are the name: a word of grammar ends it."""
    shortest = 3 if found[:2] in _COMPOUND.split("|") else 2
    is_longer = len(found) > shortest and found[shortest] not in _GIVEN_END
    return shortest + 1 if is_longer else shortest
