"""Ninth step: documents that hold benchmark items, dropped so that scores mean something.

A document goes if it shares a run of 13 words (30 Chinese characters) with an item of the given
files. An item shorter than that, but of at least 8 words, counts whole.

Source: Brown et al., Language Models are Few-Shot Learners (arXiv:2005.14165), appendix C: runs of
8 to 13 words.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lodesmith.core.errors import UserError
from lodesmith.data.documents import Document
from lodesmith.prepare.config import DecontaminateConfig
from lodesmith.prepare.pages import Drop
from lodesmith.prepare.words import Hashes, Words, hash_runs, split_words

_MIN_ITEM_WORDS = 8  # as in the source; shorter items are found in text that never saw them
_MIN_CJK_FRACTION = 0.5  # of words, from which the length is counted in characters


@dataclass(frozen=True, slots=True)
class Benchmarks:
    """The runs of words that no document may hold."""

    runs: Mapping[int, Hashes]  # sorted hashes by length of the run in words

    @property
    def is_empty(self) -> bool:
        """Tell whether there is nothing to look for."""
        return not self.runs


def read_benchmarks(config: DecontaminateConfig) -> Benchmarks:
    """Return the runs of the benchmark files.

    Raises:
        UserError: a file cannot be read or is of another kind.
    """
    found: dict[int, list[Hashes]] = {}
    for name in config.against:
        for item in _items(Path(name)):
            words = split_words(item)
            length = min(_run_length(words, config), len(words.hashes))
            if length >= _MIN_ITEM_WORDS:
                found.setdefault(length, []).append(hash_runs(words.hashes, length))
    return Benchmarks(
        {length: np.unique(np.concatenate(found[length])) for length in sorted(found)}
    )


def check_contamination(document: Document, benchmarks: Benchmarks) -> Document | Drop:
    """Return the document, or how many of its runs are those of a benchmark."""
    if benchmarks.is_empty:
        return document
    hashes = split_words(document.text).hashes
    shared = 0
    for length, runs in benchmarks.runs.items():
        if len(hashes) >= length:
            shared += int(np.isin(hash_runs(hashes, length), runs).sum())
    return Drop("shares runs of words with a benchmark", shared, 0) if shared else document


def _run_length(words: Words, config: DecontaminateConfig) -> int:
    is_cjk = words.cjk_fraction >= _MIN_CJK_FRACTION
    return config.num_cjk_characters if is_cjk else config.num_words


def _items(path: Path) -> Iterator[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        if path.suffix == ".txt":
            yield from lines
        elif path.suffix == ".jsonl":
            for line in lines:
                yield from _strings(json.loads(line))
        else:
            raise UserError(f"decontaminate.against: {path} is neither .txt nor .jsonl")
    except OSError as error:
        raise UserError(
            f"decontaminate.against: {path} cannot be read ({error.strerror})"
        ) from None
    except ValueError as error:
        raise UserError(f"decontaminate.against: {path} is no valid file ({error})") from None


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _strings(item)
