"""Short lines that speak of the page itself, in words that no rule foresaw.

A button, a notice or a credit is short, and most of it is words about the site, its services and
its visitors. So the weights of such words are summed; the less a line looks like a sentence, the
fewer it takes.

Source: the words and weights are our own.
"""

import re

from lodesmith.prepare.ads.needles import Needles

_CHINESE = (
    "点击2 扫码2 扫描1.5 二维码2 关注1 公众号2 微博1 微信1 朋友圈1 qq1 客户端1.5 app1 下载"
    "1 安装包1 打开.5 阅读全文3 查看全文3 更多精彩2 了解更多1.5 "
    "查看更多2.5 查看详情2 更多1 热线1.5 客服1.5 电话1 邮箱1 传真1 地址.5 邮编1 网址1.5 官网"
    "1 官方网站1 官方1 网站.8 本站2 本网2 本刊1.5 本页2 版权2 "
    "转载2 整理发布2 整理编辑1.5 责编2.5 责任编辑3 来源1 编辑1 作者.5 投稿2 广告2 广告位3 订"
    "阅2 登录1.5 登陆1.5 注册1.5 会员1 用户.5 密码1 免费1 首页2 "
    "评论1.2 留言1.2 收藏1.5 分享1 点赞1.5 转发1.5 打赏2 举报1.5 热搜1 搜索1 热门2 推荐1 来自"
    "网络1.5 均来自2 仅供1.2 参考1 学习交流1.5 侵权2 "
    "删除1 立场1.5 不承担1 法律责任1 自负.5 联系1 咨询1.5 我们.6 欢迎1.2 加入1 群1 上一2 下一"
    "2 返回1.2 目录1 标签1.5 分类1 栏目1.5 专题1 频道1.5 导航1.5 "
    "浏览1.2 阅读1 次数1 人气1.2 楼主2 沙发1 跟帖2 回帖2 发帖2 发表1 回复1.2 展开1 收起2 网友"
    "1.2 小编1.5 精彩1 优惠1.2 特价1.5 包邮2 折扣1.2 抢购2 "
    "购买1 立即1.5 马上1 领取1.5 礼包2 红包1.5 促销1.5 限时1.5 活动.5 报名1.5 加盟1.5 代理"
    "1 招聘1 合作1 友情链接4 设为首页4 网站地图4 备案1.5 技术支持1.5 "
    "主办1 承办1 协办1 點擊2 掃描1.5 關注1 下載1 登入1.5 註冊1.5 分享1 版權2 轉載2 聯絡1 熱門"
    "1 推薦1 訂閱2 留言1.2 追蹤1 粉絲團2"
)
_ENGLISH = (
    "subscribe=2 newsletter=2 newsletters=2 sign-up=2 signup=2 sign=.8 login=2 follow=1 "
    "click=2 tap=1 share=1.2 tweet=1.2 twitter=1 facebook=1 instagram=1 pinterest=1 "
    "linkedin=1 whatsapp=1 youtube=1 reddit=1 email=1 e-mail=1 cookies=2 cookie=1.5 "
    "privacy=1.5 policy=1 terms=1 copyright=2 reserved=1.2 rights=.8 comments=1.5 comment=1.5 "
    "reply=1.2 posted=1.5 updated=1.2 published=1 filed=1.2 tagged=1.5 tags=1.5 "
    "categories=1.5 advertisement=3 advertisements=2 advertise=2 advertising=1 ad=1.5 ads=1.5 "
    "sponsored=2 promoted=1.5 related=1.5 recommended=1.2 trending=1.5 download=1 app=1 app-"
    "store=1.5 print=1.2 report=.6 here=1 our=.6 your=.5 us=.6 you=.3 my=.4 site=1 website=1 "
    "blog=1 page=1 post=1 article=.8 affiliate=2 disclosure=2 spam=1.5 akismet=4 window=1 "
    "opens=.8 required=.8 fields=1 loading=3 more=.8 read=.6 view=.8 show=.8 all=.3 next=.8 "
    "previous=1.2 prev=2 menu=1 search=1 skip=1.5 content=.8 navigation=2 home=.8 contact=1.2 "
    "about=.4 account=1 cart=2 checkout=2 shop=1 buy=1 order=.8 shipping=1.5 discount=1.5 "
    "coupon=2 offer=1 offers=1 deals=1.5 sale=1 free=.8 now=.6 today=.4 join=1 register=1.2 "
    "member=.8 members=.6 password=1 username=1.5 stories=.8 tip=.6 tips=.6 continue=1 "
    "reading=.8 below=.5 javascript=1.5 browser=.6 enable=.6 photo=.6 photos=.6 image=.6 "
    "images=.5 credit=1 courtesy=1 getty=2 source=.8 author=.6 editor=1 reporter=.5 thanks=1 "
    "sharing=1 link=.8 links=.8 feed=1 rss=3 permalink=4 trackback=4 pingback=4 bookmark=1.5 "
    "powered=1.5 wordpress=2 theme=.8 views=1.2 likes=1.2 minutes=.3 min=.6 ago=.8 last=.3 "
    "gallery=.8 video=.6 videos=.8 watch=.6 podcast=.8 listen=.8 close=.6 accept=1 agree=.6 "
)
_CHINESE_WEIGHTS = {
    match[1]: float(match[2]) for match in re.finditer(r"(\S*?[^\d.\s])([\d.]+)(?:\s|$)", _CHINESE)
}
_ENGLISH_WEIGHTS = {
    word: float(weight) for word, weight in (pair.split("=") for pair in _ENGLISH.split())
}
_WORD = re.compile(r"[a-z][a-z-]*[a-z]|[a-z]")
_HAN = re.compile("[\u4e00-\u9fff]")
_SENTENCE_END = re.compile(r"[。！？；][”」）)]?$|[.!?][\"')]?$")
_CLAUSE = re.compile(r"，|, |；|。.")
_STEP = re.compile(r"\d{1,2}[.、)）]|.*[「“\"].*[」”\"]")  # of instructions, that name buttons
_DATE = re.compile(r"\d{4}\s?[-/.年]\s?\d{1,2}\s?[-/.月]\s?\d{1,2}|\d{1,2}:\d{2}")
_URL = re.compile(r"https?://|www\.|@\w+|\w@\w")

_MAX_CHINESE, _MAX_ENGLISH = 45, 16  # characters, words: longer ones are no buttons
_MIN_SHARE = 0.55  # weight for each word of two characters, or each English word
_MIN_WEIGHT = 2.4


def is_about_the_page(line: str, known: list[str], *, is_at_the_edge: bool) -> bool:
    """Return whether a short folded line speaks of the page and not of its matter.

    Args:
        line: folded, without space at its ends.
        known: as `words_of_the_page` found them in the document.
        is_at_the_edge: it stands among the first or the last lines of the page.

    >>> line = "打开app阅读全文"
    >>> is_about_the_page(line, words_of_the_page(line), is_at_the_edge=True)
    True
    """
    num_han = len(_HAN.findall(line))
    words = _WORD.findall(line)
    if (
        _STEP.match(line)
        or num_han > _MAX_CHINESE
        or len(words) > _MAX_ENGLISH
        or not num_han + len(words)
    ):
        return False
    weight = _weight(line, words, num_han, known)
    size = num_han / 2 + len(words)
    needed = _MIN_WEIGHT - 0.4 * is_at_the_edge
    if _SENTENCE_END.search(line):
        needed += 1.0
    needed += 0.8 * len(_CLAUSE.findall(line))
    share = _MIN_SHARE * (0.8 if is_at_the_edge else 1.0)
    return weight >= needed and weight >= share * size


_CHINESE_NEEDLES = Needles(tuple(word for word in _CHINESE_WEIGHTS if len(word) > 1))


def words_of_the_page(folded: str) -> list[str]:
    """Return the Chinese words about pages that a folded document has."""
    return [*_CHINESE_NEEDLES.present(folded), *(word for word in ("群",) if word in folded)]


def _weight(line: str, words: list[str], num_han: int, known: list[str]) -> float:
    weight = sum(_ENGLISH_WEIGHTS.get(word, 0.0) for word in set(words))
    if num_han:
        found = [word for word in known if word in line]
        weight += sum(
            _CHINESE_WEIGHTS[word]
            for word in found
            if not any(word != other and word in other for other in found)
        )
    if weight:
        weight += 0.8 * bool(_DATE.search(line)) + 0.8 * bool(_URL.search(line))
    return weight
