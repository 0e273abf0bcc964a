"""How natural a Chinese or English text reads: spun and stuffed text score low, without labels.

Text spun by replacing words with synonyms holds rare words that stand once, pairs of words that
nobody puts side by side, and words that do not fit among their neighbours; text stuffed with
keywords repeats the same few content words with little grammar between them. All of it shows in
statistics that a file of a few megabytes can hold.

A text becomes a sequence of symbols: how frequent each word is and whether the text repeats it;
for each pair, whether it is usual, given how frequent its words are; for each triple, given its
pairs. What each symbol says about spinning is a log-odds learnt by spinning good text. A small
network judges each word by those around it (`native/replaced.c`). Such sums and shares go through
one logistic function, six measures of repetition and grammar through another. Keywords are also
told by where they stand (`keywords.py`); a text stuffed with them scores low whatever else it says.
`bench/make_naturalness.py` makes the file again from packages.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lodesmith.native import naturalness as native
from lodesmith.native import words as native_words
from lodesmith.native.replaced import LEVELS, TABLES, Detector, Network, Replaced
from lodesmith.prepare.quality.judged_lines import (
    LANGUAGES,
    MIN_WORDS,
    SCANNED_CHARS,
    find_judged,
)
from lodesmith.prepare.quality.keywords import measure_stuffing

Numbers = NDArray[np.float64]
Places = NDArray[np.int64]

MODEL_FILE = Path(__file__).with_name("natural.npz")

PAIR_SALT, TRIPLE_SALT, EDGE_SALT = (np.uint64(salt) for salt in (0x9D1B, 0xA3C7, 0xE5F1))
SORTS = native.RunSorts(
    salts=(int(PAIR_SALT), int(TRIPLE_SALT), int(EDGE_SALT)), num_levels=(3, 1, 3)
)

_WORD_KINDS, _PAIR_KINDS, _TRIPLE_KINDS, _SIZE_KINDS = 9, 8, 3, 4
TABLE_SHAPES = (
    (_WORD_KINDS,), (_WORD_KINDS**2, _PAIR_KINDS), (_PAIR_KINDS**2, _TRIPLE_KINDS),
    (_SIZE_KINDS * 6,),
)  # fmt: skip
PAIRS = 1  # place of the symbols of pairs
NUM_SPUN = (
    4 + 5 + 1 + len(LEVELS)
)  # features of the first head; the rest are the second's; both have the last

NETWORK_NUMBERS = ("hidden_shift", "offset", "scale")

# What stuffing takes from the score: nothing up to a half, all but 0.02 of it at 1.
_FREE_STUFFING, _STUFFING_SLOPE = 0.5, 8.0

_STOPS = "。？！.?!"

# Words of grammar, which no one stuffs a page with.
_FUNCTION_CHARACTERS = (
    "的了是在和有不这我他她它你您们就也为与及以于而或之对从到把被将可能会要都还但并等其此所如若"
    "则因由使让向给中上下个那么很得地着过吗呢吧啊又再更最只才却没说去来做出里后前时年月日"
    "一二三四五六七八九十两几多少每各该"
)
_FUNCTION_ZH = """
    我们 他们 你们 它们 自己 可以 因为 所以 但是 没有 什么 这个 那个 一个 如果 或者 以及 进行
    通过 由于 其中 这些 那些 这样 这种 一种 已经 可能 需要 应该 能够 不是 就是 还是 而且 然后
    并且 为了 关于 对于 根据 按照 以后 之后 之前 以前 时候 现在 今天 目前 虽然 不过 只有 只要
    即使 一些 一样 非常 之间 同时 另外 此外 例如 比如 包括 使用 如何 怎么 为什么
"""
_FUNCTION_EN = (
    "the a an of to and in is are was were be been being it its that this these those for on with "
    "as by at from or not no nor but he she they we you i his her hers their our your my me him "
    "them us has have had having do does did done will would can could may might must shall should "
    "if when while then than so such there here what which who whom whose how why where up out "
    "about into over after before between under more most some any all each every other another "
    "only also very just own same both few many much because until again further during against "
    "through now even still yet however since though although without within upon per via one two "
    "first new said like get make use used using"
)


@dataclass(frozen=True, slots=True)
class Naturalness:
    """What is said of a text."""

    score: float  # how natural it reads, 0 to 1
    stuffing: float  # how far it is stuffed with keywords: 0 for most, 1 for hardly any good one


@dataclass(frozen=True, slots=True)
class Statistics:
    """What a text shows, as far as it does not depend on what was learnt."""

    symbols: list[Places]  # of words, pairs, triples, sizes: places in the tables
    shares: list[float]  # of words at each level of frequency
    replaced: list[float]  # how many words seem to stand in the place of others
    stuffing: list[float]
    keywords: float  # as of `measure_stuffing`
    num_words: int


@dataclass(frozen=True, slots=True)
class NaturalModel:
    """What the model file holds: usual runs for both languages, weights for each."""

    bits: NDArray[np.uint8]
    function_words: NDArray[np.uint64]  # sorted hashes
    detectors: dict[str, Detector]
    tables: dict[str, list[Numbers]]  # log-odds of each symbol
    weights: dict[str, Numbers]  # (2, features + 1): spun, stuffed; the last is the offset
    scales: dict[str, Numbers]  # (2, features): mean and deviation


def score_naturalness(text: str, language: str) -> float | None:
    """Return how natural a text reads, 0 to 1; None where nothing can be said."""
    judged = judge_naturalness(text, language)
    return None if judged is None else judged.score


def judge_naturalness(text: str, language: str) -> Naturalness | None:
    """Return how natural a text reads and how far it is stuffed; None where nothing can be said.

    Spun and stuffed are judged by themselves, so that neither hides the other; good texts repeat
    their subject more or less, and only more than nearly all of them do says something. 0.5 is
    what about one in twenty good texts falls below, and most spun ones.

    Args:
        text: lines of a document.
        language: ISO 639-1 code; "und" is taken for Chinese or English if its words are.
    """
    judged = find_judged(text, language)
    if judged is None:
        return None
    known, text = judged
    model = load_model()
    found = measure(text, model.bits, model.function_words, model.detectors[known])
    if found is None:
        return None
    features = to_features(found, model.tables[known])
    mean, deviation = model.scales[known]
    scaled = np.clip((features - mean) / deviation, -4, 4)
    logits = model.weights[known][:, :-1] @ scaled + model.weights[known][:, -1]
    spun, stuffed = np.minimum(logits, 30.0).tolist()
    excess = max(stuffed, 0.0) + _STUFFING_SLOPE * max(found.keywords - _FREE_STUFFING, 0.0)
    score = float(np.exp(-excess) / (1 + np.exp(spun)))
    return Naturalness(score=round(score, 4), stuffing=round(found.keywords, 4))


@cache
def load_model() -> NaturalModel:
    """Return the model that ships with the package."""
    with np.load(MODEL_FILE, allow_pickle=False) as file:
        return NaturalModel(
            bits=file["bits"],
            function_words=file["function_words"],
            detectors={name: Detector(read_network(file, name)) for name in LANGUAGES},
            tables={
                name: [file[f"{name}_table_{n}"] for n in range(len(TABLE_SHAPES))]
                for name in LANGUAGES
            },
            weights={name: file[f"{name}_weights"] for name in LANGUAGES},
            scales={name: file[f"{name}_scales"] for name in LANGUAGES},
        )


def read_network(file: Any, language: str) -> Network:
    """Return the network that `pack_network` packed."""
    read = {name: file[f"{language}_network_{name}"] for name in TABLES}
    numbers = file[f"{language}_network_numbers"].tolist()
    read["vectors"] = read["vectors"].astype(np.int16)
    return Network(**read, **dict(zip(NETWORK_NUMBERS, numbers, strict=True)))


def pack_network(network: Network, language: str) -> dict[str, NDArray[Any]]:
    """Return the arrays that the model file holds of a network."""
    arrays = {f"{language}_network_{name}": getattr(network, name) for name in TABLES}
    numbers = [getattr(network, name) for name in NETWORK_NUMBERS]
    vectors = network.vectors.astype(np.int8)  # half the file
    return arrays | {
        f"{language}_network_vectors": vectors,
        f"{language}_network_numbers": np.array(numbers, np.int64),
    }


def hash_function_words(bits: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return the sorted hashes of the words of grammar."""
    function = (*_FUNCTION_CHARACTERS, *_FUNCTION_ZH.split(), *_FUNCTION_EN.split())
    found = [cut(word, bits)[0] for word in function]
    return np.unique(np.concatenate([words for words in found if len(words) == 1]))


def cut(text: str, bits: NDArray[np.uint8]) -> tuple[Any, Any, Any, Any]:
    """Return the words of a text, their levels and sizes, and the hashes of their parts."""
    parts, _, flags = native_words.split(text.encode("utf-8", "replace"))
    return (*native.segment(parts, (flags & 1).astype(np.uint8), bits), parts)


def measure(
    text: str,
    bits: NDArray[np.uint8],
    function_words: NDArray[np.uint64],
    detector: Detector,
) -> Statistics | None:
    """Return the statistics of a text, None if it is too short."""
    text = text[:SCANNED_CHARS]
    parts, _, flags = native_words.split(text.encode("utf-8", "replace"))
    if len(parts) < MIN_WORDS:
        return None
    found = native.measure(parts, flags, bits, function_words, SORTS)
    if found.num_words < MIN_WORDS:
        return None
    return Statistics(
        symbols=found.symbols,
        shares=[_logit(count, found.num_words) for count in found.num_at_level],
        replaced=_find_replaced(
            detector.read(found.words, found.sizes, flags, found.symbols[PAIRS])
        ),
        stuffing=_find_stuffing(text, found),
        keywords=measure_stuffing(found.keywords, len(parts)),
        num_words=found.num_words,
    )


def _find_replaced(found: Replaced) -> list[float]:
    above = (_logit(count, found.num_judged, prior=0.1, weight=10) for count in found.num_above)
    return [found.sum / (found.num_judged + 15), *above]


def _find_stuffing(text: str, found: native.Measured) -> list[float]:
    """Return repetition of content words, and lack of grammar and full stops, as logarithms."""
    num_words = found.num_words
    tops = (run * top for run, top in enumerate(found.tops, 1))
    return [
        *(float(np.log((top + 0.5) / (num_words + 10))) for top in tops),
        -_logit(found.num_function, num_words, prior=0.2, weight=10),
        -_logit(sum(map(text.count, _STOPS)), num_words, prior=0.04, weight=10),
        float(np.log((found.num_covered + 0.5) / (num_words + 10))),
    ]


def _logit(hits: int, total: int, prior: float = 0.5, weight: float = 4) -> float:
    share = (hits + prior * weight) / (total + weight)
    return float(np.log(max(share, 1e-6) / max(1 - share, 1e-6)))


def to_features(found: Statistics, tables: list[Numbers]) -> Numbers:
    """Return what the two logistic functions weigh."""
    odds = [
        float(table[places].sum()) / (len(places) + 15)  # short texts stay near zero
        for table, places in zip(tables, found.symbols, strict=True)
    ]
    return np.array(
        [*odds, *found.shares, *found.replaced, *found.stuffing, np.log(found.num_words)]
    )
