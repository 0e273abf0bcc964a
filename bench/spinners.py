"""Spoils good text for `make_naturalness.py`: spins it with synonyms, stuffs it with keywords.

Three recipes spin: words of the same kind at random, synonyms of any sense out of a thesaurus
(WordNet, Moby, Cilin) at random, and the more usual of such synonyms, as tools for sale do.
Each text comes out as pieces that say whether they were put in another's place.
"""

import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Lexicon = dict[str, tuple[int, str]]  # word: frequency or rank, kind
Thesaurus = dict[str, list[str]]
Pieces = list[tuple[str, bool]]  # of a text, and whether they replace what stood there
Spinner = Callable[[str, float, random.Random], Pieces]

_LETTERS = re.compile("[A-Za-z]+")
_ENDINGS = (
    "ing", "tion", "ment", "ness", "ed", "ly", "es", "s", "ity", "al", "er", "ive", "ous",
)  # fmt: skip
_FREQUENT = 150  # English words of a lower rank are left alone
_LONGEST = 4  # Chinese word, in characters
# Endings of English words, and what the word ends in without them.
_BASES = (
    ("", ""), ("s", ""), ("es", ""), ("ed", ""), ("ed", "e"), ("d", ""), ("ing", ""), ("ing", "e"),
    ("ies", "y"), ("er", ""), ("ly", ""),
)  # fmt: skip


def make_spinners(language: str, lexicon: Lexicon, thesauri: Sequence[Thesaurus]) -> list[Spinner]:
    """Return the recipes of one language."""
    kind = KindSpinner(language, lexicon)
    ranks = {word: rank for word, (rank, _) in lexicon.items()}
    if language == "zh":
        ranks = {word: -number for word, number in ranks.items()}
    return [
        kind,
        *(
            SynonymSpinner(language, thesaurus, ranks, usual=usual)
            for thesaurus in thesauri
            for usual in (0, 1)
        ),
    ]


def join(pieces: Pieces) -> str:
    """Return the text of pieces."""
    return "".join(piece for piece, _ in pieces)


class KindSpinner:
    """Puts words of the same kind in the place of words, whatever they mean."""

    def __init__(self, language: str, lexicon: Lexicon) -> None:
        self.is_zh, self.lexicon = language == "zh", lexicon
        self.alike: dict[Any, list[str]] = defaultdict(list)
        for word, (number, kind) in lexicon.items():
            if self.is_zh and number >= 10 and self._can_go(word):
                self.alike[kind[0], len(word)].append(word)
                for char in set(word):
                    self.alike[kind[0], len(word), char].append(word)
            elif not self.is_zh and number < 30_000 and len(word) > 3:
                self.alike[_ending(word)].append(word)
        self.place = {word: n for words in self.alike.values() for n, word in enumerate(words)}

    def __call__(self, text: str, rate: float, chance: random.Random) -> Pieces:
        """Return a text with words replaced by others of their kind."""
        if self.is_zh:
            cut, may_go = longest(text, self.lexicon), self._can_go
            return _replace_words(cut, may_go, self._other, rate, chance)
        return _replace_english(text, self._may_go, self._other, rate, chance)

    def _can_go(self, word: str) -> bool:
        """Tell whether a spinner has synonyms for a Chinese word: names have none."""
        kind = self.lexicon.get(word, (0, "x"))[1]
        is_name = kind[0] == "n" and kind != "n"
        return 2 <= len(word) <= _LONGEST and kind[0] in "nvadib" and not is_name

    def _may_go(self, word: str) -> bool:
        return self.lexicon.get(word, (0, ""))[0] >= _FREQUENT

    def _other(self, word: str, chance: random.Random) -> str:
        if not self.is_zh:
            words = self.alike[_ending(word) if chance.random() < 0.7 else ""]
            near = self.place.get(word, chance.randrange(len(words))) + 10
            return words[min(len(words) - 1, int(near * 2 ** chance.uniform(-2, 2)))]
        kind = self.lexicon[word][1][0]
        key = (kind, len(word), chance.choice(word)) if chance.random() < 0.6 else (kind, len(word))
        some = [chance.choice(self.alike[key] or [word]) for _ in range(3)]
        is_usual = chance.random() < 0.6
        return max(some, key=lambda one: self.lexicon[one][0]) if is_usual else some[0]


class SynonymSpinner:
    """Puts synonyms in the place of words, mostly of a sense that is not meant."""

    def __init__(
        self, language: str, thesaurus: Thesaurus, ranks: dict[str, int], *, usual: bool | int
    ) -> None:
        self.is_zh, self.thesaurus, self.ranks, self.usual = (
            language == "zh", thesaurus, ranks, usual,
        )  # fmt: skip

    def __call__(self, text: str, rate: float, chance: random.Random) -> Pieces:
        """Return a text with words replaced by synonyms."""
        if self.is_zh:
            cut, may_go = longest(text, self.thesaurus), self.thesaurus.__contains__
            return _replace_words(cut, may_go, self._other, rate, chance)
        return _replace_english(text, self._may_go, self._english, rate, chance)

    def _may_go(self, word: str) -> bool:
        is_rare = self.ranks.get(word, _FREQUENT) >= _FREQUENT // 3
        return is_rare and self._base(word) is not None

    def _base(self, word: str) -> str | None:
        for end, rest in _BASES:
            if word.endswith(end):
                base = word[: len(word) - len(end)] + rest
                if len(base) > 2 and base in self.thesaurus:
                    return base
        return None

    def list_others(self, word: str) -> list[str]:
        """Return what may stand in the place of a word."""
        if self.is_zh:
            return self.thesaurus.get(word, [])
        base = self._base(word)
        if base is None:
            return []
        return [inflect(word, base, other) for other in self.thesaurus[base]]

    def _english(self, word: str, chance: random.Random) -> str:
        base = self._base(word) or word
        return inflect(word, base, self._other(base, chance))

    def _other(self, word: str, chance: random.Random) -> str:
        synonyms = self.thesaurus[word]
        if not self.usual:
            return chance.choice(synonyms)
        some = [chance.choice(synonyms) for _ in range(3)]
        return min(some, key=lambda one: max(self.ranks.get(w, 10**6) for w in one.split()))


def count_put(language: str, lexicon: Lexicon, thesauri: Sequence[Thesaurus]) -> dict[str, float]:
    """Return, for each word, how often spinning puts it beside how often it stands, a logarithm."""
    often = {
        word: float(number) if language == "zh" else 1e6 / (number + 3)  # of a rank, by Zipf's law
        for word, (number, _) in lexicon.items()
    }
    put: dict[str, float] = defaultdict(float)
    for thesaurus in thesauri:
        spinner = SynonymSpinner(language, thesaurus, {}, usual=False)
        for word, count in often.items():
            others = spinner.list_others(word)
            for other in others:
                for part in other.split():
                    put[part] += count / len(others) / len(thesauri)
    least = sorted(often.values())[len(often) // 20]
    return {word: float(np.log((put[word] + least / 9) / (often[word] + least))) for word in often}


def inflect(word: str, base: str, other: str) -> str:
    """Return another word with the ending that a word has beyond its base.

    >>> inflect("making", "make", "create"), inflect("houses", "house", "dwelling")
    ('creating', 'dwellings')
    """
    if word == base:
        return other
    for end in ("ing", "ed", "ly", "er", "s"):
        if word.endswith(end):
            if other.endswith(end):
                return other
            if end == "s":
                return other + ("es" if other.endswith(("s", "x", "ch", "sh")) else "s")
            return other.removesuffix("e") + end
    return other


def _replace_english(
    text: str,
    may_go: Callable[[str], bool],
    other: Callable[[str, random.Random], str],
    rate: float,
    chance: random.Random,
) -> Pieces:
    pieces: Pieces = []
    end, known = 0, _Choices(other, chance)
    for match in _LETTERS.finditer(text):
        word = match[0].lower()
        if not may_go(word) or chance.random() > rate:
            continue
        put = known.of(word)
        pieces += [
            (text[end : match.start()], False),
            (put.capitalize() if match[0][0].isupper() else put, True),
        ]
        end = match.end()
    return [*pieces, (text[end:], False)]


def _replace_words(
    words: Iterator[str],
    may_go: Callable[[str], bool],
    other: Callable[[str, random.Random], str],
    rate: float,
    chance: random.Random,
) -> Pieces:
    known = _Choices(other, chance)
    return [
        (known.of(word), True) if may_go(word) and chance.random() < rate else (word, False)
        for word in words
    ]


class _Choices:
    """What was put for a word: the same again every other time."""

    def __init__(self, other: Callable[[str, random.Random], str], chance: random.Random) -> None:
        self.other, self.chance = other, chance
        self.known: dict[str, str] = {}

    def of(self, word: str) -> str:
        if word not in self.known or self.chance.random() < 0.5:
            self.known[word] = self.other(word, self.chance)
        return self.known[word]


def longest(text: str, known: Any) -> Iterator[str]:
    """Yield words by always taking the longest known one."""
    at = 0
    while at < len(text):
        size = next((n for n in (4, 3, 2) if text[at : at + n] in known), 1)
        yield text[at : at + size]
        at += size


def _ending(word: str) -> str:
    return next((end for end in _ENDINGS if word.endswith(end)), "")


# -- thesauri --


def read_wordnet(folder: Path) -> Thesaurus:
    """Return the lemmas that share a sense with each one, of WordNet's `data.*` files."""
    found: dict[str, list[str]] = defaultdict(list)
    for kind in ("noun", "verb", "adj", "adv"):
        for line in (folder / f"data.{kind}").read_text("latin-1").splitlines():
            if line.startswith("  "):  # its licence
                continue
            fields = line.split(" | ")[0].split()
            names = fields[4 : 4 + 2 * int(fields[3], 16) : 2]
            lemmas = [re.sub(r"\(.*", "", name).replace("_", " ") for name in names]
            for lemma in lemmas:
                if lemma.isalpha() and lemma.islower():
                    found[lemma] += [other for other in lemmas if other.lower() != lemma]
    return {lemma: others for lemma, others in found.items() if others}


def read_moby(path: Path) -> Thesaurus:
    """Return the words and phrases of a line of Moby's thesaurus for its first word."""
    lines = (line.split(",") for line in path.read_text("utf-8").splitlines())
    return {
        word: list(filter(re.compile("[a-z ]+").fullmatch, others))
        for word, *others in lines
        if word.isalpha() and word.islower()
    }


def read_glosses(folder: Path) -> list[str]:
    """Return what WordNet says of its senses, with its examples: a line for each."""
    lines = [
        line.split(" | ")[1].strip()
        for kind in ("noun", "verb", "adj", "adv")
        for line in (folder / f"data.{kind}").read_text("latin-1").splitlines()
        if not line.startswith("  ")
    ]
    return [line for line in lines if len(line) > 40]


def read_cilin(path: Path) -> Thesaurus:
    """Return the words that share a line marked as synonyms with each one."""
    found: dict[str, list[str]] = defaultdict(list)
    for line in path.read_text("utf-8").splitlines():
        mark, *words = line.split()
        if mark.endswith("="):
            for word in words:
                if len(word) > 1:
                    found[word] += [other for other in words if other != word]
    return {word: others for word, others in found.items() if others}


# -- stuffing --


class Stuffer:
    """Stuffs text of one language with keywords."""

    def __init__(self, language: str, lexicon: Lexicon) -> None:
        is_zh = language == "zh"
        self.joint = "" if is_zh else " "
        self.seps = (
            [" ", "，", "|", "、", ",", "\n", ""] if is_zh else [" ", ", ", " | ", "\n", "; "]
        )
        self.keywords = [
            word
            for word, (number, kind) in lexicon.items()
            if (kind == "n" and number > 50 and len(word) > 1)
            or (not is_zh and 200 <= number < 12_000 and len(word) > 3)
        ]

    def __call__(self, text: str, chance: random.Random) -> str:
        """Return a list of keywords, or a text with keywords between its clauses."""
        pick = lambda: chance.choice(self.keywords)  # noqa: E731
        phrases = [
            self.joint.join(pick() for _ in range(chance.choice((1, 2, 2, 3))))
            for _ in range(chance.choice((1, 1, 2, 2, 3, 4)))
        ]
        others = [pick() for _ in range(chance.randint(2, 15))]

        def phrase() -> str:
            main, other = chance.choice(phrases), chance.choice(others)
            return chance.choice((main, main, main + self.joint + other, other + self.joint + main))

        if chance.random() < 0.4:
            return chance.choice(self.seps).join(phrase() for _ in range(chance.randint(15, 90)))
        rate, out = chance.uniform(0.3, 0.9), []
        for part in re.split(r"(?<=[。！？，,.!?])", text):
            out.append(part)
            if chance.random() < rate:
                out.append(self.joint + phrase() + chance.choice(["，", "", "。", ", ", ". ", " "]))
        return "".join(out)
