"""Measures the memory that cleaning takes where documents are a few words long.

    bench/short_texts.py 65536 1000000 [--steps near_duplicates,all]

So many texts of three to nine words stand in one packed file, which is one shard whatever its
size. Each step is run alone, by two workers, then all of them with rules that let the texts
through. Memory is that of the process tree, shared pages counted once (PSS).
"""

import argparse
import json
import random
import shutil
import sys
import tempfile
from pathlib import Path

import zstandard

from prepare import run  # its neighbour

_PROGRAM = """
import sys
from lodesmith.prepare.clean import clean
from lodesmith.prepare.config import (
    DecontaminateConfig, ExactDuplicatesConfig, PrepareConfig, QualityConfig,
)
if __name__ == "__main__":
    folder, texts, benchmark, step = sys.argv[1:]
    repeated = 5 if step == "repeated_words" else None
    config = PrepareConfig(
        num_workers=2,
        quality=QualityConfig(rule_sets=()) if step == "all" else QualityConfig(),
        exact_duplicates=ExactDuplicatesConfig(min_repeated_words=repeated),
        decontaminate=DecontaminateConfig(against=(benchmark,), num_words=8),
    )
    steps = {"all": None, "repeated_words": ["exact_duplicates"]}.get(step, [step])
    print(clean([texts], output=folder + "/kept.jsonl", rejected=folder + "/rejected.jsonl",
                config=config, steps=steps).num_documents)
"""

_STEPS = (
    "extract", "repair", "language", "quality", "ads", "exact_duplicates", "repeated_words",
    "near_duplicates", "personal_data", "decontaminate", "all",
)  # fmt: skip
_ENGLISH = (
    "time year people way day man thing woman life child world school state family student group "
    "country problem hand part place case week company system program question work night point "
    "home water room mother area money story fact month lot right study book eye job word issue"
)
_CHINESE = "的一是不了人在有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下"


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures the memory of many short texts.")
    parser.add_argument("counts", type=int, nargs="+")
    parser.add_argument("--steps", default=",".join(_STEPS))
    arguments = parser.parse_args()
    for step in arguments.steps.split(","):
        for count in arguments.counts:
            with tempfile.TemporaryDirectory() as scratch:
                measure(step, count, Path(scratch))


def measure(step: str, count: int, scratch: Path) -> None:
    texts, benchmark = scratch / "texts.jsonl.zst", scratch / "benchmark.txt"
    benchmark.write_text(_ENGLISH, encoding="utf-8")
    write_texts(texts, count)
    folder = scratch / "clean"
    cost = run([sys.executable, "-c", _PROGRAM, folder, texts, benchmark, step], folder)
    print(
        f"{step:<18}{count:>10,} texts {cost['peak_bytes'] / 2**20:>6.0f} MiB "
        f"{cost['cpu_seconds']:>8.1f} CPU-s {cost['cpu_seconds'] / count * 1e6:>6.0f} us each",
        flush=True,
    )
    shutil.rmtree(folder)


def write_texts(path: Path, count: int) -> None:
    """Write texts of three to nine words, a third of six to sixteen Chinese characters."""
    draw, words = random.Random(7), _ENGLISH.split()
    with path.open("wb") as file, zstandard.ZstdCompressor().stream_writer(file) as writer:
        for number in range(count):
            english = " ".join(draw.choices(words, k=draw.randint(3, 9))) + "."
            chinese = "".join(draw.choices(_CHINESE, k=draw.randint(6, 16))) + "。"
            text = english if number % 3 else chinese
            writer.write((json.dumps({"text": text}, ensure_ascii=False) + "\n").encode())


if __name__ == "__main__":
    main()
