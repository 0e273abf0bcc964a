"""Pairs of known Jaccard index through the whole step: which are caught, and which copy stays."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from lodesmith.prepare.clean import clean
from lodesmith.prepare.config import PrepareConfig

_PAIRS = 180  # a language
_AIMS = (0.915, 0.93, 0.95, 0.97, 0.45, 0.5, 0.55, 0.58)  # about the Jaccard index of a pair
_WORDS_IN_RUN = {"en": 1.8, "zh": 5.0}  # that five characters touch
_COMMON_CHARACTERS = [chr(code) for code in range(0x4E00, 0x4E00 + 3000)]


@dataclass(frozen=True)
class Pair:
    """A text and what an editor made of it."""

    name: str
    texts: tuple[str, str]

    @property
    def jaccard(self) -> float:
        first, second = map(_runs, self.texts)
        return len(first & second) / len(first | second)


def _runs(text: str) -> set[str]:
    """The runs of five characters of the step's definition, in the plainest way."""
    bare = "".join(text.lower().split())
    return {bare[at : at + 5] for at in range(len(bare) - 4)}


def _english_words(chance: random.Random) -> list[str]:
    letters = "etaoinshrdlucmfwypvbgk"
    return ["".join(chance.choices(letters, k=chance.randint(2, 9))) for _ in range(4000)]


def _edit(words: list[str], share: float, vocabulary: Sequence[str], chance: random.Random) -> None:
    """Change words here and there; every third editor also cuts some and adds some elsewhere."""
    is_moved = chance.random() < 1 / 3
    for place in range(len(words)):
        if chance.random() < (share / 2 if is_moved else share):
            words[place] = chance.choice(vocabulary)
    if is_moved:
        size = max(1, int(len(words) * share / 2))
        at = chance.randrange(len(words) - size)
        del words[at : at + size]
        at = chance.randrange(len(words))
        words[at:at] = chance.choices(vocabulary, k=size)


def _make_pairs(language: str) -> list[Pair]:
    chance = random.Random(f"pairs in {language}")
    vocabulary = _english_words(chance) if language == "en" else _COMMON_CHARACTERS
    joint, columns = (" ", 10) if language == "en" else ("", 25)
    pairs = []
    for number in range(_PAIRS):
        words = chance.choices(vocabulary, k=chance.randint(150, 900))
        edited = list(words)
        aim = _AIMS[number % len(_AIMS)]
        left_alone = (2 * aim / (1 + aim)) ** (1 / _WORDS_IN_RUN[language])
        _edit(edited, 1 - left_alone, vocabulary, chance)
        texts = (
            "\n".join(joint.join(part[at : at + columns]) for at in range(0, len(part), columns))
            for part in (words, edited)
        )
        pairs.append(Pair(f"{language}{number}", (next(texts), next(texts))))
    return pairs


def _gone(folder: Path, documents: Sequence[tuple[str, str]], config: PrepareConfig) -> set[str]:
    """Run the public step over documents and return the names of those that it drops."""
    folder.mkdir()
    lines = [json.dumps({"id": name, "text": text}) for name, text in documents]
    (folder / "in.jsonl").write_text("\n".join(lines))
    dropped = folder / "dropped.jsonl"
    clean(
        [folder / "in.jsonl"], output=folder / "kept.jsonl", rejected=dropped, config=config,
        steps=["near_duplicates"],
    )  # fmt: skip
    records = map(json.loads, dropped.read_text("utf-8").splitlines())
    return {record["source"].rpartition("#")[2] for record in records}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_pairs_above_nine_tenths_are_caught_and_those_below_six_tenths_stay(
    language: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lodesmith.prepare.passes.stretches.SHARD_BYTES", 100_000)
    pairs = _make_pairs(language)
    # All first texts, then all edited ones in another order: no pair shares a shard.
    firsts = [(f"{pair.name}-first", pair.texts[0]) for pair in pairs]
    seconds = [(f"{pair.name}-second", pair.texts[1]) for pair in pairs]
    random.Random(7).shuffle(seconds)
    gone = _gone(tmp_path / "one", [*firsts, *seconds], PrepareConfig(num_workers=1))

    jaccards = {f"{pair.name}-second": pair.jaccard for pair in pairs}
    above = {name for name, jaccard in jaccards.items() if jaccard > 0.9}
    below = {name for name, jaccard in jaccards.items() if jaccard < 0.6}
    assert min(len(above), len(below)) >= 50
    assert len(above & gone) >= 0.98 * len(above)
    assert len(below & gone) <= 0.1 * len(below)

    assert not gone & {name for name, _ in firsts}  # the first in source order stays
    cut = PrepareConfig(num_workers=2, merge_memory_bytes=200_000)
    assert _gone(tmp_path / "cut", [*firsts, *seconds], cut) == gone
    turned = _gone(tmp_path / "turned", [*seconds, *firsts], PrepareConfig(num_workers=2))
    assert turned == {name.replace("second", "first") for name in gone}
