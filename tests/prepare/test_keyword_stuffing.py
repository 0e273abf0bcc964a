"""Text stuffed with keywords is found, and good text that repeats its subject is not."""

import random

import pytest

from lodesmith.data.documents import Document
from lodesmith.prepare.config import QualityConfig
from lodesmith.prepare.input.pages import Drop
from lodesmith.prepare.quality import judge
from lodesmith.prepare.quality.faults import listen
from lodesmith.prepare.quality.natural import judge_naturalness

_EN = (
    "The harbour woke slowly that morning, and the gulls were already quarrelling over the first "
    "boats. My grandfather tied his cap under his chin, looked at the sky for a while, and said "
    "that "
    "the wind would turn before noon. Nobody argued with him, because he had been right for forty "
    "years. We carried the nets down the stairs, two of us to each, and laid them in the stern "
    "where they would not get wet. Then the engine coughed, the rope came free, and the houses on "
    "the hill began to shrink. I remember the smell of tar, the cold iron of the rail, and how he "
    "hummed the same three notes until we had passed the lighthouse. When the rain came at last, "
    "we were far out, the baskets were full, and he only smiled at me and turned the wheel."
)
_ZH = (
    "那天早晨港口醒得很慢，海鸥已经在为第一批渔船争吵。爷爷把帽子系紧，看了一会儿天空，"
    "说中午以前风向会变。"
    "没有人和他争论，因为四十年来他总是对的。我们两个人抬一张渔网，沿着台阶走下去，"
    "把它们放在船尾不会淋湿的地方。"
    "后来发动机咳嗽了几声，绳子松开了，山坡上的房子慢慢变小。我记得柏油的气味，记得冰凉的栏杆，"
    "也记得他一直哼着同样的三个音，直到我们驶过灯塔。雨终于落下来的时候，我们已经走得很远，"
    "筐子都装满了，他只是对我笑了笑，然后转动了船舵。"
)
_KEYWORDS = {
    "en": ("sofa bed sale", "cheap sofa bed", "sofa bed sale online"),
    "zh": ("南宁沙发定做", "南宁沙发定做价格", "沙发定做厂家"),
}


def _stuff(form: str, language: str, *, every: int = 1) -> str:
    """Return the text with a keyword at each of its commas: {0} the keyword, {1} the mark."""
    text, keywords = (_ZH, _KEYWORDS["zh"]) if language == "zh" else (_EN, _KEYWORDS["en"])
    mark = "，" if language == "zh" else ","
    first, *others = text.split(mark)
    parts = [first]
    for place, other in enumerate(others):
        keyword = keywords[place // every % len(keywords)]
        parts.append(mark if place % every else form.format(keyword, mark))
        parts.append(other)
    return "".join(parts)


def _block(joint: str, language: str) -> str:
    text = _ZH if language == "zh" else _EN
    return f"{text}\n{joint.join(_KEYWORDS[language] * 8)}"


_ABOUT = "{0}哪里找？我们的{0}最专业。选择{0}，请认准正规的{0}。想了解{0}，就来咨询{0}。" * 3
_STUFFED = {
    "between clauses": ("en", _stuff("{1} {0}{1}", "en")),
    "between every second clause": ("en", _stuff("{1} {0}{1}", "en", every=2)),
    "in brackets": ("en", _stuff("{1} ({0})", "en")),
    "listed at the end": ("en", _block(", ", "en")),
    "in columns": ("en", _block(" | ", "en")),
    "without marks": ("en", _block(" ", "en")),
    "between Chinese clauses": ("zh", _stuff("{1}{0}{1}", "zh")),
    "in Chinese brackets": ("zh", _stuff("【{0}】{1}", "zh")),
    "listed at a Chinese end": ("zh", _block("、", "zh")),
    "with blanks between": ("zh", _block(" ", "zh")),
    "without Chinese marks": ("zh", _block("", "zh")),
    "in every Chinese sentence": ("zh", _ABOUT.format("南宁沙发定做")),
}

_GOOD = {
    "contract": "en|The Supplier shall deliver the Goods to the Buyer on the Delivery Date. If the "
    "Supplier fails to deliver the Goods on the Delivery Date, the Buyer may cancel this Agreement "
    "by written notice. The Goods remain the property of the Supplier until the Buyer has paid for "
    "them in full. The Buyer shall inspect the Goods within ten days of the Delivery Date, and "
    "shall tell the Supplier of any defect in the Goods. The Supplier shall then repair or replace "
    "the Goods. Neither the Supplier nor the Buyer is liable for a delay that is caused by an "
    "event beyond its control.",
    "song": "en|Carry me home, carry me home, over the water and over the stone. The bells are "
    "asleep and the candles are low, carry me home when the cold winds blow. Carry me home, carry "
    "me home, I have been wandering too long alone. Leave me a light in the window tonight, carry "
    "me home by the pale moonlight. Carry me home, carry me home, over the water and over the "
    "stone.",
    "questions": "en|What does car insurance cover? Basic car insurance covers the damage that you "
    "do to others. Do I need car insurance if I rarely drive? Yes, the law asks for it as long as "
    "the car is registered. How is the price of car insurance found? Your age, the place where you "
    "live and the car itself all count. Can I cancel my car insurance early? In most cases you "
    "can, "
    "but the company may keep a part of what you have paid. Will my insurance go up after an "
    "accident? It often does, unless the other driver was at fault.",
    "recipe": "en|Ingredients: 2 cups flour, 1 cup sugar, 1 cup butter, 2 eggs, 1 tsp vanilla. "
    "Heat "
    "the oven to 180 degrees. Beat the butter and the sugar until they are pale, then add the eggs "
    "one by one. Stir in the flour, a third at a time, and the vanilla at the end. Pour the batter "
    "into a buttered tin, bake it for 40 minutes, and let it cool in the tin before you turn it "
    "out. "
    "It keeps for three days under a cloth.",
    "table": "en|Model A: width 60 cm, height 85 cm, depth 55 cm, weight 48 kg.\nModel B: width "
    "60 cm, "
    "height 82 cm, depth 57 cm, weight 52 kg.\nModel C: width 45 cm, height 85 cm, depth 60 cm, "
    "weight 39 kg.\nAll models come with a hose and a cable of two metres. The feet can be "
    "turned to "
    "level the machine. Before the first wash, take out the bolts that hold the drum, and keep "
    "them "
    "for the next time that you move.",
    "article": "en|A coral reef is a ridge under water that is built by colonies of coral "
    "polyps. Most "
    "coral reefs grow in warm and shallow water, where there is enough light. Coral reefs cover "
    "less "
    "than a tenth of a per cent of the ocean, yet they are home to a quarter of all species in it. "
    "The polyps of a reef belong to the same group as sea anemones and jellyfish. Unlike sea "
    "anemones, they secrete a hard skeleton that protects the coral. Reefs are under threat from "
    "heat, from fishing and from what rivers carry into the sea.",
    "合同": "zh|甲方应当在交货日期以前把货物送到乙方指定的地点。如果甲方没有按时交货，"
    "乙方可以书面通知甲方解除本合同。"
    "在乙方付清全部货款以前，货物仍然属于甲方。乙方应当在收到货物以后十天内检查货物，发现问题的，"
    "应当及时告诉甲方，"
    "由甲方负责修理或者更换货物。因为不可抗力造成迟延的，甲方和乙方都不承担责任。",
    "问答": "zh|医疗保险能报销哪些费用？住院的费用大多可以按照比例报销。"
    "换了工作以后医疗保险怎么办？新单位会接着替您缴纳，"
    "中间最好不要断。在外地看病能用医疗保险吗？先办理备案，再去当地的定点医院就可以直接结算。"
    "孩子怎样参加医疗保险？"
    "带上户口本，到社区服务中心登记就行了。卡丢了怎么补？拨打电话挂失，然后带身份证去窗口办理。",
    "菜谱": "zh|准备鸡蛋三个、西红柿两个、葱一根、盐半勺、糖一勺。西红柿切成小块，葱切成末，"
    "鸡蛋打散以后加一点盐。"
    "锅里放油，油热了倒入鸡蛋，炒到刚刚凝固就盛出来。再放一点油，把西红柿炒软，加糖和剩下的盐，"
    "最后倒入鸡蛋，"
    "翻炒几下，撒上葱花就可以出锅。喜欢汤汁多的人可以加半碗水，盖上锅盖焖一分钟。",
    "参数": "zh|型号甲：宽度六十厘米，高度八十五厘米，深度五十五厘米，重量四十八公斤。\n"
    "型号乙：宽度六十厘米，高度八十二厘米，深度五十七厘米，重量五十二公斤。\n"
    "型号丙：宽度四十五厘米，高度八十五厘米，深度六十厘米，重量三十九公斤。\n"
    "所有型号都带一根两米长的水管。转动底脚可以把机器放平。第一次使用以前，请取下固定滚筒的螺栓，"
    "并且保存好，下次搬家的时候还要用。",
    "百科": "zh|珊瑚礁是由珊瑚虫的骨骼堆积而成的礁石，大多生长在温暖的浅海。"
    "珊瑚礁只占海洋面积的千分之一左右，却养活了四分之一的海洋生物。"
    "珊瑚虫和海葵、水母是近亲，不过它们会分泌坚硬的骨骼来保护自己。许多鱼在珊瑚礁里产卵，"
    "也在那里躲避敌人。"
    "海水变暖、过度捕捞和河流带来的泥沙，都在威胁着珊瑚礁。有的地方把旧船沉到海底，"
    "让珊瑚在上面重新生长。",
}


@pytest.mark.parametrize(("language", "text"), _STUFFED.values(), ids=_STUFFED)
def test_stuffed_text_is_dropped_and_scores_low(language: str, text: str) -> None:
    document = Document(id="1", source="s", url="u", language=language, text=text)
    result = judge(document, QualityConfig(rule_sets=("natural",)))
    assert isinstance(result, Drop)
    assert result.reason == "stuffed with keywords"
    judged = judge_naturalness(text, language)
    assert judged is not None
    assert judged.score < 0.02
    assert judged.stuffing > 1


@pytest.mark.parametrize("told", [f"en|{_EN}", f"zh|{_ZH}", *_GOOD.values()])
def test_good_text_that_repeats_its_subject_is_not_stuffed(told: str) -> None:
    language, text = told.split("|", 1)
    judged = judge_naturalness(text, language)
    assert judged is not None
    assert judged.stuffing < 0.5  # so that nothing is taken from its score
    assert judged.score > 0.02


def test_more_keywords_are_more_stuffing() -> None:
    found = [judge_naturalness(_stuff("{1} {0}{1}", "en", every=each), "en") for each in (8, 3, 1)]
    values = [judged.stuffing for judged in found if judged]
    assert values == sorted(values)
    assert values[0] < 0.5 < values[-1]


def test_the_funnel_hears_what_was_measured_beside_its_limit() -> None:
    document = Document(id="1", source="s", url="u", language="en", text=_EN)
    with listen() as passed:
        kept = judge(document, QualityConfig(rule_sets=("natural",), max_keyword_stuffing=0.8))
    assert isinstance(kept, Document)
    assert ("stuffed with keywords", kept.measures["keyword_stuffing"], 0.8) in passed


_FORMS = {
    "en": (
        "The {a} of the {b} was improved, experts said. ",
        "Doctors recommend {a} for {b}, a common condition. ",
        "{a}, {b} and regular exercise help patients recover. ",
        ("surgery", "medication", "rest", "diet", "screening"),
        ("hypertension", "diabetes", "pneumonia", "asthma", "cancer"),
    ),
    "zh": (
        "周末，张伟和李娜一起去{a}旅游。",
        "{a}天气晴朗，王芳决定出门散步。",
        "刘洋买了一台{b}，每天学习深度学习。",
        ("北京", "上海", "广州", "成都", "武汉"),
        ("手机", "电脑", "相机", "耳机", "平板"),
    ),
}


@pytest.mark.parametrize("language", _FORMS)
def test_a_text_made_from_a_few_forms_is_not_taken_for_stuffed(language):
    *forms, first, second = _FORMS[language]
    chance = random.Random(4)
    text = "".join(
        chance.choice(forms).format(a=chance.choice(first), b=chance.choice(second))
        for _ in range(60)
    )
    found = judge_naturalness(text, language)
    assert found is not None
    assert found.stuffing < 0.5
