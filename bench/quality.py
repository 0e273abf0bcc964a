"""Rules on quality beside datatrove's: every decision compared, and megabytes of text a CPU-second.

    python -m venv /tmp/peer; /tmp/peer/bin/pip install 'datatrove[processing]==0.10.1' spacy nltk
    .venv/bin/python bench/quality.py TEXTS.jsonl --peer /tmp/peer/bin/python

TEXTS: one {"text": ...} a line, as `lodesmith clean` writes them. Both sides judge the same texts
with the filters' published settings; datatrove's cache of words is emptied before each filter, as
in a run where each filter works through the corpus. Without --peer only our speed is measured.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from lodesmith.data.documents import Document
from lodesmith.native.quality import count_english, split_english
from lodesmith.prepare.config import QualityConfig
from lodesmith.prepare.input.pages import Drop
from lodesmith.prepare.quality import judge
from lodesmith.prepare.quality.published import PUBLISHED

_PEER = """
import json, sys, time, warnings
warnings.filterwarnings("ignore")
from datatrove.data import Document
from datatrove.pipeline.filters import (
    C4QualityFilter, FineWebQualityFilter, GopherQualityFilter, GopherRepetitionFilter)
from datatrove.utils.text import split_into_parts, split_into_words
filters = {"gopher_quality": GopherQualityFilter(), "gopher_repetition": GopherRepetitionFilter(),
           "fineweb": FineWebQualityFilter(), "c4": C4QualityFilter()}
texts = [json.loads(line)["text"] for line in open(sys.argv[1], encoding="utf-8")]
split_into_words("warm up")
seconds, rows = dict.fromkeys(filters, 0.0), []
for text in texts:
    row = {"num_words": len(split_into_words(text))}
    for name, quality in filters.items():
        split_into_parts.cache_clear()
        document = Document(text=text, id="")
        started = time.process_time()
        try:
            kept = quality.filter(document)
        except ZeroDivisionError:
            kept = (False, "error")
        seconds[name] += time.process_time() - started
        row[name] = kept is True
        if name == "c4" and kept is True:
            row["c4_text"] = document.text
    rows.append(row)
json.dump({"seconds": seconds, "rows": rows}, open(sys.argv[2], "w", encoding="utf-8"))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("texts", type=Path)
    parser.add_argument("--peer", help="a Python that has datatrove")
    parser.add_argument("--limit", type=int, default=4000, help="documents")
    arguments = parser.parse_args()
    lines = arguments.texts.read_text("utf-8").splitlines()[: arguments.limit]
    texts = [json.loads(line)["text"] for line in lines]
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    print(f"{len(texts)} documents, {megabytes:.1f} MB; MB of text a CPU-second")
    ours = measure_ours(texts)
    if arguments.peer is None:
        for name, seconds in ours.items():
            print(f"{name:20} {megabytes / seconds:8.1f}")
        return
    peer = run_peer(arguments.peer, lines)
    for name, seconds in ours.items():
        theirs = peer["seconds"].get(name)
        if name == "all four":
            theirs = sum(peer["seconds"].values())
        if theirs is None:
            print(f"{name:20} {megabytes / seconds:8.1f}")
            continue
        rate, peer_rate = megabytes / seconds, megabytes / theirs
        print(f"{name:20} {rate:8.1f}  datatrove {peer_rate:6.2f}  {rate / peer_rate:6.0f} x")
    compare(texts, peer["rows"])


def measure_ours(texts: list[str]) -> dict[str, float]:
    """Return CPU-seconds for each rule set alone, and for all four in one pass."""
    chosen = {name: QualityConfig(rule_sets=(name,)) for name in PUBLISHED}
    chosen["all four"] = QualityConfig(rule_sets=tuple(PUBLISHED))
    chosen["general, chinese"] = QualityConfig(rule_sets=("general", "chinese"))
    chosen["natural"] = QualityConfig(rule_sets=("natural",))
    spent = {}
    for name, config in chosen.items():
        judge(to_document(texts[0]), config)
        started = time.process_time()
        for text in texts:
            if name == "all four":  # also those that one set drops: nothing is left out
                count_english(text)
            else:
                judge(to_document(text), config)
        spent[name] = time.process_time() - started
    return spent


def to_document(text: str) -> Document:
    return Document(id="", source="", url="", language="en", text=text)


def run_peer(python: str, lines: list[str]) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        inputs, result = Path(folder, "texts.jsonl"), Path(folder, "result.json")
        inputs.write_text("\n".join(lines), encoding="utf-8")
        subprocess.run([python, "-c", _PEER, inputs, result], check=True, stdout=sys.stderr)
        return json.loads(result.read_text("utf-8"))


def compare(texts: list[str], rows: list[dict]) -> None:
    """Print how many decisions agree."""
    same, first = Counter(), {}
    for number, (text, row) in enumerate(zip(texts, rows, strict=True)):
        agrees = {"number of words": len(split_english(text)) == row["num_words"]}
        for name in PUBLISHED:
            result = judge(to_document(text), QualityConfig(rule_sets=(name,)))
            agrees[name] = isinstance(result, Document) == row[name]
            if name == "c4" and not isinstance(result, Drop) and row[name]:
                agrees["text that c4 leaves"] = result.text == row["c4_text"]
        for name, agreed in agrees.items():
            same[name, agreed] += 1
            if not agreed:
                first.setdefault(name, number)
    print("decisions that agree:")
    for name in dict.fromkeys(name for name, _ in same):
        agreed, differ = same[name, True], same[name, False]
        note = f", the first in document {first[name]}" if name in first else ""
        print(f"{name:20} {agreed} of {agreed + differ}{note}")


if __name__ == "__main__":
    main()
