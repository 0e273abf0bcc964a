"""How much of text stuffed with keywords is found, and how much good text is lost with it.

    .venv/bin/python bench/stuffed.py en TEXTS.jsonl...
    .venv/bin/python bench/stuffed.py zh TEXTS.jsonl...

TEXTS: one {"text": ...} a line, good texts that no limit was chosen with. Each is stuffed by each
recipe. Printed are, for each file, how many good texts lie above the limit of `keyword_stuffing`
and below that of naturalness; and for each recipe and how much of a text is keywords, how many
stuffed texts either rule drops, and the median of their naturalness beside that of the good ones.
"""

import argparse
import json
import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from lodesmith.prepare.config import QualityConfig
from lodesmith.prepare.quality.natural import Naturalness, judge_naturalness

Recipe = Callable[["Page"], str]

SIZES = {"zh": (500, 1000, 1500), "en": (1500, 3000, 4500)}  # characters of a text that are taken
SHARES = (0.05, 0.1, 0.2, 1.01)  # of a stuffed text that keywords are: edges of the columns

TOPICS = {
    "en": (
        "cheap flights london,london cheap flights,cheap flights to london,best cheap flights",
        "cheap car insurance,car insurance quotes,best car insurance,compare car insurance",
        "payday loans online,instant payday loans,bad credit payday loans",
        "nike running shoes,cheap nike shoes,nike shoes outlet,buy nike running shoes online",
        "emergency plumber leeds,24 hour plumber leeds,plumber leeds prices",
        "dental implants,affordable dental implants,dental implants cost",
        "weight loss pills,best weight loss pills,fast weight loss",
        "online casino,best online casino,online casino bonus,free online casino slots",
        "personal injury lawyer,injury attorney,best personal injury lawyer",
        "essay writing service,cheap essay writing service,buy essay online",
        "roof repair dallas,roofing contractor dallas,dallas roof repair cost",
        "memory foam mattress,best memory foam mattress,mattress sale",
    ),
    "zh": (
        "郑州装修公司,郑州装修公司哪家好,郑州装修公司价格,郑州装修",
        "北京搬家公司,北京搬家公司电话,北京搬家公司多少钱",
        "上海整形医院,上海整形医院排名,上海整形医院哪家好",
        "减肥药,减肥药排行榜,最好的减肥药",
        "网站建设,网站建设价格,深圳网站建设公司",
        "传奇私服,传奇私服发布网,最新传奇私服",
        "植发医院,植发医院费用,成都植发医院",
        "工业吸尘器,工业吸尘器厂家,工业吸尘器价格",
        "二手车,二手车市场,二手车报价,武汉二手车",
        "英语培训班,英语培训班价格,杭州英语培训班",
        "管道疏通,管道疏通电话,天津管道疏通",
        "高压清洗机,高压清洗机厂家,高压清洗机多少钱",
    ),
}
CITIES = {
    "en": "london manchester chicago dallas houston miami boston seattle denver phoenix austin "
    "leeds glasgow sydney melbourne toronto vancouver atlanta portland orlando",
    "zh": "北京 上海 广州 深圳 郑州 杭州 南京 武汉 成都 重庆 西安 天津 苏州 长沙 青岛 济南 合肥 "
    "福州 "
    "厦门 昆明",
}
SERVICES = {
    "en": "roof repair,carpet cleaning,wedding photographer,web design,pest control,car rental",
    "zh": "装修公司,搬家公司,婚纱摄影,网站建设,空调维修,汽车租赁",
}
ABOUT = {
    "en": (
        "Looking for {}? You have come to the right place for {}. Our {} are the best {} that you "
        "can find. When it comes to {}, nobody offers {} like we do. If you want {}, call us "
        "today. "
        "Many people search for {}, but few find {} at this price."
    ),
    "zh": (
        "{}哪里找？{}就来我们这里。我们是专业的{}，{}服务热线全天开通。说到{}，不得不提我们的{}。"
        "选择{}，请认准正规的{}。想了解{}的朋友，可以咨询{}客服。"
    ),
}
QUESTIONS = {
    "en": ("How much does {} cost?", "Where can I find {}?", "Why choose our {}?", "Is {} safe?"),
    "zh": ("{}多少钱？", "哪里有{}？", "为什么选择{}？", "{}安全吗？"),
}


class Page:
    """A good text, and the keywords that it is to be stuffed with."""

    def __init__(self, text: str, language: str, chance: random.Random) -> None:
        self.text, self.language, self.chance = text, language, chance
        self.is_zh = language == "zh"
        self.joint = "" if self.is_zh else " "
        self.keywords = chance.choice(TOPICS[language]).split(",")[: chance.choice((1, 2, 4))]
        self.rate = chance.choice((0.3, 0.6, 1))

    def pick(self) -> str:
        """Return one of the keywords, in capitals now and then."""
        word = self.chance.choice(self.keywords)
        return word.title() if self.chance.random() < 0.2 else word

    def many(self) -> int:
        """Return how many keywords make a block of an eighth to a half of the text."""
        size = sum(map(len, self.keywords)) / len(self.keywords) + 1
        return max(12, int(len(self.text) / self.chance.choice((2, 4, 8)) / size))

    def clauses(self) -> list[str]:
        """Return the text's clauses with their marks."""
        return re.split("(?<=[。！？，；])" if self.is_zh else r"(?<=[,.!?;:])\s", self.text)

    def sentences(self) -> list[str]:
        """Return the text's sentences with their marks."""
        return re.split("(?<=[。！？])" if self.is_zh else r"(?<=[.!?])\s", self.text)


def between(page: Page) -> str:
    """Put keywords between clauses."""
    ends = "，，。、" if page.is_zh else ",,,."
    return page.joint.join(
        clause + page.joint + page.pick() + page.chance.choice(ends)
        if page.chance.random() < page.rate
        else clause
        for clause in page.clauses()
    )


def bracketed(page: Page) -> str:
    """Put keywords in brackets behind sentences."""
    brackets = ("（{}）", "【{}】", "[{}]", "#{}#") if page.is_zh else ("({})", "[{}]", "({})")
    return page.joint.join(
        sentence + page.joint + page.chance.choice(brackets).format(page.pick())
        if page.chance.random() < max(page.rate, 0.6)
        else sentence
        for sentence in page.sentences()
    )


def fronts(page: Page) -> str:
    """Begin clauses with keywords, without a mark."""
    return page.joint.join(
        page.pick() + page.joint + clause if page.chance.random() < page.rate else clause
        for clause in page.clauses()
    )


def sentences(page: Page) -> str:
    """Begin or end each sentence with a keyword."""
    forms = (
        ("{0}{1}", "{0}：{1}", "{1}{0}。") if page.is_zh else ("{0} {1}", "{0}: {1}", "{1} {0}.")
    )
    return page.joint.join(
        page.chance.choice(forms).format(page.pick(), sentence) for sentence in page.sentences()
    )


def headed(page: Page) -> str:
    """Put a line of keywords over every second sentence."""
    joints = ("_", "|", "-") if page.is_zh else (" | ", ", ", " - ")
    parts, own = [], page.sentences()
    for at in range(0, len(own), 2):
        line = page.chance.choice(joints).join(page.pick() for _ in range(3))
        parts += [line, page.joint.join(own[at : at + 2])]
    return "\n".join(parts)


def listed(page: Page) -> str:
    """Put a list of keywords under the text."""
    joints = ("，", " ", "、", "|", "\n") if page.is_zh else (", ", " | ", "; ", "\n")
    joint = page.chance.choice(joints)
    return f"{page.text}\n{joint.join(page.pick() for _ in range(page.many()))}"


def hidden(page: Page) -> str:
    """Put keywords without marks between two lines."""
    lines = page.text.split("\n")
    lines.insert(
        page.chance.randrange(len(lines) + 1),
        page.joint.join(page.pick() for _ in range(page.many())),
    )
    return "\n".join(lines)


def cities(page: Page) -> str:
    """Put services in each of many cities under the text, no two alike."""
    names = page.chance.sample(CITIES[page.language].split(), page.chance.choice((8, 14, 20)))
    services = page.chance.sample(SERVICES[page.language].split(","), page.chance.choice((1, 2, 3)))
    joint = page.chance.choice(("，", " ", "|") if page.is_zh else (", ", " | "))
    items = [f"{name}{page.joint}{service}" for service in services for name in names]
    page.keywords = items
    return f"{page.text}\n{joint.join(items)}"


def nouns(page: Page) -> str:
    """Put keywords in the place of nouns: what follows an article, or 的 in Chinese."""
    pattern = (
        "(的)([\u4e00-\u9fff]{2})" if page.is_zh else r"\b(the |an? |our |their )([a-z]{4,})\b"
    )
    rate = max(page.rate, 0.6)
    return re.sub(
        pattern,
        lambda found: found[1] + page.pick() if page.chance.random() < rate else found[0],
        page.text,
    )


def about(page: Page) -> str:
    """Write sentences about keywords, half of the time before some of the text."""
    form, own = ABOUT[page.language], page.sentences()
    first = re.sub(r"\{\}", lambda _: page.chance.choice(page.keywords[:2]), form)
    return page.joint.join([first, *(own[:6] if page.rate < 1 else ())])


def asked(page: Page) -> str:
    """Ask about keywords, and answer with the text's sentences."""
    parts = []
    for sentence in page.sentences()[:10]:
        question = page.chance.choice(QUESTIONS[page.language]).format(page.pick())
        parts += [question, f"{page.pick()}{page.joint}- {sentence}"]
    return "\n".join(parts)


def alone(page: Page) -> str:
    """Write keywords and nothing else."""
    joints = ("，", " ", "|", "\n", "") if page.is_zh else (", ", " | ", "\n", " ")
    joint = page.chance.choice(joints)
    return joint.join(page.pick() for _ in range(page.chance.randint(25, 90)))


RECIPES: tuple[Recipe, ...] = (
    between, bracketed, fronts, sentences, headed, listed, hidden, cities, nouns, about, asked,
    alone,
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("language", choices=tuple(SIZES))
    parser.add_argument("texts", type=Path, nargs="+")
    parser.add_argument("--limit", type=int, default=400, help="texts of a file")
    arguments = parser.parse_args()
    pages: list[str] = []
    for path in arguments.texts:
        lines = path.read_text("utf-8").splitlines()[: arguments.limit]
        texts = [json.loads(line)["text"] for line in lines]
        print_lost(path.stem, texts, arguments.language)
        pages += [text for text in texts if len(text) > min(SIZES[arguments.language]) / 2][:60]
    for recipe in RECIPES:
        print_found(recipe, pages, arguments.language)


def print_lost(name: str, texts: Iterable[str], language: str) -> None:
    judged = [one for text in texts if (one := judge_naturalness(text, language))]
    limits = QualityConfig()
    above = [one.stuffing > limits.max_keyword_stuffing for one in judged]
    below = [one.score < limits.min_naturalness for one in judged]
    print(f"{name}: {len(judged)} scored, {sum(above)} above, {sum(below)} below")


def print_found(recipe: Recipe, texts: Sequence[str], language: str) -> None:
    chance = random.Random(recipe.__name__)
    columns: dict[float, list[Naturalness]] = defaultdict(list)
    for text in texts:
        page = Page(text[: chance.choice(SIZES[language])], language, chance)
        stuffed = recipe(page)
        judged = judge_naturalness(stuffed, language)
        words = "|".join(sorted(map(re.escape, page.keywords), key=len, reverse=True))
        share = sum(map(len, re.findall(words, stuffed, re.I))) / len(stuffed)
        if judged is not None:
            columns[next(edge for edge in SHARES if share < edge)].append(judged)
    found = ", ".join(
        f"{describe(columns[edge])} up to {min(edge, 1):.0%}" for edge in SHARES if columns[edge]
    )
    everything = [one for column in columns.values() for one in column]
    print(f"{recipe.__name__}: {describe(everything)} in all; {found}")


def describe(judged: Sequence[Naturalness]) -> str:
    limits = QualityConfig()
    found = [
        one.stuffing > limits.max_keyword_stuffing or one.score < limits.min_naturalness
        for one in judged
    ]
    scores = [one.score for one in judged]
    return f"{np.mean(found):.0%} of {len(judged)} (median score {np.median(scores):.2f})"


if __name__ == "__main__":
    main()
