"""Ninth step: documents that hold benchmark items, dropped so that scores mean something.

A document goes if it shares a run of 13 words (30 Chinese characters) with an item of the given
files. An item shorter than that, but of at least 8 words, counts whole. The record says which item
it was: by the number of its file in the recipe and its line, so that it does not depend on where
the file lies.

Source: Brown et al., Language Models are Few-Shot Learners (arXiv:2005.14165), appendix C: runs of
8 to 13 words.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from lodesmith.core.errors import UserError
from lodesmith.data.documents import Document
from lodesmith.data.entries import JSON_ENDINGS, plain_name, read_entries, read_text
from lodesmith.data.rows import ROW_FAULTS, read_table_rows
from lodesmith.native.overlap import Runs
from lodesmith.prepare.config import DecontaminateConfig
from lodesmith.prepare.input.pages import Drop
from lodesmith.prepare.words import Hashes, Words, split_words

_MIN_ITEM_WORDS = 8  # as in the source; shorter items are found in text that never saw them
_LINE_ENDINGS = (".txt", ".csv", ".txt.gz", ".csv.gz", ".txt.zst", ".csv.zst")
_TABLE_ENDING = ".parquet"
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
    """Return the runs of the benchmark files; made once for files that stay as they are.

    Raises:
        UserError: a file cannot be read or is of another kind.
    """
    return _read_benchmarks(config, tuple(config.identity()["against"]))


@lru_cache(maxsize=1)
def _read_benchmarks(config: DecontaminateConfig, _digests: tuple[str, ...]) -> Benchmarks:
    names: list[str] = []
    texts: list[tuple[int, Hashes, int]] = []
    for number, path in enumerate(config.against, 1):
        for place, item in _items(Path(path)):
            words = split_words(item)
            length = min(_run_length(words, config), len(words.hashes))
            if length >= _MIN_ITEM_WORDS:
                texts.append((len(names), words.hashes, length))
                names.append(f"file {number}, {place}")
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


def _items(path: Path) -> Iterator[tuple[str, str]]:
    """Yield each item of a file, and in which line or row it stands."""
    name = plain_name(path).lower()
    if name.endswith(_TABLE_ENDING):
        yield from _table_items(path)
    elif name.endswith(JSON_ENDINGS):
        for line, entry in read_entries(path):
            yield from ((f"line {line}", text) for text in _strings(entry))
    elif name.endswith(_LINE_ENDINGS):
        for line, text in enumerate(read_text(path).split("\n"), 1):
            yield f"line {line}", text
    else:
        known = ", ".join((*_LINE_ENDINGS, *JSON_ENDINGS, _TABLE_ENDING))
        raise UserError(f"decontaminate.against: {path} is none of {known}")


def _table_items(path: Path) -> Iterator[tuple[str, str]]:
    try:
        for row in read_table_rows(path, columns=None):
            yield from ((f"row {row.number}", text) for text in _strings(row.values))
    except ROW_FAULTS as error:
        raise UserError(
            f"decontaminate.against: {path} is no whole Parquet table ({error}); fetch it again"
        ) from None


def _strings(value: Any) -> Iterator[str]:
    """Yield the texts in a record, however deep; bytes that are no text hold none (a picture)."""
    if isinstance(value, bytes):
        with suppress(UnicodeDecodeError):
            yield value.decode()
    elif isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _strings(item)
