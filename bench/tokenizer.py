"""How fast tokenizers are trained and text is encoded here, with the ids compared on every page.

    .venv/bin/python bench/tokenizer.py lodesmith-workspace/artifacts/prepare-*

The folder holds `documents-*.jsonl.zst`. Both encoders run in this process on one thread, one after
the other on the same texts; each figure is the best of three runs, so that a busy machine counts
less. (The file is not called tokenize.py: beside a script that name would hide Python's own.)
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["TOKENIZERS_PARALLELISM"] = "false"

from lodesmith.data.documents import read_folder
from lodesmith.data.tokenizer import Tokenizer
from lodesmith.lineage.text_index import TextIndex, build_text_index
from lodesmith.tokenize.bpe import train_tokenizer


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures training and encoding of tokenizers.")
    parser.add_argument("documents", type=Path, help="folder with documents-*.jsonl.zst")
    parser.add_argument("--vocab-size", type=int, default=8192)
    arguments = parser.parse_args()
    texts = [document.text for document in read_folder(arguments.documents)]
    with tempfile.TemporaryDirectory() as scratch:
        print(json.dumps(measure(texts, arguments.vocab_size, Path(scratch)), indent=2))


def measure(texts: list[str], vocab_size: int, scratch: Path) -> dict[str, Any]:
    megabytes = sum(len(text.encode()) for text in texts) / 1e6

    def train() -> Tokenizer:
        return train_tokenizer(scratch / "tokenizer", texts, vocab_size=vocab_size)

    training_seconds, tokenizers = time_best(train)
    tokenizer = tokenizers[0]
    tokenizer.encode("warm")
    quick_seconds, quick = time_best(lambda: [tokenizer.encode(text) for text in texts])
    engine = tokenizer._engine_without_special
    plain_seconds, plain = time_best(
        lambda: [engine.encode(text, add_special_tokens=False).ids for text in texts]
    )
    index_seconds, _ = time_best(lambda: build_text_index(scratch / "index", texts))
    return {
        "documents": len(texts),
        "megabytes": round(megabytes, 3),
        "vocab_size": tokenizer.vocab_size,
        "training_megabytes_per_second": round(megabytes / training_seconds, 2),
        "three_trainings_give_equal_bytes": len({each.digest for each in tokenizers}) == 1,
        "encoding_megabytes_per_second": {
            "tiktoken": round(megabytes / quick_seconds, 2),
            "tokenizers": round(megabytes / plain_seconds, 2),
        },
        "documents_with_different_ids": count_different(quick[0], plain[0]),
        "documents_that_do_not_come_back": sum(
            tokenizer.decode(ids) != text for ids, text in zip(quick[0], texts, strict=True)
        ),
        "bytes_per_token": round(megabytes * 1e6 / sum(map(len, quick[0])), 3),
        "index_seconds": round(index_seconds, 2),
        "index_bytes_per_text_byte": round(
            sum(path.stat().st_size for path in (scratch / "index").iterdir()) / megabytes / 1e6, 2
        ),
        "find_milliseconds": find_milliseconds(scratch / "index", texts),
    }


def find_milliseconds(folder: Path, texts: list[str]) -> float:
    """Return the mean time to find a sentence of 40 characters from the middle of a document."""
    index = TextIndex.open(folder)
    long_enough = [text for text in texts if len(text) > 200][:: max(1, len(texts) // 200)]
    started = time.perf_counter()
    for text in long_enough:
        wanted = text[80:120]
        if not index.find(wanted, fetch=texts.__getitem__, limit=1):
            raise SystemExit("the index does not find a sentence of the text")
    return round((time.perf_counter() - started) / len(long_enough) * 1000, 3)


def time_best(work: Callable[[], Any]) -> tuple[float, list[Any]]:
    """Return the seconds of the quickest of three runs, and what each returned."""
    seconds, results = [], []
    for _ in range(3):
        started = time.perf_counter()
        results.append(work())
        seconds.append(time.perf_counter() - started)
    return min(seconds), results


def count_different(one: list[list[int]], other: list[list[int]]) -> int:
    """Return how many documents have other ids in the second list."""
    return sum(first != second for first, second in zip(one, other, strict=True))


if __name__ == "__main__":
    main()
