"""The labelling loop: draw documents worth a look, let a person judge them, keep every answer.

The labels file is only ever appended to, one JSON a line; of several lines about one document the
last one counts, so an undone answer is a line without a label, and a loop that is stopped goes on
where it was. Lines made elsewhere count as well: `text`, `label`, and `id` if there is one.
"""

import hashlib
import json
import random
import re
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lodesmith.core.errors import UserError
from lodesmith.core.storage import write_bytes
from lodesmith.data.documents import SHARD_PATTERN, Document, read_documents, read_folder
from lodesmith.prepare.quality.scorer import Label

NUM_STRATA = 5
_MAX_URL_CHARS = 120
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_MEANINGS = {
    **dict.fromkeys(("1", "y", "yes", "true", "good", "keep"), True),
    **dict.fromkeys(("0", "n", "no", "false", "bad", "drop"), False),
}


@dataclass(frozen=True, slots=True)
class Item:
    """A document to be judged."""

    id: str
    text: str
    score: float | None = None
    url: str = ""


def read_items(paths: Sequence[Path]) -> Iterator[Item]:
    """Yield documents of files (.jsonl, .jsonl.zst) and of folders of shards.

    Raises:
        UserError: a file cannot be read, a line holds no text, or a folder no documents.
    """
    for path in paths:
        if path.is_dir():
            if not any(path.glob(SHARD_PATTERN)):
                raise UserError(f"{path} holds no {SHARD_PATTERN}; name a folder of documents")
            yield from map(_to_item, read_folder(path))
        elif path.suffix == ".zst":
            yield from map(_to_item, read_documents(path))
        else:
            for row in _read_rows(path):
                url = row.get("url")
                yield Item(
                    _id_of(row), row["text"], row.get("score"), url if isinstance(url, str) else ""
                )


def draw_sample(
    items: Iterable[Item],
    *,
    count: int,
    score: Callable[[str], float] | None,
    seed: int = 0,
    judged: Set[str] = frozenset(),
) -> list[Item]:
    """Return documents to judge: the uncertain ones first, and some of every range of scores.

    Half are those nearest to 0.5, half come equally from five ranges of scores. Without a scorer
    the sample is random. Documents whose ids are among those judged are left out.
    """
    chance = random.Random(seed)  # noqa: S311 a sample, not a secret
    fresh = {item.id: item for item in items if item.id not in judged}
    unique = sorted(fresh.values(), key=lambda item: item.id)
    chance.shuffle(unique)
    if score is None:
        return unique[:count]
    scored = [replace(item, score=score(item.text)) for item in unique]
    by_doubt = sorted(scored, key=lambda item: abs((item.score or 0.0) - 0.5))
    uncertain = by_doubt[: (count + 1) // 2]
    taken = {item.id for item in uncertain}
    strata: list[list[Item]] = [[] for _ in range(NUM_STRATA)]
    for item in scored:
        if item.id not in taken:
            strata[min(int((item.score or 0.0) * NUM_STRATA), NUM_STRATA - 1)].append(item)
    return [*uncertain, *_take_in_turn(strata, count - len(uncertain))]


def write_items(path: Path, items: Iterable[Item]) -> int:
    """Write a queue of documents to judge, and return how many it holds."""
    lines = [
        json.dumps(
            {"id": item.id, "score": item.score, "url": item.url, "text": item.text},
            ensure_ascii=False,
        )
        for item in items
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, "".join(f"{line}\n" for line in lines).encode("utf-8", "replace"))
    return len(lines)


def read_judged(path: Path) -> frozenset[str]:
    """Return the ids of documents that a labels file has an answer about; none without a file."""
    return frozenset(map(_id_of, _last_answers(path)))


def show_item(item: Item, max_chars: int) -> str:
    """Return a document for a terminal: its score, its address, and how its text begins."""
    score = "" if item.score is None else f", score {item.score}"
    url = f", {show_text(item.url, _MAX_URL_CHARS)}" if item.url else ""
    return f"{score}{url}\n{show_text(item.text, max_chars)}"


def show_text(text: str, max_chars: int) -> str:
    """Return the beginning of a text as a terminal may show it, and how much is left out.

    A page's own control characters could move the cursor, or name the window.

    >>> show_text("\x1b[31mred text", 8)
    '\ufffd[31mred ... (5 characters more)'
    """
    shown = _CONTROLS.sub("\ufffd", text[:max_chars]).encode("utf-8", "replace").decode()
    left = len(text) - max_chars
    return f"{shown} ... ({left:,} characters more)" if left > 0 else shown


def read_labels(paths: Sequence[Path]) -> list[Label]:
    """Return the labels that count, in the order of their ids.

    Raises:
        UserError: a file cannot be read, or a line holds no text or no known label.
    """
    latest: dict[str, Label | None] = {}
    for path in paths:
        for row in _read_rows(path):
            latest[_id_of(row)] = _to_label(row, path)
    return [label for _, label in sorted(latest.items()) if label is not None]


class Judging:
    """One person's way through a queue, answer by answer."""

    def __init__(self, queue: Sequence[Item], labels: Path) -> None:
        self._path = labels
        answered = read_judged(labels)
        self._open = [item for item in queue if item.id not in answered]
        self._done: list[Item] = []

    @property
    def current(self) -> Item | None:
        """The document to judge now, None at the end."""
        return self._open[0] if self._open else None

    @property
    def num_left(self) -> int:
        """Documents that are still to be judged."""
        return len(self._open)

    def answer(self, is_good: bool | None) -> None:
        """Note whether the current document is good; None passes it over."""
        item = self._open.pop(0)
        self._done.append(item)
        self._append(item, "skip" if is_good is None else is_good)

    def undo(self) -> bool:
        """Take the last answer back; False if there is none in this session."""
        if not self._done:
            return False
        item = self._done.pop()
        self._open.insert(0, item)
        self._append(item, None)
        return True

    def _append(self, item: Item, label: bool | str | None) -> None:
        row = {"id": item.id, "label": label, "score": item.score, "text": item.text}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8", errors="replace") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _take_in_turn(strata: list[list[Item]], count: int) -> list[Item]:
    taken: list[Item] = []
    while len(taken) < count and any(strata):
        for stratum in strata:
            if stratum and len(taken) < count:
                taken.append(stratum.pop())
    return taken


def _last_answers(path: Path) -> list[dict[str, Any]]:
    """Return the last line about each document that was not taken back."""
    rows = {_id_of(row): row for row in _read_rows(path)} if path.exists() else {}
    return [row for row in rows.values() if row.get("label") is not None]


def _to_label(row: dict[str, Any], path: Path) -> Label | None:
    given = row.get("label")
    if given is None or given == "skip":
        return None
    meaning = _MEANINGS.get(str(given).strip().lower().removesuffix(".0"))
    if meaning is None:
        raise UserError(f"{path}: label {given!r} is not known; write true or false")
    return Label(_id_of(row), row["text"], meaning)


def _to_item(document: Document) -> Item:
    score = document.measures.get("quality_score")
    return Item(document.id, document.text, score, document.url)


def _id_of(row: dict[str, Any]) -> str:
    given = row.get("id")
    if given is not None:
        return str(given)
    return hashlib.sha256(row["text"].encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _read_rows(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield _parse_row(line, f"{path}:{number}")
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror})") from None


def _parse_row(line: str, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError:
        raise UserError(f"{where} is no JSON; write one object a line") from None
    if not isinstance(row, dict) or not isinstance(row.get("text"), str):
        raise UserError(f'{where} has no "text"; write {{"text": ..., "label": true}}')
    return row
