"""Advertising goes, and articles about the same matters stay. All lines were made up here."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodesmith.data.documents import Document
from lodesmith.native.ads import features_of, score_lines
from lodesmith.prepare.ads import WithoutAds, _Page, remove_ads
from lodesmith.prepare.ads.folding import fold
from lodesmith.prepare.ads.model import load_weights
from lodesmith.prepare.input.pages import Drop

_DIRTY_CHINESE = [
    "加薇芯：abc88888 免费领取资料",
    "澳 门 新 葡 京 官 网 注 册 送 38 元",
    "需要开发票请联系 13812345678 王经理",
    "专业办理各类证件，毕业证、驾驶证、身份证，联系QQ：123456789",
    "彩票计划群 QQ群 888999000 稳赚不赔",
    "私服一条龙服务，新开传奇私服，找服就上 www.sf999.com",
    "同城约炮，上门服务，加微信 mm520520",
    "【广告】买手机壳就上某某网，全场五折包邮",
    "网络兼职日结，一天200-500，打字员招聘，加QQ 2233445566",
    "北京治疗白癜风最好的医院 北京白癜风医院哪家好 北京白癜风专科医院排名",
    "信用贷款，无抵押，当天放款，电话：138-0013-8000",
    "责任编辑：张三",
    "（责编：李四、王五）",
    "来源：新华网",
    "本文来源：澎湃新闻 作者：李明",
    "文章来源于网络，如有侵权请联系我们删除",
    "版权声明：本文为博主原创文章，转载请附上原文出处链接",
    "声明：本文仅代表作者个人观点，不代表本站立场。",
    "本文为转载内容，不代表本网站观点。",
    "未经授权，禁止转载",
    "上一篇：怎样学习编程",
    "下一篇：怎样做红烧肉",
    "首页 > 新闻 > 国内新闻 > 正文",
    "您当前的位置：首页 >> 健康 >> 饮食",
    "首页 新闻 体育 娱乐 财经 科技 汽车 房产",
    "关于我们 | 联系我们 | 广告服务 | 友情链接 | 网站地图",
    "沙发！",
    "顶一下，谢谢楼主分享",
    "楼主好人一生平安",
    "好文章，收藏了",
    "写得不错，学习了",
    "点击这里查看更多精彩内容",
    "关注微信公众号“某某阅读”，获取更多精彩内容",
    "长按二维码关注我们",
    "分享到朋友圈",
    "标签：Python 编程 教程",
    "阅读(1234) 评论(5) 赞(10)",
    "浏览次数：3456 次",
    "发布时间：2019-05-06 12:34:56",
    "编辑：小王",
    "（本文由某某网整理发布）",
    "登录后才能发表评论",
    "网友评论仅供其表达个人看法，并不表明本站立场",
    "打开APP阅读全文",
    "下载客户端，看更多精彩新闻",
    "扫描下方二维码添加客服微信",
    "想了解更多，请关注我们的官方微博",
    "客服热线：400-123-4567",
    "Copyright 2012-2020 某某网 版权所有",
    "京公网安备 11010802012345号",
    "买球就上某某体育，首存100送100，APP下载即送彩金",
    "亚洲成人在线视频免费观看",
    "国产自拍 欧美激情 日韩无码 在线观看",
    "六合彩开奖结果查询 今晚特码 香港赛马会",
    "PK10计划 北京赛车 幸运飞艇 时时彩平台 代理开户",
    "股票推荐 免费诊股 加微信领取牛股",
    "减肥瘦身不反弹 三天瘦十斤 咨询微信jf1688",
    "男人必看：一粒见效，持久一小时，货到付款",
    "本站所有资源均来自网络，仅供学习交流，请在24小时内删除",
    "猜你喜欢：这十种食物不能多吃",
    "热门搜索：手机 电脑 相机",
]
_DIRTY_ENGLISH = [
    "Best online casino bonus 2021 - get 200 free spins now!",
    "Buy cheap viagra online without prescription",
    "Payday loans with no credit check - apply now",
    "Need backlinks? We sell high DA backlinks, contact seo@spam.com",
    "Make $5000 per week working from home! Click here",
    "Lose 20 pounds in 2 weeks with this one weird trick",
    "Great post! Thanks for sharing. Visit my site http://cheap-shoes.com",
    "Nice article, very useful. Check out my blog here: www.example-blog.net",
    "I really enjoyed this post, keep up the good work!",
    "First!",
    "Share this:",
    "Click to share on Twitter (Opens in new window)",
    "Share on Facebook Share on Twitter Email this",
    "Subscribe to our newsletter to get the latest updates",
    "Sign up for our free newsletter",
    "Enter your email address to subscribe to this blog",
    "Follow us on Twitter, Facebook and Instagram",
    "All rights reserved. No part of this site may be reproduced without permission.",
    "© 2021 Example Media Ltd.",
    "Terms of Service | Privacy Policy | Contact",
    "Home > News > World > Europe",
    "Home About Services Blog Contact",
    "Skip to main content",
    "Read more: Ten things you should know about bread",
    "Related: How to bake a cake",
    "Leave a Reply",
    "Your email address will not be published. Required fields are marked *",
    "Posted in Uncategorized | Tagged health, food | 3 Comments",
    "Posted by admin on May 3, 2015",
    "Filed under: Technology",
    "Previous Post: My holiday",
    "Next post →",
    "This site uses Akismet to reduce spam. Learn how your comment data is processed.",
    "We use cookies to give you the best experience on our website.",
    "Accept all cookies",
    "This post may contain affiliate links. See our disclosure policy.",
    "Advertisement",
    "Advertisement - Continue Reading Below",
    "Powered by WordPress",
    "Photo credit: John Smith",
    "Click here to read more",
    "You must be logged in to post a comment.",
    "3 Comments",
    "View all comments",
    "Hot singles in your area are waiting for you",
    "Cheap Louis Vuitton handbags outlet online store free shipping",
    "Essay writing service - buy essays online cheap",
    "Earn money online fast with crypto signals, join our Telegram @cryptopump",
    "Download our app from the App Store and Google Play",
    "cheap nike shoes, cheap jordans, cheap nfl jerseys, cheap ray ban, cheap oakley",
    "Replica Rolex watches at the best price, buy now",
    "Play slots, poker, roulette and blackjack, sign up today for a welcome bonus",
    "The information on this website is not intended as medical advice.",
    "Disclaimer: The views expressed are those of the author.",
    "Last updated on March 3, 2020",
    "Print this page",
    "Report this ad",
    "Loading...",
    "Show comments",
    "Buy Instagram followers and likes cheap, instant delivery",
]
_CLEAN_CHINESE = [
    "昨日，双色球第2019032期开奖，全国共中出7注一等奖，每注奖金为752万元。",
    "中国福利彩票发行管理中心表示，彩票公益金将用于养老和助残项目。",
    "我国刑法规定，以营利为目的，聚众赌博或者以赌博为业的，处三年以下有期徒刑。",
    "警方捣毁一个网络赌博平台，抓获犯罪嫌疑人三十余名，该平台注册会员超过十万人。",
    "专家提醒，不要相信兼职刷单的广告，这是一种常见的诈骗手段。",
    "微信支付和支付宝的用户都超过了八亿，移动支付已经成为人们生活的一部分。",
    "医生指出，壮阳药不能随便服用，必须在医生指导下使用，否则会损害心血管。",
    "性教育应该从小开始，学校和家长都有责任告诉孩子怎样保护自己。",
    "澳门的博彩业在2013年达到高峰，当年的毛收入为三千六百亿澳门元。",
    "百家乐是一种扑克游戏，起源于意大利，十五世纪传入法国。",
    "税务局要求，企业开具发票时必须填写购买方的纳税人识别号。",
    "贷款利率由银行根据借款人的信用情况和市场情况确定，一般在百分之五左右。",
    "他在论坛上发表了一篇文章，评论很多，点赞的人也不少。",
    "这家公司去年在广告上花了两千万元，但是销售额没有明显增长。",
    "白癜风是一种皮肤病，主要表现为皮肤上出现白色的斑块，治疗时间比较长。",
    "她把照片分享到朋友圈，很多朋友都留言祝贺她。",
    "用户登录以后，系统会检查密码，如果密码错误，就显示一条消息。",
    "网站使用cookie保存用户的设置，这样下次访问时就不用再选择语言。",
    "老虎机里的每一次结果都由随机数发生器决定，与前一次没有关系。",
    "搜索引擎优化的目的是让网页在搜索结果里排得更靠前，但是堆砌关键词会受到处罚。",
    "我推荐大家读这本书，作者用简单的语言解释了复杂的道理。",
    "如果你想了解更多的历史知识，可以去图书馆借这本书来看。",
    "据新华社报道，会议将于下月在北京举行，来自四十个国家的代表将参加。",
    "这个活动吸引了很多人参加，现场气氛十分热烈。",
    "关注孩子的心理健康，是每个家长的责任。",
]
_CLEAN_ENGLISH = [
    "The state lottery paid out a jackpot of 30 million dollars to a retired teacher from Ohio.",
    "Viagra was first developed as a treatment for high blood pressure and chest pain.",
    "The new law requires casinos to check the identity of every player who wins more than 10,"
    "000 dollars.",
    "Researchers found that problem gambling is more common among people who start young.",
    "Payday loans often carry interest rates of more than 300 percent,"
    " according to the consumer agency.",
    "Sex education in schools reduces the number of teenage pregnancies,"
    " a study of forty countries showed.",
    "Search engines such as Google count backlinks as votes for a page.",
    "She subscribed to the newsletter last year, and reads it every morning.",
    "The company sells its products online and offers free shipping in Europe.",
    "He posted a photo of the mountain on Instagram, and thousands of people liked it.",
    "Please read the chapter on copyright before you copy a picture from the web.",
    "Click the button in the lower corner to open the list of files.",
    "The article was shared more than a million times on Facebook in one week.",
    "Poker is a game of chance and skill that became popular in the nineteenth century.",
    "A cookie is a small piece of data that the server sends to the browser.",
    "Follow the path along the river until you reach the old bridge.",
    "The doctor told her that diet pills can be dangerous for people with heart disease.",
    "Sign language is used by about seventy million deaf people around the world.",
    "The report was published on March 3, 2020 by the ministry of health.",
    "You may also like to visit the small museum behind the church.",
    "The comments of the minister caused a storm in parliament.",
    "Online casinos must hold a licence from the regulator before they advertise a bonus.",
    "Thanks for the help of our neighbours, the roof was repaired before winter.",
    "Great posts of oak carry the roof of the hall.",
    "More from the same author can be found in the library.",
]
_CHINESE = [
    "昨天下午，市里召开了关于老城区改造的会议，很多居民参加了讨论。",
    "会议认为，改造工程应当分三年完成，第一年先修道路和水管。",
    "居民代表提出，希望保留老街上的树木和几座有历史的房子。",
    "负责人说，这些意见都会写进方案，下个月公布。",
]
_ENGLISH = [
    "The town council met on Monday to discuss the plan for the old harbour.",
    "Several residents asked for more trees along the road, and fewer parking places.",
    "The mayor said that the plan would be finished before the end of the year.",
    "Work on the first part is expected to begin in spring, when the weather is dry.",
]


def _document(lines: list[str]) -> Document:
    return Document(id="1", source="s", url="u", language="und", text="\n".join(lines))


def _removed(lines: list[str]) -> list[str]:
    result = remove_ads(_document(lines))
    assert isinstance(result, WithoutAds), result
    return result.lines


@pytest.mark.parametrize("line", _DIRTY_CHINESE)
def test_a_dirty_chinese_line_goes_and_the_article_stays(line: str) -> None:
    assert _removed([*_CHINESE, line]) == [line]


@pytest.mark.parametrize("line", _DIRTY_ENGLISH)
def test_a_dirty_english_line_goes_and_the_article_stays(line: str) -> None:
    assert _removed([*_ENGLISH, line]) == [line]


@pytest.mark.parametrize("line", _CLEAN_CHINESE + _CLEAN_ENGLISH)
def test_a_sentence_about_such_matters_stays_wherever_it_stands(line: str) -> None:
    around = _ENGLISH if line.isascii() else _CHINESE
    assert _removed([line, *around]) == []
    assert _removed([*around, line]) == []


def test_articles_about_such_matters_stay_whole() -> None:
    assert _removed(_CLEAN_CHINESE) == []
    assert _removed(_CLEAN_ENGLISH) == []


@pytest.mark.parametrize(
    ("masked", "plain"),
    [
        ("加薇芯：ＡＢＣ１２３", "加微信:abc123"),
        ("澳 门 赌 场", "澳门赌场"),
        ("澳*门*赌*场", "澳门赌场"),
        ("v i a g r a", "viagra"),
        ("扣扣 ①②③④⑤", "qq 12345"),
        ("сasino", "casino"),  # the first letter is Cyrillic
    ],
)
def test_masked_words_are_unmasked(masked: str, plain: str) -> None:
    assert fold(masked) == plain


def test_a_list_of_teasers_goes_with_its_head_and_the_text_after_it_stays() -> None:
    teasers = ["相关阅读", "老城区的故事", "树木保护条例公布", "居民代表名单"]
    assert _removed([*_CHINESE[:2], *teasers, *_CHINESE[2:]]) == teasers
    teasers = ["You may also like", "Ten walks by the sea", "Our harbour in pictures"]
    assert _removed([*_ENGLISH, *teasers]) == teasers


def test_a_head_of_teasers_goes_though_it_is_a_heading() -> None:
    document = replace(
        _document([*_ENGLISH, "Related articles", "A walk"]), headings=["Related articles"]
    )
    result = remove_ads(document)
    assert isinstance(result, WithoutAds)
    assert result.document.text == "\n".join(_ENGLISH)
    assert result.document.headings == []


def test_comments_at_the_end_go() -> None:
    comments = ["Comments (3)", "anna: what a nice plan", "bob: I do not agree at all"]
    assert _removed([*_ENGLISH, *comments]) == comments


def test_code_stays() -> None:
    line = "Subscribe to our newsletter to get the latest updates"
    result = remove_ads(_document([*_ENGLISH, line]), code_lines=frozenset([line]))
    assert isinstance(result, WithoutAds)
    assert result.lines == []


@pytest.mark.parametrize("lines", [_DIRTY_CHINESE, _DIRTY_ENGLISH, _DIRTY_CHINESE[:4]])
def test_a_page_of_nothing_else_is_dropped(lines: list[str]) -> None:
    assert isinstance(remove_ads(_document(lines)), Drop)


@given(
    st.lists(st.sampled_from(_DIRTY_CHINESE + _DIRTY_ENGLISH + _CHINESE + _ENGLISH), max_size=12)
)
def test_every_line_is_kept_or_named(lines: list[str]) -> None:
    result = remove_ads(_document([*_CHINESE, *_ENGLISH, *lines]))
    if isinstance(result, WithoutAds):
        kept = result.document.text.split("\n") if result.document.text else []
        assert sorted(kept + result.lines) == sorted([*_CHINESE, *_ENGLISH, *lines])


@given(st.text(max_size=200))
def test_any_text_is_taken(text: str) -> None:
    assert remove_ads(_document(text.split("\n"))) is not None


# Found by the model only. A fifth of their kind it still misses: docs/design/0014-ads.md.
_UNSEEN = [
    "复古1.76金币合击今日首区，散人天堂，装备全靠打，www.cq176点com",
    "Bandar togel terpercaya, deposit pulsa tanpa potongan, situs resmi 2023",
    "Watch hot teens live on cam, free tokens for new members",
]


@pytest.mark.parametrize("line", _UNSEEN)
def test_the_model_removes_lines_that_no_rule_names(line: str) -> None:
    around = _ENGLISH if line.isascii() else _CHINESE
    assert _removed([*around[:2], line, *around[2:]]) == [line]


def test_the_model_puts_every_advertisement_above_every_article() -> None:
    scores, _ = score_lines("\n".join([*_UNSEEN, *_CLEAN_CHINESE, *_CLEAN_ENGLISH]), load_weights())
    assert min(scores[: len(_UNSEEN)]) > max(scores[len(_UNSEEN) :])


@given(st.lists(st.text(st.characters(exclude_characters="\n"), max_size=60), max_size=6))
def test_a_line_scores_the_same_alone_and_among_others(lines: list[str]) -> None:
    together, _ = score_lines("\n".join(lines), load_weights())
    alone = [score_lines(line, load_weights())[0][0] for line in lines or [""]]
    assert together.tolist() == alone


def test_masked_letters_and_spread_ones_score_as_plain_ones() -> None:
    def runs(line: str) -> list[int]:
        return features_of(line)[0].tolist()

    assert runs("ＣＡＳＩＮＯ") == runs("casino") == runs("c-a-s-i-n-o") == runs("cas\u200bino")
    assert runs("澳 门 赌 场") == runs("澳门赌场")


def test_a_page_of_advertising_goes_though_a_line_of_it_is_unknown() -> None:
    lines = [
        "加微信 abc123456 领取免费资料，名额有限", "澳门新葡京娱乐城官网开户送88元彩金",
        "代开发票 15812345678 王经理 价格优惠 保真",
        "信用卡套现、贷款无抵押当天放款，联系电话：13800138000",
        "专业刷单兼职，日赚300元，无需押金", "性感荷官在线发牌",
    ]  # fmt: skip
    assert isinstance(remove_ads(_document(lines)), Drop)
    article = "患者应当在医生的指导下合理饮食，控制总热量的摄入，并保持适量的运动。"
    kept = remove_ads(_document([*lines[:3], *[article] * 3]))
    assert isinstance(kept, WithoutAds)
    assert article in kept.document.text


def test_a_part_of_an_article_that_comments_on_it_stays() -> None:
    lines = [
        "明者处世，莫尚于中。",
        "优哉游哉，与道相从。",
        "点评：",
        "这首诗全面地表达了他的隐逸思想，耐人寻味。",
    ]
    kept = remove_ads(_document(lines))
    assert isinstance(kept, WithoutAds)
    assert kept.lines == []


@pytest.mark.parametrize(
    "line",
    [
        "特别声明：以上内容(如有图片或视频亦包括在内)为自媒体平台用户上传并发布，本平台仅提供信息存储服务。",
        "声明：本报力求信息真实、准确，文章提及内容仅供参考，不构成实质性投资建议，据此操作风险自担。",
    ],
)
def test_a_notice_of_several_clauses_goes(line: str) -> None:
    article = "患者应当在医生的指导下合理饮食，控制总热量的摄入，并保持适量的运动。"
    kept = remove_ads(_document([article, article + "是的。", line]))
    assert isinstance(kept, WithoutAds)
    assert kept.lines == [line]


_CREDITS = [
    "Mary Miller is a staff reporter for the Harbour Gazette, covering schools and transport.",
    "Ann Lee and Bo Chen contributed to this report.",
    "(Reporting by Ann Lee; editing by Bo Chen)",
    "Follow @harbourgazette on Twitter for the latest news from the council.",
    "To report a correction, write to the newsroom.",
    "Image 2 of 7",
    "Citation: A new harbour (2020, May 4) retrieved 5 May 2020 from https://example.org/harbour",
]


@pytest.mark.parametrize("line", _CREDITS)
def test_who_wrote_an_article_is_no_part_of_its_end(line: str) -> None:
    assert _removed([*_ENGLISH, line]) == [line]


def test_who_writes_stays_where_the_article_is_about_it() -> None:
    about = _CREDITS[0]
    assert _removed([*_ENGLISH[:2], about, *_ENGLISH, *_ENGLISH]) == []
    assert _removed([about, _ENGLISH[0]]) == []


def test_a_line_in_japanese_is_not_judged_as_if_it_were_chinese() -> None:
    scores = np.array([700, -3000, -3000, -3000], np.int32)
    chinese, japanese = "早餐食谱大全", "朝ごはんのレシピ"
    article = ["昨天下午，市里召开了会议，很多居民参加了讨论。"] * 3
    for line, goes in ((chinese, True), (japanese, False)):
        page = _Page([line, *article], frozenset(), frozenset(), "\n".join([line, *article]))
        page.scores = scores
        page.folded[0] = line
        assert page.find_likely(set()) == ({0} if goes else set())
