"""Removal of advertising on lines of your own: what goes, what is lost, and how fast.

    .venv/bin/python bench/ads.py --dirty DIRTY.txt --clean CLEAN.txt

Each file has a line of text a row. A dirty line stands inside of an article that is made here;
clean lines stand in pages of twelve, as they follow each other. Take lines that nobody here has
written rules for.
"""

import argparse
import time
from pathlib import Path

from lodesmith.data.documents import Document
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
    arguments = parser.parse_args()
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
