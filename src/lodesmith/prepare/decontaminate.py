"""Ninth step: documents that hold benchmark items, dropped so that scores mean something.

A document goes if it shares a run of 13 words (30 Chinese characters) with an item of the given
files. An item shorter than that, but of at least 8 words, counts whole. The record says which item
it was: by the number of its file in the recipe and its line, so that it does not depend on where
the file lies.

Source: Brown et al., Language Models are Few-Shot Learners (arXiv:2005.14165), appendix C: runs of
8 to 13 words.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lodesmith.core.errors import UserError
from lodesmith.data.documents import Document
from lodesmith.native.overlap import Runs
from lodesmith.prepare.config import DecontaminateConfig
from lodesmith.prepare.pages import Drop
from lodesmith.prepare.words import Hashes, Words, split_words

_MIN_ITEM_WORDS = 8  # as in the source; shorter items are found in text that never saw them
_PLAIN, _JSON_LINES = frozenset({".txt", ".csv"}), frozenset({".jsonl", ".json"})
_MIN_CJK_FRACTION = 0.5  # of words, from which the length is counted in characters


@dataclass(frozen=True, slots=True)
class Benchmarks:
    """The runs of words that no document may hold."""

    runs: Runs
    items: list[str]  # "file 1, line 12"

    @property
    def is_empty(self) -> bool:
        """Tell whether there is nothing to look for."""
        return not len(self.runs.hashes)


def read_benchmarks(config: DecontaminateConfig) -> Benchmarks:
    """Return the runs of the benchmark files.

    Raises:
        UserError: a file cannot be read or is of another kind.
    """
    names: list[str] = []
    texts: list[tuple[int, Hashes, int]] = []
    for number, path in enumerate(config.against, 1):
        for line, item in _items(Path(path)):
            words = split_words(item)
            length = min(_run_length(words, config), len(words.hashes))
            if length >= _MIN_ITEM_WORDS:
                texts.append((len(names), words.hashes, length))
                names.append(f"file {number}, line {line}")
    return Benchmarks(Runs.build(texts), names)


def check_contamination(document: Document, benchmarks: Benchmarks) -> Document | Drop:
    """Return the document, or which benchmark item it holds and how many of its runs."""
    if benchmarks.is_empty:
        return document
    shared, item = benchmarks.runs.find(split_words(document.text).hashes)
    if item is None:
        return document
    value = f"{benchmarks.items[item]} of decontaminate.against, {shared} runs"
    return Drop("shares runs of words with a benchmark", value)


def _run_length(words: Words, config: DecontaminateConfig) -> int:
    is_cjk = words.cjk_fraction >= _MIN_CJK_FRACTION
    return config.num_cjk_characters if is_cjk else config.num_words


def _items(path: Path) -> Iterator[tuple[int, str]]:
    """Yield each item of a file with the number of its line."""
    if path.suffix not in _PLAIN | _JSON_LINES:
        known = ", ".join(sorted(_PLAIN | _JSON_LINES))
        raise UserError(f"decontaminate.against: {path} is none of {known}")
    number = 0
    try:
        with path.open(encoding="utf-8", newline="\n") as file:
            for number, line in enumerate(file, 1):
                for item in [line] if path.suffix in _PLAIN else _strings(json.loads(line)):
                    yield number, item
    except OSError as error:
        raise UserError(
            f"decontaminate.against: {path} cannot be read ({error.strerror})"
        ) from None
    except ValueError as error:
        raise UserError(
            f"decontaminate.against: {path} has a torn line, {number} or the next ({error}); "
            "mend or remove it"
        ) from None


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _strings(item)
