"""How much damage repair undoes, whether it leaves clean text alone, and how fast, beside ftfy.

    .venv/bin/python bench/repair.py FOLDER [--charset utf-8]

FOLDER holds clean Chinese text (.txt, one paragraph a line). Every paragraph is damaged in each of
the ways that scrapes show, and repaired; the share of characters that come back in their place
is printed, for our repair and for ftfy.
"""

import argparse
import difflib
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from ftfy import fix_text

from lodesmith.prepare.repair import repair_text
from lodesmith.prepare.repair.pinyin import reading_of

_MAX_LINES = 200
_ROUNDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures the repair of damaged Chinese text.")
    parser.add_argument("folder", type=Path, help="folder of .txt files with clean Chinese text")
    parser.add_argument("--charset", default="utf-8")
    arguments = parser.parse_args()
    lines = _read_lines(arguments.folder, arguments.charset)
    changed = sum(repair_text(line) != line for line in lines)
    print(f"clean paragraphs changed: {changed} of {len(lines)}")
    rng = random.Random(1)
    sample = rng.sample(lines, min(_MAX_LINES, len(lines)))
    print(f"{'damage':32}{'damaged':>9}{'ours':>9}{'ftfy':>9}")
    for name, damage in _DAMAGES.items():
        damaged = [damage(line, rng) for line in sample]
        shares = [
            _mean_share(sample, [mend(line) for line in damaged])
            for mend in (str, repair_text, fix_text)
        ]
        print(f"{name:32}" + "".join(f"{share:9.3f}" for share in shares))
    _print_speed("\n".join(lines))


def _read_lines(folder: Path, charset: str) -> list[str]:
    texts = (path.read_text(charset) for path in sorted(folder.rglob("*.txt")))
    lines = {line.strip() for text in texts for line in text.split("\n")}
    whole = [line for line in lines if 20 <= len(line) <= 300 and sum(map(_is_han, line)) >= 10]
    return sorted(repair_text(line) for line in whole)


def _is_han(character: str) -> bool:
    return "\u4e00" <= character <= "\u9fff"


def _note(line: str, rng: random.Random, *, charset: str = "gb18030", notes: int = 1) -> str:
    """Put pinyin notes between the bytes of characters."""
    places = [place for place, character in enumerate(line) if reading_of(character)]
    chosen = set(rng.sample(places, min(notes, len(places))))
    data = b""
    for place, character in enumerate(line):
        code = character.encode("gb18030")
        note = f"({reading_of(character)})".encode() if place in chosen else b""
        data += code[:1] + note + code[1:]
    return data.decode(charset, "replace").replace("\ufffd", "?")


def _read_as(line: str, written: str, read: str) -> str:
    return line.encode(written, "replace").decode(read, "replace")


_DAMAGES: dict[str, Callable[[str, random.Random], str]] = {
    "one pinyin note": _note,
    "three pinyin notes": lambda line, rng: _note(line, rng, notes=3),
    "three notes, read by Python's gbk": lambda line, rng: _note(line, rng, charset="gbk", notes=3),
    "UTF-8 read as gb18030": lambda line, _: _read_as(line, "utf-8", "gb18030"),
    "UTF-8 read as gbk": lambda line, _: _read_as(line, "utf-8", "gbk"),
    "UTF-8 read as latin-1": lambda line, _: _read_as(line, "utf-8", "latin-1"),
    "UTF-8 read as latin-1, twice": lambda line, _: _read_as(
        _read_as(line, "utf-8", "latin-1"), "utf-8", "latin-1"
    ),
    "UTF-8 read as windows-1252": lambda line, _: _read_as(line, "utf-8", "cp1252"),
    "GBK read as latin-1": lambda line, _: _read_as(line, "gb18030", "latin-1"),
    "GBK read as Big5": lambda line, _: _read_as(line, "gb18030", "cp950"),
}


def _mean_share(whole: list[str], mended: list[str]) -> float:
    same = sum(
        block.size
        for one, other in zip(whole, mended, strict=True)
        for block in difflib.SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks()
    )
    return same / sum(map(len, whole))


def _print_speed(text: str) -> None:
    for name, mend in (("ours", repair_text), ("ftfy", fix_text)):
        seconds = statistics.median(_cpu_seconds(mend, text) for _ in range(_ROUNDS))
        print(f"clean text, {name}: {len(text.encode()) / 1e6 / seconds:.1f} MB per CPU-second")


def _cpu_seconds(mend: Callable[[str], str], text: str) -> float:
    start = time.process_time()
    mend(text)
    return time.process_time() - start


if __name__ == "__main__":
    main()
