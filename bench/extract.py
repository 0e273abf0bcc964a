"""Extraction of main text: F1 and MB of HTML a CPU-second, beside its peers on the same pages.

    .venv/bin/python bench/extract.py FOLDER --peers /tmp/peers/bin/python

FOLDER is article-extraction-benchmark (github.com/scrapinghub): `ground-truth.json` and
`html/*.html.gz`. The peers need a Python of their own, because they need packages that Lodesmith
does not: `python3 -m venv /tmp/peers; /tmp/peers/bin/pip install trafilatura lxml_html_clean
resiliparse selectolax`. Every round runs each extractor once over all pages; medians of the rounds
are printed, single thread, and F1 over shingles of four words as the benchmark defines it.
"""

import argparse
import gzip
import json
import re
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_EXTRACTORS = {
    "lodesmith": "from lodesmith.native.html import extract_html\n"
    "run = lambda page: extract_html(page.encode('utf-8', 'replace')).text",
    "lodesmith all text": "from lodesmith.native.html import extract_html\n"
    "run = lambda page: extract_html(page.encode('utf-8', 'replace'), everything=True).text",
    "resiliparse": "from resiliparse.extract.html2text import extract_plain_text\n"
    "run = lambda page: extract_plain_text(page, main_content=True)",
    "selectolax all text": "from selectolax.lexbor import LexborHTMLParser\n"
    "def run(page):\n"
    "    tree = LexborHTMLParser(page)\n"
    "    tree.strip_tags(['script', 'style', 'head', 'noscript'])\n"
    "    return tree.text(separator='\\n')",
    "trafilatura fast": "import trafilatura\n"
    "run = lambda page: trafilatura.extract(page, fast=True, include_comments=False)",
}

_CHILD = """
import json, sys, time
{load}
pages = json.load(open(sys.argv[1], encoding="utf-8"))
run(pages[0])
started = time.process_time()
texts = [run(page) or "" for page in pages]
print(json.dumps({{"seconds": time.process_time() - started, "texts": texts}}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures extraction beside its peers.")
    parser.add_argument("folder", type=Path, help="article-extraction-benchmark")
    parser.add_argument("--peers", default=sys.executable, help="a Python that has the peers")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    truth = json.loads((arguments.folder / "ground-truth.json").read_text(encoding="utf-8"))
    names = sorted(truth)
    pages = [read_page(arguments.folder / "html" / f"{name}.html.gz") for name in names]
    golds = [truth[name]["articleBody"] for name in names]
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump(pages, file)
        file.flush()
        print_table(pages, golds, measure(Path(file.name), arguments.peers, arguments.rounds))


def read_page(path: Path) -> str:
    return gzip.decompress(path.read_bytes()).decode("utf-8", "replace")


def measure(pages: Path, peers: str, rounds: int) -> dict[str, list[dict[str, Any]]]:
    results: dict[str, list[dict[str, Any]]] = {}
    for _ in range(rounds):
        for name, load in _EXTRACTORS.items():
            python = sys.executable if name.startswith("lodesmith") else peers
            command = [python, "-c", _CHILD.format(load=load), str(pages)]
            run = subprocess.run(command, capture_output=True, text=True, check=False)
            if run.returncode == 0:
                results.setdefault(name, []).append(json.loads(run.stdout))
    return results


def print_table(
    pages: Sequence[str], golds: Sequence[str], results: dict[str, list[dict[str, Any]]]
) -> None:
    megabytes = sum(len(page.encode("utf-8", "replace")) for page in pages) / 1e6
    print(f"{len(pages)} pages, {megabytes:.1f} MB of HTML, medians of the rounds")
    print(f"{'':22}{'MB/CPU-s':>10}{'precision':>11}{'recall':>8}{'F1':>8}")
    for name, runs in results.items():
        speed = megabytes / statistics.median(run["seconds"] for run in runs)
        precision, recall = score(golds, runs[0]["texts"])
        f1 = 2 * precision * recall / (precision + recall)
        print(f"{name:22}{speed:10.1f}{precision:11.3f}{recall:8.3f}{f1:8.3f}")


def score(golds: Sequence[str], texts: Sequence[str]) -> tuple[float, float]:
    """Return mean precision and mean recall, as the benchmark's own script takes them."""
    precisions, recalls = [], []
    for gold, text in zip(golds, texts, strict=True):
        wanted, found = shingles(gold), shingles(text)
        common = sum((wanted & found).values())
        precisions.append(common / sum(found.values()) if found else 0.0)
        recalls.append(common / sum(wanted.values()) if wanted else 1.0)
    return statistics.mean(precisions), statistics.mean(recalls)


def shingles(text: str, size: int = 4) -> Counter[tuple[str, ...]]:
    words = re.findall(r"\w+", text)
    count = max(len(words) - size + 1, min(len(words), 1))
    return Counter(tuple(words[at : at + size]) for at in range(count))


if __name__ == "__main__":
    main()
