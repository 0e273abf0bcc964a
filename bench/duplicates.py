"""What finding duplicates costs, beside three peers, and how the cost grows with the corpus.

    python3 -m venv /tmp/peers
    /tmp/peers/bin/pip install 'datatrove[processing]==0.10.1' datasketch rensa spacy
    .venv/bin/python bench/duplicates.py TEXTS.jsonl[.gz] --peers /tmp/peers/bin/python
    .venv/bin/python bench/duplicates.py TEXTS.jsonl[.gz] --growth
    .venv/bin/python bench/duplicates.py TEXTS.jsonl[.gz] --pairs [PAIRS.jsonl]

The first signs the same texts by 112 MinHash numbers over runs of five words, each tokeniser as its
maker ships it (the two without one split at white space, which leaves Chinese uncut). The
second makes corpora of 1 to 32 times the texts, each copy with changes of its own, and finds exact
copies, repeated lines and near copies in pieces of few MiB. The third counts the pairs that
`lodesmith clean --steps near_duplicates` finds, by their true Jaccard index: pairs of texts named
by the fields `a` and `b`, and each text with an edited copy of its own.
"""

import argparse
import gzip
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_PEERS = """
import json, sys, time
texts = [json.loads(line)["text"] for line in open(sys.argv[1], encoding="utf-8")]
name = sys.argv[2]
if name == "datatrove":
    from datatrove.pipeline.dedup import MinhashDedupSignature
    from datatrove.pipeline.dedup.minhash import MinhashConfig
    step = MinhashDedupSignature("/tmp", MinhashConfig(num_buckets=14, hashes_per_bucket=8))
    step.get_signature(step.get_shingles("one two three four five six"))
    sign = lambda text: step.get_signature(step.get_shingles(text))
elif name == "datasketch":
    from datasketch import MinHash
    def sign(text):
        words = text.lower().split()
        sketch = MinHash(num_perm=112)
        sketch.update_batch(
            [" ".join(words[i : i + 5]).encode() for i in range(max(1, len(words) - 4))]
        )
        return sketch
else:
    from rensa import RMinHash
    def sign(text):
        words = text.lower().split()
        sketch = RMinHash(num_perm=112, seed=1)
        sketch.update([" ".join(words[i : i + 5]) for i in range(max(1, len(words) - 4))])
        return sketch.digest()
start = time.process_time()
for text in texts:
    sign(text)
print(time.process_time() - start)
"""
_EDITED_CHARACTERS = 200
_PEER_BYTES = 1 << 20  # the slowest takes three seconds for it


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures the search for duplicates.")
    parser.add_argument("texts", type=Path, help="JSON lines with a field text, may be .gz")
    parser.add_argument("--peers", help="a Python that has datatrove, datasketch and rensa")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--growth", action="store_true")
    parser.add_argument("--pairs", type=Path, nargs="?", const=Path(os.devnull))
    parser.add_argument("--memory-mib", type=int, default=16, help="of one piece of a merge")
    parser.add_argument("--corpus", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    opener: Callable[..., Any] = gzip.open if arguments.texts.suffix == ".gz" else open
    with opener(arguments.texts, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    texts = [row["text"] for row in rows]
    if arguments.corpus:
        print(json.dumps(_find(texts, arguments.corpus, arguments.memory_mib << 20)))
    elif arguments.growth:
        _print_growth(arguments)
    elif arguments.pairs:
        lines = arguments.pairs.read_text("utf-8").splitlines()
        _print_named_pairs(rows, [(row["a"], row["b"]) for row in map(json.loads, lines)])
        _print_edited_pairs(texts)
    else:
        _print_signing(texts, arguments)


def _print_signing(texts: list[str], arguments: argparse.Namespace) -> None:
    from lodesmith.prepare.config import NearDuplicatesConfig
    from lodesmith.prepare.duplicates.signatures import sign

    chosen = _about(texts, _PEER_BYTES) if arguments.peers else texts
    num_bytes = sum(len(text.encode()) for text in chosen)
    rates: dict[str, list[float]] = {}
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:
        file.writelines(json.dumps({"text": text}) + "\n" for text in chosen)
        file.flush()
        for _ in range(arguments.rounds):
            for ngram in ("words", "characters"):
                config = NearDuplicatesConfig(ngram=ngram)
                sign(chosen[0], config)
                start = time.process_time()
                for text in chosen:
                    sign(text, config)
                seconds = time.process_time() - start
                rates.setdefault(f"lodesmith, {ngram}", []).append(num_bytes / seconds / 1e6)
            for peer in ("datatrove", "datasketch", "rensa") if arguments.peers else ():
                command = [arguments.peers, "-c", _PEERS, file.name, peer]
                run = subprocess.run(command, capture_output=True, text=True, check=True)
                seconds = float(run.stdout.split()[-1])
                rates.setdefault(peer, []).append(num_bytes / seconds / 1e6)
    ours = statistics.median(rates["lodesmith, words"])
    print(f"{num_bytes / 1e6:.1f} MB of text, medians of {arguments.rounds}")
    for name, values in rates.items():
        rate = statistics.median(values)
        print(f"{name:<24}{rate:>9.2f} MB/CPU-s   ours is {ours / rate:>7.1f} x")


def _about(texts: list[str], num_bytes: int) -> list[str]:
    """Return texts picked at even distances, of so many bytes together."""
    total = sum(len(text.encode()) for text in texts)
    step = max(1, total // num_bytes)
    return texts[::step]


def _print_growth(arguments: argparse.Namespace) -> None:
    base: float | None = None
    print(f"{'corpus':>7}{'documents':>11}{'MB':>8}{'CPU-s':>8}{'merges':>8}{'per 1x':>8}", end="")
    print(f"{'peak MiB':>10}{'pieces':>8}{'copies':>8}{'near':>8}")
    for times in (1, 2, 4, 8, 16, 32):
        command = [
            sys.executable, __file__, str(arguments.texts), "--corpus", str(times),
            "--memory-mib", str(arguments.memory_mib),
        ]  # fmt: skip
        runs = [
            json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            for _ in range(arguments.rounds)
        ]
        run = sorted(runs, key=lambda run: run["seconds"])[len(runs) // 2]
        each = run["seconds"] / times
        base = base or each
        print(
            f"{times:>6}x{run['documents']:>11,}{run['bytes'] / 1e6:>8.0f}{run['seconds']:>8.2f}"
            f"{run['merge_seconds']:>8.2f}{each / base:>8.2f}{run['peak_bytes'] >> 20:>10}"
            f"{run['pieces']:>8}{run['copies']:>8,}{run['near']:>8,}"
        )


def _print_named_pairs(rows: list[dict[str, str]], pairs: list[tuple[str, str]]) -> None:
    texts = {row["id"]: row["text"] for row in rows}
    pairs = [pair for pair in pairs if texts.keys() >= set(pair)]
    gone = _clean_near([(name, texts[name]) for name in dict.fromkeys(sum(pairs, ()))])
    found = [(_jaccard(texts[a], texts[b]), bool(gone & {a, b})) for a, b in pairs]
    _print_found("named pairs", found)


def _print_edited_pairs(texts: list[str]) -> None:
    chance = random.Random(1)
    texts = [text for text in dict.fromkeys(texts) if len(text) >= _EDITED_CHARACTERS]
    kept = _clean_near([(str(number), text) for number, text in enumerate(texts)])
    texts = [text for number, text in enumerate(texts) if str(number) not in kept]  # strangers
    edited = [_edit(text, chance.choice((0.95, 0.5)), chance) for text in texts]
    names = [f"edited {number}" for number in range(len(edited))]
    documents = [*zip(map(str, range(len(texts))), texts, strict=True)]
    gone = _clean_near([*documents, *zip(names, edited, strict=True)])
    again = _clean_near([*documents, *zip(names, edited, strict=True)], num_workers=2)
    found = [
        (_jaccard(text, other), name in gone)
        for text, other, name in zip(texts, edited, names, strict=True)
    ]
    _print_found("edited copies", found)
    print(f"the same pages go with one worker and with two: {gone == again}")


def _print_found(what: str, found: list[tuple[float, bool]]) -> None:
    above = [is_found for jaccard, is_found in found if jaccard > 0.9]
    below = [is_found for jaccard, is_found in found if jaccard < 0.6]
    print(f"{what:<15} above .9: {sum(above)} of {len(above)} lose one page; ", end="")
    print(f"below .6: {sum(below)} of {len(below)}")


def _clean_near(documents: list[tuple[str, str]], num_workers: int = 1) -> set[str]:
    """Return the names of the documents that the public step drops."""
    from lodesmith.prepare.clean import clean
    from lodesmith.prepare.config import PrepareConfig

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = [json.dumps({"id": name, "text": text}) + "\n" for name, text in documents]
        (folder / "in.jsonl").write_text("".join(lines))
        clean(
            [folder / "in.jsonl"], output=folder / "kept", rejected=folder / "dropped",
            config=PrepareConfig(num_workers=num_workers), steps=["near_duplicates"],
        )  # fmt: skip
        records = map(json.loads, (folder / "dropped").read_text("utf-8").splitlines())
        return {record["source"].partition("#")[2] for record in records}


def _jaccard(first: str, second: str) -> float:
    one, two = _runs(first), _runs(second)
    return len(one & two) / len(one | two)


def _runs(text: str) -> set[str]:
    """Return the runs of five characters, the step's definition, in the plainest way."""
    bare = "".join(text.lower().split())
    return {bare[at : at + 5] for at in range(max(1, len(bare) - 4))}


def _edit(text: str, jaccard: float, chance: random.Random) -> str:
    """Return a text with so many characters changed that its index is about the one given."""
    share = 1 - (2 * jaccard / (1 + jaccard)) ** (1 / 5)
    return "".join(chance.choice(text) if chance.random() < share else char for char in text)


def _vary(text: str, chance: random.Random) -> str:
    """Return a text as other sites would have it: the same, edited, or of other sentences."""
    kind = chance.random()
    if kind < 0.1:
        return text
    lines = text.split("\n")
    if kind < 0.4:
        lines[chance.randrange(len(lines))] = f"Edited on day {chance.random()}."
        return "\n".join(lines)
    mixed = [list(line) for line in lines]
    for line in mixed:
        for place in range(0, len(line), 4):
            line[place] = chance.choice("etaoinshrdlu的一是不了人我在有他")
    return "\n".join(map("".join, mixed))


def _find(texts: list[str], times: int, memory_bytes: int) -> dict[str, Any]:
    from lodesmith.data.documents import Document
    from lodesmith.prepare.config import ExactDuplicatesConfig, NearDuplicatesConfig
    from lodesmith.prepare.duplicates.exact_duplicates import TextHashes, merge_exact, read_copies
    from lodesmith.prepare.duplicates.near_duplicates import merge_near, read_similarities
    from lodesmith.prepare.duplicates.signatures import Signatures
    from lodesmith.prepare.shards.shard_files import Parts

    exact, near = ExactDuplicatesConfig(), NearDuplicatesConfig()
    result = {"documents": len(texts) * times, "bytes": 0, "copies": 0, "near": 0}
    started, making = time.process_time(), 0.0
    with tempfile.TemporaryDirectory() as name:
        parts = Parts(Path(name), 2 * times)
        for shard in range(parts.num_shards):
            start, chance = time.process_time(), random.Random(shard)
            some = [_vary(text, chance) for text in texts[shard % 2 :: 2]]
            result["bytes"] += sum(len(text.encode()) for text in some)
            making += time.process_time() - start
            hashes, signatures = TextHashes(exact), Signatures(near)
            for text in some:
                document = Document(id="", source="", url="", language="", text=text)
                hashes.add(document, frozenset())
                signatures.add(text)
            hashes.write(parts, shard)
            signatures.write(parts, shard)
        before = time.process_time()
        texts_cut = merge_exact(parts, exact, memory_bytes, _map_tasks)
        near_cut = merge_near(parts, near, memory_bytes, _map_tasks)
        after = time.process_time()
        for shard in range(parts.num_shards):
            result["copies"] += len(read_copies(parts, shard, texts_cut.copies))
            result["near"] += len(read_similarities(parts, shard, near_cut.near, near))
        result["pieces"] = len(list(Path(name).glob("links-*")))
    return {
        **result,
        "seconds": after - started - making,
        "merge_seconds": after - before,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10,
    }


def _map_tasks(work: Callable[..., Any], tasks: dict[str, tuple[Any, ...]]) -> list[Any]:
    return [work(*arguments) for arguments in tasks.values()]


if __name__ == "__main__":
    main()
