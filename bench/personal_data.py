# ruff: noqa: E501 texts and templates read better whole
"""Measures how personal data is found: precision, recall and speed, beside jionlp.

python bench/personal_data.py [--english synth_dataset_v2.json] [--prose FILE] [--peer PYTHON]

The Chinese texts are made here: records, chats and notes with values drawn at random, among numbers
that are nobody's (orders, prices, dates, parcels, hotlines). They were written by the author of the
rules, so they show that nothing is broken, not how the rules do on text that nobody foresaw; the
English ones are labelled by others. A find counts if it overlaps a label of its kind.
"""

import argparse
import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from lodesmith.prepare.config import PersonalDataConfig
from lodesmith.prepare.personal_data import PersonalData

_NUM_TEXTS = 20_000
Label = tuple[str, int, int]

_SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘"
_GIVEN = (
    "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超兰霞平刚桂英文辉建华玉梅红志鹏婷雪琳子轩浩宇欣怡梓涵思远嘉懿"
)
_PLACES = [
    ("浙江省", "杭州市", "西湖区"), ("广东省", "深圳市", "南山区"), ("", "上海市", "浦东新区"),
    ("四川省", "成都市", "武侯区"), ("", "北京市", "朝阳区"), ("湖北省", "武汉市", "洪山区"),
    ("江苏省", "昆山市", "玉山镇"), ("河南省", "登封市", "少林街道"), ("", "", "城关镇"), ("", "", ""),
]  # fmt: skip
_ROADS = [
    "文三路",
    "科技园南路",
    "张江路",
    "人民南路四段",
    "建国路",
    "珞喻路",
    "前进西路",
    "嵩山大道",
    "中兴街",
    "花园巷",
]
_ESTATES = ["翠苑小区", "锦绣花园", "阳光家园", "万科城", "幸福里", "东湖名苑", "石桥村"]
_PREFIXES = ["130", "135", "138", "139", "150", "158", "166", "177", "186", "198", "199"]
_CONTEXTS = {
    "resident_id": ["身份证号{}", "身份证：{}，", "证件号码{}已核验", "（{}）", "持{}办理", "{}", "ID:{}；"],
    "mobile": ["电话{}", "手机号：{}，", "请拨打{}联系", "微信同号{}。", "{}（微信）", "tel:{}", "他的号码是{}吗", "+86 {}"],
    "landline": ["座机{}", "电话：{}，", "科室电话{}转3", "传真{}。", "门诊{}"],
    "email": ["邮箱{}谢谢", "发到{}。", "email：{}，", "请联系{}咨询", "{}", "抄送{}和主任"],
    "bank_card": ["卡号{}", "打到{}这张卡", "银行账号：{}，", "尾号不对，完整是{}。"],
    "plate": ["车牌{}", "一辆{}的轿车", "停车：{}，"],
    "passport": ["护照{}", "护照号码：{}，", "持护照{}入境"],
    "company_code": ["统一社会信用代码{}", "税号：{}，", "信用代码为{}的公司"],
    "ip_address": ["从{}登录", "IP：{}，", "来自{}的请求"],
    "secret": ["https://api.example.cn/v1?user=7&token={}", "密码：{}，", "api_key={}"],
    "address": ["住在{}，", "地址：{}。", "家住{}", "请寄到{}，", "他搬到{}了", "事发{}附近", "送货至{}，"],
    "person": ["患者{}，", "姓名：{} ", "联系人{}，", "{}先生", "收件人：{}，", "我叫{}，", "{}昨天来复查，", "听{}说，", "我和{}是同学，"],
}  # fmt: skip
_FILLERS = [
    "订单号20240{n7}已发货，", "共计{n4}.50元，", "2024年3月1{d}日上午9:30，", "货号A{n7}，", "快递单号SF{n12}，", "版本7.4.7.{d}更新，",
    "血压138/86mmHg，", "客服热线400-820-{n4}，", "第13{n3}号文件规定，", "ISBN 978-7-{n4}-{n4}-{d}，", "房价从1{n4}涨到2{n4}，",
    "流水号{n8}{n12}{d}，", "本月10号线停运，", "三楼检验科，", "服用3天后复查，", "内网192.168.1.{d}，", "@所有人 请回复，", "身高17{d}厘米，",
    "中国工商银行的活动，", "在中山路附近下车，", "他说这事不急，", "医生建议清淡饮食，多休息，", "感谢大家一直以来对我们工作的支持与理解，",
]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures how personal data is found.")
    parser.add_argument("--english", type=Path, help="labelled sentences of presidio-research")
    parser.add_argument("--prose", type=Path, help="a text without many numbers, to time")
    parser.add_argument("--peer", help="a Python that has jionlp")
    arguments = parser.parse_args()
    step = PersonalData(PersonalDataConfig(kinds=(*PersonalDataConfig().kinds, "person")))
    texts = make_chinese(_NUM_TEXTS, seed=1)
    found = [[(span.kind, span.start, span.end) for span in step.find(text)] for text, _ in texts]
    print(f"Chinese, {_NUM_TEXTS:,} texts made here")
    report([labels for _, labels in texts], found)
    three = PersonalDataConfig(kinds=("resident_id", "mobile", "email"))
    report_speed("ours, three kinds", PersonalData(three).find, texts)
    report_speed("ours, all kinds but person", PersonalData(PersonalDataConfig()).find, texts)
    report_speed("ours, all kinds", step.find, texts)
    if arguments.prose:
        prose = [(arguments.prose.read_text("utf-8"), [])]
        report_speed(
            "ours, all kinds but person, prose", PersonalData(PersonalDataConfig()).find, prose
        )
    if arguments.peer:
        run_peer(arguments.peer, texts)
    if arguments.english:
        sentences = read_english(arguments.english)
        print(f"English, {len(sentences):,} sentences labelled by others")
        spans = [[(s.kind, s.start, s.end) for s in step.find(text)] for text, _ in sentences]
        report([labels for _, labels in sentences], spans)


def make_chinese(count: int, *, seed: int) -> list[tuple[str, list[Label]]]:
    """Return texts with the places of what was put into them."""
    rng = random.Random(seed)
    texts = []
    for _ in range(count):
        pieces, labels, length = [], [], 0
        for _ in range(rng.randint(3, 8)):
            filler = _fill(rng.choice(_FILLERS), rng)
            pieces.append(filler)
            length += len(filler)
            if rng.random() < 0.4:
                kind = rng.choice(list(_CONTEXTS))
                before, _, after = rng.choice(_CONTEXTS[kind]).partition("{}")
                value = _VALUES[kind](rng)
                start = length + len(before)
                labels.append((kind, start, start + len(value)))
                pieces += [before, value, after or "，"]
                length += len(before) + len(value) + len(after or "，")
        texts.append(("".join(pieces), labels))
    return texts


def _fill(template: str, rng: random.Random) -> str:
    for name, size in (("n12", 12), ("n8", 8), ("n7", 7), ("n4", 4), ("n3", 3), ("d", 1)):
        while "{" + name + "}" in template:
            template = template.replace("{" + name + "}", _digits(rng, size), 1)
    return template


def _digits(rng: random.Random, size: int) -> str:
    return "".join(rng.choices("0123456789", k=size))


def _resident_id(rng: random.Random) -> str:
    head = (
        f"{rng.choice(['110105', '330106', '440305', '510107', '420111', '310115'])}"
        f"{rng.randint(1940, 2015)}{rng.randint(1, 12):02}{rng.randint(1, 28):02}{_digits(rng, 3)}"
    )
    total = sum(int(digit) * pow(2, 17 - place, 11) for place, digit in enumerate(head))
    is_mistyped = rng.random() < 0.5  # as in text that people typed or redacted
    return head + ("10X98765432"[total % 11] if not is_mistyped else rng.choice("0123456789X"))


def _card(rng: random.Random) -> str:
    head = rng.choice(["622202", "621700", "436742", "520169"]) + _digits(rng, 9)
    head += _digits(rng, 3) if head[0] == "6" else ""
    doubled = [int(d) * (2 if place % 2 == 0 else 1) for place, d in enumerate(reversed(head))]
    number = head + str(-sum(sum(divmod(digit, 10)) for digit in doubled) % 10)
    is_spaced = rng.random() < 0.3
    return " ".join(number[i : i + 4] for i in range(0, len(number), 4)) if is_spaced else number


def _mobile(rng: random.Random) -> str:
    head, middle, end = rng.choice(_PREFIXES), _digits(rng, 4), _digits(rng, 4)
    return rng.choice(["", "", "", " ", "-"]).join((head, middle, end))


def _email(rng: random.Random) -> str:
    name = rng.choice([_digits(rng, 9), "zhang.wei", "li_na88", "w-" + _digits(rng, 4)])
    return f"{name}@{rng.choice(['qq.com', '163.com', 'mail.tsinghua.edu.cn', 'gmail.com'])}"


def _address(rng: random.Random) -> str:
    region = "".join(rng.choice(_PLACES)[rng.randint(0, 2) :])
    if rng.random() < 0.5:
        return f"{region}{rng.choice(_ROADS)}{rng.randint(1, 999)}号" + rng.choice(
            ["", "院3号楼", "2栋1单元302室", "附5号"]
        )
    return (
        f"{region}{rng.choice(_ESTATES)}{rng.randint(1, 40)}{rng.choice(['栋', '号楼', '幢'])}"
        + rng.choice(["", "2单元501", "1203室"])
    )


_VALUES = {
    "resident_id": _resident_id,
    "mobile": _mobile,
    "landline": lambda rng: rng.choice(["010-", "021-", "0571-", "0755 ", "(028)"]) + str(rng.randint(2, 8)) + _digits(rng, 7),
    "email": _email,
    "bank_card": _card,
    "plate": lambda rng: rng.choice("京沪粤浙川鄂") + rng.choice("ABCEG") + rng.choice(["", "·"]) + rng.choice([_digits(rng, 5), "D" + _digits(rng, 5), "K" + _digits(rng, 3) + "P"]),
    "passport": lambda rng: rng.choice("EG") + _digits(rng, 8),
    "company_code": lambda rng: "91" + rng.choice(["110108", "330106", "440300"]) + "MA" + "".join(rng.choices("0123456789ABCDEFGHJKLMNPQRTUWXY", k=8)),
    "ip_address": lambda rng: ".".join(str(rng.randint(101, 126)) for _ in range(4)),
    "secret": lambda rng: "".join(rng.choices("abcdefghjkmnpqrstuvwxyz", k=8)) + _digits(rng, 6),
    "address": _address,
    "person": lambda rng: rng.choice(_SURNAMES) + "".join(rng.choices(_GIVEN, k=rng.choice([1, 2, 2]))),
}  # fmt: skip


_ENGLISH_KINDS = {
    "PERSON": "person", "STREET_ADDRESS": "address", "EMAIL_ADDRESS": "email", "US_SSN": "social_security",
    "PHONE_NUMBER": "phone", "CREDIT_CARD": "bank_card", "IBAN_CODE": "bank_account", "IP_ADDRESS": "ip_address",
}  # fmt: skip


def read_english(path: Path) -> list[tuple[str, list[Label]]]:
    """Return the sentences with the labels of the kinds that are known here."""
    return [
        (
            row["full_text"],
            [
                (_ENGLISH_KINDS[span["entity_type"]], span["start_position"], span["end_position"])
                for span in row["spans"]
                if span["entity_type"] in _ENGLISH_KINDS
            ],
        )
        for row in json.loads(path.read_text("utf-8"))
    ]


def report(labels: Sequence[Sequence[Label]], found: Sequence[Sequence[Label]]) -> None:
    """Print precision and recall of each kind; exact is the share of labels found to the character."""
    right, all_found, all_labels, hit, exact = Counter(), Counter(), Counter(), Counter(), Counter()
    for wanted, got in zip(labels, found, strict=True):
        for label in wanted:
            all_labels[label[0]] += 1
            hit[label[0]] += any(_overlap(label, other) for other in got)
            exact[label[0]] += label in got
        for other in got:
            all_found[other[0]] += 1
            right[other[0]] += any(_overlap(label, other) for label in wanted)
    for kind in sorted(all_labels):
        precision = right[kind] / max(all_found[kind], 1)
        print(
            f"  {kind:16} precision {precision:.4f}  recall {hit[kind] / all_labels[kind]:.4f}  "
            f"exact {exact[kind] / all_labels[kind]:.4f}  ({all_labels[kind]} labels)"
        )
    extra = {kind: number for kind, number in all_found.items() if kind not in all_labels}
    if extra:
        print(f"  found of kinds without labels: {extra}")


def _overlap(one: Label, other: Label) -> bool:
    return one[0] == other[0] and one[1] < other[2] and other[1] < one[2]


def report_speed(name: str, find: object, texts: Iterable[tuple[str, object]]) -> None:
    """Print millions of characters a CPU-second, on documents of about two thousand characters."""
    whole = "\n".join(text for text, _ in texts)
    documents = [whole[start : start + 2000] for start in range(0, len(whole), 2000)]
    started = time.process_time()
    for document in documents:
        find(document)  # type: ignore[operator]
    seconds = time.process_time() - started
    print(f"{name}: {len(whole) / seconds / 1e6:.2f} M characters a CPU-second")


_PEER = """
import json, sys, time
import jionlp
texts = json.load(open(sys.argv[1]))
kinds = {"resident_id": jionlp.extract_id_card, "mobile": jionlp.extract_phone_number, "email": jionlp.extract_email}
found = []
started = time.process_time()
for text in texts:
    spans = []
    for kind, extract in kinds.items():
        for item in extract(text, detail=True):
            if item.get("type", "cell_phone") == "cell_phone":
                spans.append([kind, *item["offset"]])
    found.append(spans)
seconds = time.process_time() - started
json.dump([seconds, found], open(sys.argv[2], "w"))
"""


def run_peer(python: str, texts: list[tuple[str, list[Label]]]) -> None:
    """Print the same of jionlp for the three kinds with a bar."""
    given, answer = Path("/tmp/lodesmith-pii.json"), Path("/tmp/lodesmith-pii-found.json")
    given.write_text(json.dumps([text for text, _ in texts]))
    subprocess.run([python, "-c", _PEER, str(given), str(answer)], check=True, stdout=sys.stderr)
    seconds, found = json.loads(answer.read_text())
    given.unlink()
    answer.unlink()
    kinds = {"resident_id", "mobile", "email"}
    print(
        f"jionlp, three kinds: {sum(len(t) for t, _ in texts) / seconds / 1e6:.2f} M characters a CPU-second"
    )
    report(
        [[label for label in labels if label[0] in kinds] for _, labels in texts],
        [[tuple(span) for span in spans] for spans in found],
    )


if __name__ == "__main__":
    main()
