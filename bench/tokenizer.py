"""How fast tokenizers are learnt and text becomes token sets, beside the libraries people use.

    .venv/bin/python bench/tokenizer.py lodesmith-workspace/artifacts/prepare-*
    .venv/bin/pip install rustbpe                            # optional: one more peer of learning

The folder holds `documents-*.jsonl.zst`. All run in this process on the same texts, in turn,
`--runs` times; figures are medians in MB of UTF-8 text for a CPU-second of all threads.

- learning: `native/bpe.c` beside the `tokenizers` library (the same tokenizer.json comes out, which
  is checked) and rustbpe.
- encoding: text to a token set on disk, beside tiktoken's ids in memory and the `tokenizers`
  library's; ids are compared on every document.

(The file is not called tokenize.py: beside a script that name would hide Python's own.)
"""

import argparse
import importlib.util
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lodesmith.data.byte_level import SPLIT_PATTERN
from lodesmith.data.documents import read_folder
from lodesmith.data.tokenizer import Tokenizer
from lodesmith.data.tokens import TokenSet, write_token_set
from lodesmith.lineage.text_index import TextIndex, build_text_index
from lodesmith.tokenize.bpe import train_tokenizer

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
from library_tokenizer import train_with_the_library


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("documents", type=Path, help="folder with documents-*.jsonl.zst")
    parser.add_argument("--vocab-size", type=int, default=8192)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    texts = [document.text for document in read_folder(arguments.documents)]
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    print(f"{len(texts):,} documents, {megabytes:.1f} MB, {arguments.vocab_size} ids")
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        measure_learning(texts, megabytes, arguments, scratch)
        tokenizer = Tokenizer.load(scratch / "tokenizer")
        measure_encoding(texts, megabytes, arguments.runs, tokenizer, scratch)
        measure_index(texts, megabytes, scratch)


def measure_learning(
    texts: list[str], megabytes: float, arguments: argparse.Namespace, scratch: Path
) -> None:
    size = arguments.vocab_size
    ways: dict[str, Callable[[], Any]] = {
        "lodesmith": lambda: train_tokenizer(scratch / "tokenizer", texts, vocab_size=size),
        "tokenizers": lambda: train_with_the_library(texts, size),
    }
    if importlib.util.find_spec("rustbpe"):
        ways["rustbpe"] = lambda: train_with_rustbpe(texts, size)
    results = show("learning", ways, megabytes, arguments.runs)
    ours = (scratch / "tokenizer" / "tokenizer.json").read_text(encoding="utf-8")
    print(f"  equal tokenizer.json: {ours == results['tokenizers']}")


def train_with_rustbpe(texts: list[str], vocab_size: int) -> Any:
    import rustbpe

    tokenizer = rustbpe.Tokenizer()
    tokenizer.train_from_iterator(iter(texts), vocab_size, pattern=SPLIT_PATTERN)
    return tokenizer


def measure_encoding(
    texts: list[str], megabytes: float, runs: int, tokenizer: Tokenizer, scratch: Path
) -> None:
    quick, engine = tokenizer._tiktoken, tokenizer._engine_without_special
    assert quick is not None

    def write() -> None:
        write_token_set(
            scratch / "set",
            ((f"d{number}", tokenizer.encode_array(text)) for number, text in enumerate(texts)),
            vocab_size=tokenizer.vocab_size,
            tokenizer_digest=tokenizer.digest,
            separator_id=tokenizer.end_of_text_id,
        )

    ways: dict[str, Callable[[], Any]] = {
        "lodesmith, to a token set": write,
        "tiktoken, ids only": lambda: [quick.encode_ordinary(text) for text in texts],
        "tokenizers, ids only": lambda: [
            encoding.ids for encoding in engine.encode_batch(texts, add_special_tokens=False)
        ],
    }
    results = show("encoding", ways, megabytes, runs)
    tokens = TokenSet.open(scratch / "set")
    start, different = 0, 0
    for end, ids in zip(tokens.ends.tolist(), results["tokenizers, ids only"], strict=True):
        different += tokens.tokens[start + 1 : end].tolist() != ids
        start = end
    per_token = megabytes * 1e6 / (tokens.num_tokens - tokens.num_documents)
    print(f"  documents with other ids than the exported tokenizer.json gives: {different}")
    print(f"  bytes a token: {per_token:.3f}")


def measure_index(texts: list[str], megabytes: float, scratch: Path) -> None:
    started = time.process_time()
    build_text_index(scratch / "index", texts)
    seconds = time.process_time() - started
    size = sum(path.stat().st_size for path in (scratch / "index").iterdir()) / 1e6
    print(
        f"text index: {megabytes / seconds:.1f} MB/s, {size / megabytes:.2f} bytes a byte of text"
    )
    index = TextIndex.open(scratch / "index")
    long_enough = [text for text in texts if len(text) > 200][:: max(1, len(texts) // 200)]
    started = time.process_time()
    for text in long_enough:
        if not index.find(text[80:120], fetch=texts.__getitem__, limit=1):
            raise SystemExit("the index does not find a sentence of the text")
    each = (time.process_time() - started) / max(1, len(long_enough))
    print(f"  a sentence of 40 characters is found in {each * 1000:.2f} ms")


def show(
    title: str, ways: dict[str, Callable[[], Any]], megabytes: float, runs: int
) -> dict[str, Any]:
    """Run all ways in turn, print their medians and ratios to the first, return their results."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    results: dict[str, Any] = {}
    for _ in range(runs):
        for name, work in ways.items():
            started = time.process_time()
            results[name] = work()
            seconds[name].append(time.process_time() - started)
    first = statistics.median(next(iter(seconds.values())))
    print(title)
    for name, each in seconds.items():
        median = statistics.median(each)
        print(f"  {name:<28}{megabytes / median:8.2f} MB/s   lodesmith is x {median / first:.2f}")
    return results


if __name__ == "__main__":
    main()
