"""Measures raw WARC -> clean, deduplicated documents, beside datatrove's FineWeb-like pipeline.

    bench/prepare.py FOLDER... --peer PYTHON [--pages 1500] [--growth 1 8 32]

FOLDERs hold HTML pages (`.html`, `.htm`, `.xhtml`, also `.gz`), for instance unpacked Debian
packages (`apt-get download debian-handbook libreoffice-help-en-gb; dpkg-deb -x ...`) and the pages
of article-extraction-benchmark. PYTHON is a virtual environment's with the peer in it:

    python3 -m venv peer && peer/bin/pip install 'datatrove[processing]==0.10.1' python-magic \\
        warcio faust-cchardet spacy fasteners lxml_html_clean orjson tldextract 'numpy<2.4'

Both read the same file of `response` records with two workers and take the same decisions: main
content, Gopher's, C4's and FineWeb's rules as published, near duplicates by MinHash. The language
filter is left out of both, because the peer's downloads its model. CPU time is that of the whole
process tree, the start of Python included.

Growth: the same pages again and again, a third of the words of each copy changed for others of
the page, so that copies are no near duplicates; all nine steps, then with stretches of fifty
repeated words cut out as well. Busy is CPU time over wall time and workers: 1 is all cores all the
time, on an otherwise idle machine.
"""

import argparse
import gzip
import json
import os
import random
import re
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

_OURS = """
import sys
from lodesmith.prepare.clean import clean
from lodesmith.prepare.config import ExactDuplicatesConfig, PrepareConfig, QualityConfig
rules = ("gopher_repetition", "gopher_quality", "c4", "fineweb")
if __name__ == "__main__":
    folder, warc, steps, repeated = sys.argv[1:5]
    exact = ExactDuplicatesConfig(min_repeated_words=int(repeated) or None)
    config = PrepareConfig(
        num_workers=2, quality=QualityConfig(rule_sets=rules), exact_duplicates=exact
    )
    print(clean([warc], output=folder + "/kept.jsonl", rejected=folder + "/rejected.jsonl",
                config=config, steps=steps.split(",") if steps else None).to_text())
"""

_THEIRS = """
import sys
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import (
    MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature,
)
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.pipeline.extractors import Trafilatura
from datatrove.pipeline.filters import (
    C4QualityFilter, FineWebQualityFilter, GopherQualityFilter, GopherRepetitionFilter,
)
from datatrove.pipeline.readers import JsonlReader, WarcReader
from datatrove.pipeline.writers import JsonlWriter
from datatrove.utils.hashing import HashConfig

def main():
    folder, warcs = sys.argv[1:3]
    def run(pipeline, tasks, name):
        LocalPipelineExecutor(
            pipeline=pipeline, tasks=tasks, workers=2, logging_dir=f"{folder}/logs/{name}"
        ).run()
    run([
        WarcReader(warcs, glob_pattern="*.warc.gz"),
        Trafilatura(favour_precision=True, timeout=10),
        GopherRepetitionFilter(), GopherQualityFilter(),
        C4QualityFilter(filter_no_terminal_punct=False), FineWebQualityFilter(),
        JsonlWriter(f"{folder}/filtered"),
    ], 2, "filter")
    config = MinhashConfig(
        hash_config=HashConfig(precision=64), num_buckets=14, hashes_per_bucket=8, n_grams=5
    )
    reader = JsonlReader(f"{folder}/filtered")
    run([reader, MinhashDedupSignature(f"{folder}/sigs", config=config)], 2, "sigs")
    run([MinhashDedupBuckets(f"{folder}/sigs", f"{folder}/buckets", config=config)], 14, "buckets")
    run([MinhashDedupCluster(f"{folder}/buckets", f"{folder}/remove", config=config)], 1, "cluster")
    run([reader, MinhashDedupFilter(f"{folder}/remove"), JsonlWriter(f"{folder}/kept")], 2, "end")

if __name__ == "__main__":
    main()
"""

_NUM_WORKERS = 2
_REPEATED_WORDS = 50  # of Lee et al. (arXiv:2107.06499)
_TOKEN = re.compile(r"[A-Za-z]{4,}|[\u4e00-\u9fff]")
_TEXT = re.compile(r"(?<=>)[^<]+")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures the path from WARC to clean documents.")
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--pages", type=int, default=1500)
    parser.add_argument("--peer", help="Python of an environment that has datatrove")
    parser.add_argument("--growth", type=int, nargs="*", default=[])
    parser.add_argument("--repeat", type=int, default=1)
    arguments = parser.parse_args()
    pages = list(read_pages(arguments.folders, arguments.pages))
    with tempfile.TemporaryDirectory() as scratch:
        compare(pages, arguments.peer, arguments.repeat, Path(scratch))
        for copies in arguments.growth:
            grow(pages, copies, Path(scratch))


def compare(pages: list[bytes], peer: str | None, repeat: int, scratch: Path) -> None:
    halves = scratch / "warc"
    halves.mkdir()
    whole = write_warc(scratch / "all.warc.gz", pages)
    for number in range(2):  # the peer's unit of work is a file
        write_warc(halves / f"{number}.warc.gz", pages[number::2])
    print(f"{len(pages):,} records, {sum(map(len, pages)) / 1e6:.1f} MB of HTML, 2 workers")
    for attempt in range(repeat):
        ours = scratch / f"ours-{attempt}"
        steps = "extract,quality,exact_duplicates,near_duplicates"
        cost = run([sys.executable, "-c", _OURS, ours, whole, steps, 0], ours)
        kept, rejected = (count_lines(ours / f"{name}.jsonl") for name in ("kept", "rejected"))
        show("lodesmith, matched rules", cost, len(pages), f"{kept} kept + {rejected} rejected")
        every = scratch / f"every-{attempt}"
        show(
            "lodesmith, all nine steps",
            run([sys.executable, "-c", _OURS, every, whole, "", 0], every), len(pages),
            f"{count_lines(every / 'kept.jsonl')} kept",
        )  # fmt: skip
        if peer:
            theirs, program = scratch / f"theirs-{attempt}", scratch / "theirs.py"
            program.write_text(_THEIRS, encoding="utf-8")  # its children import it
            other = run([peer, program, theirs, halves], theirs)
            kept, read = count_documents(theirs / "kept"), count_read(theirs / "logs" / "filter")
            show("datatrove 0.10", other, read, f"{kept} kept, {read} of {len(pages)} records read")
            ratio = other["cpu_seconds"] / cost["cpu_seconds"]
            each = ratio * len(pages) / read
            print(f"ratio of CPU time: {ratio:.1f}; for each record read: {each:.1f}")


def grow(pages: list[bytes], copies: int, scratch: Path) -> None:
    path = scratch / f"grown-{copies}.warc.gz"
    write_warc(path, (vary(page, copy) for copy in range(copies) for page in pages))
    for words, name in ((0, "all steps"), (_REPEATED_WORDS, "repeated runs")):
        folder = scratch / f"grown-{copies}-{words}"
        cost = run([sys.executable, "-c", _OURS, folder, path, "", words], folder)
        kept = count_lines(folder / "kept.jsonl")
        show(f"{copies} x, {name}", cost, copies * len(pages), f"{kept} kept")
    path.unlink()


def vary(page: bytes, copy: int) -> bytes:
    """Return a page with a third of its words changed for others of the page."""
    if copy == 0:
        return page
    text = page.decode("utf-8", "replace")
    draw = random.Random(copy)
    words: dict[bool, list[str]] = {True: [], False: []}
    for part in _TEXT.findall(text):
        for word in _TOKEN.findall(part):
            words[word.isascii()].append(word)

    def change(found: re.Match[str]) -> str:
        word = found.group()
        return draw.choice(words[word.isascii()]) if draw.random() < 0.33 else word

    return _TEXT.sub(lambda part: _TOKEN.sub(change, part.group()), text).encode()


def read_pages(folders: list[Path], count: int) -> Iterator[bytes]:
    """Yield so many pages, as many of each folder as of the others while they last."""
    is_page = re.compile(r"\.x?html?(\.gz)?$").search
    found = [sorted(p for p in f.rglob("*") if is_page(p.name) and p.is_file()) for f in folders]
    for place, paths in enumerate(sorted(found, key=len)):
        share = min(len(paths), count // (len(found) - place))
        count -= share
        for index in range(share):
            data = paths[index * len(paths) // share].read_bytes()
            yield gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data


def write_warc(path: Path, pages: Iterator[bytes] | list[bytes]) -> Path:
    """Write pages as HTTP responses, a gzip member each."""
    with path.open("wb") as file:
        for number, page in enumerate(pages):
            block = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + page
            head = (
                f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: http://example.org/{number}"
                f"\r\nWARC-Date: 2024-01-01T00:00:00Z\r\nWARC-Record-ID: <urn:uuid:{number:032x}>"
                "\r\nContent-Type: application/http; msgtype=response\r\n"
                f"Content-Length: {len(block)}\r\n\r\n"
            )
            file.write(gzip.compress(head.encode() + block + b"\r\n\r\n", 6, mtime=0))
    return path


def run(command: list[object], folder: Path) -> dict[str, float]:
    """Return what a program cost, its children counted, and its tree's peak memory."""
    folder.mkdir()
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    peak, seen, stop = [0], dict[int, float](), threading.Event()
    with (folder / "said.txt").open("wb") as said:
        process = subprocess.Popen(
            list(map(str, command)), stdout=said, stderr=said,
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
        )  # fmt: skip
        sampler = threading.Thread(target=sample, args=(process.pid, peak, seen, stop))
        sampler.start()
        process.wait()
    stop.set()
    sampler.join()
    if process.returncode:
        raise SystemExit((folder / "said.txt").read_text()[-3000:])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    wall = time.perf_counter() - started
    spent = max(spent, sum(seen.values()))  # children that nobody waited for are only seen
    return {"cpu_seconds": spent, "wall_seconds": wall, "peak_bytes": peak[0]}


def sample(pid: int, peak: list[int], seen: dict[int, float], stop: threading.Event) -> None:
    """Follow a process tree: its memory, shared pages counted once (PSS), and its CPU time."""
    while not stop.wait(0.2):
        total = 0
        try:
            tree = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        except psutil.Error:
            continue
        for process in tree:
            try:
                total += getattr(process.memory_full_info(), "pss", 0)
                times = process.cpu_times()
            except psutil.Error:
                continue
            seen[process.pid] = times.user + times.system
        peak[0] = max(peak[0], total)


def show(name: str, cost: dict[str, float], num_pages: int, note: str) -> None:
    busy = cost["cpu_seconds"] / (cost["wall_seconds"] * _NUM_WORKERS)
    print(
        f"{name:<26}{cost['cpu_seconds']:>9.2f} CPU-s{num_pages / cost['cpu_seconds']:>9.1f} "
        f"pages/CPU-s{cost['peak_bytes'] / 2**20:>8.0f} MiB{busy:>6.2f} busy  {note}",
        flush=True,
    )


def count_lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for _ in file)


def count_documents(folder: Path) -> int:
    return sum(len(gzip.decompress(p.read_bytes()).splitlines()) for p in folder.glob("*.gz"))


def count_read(logs: Path) -> int:
    """Return how many documents came out of the peer's reader, by its own statistics."""
    stats = json.loads((logs / "stats.json").read_text())
    return int(stats[0]["stats"]["documents"]["total"])


if __name__ == "__main__":
    main()
