"""Third step: the language of a document, and of each of its paragraphs.

Writing decides first: Chinese, Japanese and Korean, and the languages that have an alphabet of
their own, are told by their characters, which is exact and costs nothing. So a page with a Chinese
title whose text nobody has translated yet is English. Between the languages of one alphabet
py3langid's model decides (byte sequences, naive Bayes), walked in C; between close neighbours that
it mixes up, the little words that only one of them has.

Each paragraph votes with its length, one with sentences in Chinese and another language for both,
so a page in two languages says so: its shares stand in `measures["languages"]`, the script of
Chinese in `measures["script"]`, and what language each paragraph that is left in the end has in
`measures["paragraph_languages"]`.

py3langid was chosen for accuracy: .91 of 75 languages against .78 of lid.176.ftz.
"""

import functools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from lodesmith.data.documents import Document
from lodesmith.native import language as native
from lodesmith.native.language import Automaton, LineCensus, Scorer
from lodesmith.prepare.chinese import chinese_script
from lodesmith.prepare.config import PrepareConfig
from lodesmith.prepare.language_words import decide_neighbours
from lodesmith.prepare.pages import UNKNOWN_LANGUAGE, Drop

_HAN_KANA = (
    "\u3005\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9d"
)
_CJK = re.compile(f"[{_HAN_KANA}\uac00-\ud7a3\U00020000-\U0003ffff]+")
_KANA = re.compile("[\u3041-\u30fa\u31f0-\u31ff\uff66-\uff9d]+")
_HANGUL = re.compile("[\uac00-\ud7a3]+")
_OTHER_WORD = re.compile(f"[^\\W\\d_{_HAN_KANA}\uac00-\ud7a3]+")
_LETTER = re.compile(r"[^\W\d_]")

_CHARACTERS_PER_WORD = 1.5  # of Chinese text; Source: Gao et al., Computational Linguistics 31(4)
_MIN_CJK_SHARE = 0.5  # of words
_MIN_KANA_SHARE = 0.1  # of the characters; Japanese prose has above .3, Chinese with a name .02
_MIN_HANGUL_SHARE = 0.3
_OF_THE_SCRIPTS = {"zh", "ja", "ko"}  # told by the characters
_SAMPLE_CHARS = 600
_MIN_LETTERS = 20  # of a paragraph that votes; half of it in other writing than English has
_MIN_CJK_LETTERS = 4  # that tell a language by themselves
_CHINESE_FUNCTION = re.compile(
    "[的了是在不我你他她们們这這]"
)  # grammar, which Japanese has in kana
_MIN_CHINESE_FUNCTION = 2  # of them in a line of _LINE_CHARS; Japanese has one in 目的 or 終了
_MIN_WORDS_BESIDE = 6  # in another language, beside Chinese: fewer are a name or a term
_MIN_CONFIDENCE_BESIDE = 0.9
_MIN_LINE_CONFIDENCE = 0.5
_MIN_SHARE = 0.03  # of a document's words: fewer are names and quotations
_MAX_LINES = 80  # that vote, evenly spread
_LINE_CHARS = 160  # of each: more add little to a paragraph's vote
_MIN_ENGLISH_SHARE = 0.08  # of the sample's words; most English prose has above .1
_MIN_ENGLISH_WORDS = 3
_ENGLISH = re.compile(
    r"\b(?:the|and|that|with|this|from|are|you|which|when)\b", re.IGNORECASE
)  # no other language writes these words often
_ADDRESS = re.compile(r"(?:https?://|www\.)[\x21-\x7e]+")
# Alphabets with one language that matters. Source: Unicode 16, Blocks.txt.
_ALPHABETS = (
    ("el", "\u0370-\u03ff\u1f00-\u1fff"),
    ("hy", "\u0530-\u058f"),
    ("pa", "\u0a00-\u0a7f"),
    ("gu", "\u0a80-\u0aff"),
    ("or", "\u0b00-\u0b7f"),
    ("ta", "\u0b80-\u0bff"),
    ("te", "\u0c00-\u0c7f"),
    ("kn", "\u0c80-\u0cff"),
    ("ml", "\u0d00-\u0d7f"),
    ("si", "\u0d80-\u0dff"),
    ("th", "\u0e00-\u0e7f"),
    ("lo", "\u0e80-\u0eff"),
    ("my", "\u1000-\u109f"),
    ("ka", "\u10a0-\u10ff\u1c90-\u1cbf"),
    ("am", "\u1200-\u137f"),
    ("km", "\u1780-\u17ff"),
)
_ALPHABET = re.compile("|".join(f"(?P<{name}>[{block}]+)" for name, block in _ALPHABETS))
_OWN_ALPHABET = re.compile(f"[{''.join(block for _, block in _ALPHABETS)}]")


def identify(
    document: Document, *, code_lines: frozenset[str] = frozenset()
) -> tuple[Document, float]:
    """Return the document with its language, and how sure that is, in [0, 1].

    Args:
        document: whose language is asked.
        code_lines: lines that are in no language.
    """
    lines = document.text.split("\n")
    if code_lines:
        lines = [line for line in lines if line.strip() not in code_lines] or lines
    language, confidence = detect_language("\n".join(lines))
    poll = _poll(lines, language)
    shares = poll.shares()
    if shares and shares.get(language, 0.0) < max(shares.values()):  # its beginning misled
        language, confidence = max(shares, key=lambda name: shares[name]), poll.confidence()
    elif len(shares) > 1:  # sure of each paragraph, the whole is no less sure for being mixed
        confidence = max(confidence, poll.confidence())
    measures = {**document.measures, "languages": shares or {language: 1.0}}
    if language == "zh":
        script = chinese_script("\n".join(lines))
        measures["script"] = script.name
        if script.is_cantonese:
            measures["variety"] = "yue"
        if script.converted is not None:
            measures["converted_from_simplified"] = script.converted
    return replace(document, language=language, measures=measures), confidence


def language_shares(lines: list[str], language: str = UNKNOWN_LANGUAGE) -> dict[str, float]:
    """Return language -> share of the words, the largest first; short lines have no say.

    Args:
        lines: paragraphs.
        language: that of the whole, which uncertain paragraphs are counted to.
    """
    return _poll(lines, language).shares()


@dataclass(slots=True)
class _Poll:
    """How many words of each language the paragraphs of a page have, and how many are sure."""

    words: dict[str, float] = field(default_factory=dict)
    sure: float = 0.0

    def add(self, language: str, num_words: float, *, is_sure: bool) -> None:
        self.words[language] = self.words.get(language, 0.0) + num_words
        self.sure += num_words * is_sure

    def shares(self) -> dict[str, float]:
        total = sum(self.words.values())
        if not total:
            return {}
        large = {name: n for name, n in self.words.items() if n >= _MIN_SHARE * total}
        rest = total - sum(large.values())
        main = max(large, key=lambda name: (large[name], name))
        large[main] += rest
        ordered = sorted(large.items(), key=lambda item: (-item[1], item[0]))
        return {name: round(count / total, 3) for name, count in ordered}

    def confidence(self) -> float:
        return self.sure / (sum(self.words.values()) or 1.0)


def label_paragraphs(document: Document, *, code_lines: frozenset[str] = frozenset()) -> Document:
    """Return a document in several languages with that of each paragraph, as its text is now.

    `measures["paragraph_languages"]` holds runs of lines, [language, number of lines]; their
    numbers add up to the lines of the text. Sentences of two languages in one line are "en+zh".
    What says nothing of its language, like a short line or code, goes with the line before it.

    Args:
        document: with its `measures["languages"]`; one in a single language stays as it is.
        code_lines: lines that are in no language.
    """
    if len(document.measures.get("languages", ())) < 2:
        return document
    lines = document.text.split("\n")
    polls: dict[int, _Poll] = {}
    for number, found, num_words, is_sure in _votes(lines, document.language):
        if lines[number].strip() not in code_lines:
            polls.setdefault(number, _Poll()).add(found, num_words, is_sure=is_sure)
    names = {number: "+".join(sorted(poll.shares())) for number, poll in polls.items()}
    name = next(iter(names.values()), document.language)
    runs: list[list[str | int]] = []
    for number in range(len(lines)):
        name = names.get(number, name)
        if runs and runs[-1][0] == name:
            runs[-1] = [name, int(runs[-1][1]) + 1]
        else:
            runs.append([name, 1])
    return replace(document, measures={**document.measures, "paragraph_languages": runs})


def _poll(lines: list[str], language: str) -> _Poll:
    step = -(-len(lines) // _MAX_LINES) or 1
    poll = _Poll()
    for _, found, num_words, is_sure in _votes(lines[::step], language):
        poll.add(found, num_words, is_sure=is_sure)
    return poll


def _votes(lines: list[str], language: str) -> Iterator[tuple[int, str, float, bool]]:
    """Yield the number of a line, a language in it, words in that, and whether that is sure."""
    parts = [(number, part) for number, line in enumerate(lines) for part in _thirds(line)]
    samples = [part[:_LINE_CHARS] for _, part in parts]
    for (number, part), sample, counts in zip(
        parts, samples, native.count_lines(samples, _classes()), strict=True
    ):
        least = _MIN_LETTERS if part.isascii() else _MIN_LETTERS // 2
        if counts.all_letters < least and counts.cjk < _MIN_CJK_LETTERS:
            continue
        for found, share, is_sure in _languages_of_line(sample, counts, language):
            yield number, found, share * _num_words(part), is_sure


def _thirds(line: str) -> list[str]:
    """Return a line, or the thirds of a long one: its languages may follow each other."""
    if 2 * len(line) <= 3 * _LINE_CHARS:
        return [line]
    size = -(-len(line) // 3)
    return [line[at : at + size] for at in range(0, len(line), size)]


def _languages_of_line(
    line: str, counts: LineCensus, language: str
) -> list[tuple[str, float, bool]]:
    """Return the languages of a line, the share of its words in each, and whether that is sure."""
    found, confidence = _of_line(line, counts)
    if found == "zh" and language == "ja" and not _is_plain_chinese(line, counts):
        return [("ja", 1.0, True)]  # a heading or an address without kana
    other = _beside_cjk(line, counts)
    if other is not None:
        num_cjk = counts.cjk / _CHARACTERS_PER_WORD
        share = num_cjk / (num_cjk + counts.joined_words)
        return [(_cjk_language(counts), share, True), (other, 1.0 - share, True)]
    is_sure = confidence >= _MIN_LINE_CONFIDENCE
    return [(found if is_sure else language, 1.0, is_sure)]


def _is_plain_chinese(line: str, counts: LineCensus) -> bool:
    """Whether characters without kana, on a Japanese page, are Chinese."""
    if counts.all_letters < _MIN_LETTERS:
        return False
    return len(_CHINESE_FUNCTION.findall(line)) >= _MIN_CHINESE_FUNCTION


def _beside_cjk(line: str, counts: LineCensus) -> str | None:
    """Return the language of the words between a line's Chinese, if they are sentences.

    Names, terms and commands are not: English must have its little words, another language must
    be plain.
    """
    if counts.cjk < _MIN_CJK_LETTERS or counts.joined_words < _MIN_WORDS_BESIDE:
        return None
    if counts.own or counts.odd:
        return None
    if counts.english >= max(_MIN_ENGLISH_WORDS - 1, _MIN_ENGLISH_SHARE * counts.joined_words):
        return "en"
    found, confidence = _by_model(_sample(line))
    return found if found != "en" and confidence >= _MIN_CONFIDENCE_BESIDE else None


def _num_words(line: str) -> float:
    num_cjk = 0 if line.isascii() else _count_characters(_CJK, line)
    return num_cjk / _CHARACTERS_PER_WORD + line.count(" ") + 1


def judge_language(document: Document, confidence: float, config: PrepareConfig) -> Document | Drop:
    """Return the document, or why its language does not stay."""
    if confidence < config.min_language_confidence:
        return Drop("language unclear", round(confidence, 3), config.min_language_confidence)
    if config.languages is not None and document.language not in config.languages:
        return Drop("language not wanted", document.language, ", ".join(config.languages))
    return document


def detect_language(text: str) -> tuple[str, float]:
    """Return the ISO 639-1 code of a text's language, and how sure that is, in [0, 1].

    >>> detect_language("他是一位工程师，住在上海。")
    ('zh', 1.0)
    >>> detect_language("Οι ρυθμίσεις ενός εγγράφου")
    ('el', 1.0)
    """
    if not text.isascii():
        counts = native.count_lines([text], _classes())[0]
        share = _cjk_share(counts)
        if share >= _MIN_CJK_SHARE:
            return _cjk_language(counts), round(share, 4)
    sample = _sample(text)
    num_letters = len(_LETTER.findall(sample))
    if num_letters == 0:
        return UNKNOWN_LANGUAGE, 0.0
    return _by_alphabet(sample, num_letters) or _by_english(sample) or _by_model(sample)


def _of_line(line: str, counts: LineCensus) -> tuple[str, float]:
    """Return what `detect_language` says of a line, mostly from its counts alone."""
    if counts.own or counts.odd:
        return detect_language(line)
    share = _cjk_share(counts)
    if share >= _MIN_CJK_SHARE:
        return _cjk_language(counts), round(share, 4)
    if counts.letters == 0:
        return UNKNOWN_LANGUAGE, 0.0
    if counts.english >= max(_MIN_ENGLISH_WORDS, _MIN_ENGLISH_SHARE * counts.joined_words):
        return "en", 1.0
    return _by_model(_sample(line))


def _sample(text: str) -> str:
    """Return the beginning of a text, without addresses in a text beyond ASCII."""
    if text.isascii():
        return text[:_SAMPLE_CHARS]
    return _CJK.sub("", _ADDRESS.sub(" ", text)[: 2 * _SAMPLE_CHARS])[:_SAMPLE_CHARS]


def _cjk_share(counts: LineCensus) -> float:
    if not counts.cjk:
        return 0.0
    return counts.cjk / max(1.0, counts.cjk + counts.words * _CHARACTERS_PER_WORD)


def _by_alphabet(sample: str, num_letters: int) -> tuple[str, float] | None:
    """Return the language that has an alphabet of its own, if most letters are of one."""
    if sample.isascii() or not _OWN_ALPHABET.search(sample):
        return None
    counts: Counter[str] = Counter()
    for match in _ALPHABET.finditer(sample):
        counts[str(match.lastgroup)] += len(_LETTER.findall(match[0]))
    language, count = counts.most_common(1)[0]
    return (language, 1.0) if 2 * count > num_letters else None


def _by_english(sample: str) -> tuple[str, float] | None:
    num_words, num_english = len(_OTHER_WORD.findall(sample)), len(_ENGLISH.findall(sample))
    is_english = num_english >= max(_MIN_ENGLISH_WORDS, _MIN_ENGLISH_SHARE * num_words)
    return ("en", 1.0) if is_english else None


def _by_model(sample: str) -> tuple[str, float]:
    if sample.isupper():
        sample = sample.lower()
    data = unicodedata.normalize("NFC", sample).encode("utf-8", "surrogatepass")
    languages, scorer = _model()
    scores = scorer.score(data)
    if scores is None:
        return UNKNOWN_LANGUAGE, 0.0
    shares = np.exp((scores - scores.max()) / np.sqrt(len(data)))  # as py3langid flattens them
    shares /= shares.sum()
    best = int(scores.argmax())
    return decide_neighbours(languages[best], sample), float(shares[best])


def _cjk_language(counts: LineCensus) -> str:
    if counts.hangul >= _MIN_HANGUL_SHARE * counts.cjk:
        return "ko"
    return "ja" if counts.kana >= _MIN_KANA_SHARE * counts.cjk else "zh"


def _count_characters(runs: re.Pattern[str], text: str) -> int:
    return sum(map(len, runs.findall(text)))


@functools.cache
def _classes() -> np.ndarray:
    """Return what each code point is, for `native.language.count_lines`."""
    points = np.arange(native.NUM_POINTS, dtype="<u4").tobytes()
    text = points.decode("utf-32-le", "surrogatepass")
    table = np.zeros(native.NUM_POINTS, np.uint8)
    for bit, runs in (
        (native.LETTER, r"[^\W\d_]+"),
        (native.CJK, _CJK),
        (native.KANA, _KANA),
        (native.HANGUL, _HANGUL),
        (native.OTHER, _OTHER_WORD),
        (native.IN_WORD, r"\w+"),
        (native.OWN, _OWN_ALPHABET),
        (native.ODD, "[\u0130\u0131\u017f]"),  # `re` takes them for i and s
    ):
        for match in re.finditer(runs, text):
            table[match.start() : match.end()] |= bit
    return table


@functools.cache
def _model() -> tuple[list[str], Scorer]:
    """Return py3langid's model for languages with an ISO 639-1 code.

    Those without are dialects and small languages that cost the large ones accuracy.
    """
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    of = LanguageIdentifier.from_model_file(MODEL_FILE)
    names = {name for name in of.labels if len(name) == 2} - _OF_THE_SCRIPTS
    of.set_languages(sorted(names))
    tables = (of.tk_nextmove, of.tk_row, of.tk_output, of.nb_ptc, of.nb_pc)
    return list(of.nb_classes), Scorer(Automaton(*map(np.asarray, tables)))
