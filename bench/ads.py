"""Removal of advertising on lines of your own: what goes, what is lost, and how fast.

    .venv/bin/python bench/ads.py --dirty DIRTY.txt --clean CLEAN.txt
    .venv/bin/python bench/ads.py --pages article-extraction-benchmark

Each file has a line of text a row. A dirty line stands inside of an article that is made here;
clean lines stand in pages of twelve, as they follow each other. Take lines that nobody here has
written rules for. With `--pages` real pages are extracted first, and what the extractor leaves is
judged: a line is clean where half of its runs of four words stand in the page's gold text, else it
is dirty. Gold leaves out captions, which are text, and holds some advertising, so neither figure is
exact; they tell two versions apart.
"""

import argparse
import gzip
import json
import re
import time
from collections import Counter
from pathlib import Path

from lodesmith.data.charset import decode_page
from lodesmith.data.documents import Document
from lodesmith.native.html import extract_html
from lodesmith.prepare.ads import WithoutAds, remove_ads

ARTICLES = {
    True: [
        "The council met on Monday to discuss the plan for the old harbour.",
        "Residents asked for more trees along the road, and fewer parking places.",
        "Work is expected to begin in spring, when the weather is dry.",
    ],
    False: [
        "昨天下午，市里召开了关于老城区改造的会议，很多居民参加了讨论。",
        "会议认为，改造工程应当分三年完成，第一年先修道路和水管。",
        "负责人说，这些意见都会写进方案，下个月公布。",
    ],
}
LINES_OF_A_PAGE = 12


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dirty", type=Path, nargs="*", default=[])
    parser.add_argument("--clean", type=Path, nargs="*", default=[])
    parser.add_argument("--pages", type=Path, help="folder of ground-truth.json and html/")
    arguments = parser.parse_args()
    if arguments.pages:
        judge_pages(arguments.pages)
    for path in arguments.dirty:
        lines = read(path)
        num_gone = sum(line in removed(around(line)) for line in lines)
        print(f"{path.name:30} dirty {len(lines):7} removed {num_gone / len(lines):.3f}")
    for path in arguments.clean:
        lines = read(path)
        pages = [lines[at : at + LINES_OF_A_PAGE] for at in range(0, len(lines), LINES_OF_A_PAGE)]
        start = time.process_time()
        num_lost = sum(len(removed(page)) for page in pages)
        seconds = time.process_time() - start
        speed = sum(len(line.encode()) for line in lines) / 1e6 / seconds
        print(
            f"{path.name:30} clean {len(lines):7} lost {num_lost / len(lines):.4f}, "
            f"{speed:.1f} MB/CPU-s"
        )


def judge_pages(folder: Path) -> None:
    counts: Counter[tuple[bool, bool]] = Counter()  # is it gold, does it go
    for name, page in sorted(json.loads((folder / "ground-truth.json").read_text("utf-8")).items()):
        data = gzip.decompress((folder / "html" / f"{name}.html.gz").read_bytes())
        markup = decode_page(data, charset="").text.encode("utf-8", "replace")
        lines = extract_html(markup).text.split("\n")
        words = words_of(page["articleBody"])
        runs = {tuple(words[at : at + 4]) for at in range(len(words) - 3)}
        gone = Counter(removed(lines))
        for line in filter(words_of, lines):
            goes = gone[line] > 0
            gone[line] -= goes
            counts[is_gold(words_of(line), runs, f" {' '.join(words)} "), goes] += 1
    dirty, clean = (counts[kind, False] + counts[kind, True] for kind in (False, True))
    print(f"of {dirty} extracted lines outside of gold {counts[False, True] / dirty:.3f} removed, "
          f"of {clean} inside {counts[True, True] / clean:.4f} lost")  # fmt: skip


def words_of(text: str) -> list[str]:
    return re.sub(r"[\W_]+", " ", text.lower()).split()


def is_gold(words: list[str], runs: set[tuple[str, ...]], text: str) -> bool:
    own = [tuple(words[at : at + 4]) for at in range(len(words) - 3)]
    if not own:
        return f" {' '.join(words)} " in text
    return sum(run in runs for run in own) >= len(own) / 2


def read(path: Path) -> list[str]:
    return [line.strip() for line in path.read_text("utf-8").splitlines() if line.strip()]


def around(line: str) -> list[str]:
    article = ARTICLES[line.isascii()]
    return [*article[:2], line, *article[2:]]


def removed(lines: list[str]) -> list[str]:
    document = Document(id="1", source="s", url="u", language="und", text="\n".join(lines))
    result = remove_ads(document)
    return result.lines if isinstance(result, WithoutAds) else lines


if __name__ == "__main__":
    main()
