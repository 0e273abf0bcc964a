"""Lines that sell what nobody asked for: gambling, sex, pills, forged papers, loans, links.

Each cue has a weight; a line goes when its cues outweigh what speaks for an article about the same
matter (courts, doctors, studies, laws). One cue is never enough unless it is a phrase that only
advertisers write, so that a report on lotteries stays.

Source: the word lists and weights are our own.
"""

import itertools
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from lodesmith.prepare.ads.needles import Needles

# Only advertisers write these.
_SURE = (
    "【推广】,[推广],办假证,假证件,刻假章,假文凭,新葡京,首次存款,线上娱乐,线上赌场,时时彩后,"
    "后三杀号,跟单回血,带你回血,回血上岸,传奇sf,sf新区,"
    "新区今日开放,不上首页不收费,百度首页优化,约吗,免费看计划,娱乐场官方,官方直营,信誉保证,"
    "迷情药,迷魂药,保密发货,涨停牛股,正规代开,代开住宿费,"
    "代开餐饮,微信同号,站群,黑帽seo,蜘蛛池,卡盟,刷赞,代挂,微粒贷提额,网贷口子,下款口子,"
    "杀猪盘资源,四件套出售,银行卡出售,身份证出售,"
    "no credit check,trading bot,betting tips,russian brides,seo company,page one of google,"
    "whatsapp group,welcome package,hd porn,"
    "free porn videos,bestpills,sex videos,fast overnight delivery,overnight delivery no,"
    "weight loss supplement,hair loss cure,"
    "sugar daddy,onlyfans leaks,nude photos,cam girls,erotic massage,casino today,casino app,"
    "slots today,real money games,"
    "【广告】,今晚特码,特码,开奖结果查询,在线成人,成人在线,自拍偷拍,国产自拍,欧美激情,日韩无码,"
    "无码在线,高清无码,哪家医院好,医院哪家好,"
    "医院排名前十,最好的医院,最好医院,专科医院排名,一粒见效,一用见效,货到付款,一条龙服务,"
    "免费诊股,诊股,送彩金,彩金,首存,赛马会资料,"
    "代理开户,平台代理,高薪招聘模特,夜场招聘,诚聘公主,开各类发票,开发票请,代开票,正规发票,刻章,"
    "办理驾驶证,买分销分,代驾照消分,"
    "私人定制外围,外围女,援交,楼凤,桑拿会所,男士养生spa,酒店小姐,包夜,成人用品批发,"
    "情趣用品商城,网赚项目,手机赚钱,挂机赚钱,"
    "微商货源,一手货源,厂家一手,支持退换货到,莆田鞋,高仿鞋,贷款秒下,包下款,强开花呗,花呗套现,"
    "养卡提额,征信修复,"
    "one weird trick,doctors hate,lose weight fast,lose 10 pounds,lose 20 pounds,"
    "lose 30 pounds,miracle cure,work at home jobs,"
    "welcome bonus,sign-up bonus,signup bonus,bonus code,paid surveys,become a millionaire,"
    "investment opportunity guaranteed,"
    "binary options,singles in your area,meet singles,mail order bride,nude pics,free porn,"
    "adult videos,"
    "tramadol online,xanax online,oxycontin online,casino no deposit,jackpot slots,slots casino,"
    "时时彩计划,彩票计划群,计划群,注册送,首存送,首充送,开户送,充值送,存100送,返水,包赔,"
    "稳赚不赔,稳赚,包赢,提款秒到,"
    "代开发票,代开各类发票,代开增值税,开发票联系,办证刻章,刻章办证,专业办证,代办证件,"
    "办理各种证件,办理毕业证,文凭办理,学历代办,"
    "私服发布网,新开私服,传奇私服发布,游戏外挂,辅助外挂,刷钻,代刷,刷粉丝,涨粉平台,刷流量,"
    "裸聊,约炮,同城约,同城交友约,一夜情交友,上门服务电话,小姐上门,全套服务,兼职妹子,学生妹上门,"
    "迷药,催情药,听话水,"
    "壮阳药,延时喷剂,增大增粗,无码视频,成人电影,成人视频,成人网站,黄色网站,免费看黄,"
    "国产精品视频,亚洲无码,三级片在线,av在线,"
    "激情视频,情色视频,裸体视频,成人直播,"
    "博彩平台,博彩公司排名,博彩网站推荐,真人娱乐,真人荷官,在线百家乐,澳门葡京,葡京娱乐,"
    "太阳城娱乐,威尼斯人娱乐,金沙娱乐,"
    "银河娱乐,皇冠体育,皇冠投注,亚博体育,开元棋牌,棋牌下载,棋牌游戏平台,北京赛车pk10,pk10计划,"
    "幸运飞艇,分分彩,一分快三,"
    "快三计划,特码资料,六合彩特码,六合彩资料,香港马会资料,必中特码,老虎机平台,电子游艺,"
    "捕鱼平台,娱乐城开户,娱乐平台注册,彩票平台,"
    "信用卡套现,黑户贷款,无抵押贷款,无抵押当天放款,当天放款,秒批贷款,空放贷款,身份证贷款,"
    "刷单兼职,兼职刷单,刷单返利,日结兼职,兼职日结,"
    "在家兼职,日赚千元,日入过千,月入过万,月入上万,躺赚,轻松月入,高仿手表,高仿包,精仿,"
    "一比一复刻,原单正品,a货批发,"
    "代写论文,论文代写,代发论文,论文发表代理,替考,代考,考试答案出售,包过拿证,代孕,试管包成功,"
    "卵子库,"
    "百度快照,百度排名优化,关键词排名优化,网站排名优化,快速排名,外链代发,友情链接交换,"
    "seo优化公司,网站seo服务,"
    "免费领取福利,点击领取,点击进入官网,加群领,加我领,加微信领,扫码领,带单老师,老师带单,"
    "内幕消息股票,牛股推荐,荐股,股票配资,期货配资,外汇开户,"
    "虚拟币带单,窃听器,针孔摄像头购买,手机监听软件,定位找人,私家侦探,祖传秘方,包治,根治不复发,"
    "一次治愈,"
    "全国货到付款,货到付款 包邮,诚招代理,招代理,一件代发,厂家直销电话,免费加盟,加盟热线,"
    "casino bonus,online casino,free spins,no deposit bonus,best casino,play slots,slot online,"
    "judi online,situs judi,slot gacor,"
    "togel,poker online,sportsbook bonus,betting site,live casino,casino games online,"
    "buy viagra,cheap viagra,generic viagra,viagra online,buy cialis,cheap cialis,"
    "generic cialis,order cialis,online pharmacy,"
    "without prescription,no prescription,male enhancement,penis enlargement,weight loss pills,"
    "diet pills,garcinia,keto gummies,"
    "cbd gummies,payday loan,cash advance loans,bad credit loans,instant loan approval,"
    "buy backlinks,backlink service,"
    "high da backlinks,guest post service,seo services,seo agency,rank #1 on google,"
    "rank on google,first page of google,"
    "buy followers,buy instagram,buy likes,get followers,"
    "replica watch,replica rolex,replica handbag,fake rolex,outlet online store,cheap jordans,"
    "cheap nfl jerseys,louis vuitton outlet,"
    "essay writing service,write my essay,buy essay,buy essays,cheap essay,make money online,"
    "work from home and earn,earn money fast,"
    "per day from home,passive income secret,crypto signals,forex signals,guaranteed profit,"
    "double your money,double your bitcoin,"
    "live sex,sex cams,sex chat,porn,xxx video,hot singles,sexy girls near,milf,escort service,"
    "escorts in,adult dating,hookup tonight,"
    "click here to buy,buy now and save,order now and get,limited time offer,"
    "risk-free trial,money back guarantee,"
    "cheap price best quality,free shipping worldwide,crack download,keygen,serial key,"
    "free download full version"
)
# Articles have these words too.
_LIKELY = (
    "博彩,彩票,赌场,赌博,百家乐,老虎机,投注,六合彩,棋牌,时时彩,娱乐城,菠菜,葡京,下注,赔率,性爱,"
    "无码,一夜情,情色,偷拍,办证,发票,"
    "私服,外挂,贷款,放款,套现,配资,刷单,兼职,高仿,代理,加盟,批发,包邮,特价,优惠,秒杀,折扣,促销,"
    "低价,正品,官网,网址,平台,下载app,"
    "app下载,注册,充值,提现,赚钱,引流,推广,排名,优化,代办,办理,领取,壮阳,丰胸,减肥,增高,"
    "治疗白癜风,男科,妇科医院,不孕不育医院,"
    "casino,jackpot,betting,gambling,slots,cialis,levitra,slot machine,poker,roulette,bonus,"
    "deposit,viagra,"
    "cialis,pharmacy,pills,discount,coupon,"
    "promo code,cheap,lowest price,best price,free trial,buy now,order now,shop now,"
    "sign up now,sign up today,subscribe now,seo,"
    "backlinks,followers,loan,loans,credit score,earn,profit,replica,outlet,escort,xxx,sexy,"
    "dating,download now,visit our website,"
    "visit us at,call now,call us today,contact us today,check out my,check my site,"
    "special offer,% off,exclusive deal"
)
_CALLS = re.compile(
    "加微信|微信[:：号]|加qq|加群|进群|扫码|长按|点击(?:进入|下载|领取|注册|咨询|查看详情)|"
    "立即(?:注册|下载|领取|咨询|购买|抢购|加入|体验|开户)|"
    "马上(?:注册|加入|领取|抢购|咨询)|免费(?:领取|咨询|试用|注册|加入)|欢迎(?:咨询|来电|加入|"
    "选购|致电)|咨询热线|联系电话|客服|热线电话|"
    "(?:click|tap) (?:here|the link|below)|(?:order|buy|sign up|join|register|call|book|shop|"
    "apply) (?:now|today|here)|"
    "(?:visit|check out) (?:our|my|this) (?:site|website|blog|page|profile)|text us|dm (?:me|"
    "us)|whatsapp (?:me|us)?"
)
_CONTACT = re.compile(
    "(?:微信|qq|q群|电报|飞机号|纸飞机|telegram|\\btg\\b|whatsapp|skype|line\\s?id|kakao|wechat)"
    "(?:号|群|客服|同号|id|联系|咨询|添加|please|me|us|at|on|\\s|[:：+=@/()（）【】,"
    "，-])*[a-z0-9_+-]*\\d[a-z0-9_ -]{3,}|"
    "(?:微信|telegram|whatsapp|wechat)(?:号|id)?\\s?[:：@]\\s?[a-z][a-z0-9_-]{4,}|t\\.me/\\w+|"
    "wa\\.me/\\d+"
)
# Phrases with a gap: forged invoices, hospitals by searches, money that comes by itself.
_PHRASE = re.compile(
    "代开.{0,12}(?:发票|票据)|(?:治疗|医治|治).{1,8}(?:哪里|哪家|什么医院|多少钱).{0,8}|"
    "(?:专科|哪家|正规)医院.{0,6}(?:好|排名|哪)|"
    "(?:日|月|周)(?:赚|入|赢).{0,4}[千万百]|(?:earn|make|win|get) (?:up to )?(?:\\$\\d[\\d,]*|"
    "\\d+%).{0,60}"
    "(?:daily|hours?|day|week|month|profit|home|online|today|now|bonus|free)|\\$\\d[\\d,"
    "]* (?:welcome|bonus|free|sign)"
)
_PHONE = re.compile(r"(?<!\d)1[3-9]\d[ -]?\d{4}[ -]?\d{4}(?!\d)|\b400[ -]?\d{3}[ -]?\d{4}\b")
_LINK = re.compile(
    r"https?://\S+|www\.\S+|\b[a-z0-9-]{2,}\.(?:com|net|cc|vip|top|xyz|club|info|bet|casino|"
    r"shop|online|ru|tk)\b"
)
_ARTICLE = re.compile(
    "警方|公安|民警|法院|检察|被告|判决|判处|抓获|涉嫌|违法|犯罪|嫌疑人|诈骗|受害|打击|查处|"
    "监管|规定|条例|法律|立法|刑法|研究|调查|统计|专家|"
    "医生|医师|患者|疾病|症状|治疗方案|临床|药物|疗效|副作用|青少年|教育|社会|历史|经济|学者|"
    "记者|报道|据.{0,6}报|新闻|小说|电影|游戏规则|概率|"
    "\\b(?:police|court|judge|law|laws|legal|illegal|legislat\\w+|regulat\\w+|study|studies|"
    "research\\w*|patients?|doctors?|"
    "physicians?|clinical|trials? (?:showed|found)|side effects?|disease|addict\\w+|"
    "problem gambl\\w+|according to|reported|"
    "said|says|warn\\w*|history|percent|university|scientists?|government|minister|election|"
    "economists?|fraud|scams?|"
    "victims?|arrest\\w*|prosecut\\w+|charged|novel|film|documentary|algorithm|crawler|browser)\\b"
)
_SENTENCE_END = re.compile(r"[。！？；]|[.!?](?:\s|$)")
_CODE = re.compile(r"[{}<>=\[\]]|\|.*\|")
_WORDS = re.compile(r"[a-z][a-z0-9']*|[\u4e00-\u9fff]")

_SEPARATORS = re.compile(r"[,，、|_;；/\t]+|\s{2,}")
_MIN_SCORE = 4.0
_SURE_WEIGHT, _LIKELY_WEIGHT, _MAX_LIKELY = 3.0, 1.0, 4
_CALL_WEIGHT, _CONTACT_WEIGHT, _PHONE_WEIGHT, _LINK_WEIGHT = 1.5, 3.0, 1.5, 1.0
_ARTICLE_WEIGHT = 2.0  # for each of the first three different words
_SHORT_COLUMNS = 60  # in a short line a sure phrase is most of what it says
_SURE_NEEDLES = Needles(tuple(cue for cue in _SURE.split(",") if cue))
_LIKELY_NEEDLES = Needles(tuple(cue for cue in _LIKELY.split(",") if cue))


@dataclass(frozen=True, slots=True)
class Cues:
    """The cues that stand anywhere in a document, so that its lines are searched for few."""

    sure: tuple[str, ...]
    likely: tuple[str, ...]
    has_contact: bool
    has_phone: bool


def find_cues(folded: str) -> Cues:
    """Return the cues of a folded document."""
    return Cues(
        tuple(_SURE_NEEDLES.present(folded)),
        tuple(_LIKELY_NEEDLES.present(folded)),
        has_contact=bool(_CONTACT.search(folded)),
        has_phone=bool(_PHONE.search(folded)),
    )


def spam_score(line: str, cues: Cues) -> float:
    """Return how much a folded line is advertising; `is_spam` says from where on it goes."""
    sure = _count(line, cues.sure)
    likely = _count(line, cues.likely)
    if not sure and _CODE.search(line):
        return 0.0
    sure += bool(_PHRASE.search(line))
    score = _SURE_WEIGHT * sure + _LIKELY_WEIGHT * min(likely, _MAX_LIKELY)
    has_contact = cues.has_contact and bool(_CONTACT.search(line))
    score += _CONTACT_WEIGHT * has_contact
    if cues.has_phone and not has_contact:
        score += _PHONE_WEIGHT * bool(_PHONE.search(line))
    if score <= 0:
        return 0.0
    score += _CALL_WEIGHT * min(2, len(set(_CALLS.findall(line))))
    score += _LINK_WEIGHT * min(2, len(_LINK.findall(line)))
    is_short = _columns(line) <= _SHORT_COLUMNS and not _SENTENCE_END.search(line)
    score += is_short * (1.0 * (sure > 0 or has_contact) + 1.5 * cues.has_phone)
    against = len({match[0] for match in _ARTICLE.finditer(line)})
    return score - _ARTICLE_WEIGHT * min(3, against) - _length_discount(line)


def _length_discount(line: str) -> float:
    """Return what a paragraph of prose must have more: it meets more words by chance."""
    return min(3.0, max(0, _columns(line) - 240) / 160)


def is_spam(line: str, cues: Cues) -> bool:
    """Return whether a folded line is advertising."""
    return spam_score(line, cues) >= _MIN_SCORE or is_stuffed(line, cues)


def is_stuffed(line: str, cues: Cues) -> bool:
    """Return whether a line is keywords for search engines: no sentence, and few words again."""
    if (cues.sure or cues.likely) and not _SENTENCE_END.search(line[:-1]):
        pieces = [piece.strip() for piece in _SEPARATORS.split(line) if piece.strip()]
        if len(pieces) >= 5:
            every = (*cues.sure, *cues.likely)
            hits = sum(any(cue in piece for cue in every) for piece in pieces)
            if hits >= max(3, 0.4 * len(pieces)):
                return True
    return _repeats(line)


def _repeats(line: str) -> bool:
    words = _WORDS.findall(line)
    if not 20 <= len(words) <= 400 or _CODE.search(line):
        return False
    pairs = list(itertools.pairwise(words))
    most = max(Counter(pairs).values())
    return most >= 6 and most * 2 >= 0.45 * len(words)


def _count(line: str, cues: Iterable[str]) -> int:
    """Return how many cues a line has; one inside of another that it has counts once."""
    found = [cue for cue in cues if cue in line and _stands_alone(line, cue)]
    return sum(not any(cue != other and cue in other for other in found) for cue in found)


def _stands_alone(line: str, cue: str) -> bool:
    """Return whether a Latin cue is not a part of a longer word."""
    if not cue.isascii():
        return True
    start = line.find(cue)
    before = line[start - 1 : start]
    return not (before.isascii() and before.isalpha())


def _columns(line: str) -> int:
    return sum(2 if character > "\u2e7f" else 1 for character in line)
