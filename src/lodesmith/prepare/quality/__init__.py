"""Fourth step: rules and scores that tell text for readers from what pages are made of besides.

Rules are grouped into sets that a recipe switches one by one (`QualityConfig.rule_sets`):

    general            Gopher's rules for any language, with room for manuals    general.py
    chinese            punctuation, function words, characters                   chinese.py
    gopher_quality, gopher_repetition, c4, fineweb    exactly as published       published.py
    natural            no spun or stuffed text                      natural.py, keywords.py

The first rule that fails says what was measured and which limit it failed. What passes them is
scored, by the recipe's own scorer if it names one (scorer.py, labels.py).
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from lodesmith.data.documents import Document
from lodesmith.prepare.config import QualityConfig
from lodesmith.prepare.input.pages import Drop
from lodesmith.prepare.quality.chinese import chinese
from lodesmith.prepare.quality.faults import Fault, above, below, to_drop
from lodesmith.prepare.quality.general import general
from lodesmith.prepare.quality.natural import Naturalness, judge_naturalness
from lodesmith.prepare.quality.published import PUBLISHED
from lodesmith.prepare.quality.scorer import load_scorer
from lodesmith.prepare.words import split_words


def judge(
    document: Document, config: QualityConfig, *, code_lines: frozenset[str] = frozenset()
) -> Document | Drop:
    """Return the document, or the first rule that it breaks; C4 also takes lines out of it.

    Args:
        document: what is judged.
        config: rule sets and limits.
        code_lines: lines that may be repeated, as its headings may.
    """
    repeatable = code_lines.union(document.headings)
    for fault in _own_faults(document, config, repeatable):
        if fault is not None:
            return to_drop(fault)
    judged = _judge_as_published(document, config)
    return judged if isinstance(judged, Drop) else _score(judged, config)


def _own_faults(
    document: Document, config: QualityConfig, repeatable: frozenset[str]
) -> Iterator[Fault]:
    sets = config.rule_sets
    if "general" not in sets and "chinese" not in sets:
        return
    words = split_words(document.text)
    if "general" in sets:
        yield from general(document, words, config, repeatable)
    if "chinese" in sets:
        yield from chinese(document.text, words, config)


def _judge_as_published(document: Document, config: QualityConfig) -> Document | Drop:
    chosen = [name for name in PUBLISHED if name in config.rule_sets]
    if not chosen:
        return document
    from lodesmith.native.quality import WITH_C4, WITH_REPEATS, count_english

    which = WITH_REPEATS * ("gopher_repetition" in chosen) | WITH_C4 * ("c4" in chosen)
    found = count_english(document.text, which=which)
    for name in chosen:
        for fault in PUBLISHED[name](found.counts):
            if fault is not None:
                return to_drop(fault)
    if "c4" not in chosen:
        return document
    return _keep_c4_lines(document, found.kept_lines.tolist())


def _keep_c4_lines(document: Document, kept: list[int]) -> Document:
    import re

    citation = re.compile(r"\[[0-9]*\]|\[edit\]|\[citation needed\]")
    lines = [
        citation.sub("", line.strip())
        for line, stays in zip(document.text.splitlines(), kept, strict=True)
        if stays
    ]
    return replace(document, text="\n".join(lines).strip())


def _natural_faults(judged: Naturalness | None, config: QualityConfig) -> Iterator[Fault]:
    if judged is None:
        return
    yield above("stuffed with keywords", judged.stuffing, config.max_keyword_stuffing)
    yield below("reads as spun or stuffed", judged.score, config.min_naturalness)


def _score(document: Document, config: QualityConfig) -> Document | Drop:
    """Return the document with its scores among its measures, or which score is too low."""
    measures: dict[str, Any] = {}
    if "natural" in config.rule_sets:
        judged = judge_naturalness(document.text, document.language)
        for fault in _natural_faults(judged, config):
            if fault is not None:
                return to_drop(fault)
        score = None if judged is None else judged.score
        measures["naturalness"] = measures["quality_score"] = score
        if judged is not None:
            measures["keyword_stuffing"] = judged.stuffing
    if config.scorer is not None:
        measures["quality_score"] = score = load_scorer(Path(config.scorer)).score(document.text)
        fault = below("score too low", score, config.min_score)
        if fault is not None:
            return to_drop(fault)
    if not measures:
        return document
    return replace(document, measures={**document.measures, **measures})
