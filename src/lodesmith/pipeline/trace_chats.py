"""From a sentence to the records of tuning that hold it, exactly as it is written."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from lodesmith.core.log import say
from lodesmith.core.seal import MAGIC, granted_key
from lodesmith.data.documents import read_lines
from lodesmith.lineage.artifact import Artifact
from lodesmith.lineage.workspace import Workspace

_ROWS_FILE = "chat.jsonl.zst"  # of a tune artifact


@dataclass(frozen=True, kw_only=True)
class ChatMatch:
    """A record that a tune stage learnt from and that holds the text."""

    tune: str
    row: int  # of its chat.jsonl.zst, from 1
    origin: str  # the file and the place in it, or the document that it was made from


def trace_chats(workspace: Workspace, sentence: str, *, limit: int = 10) -> list[ChatMatch]:
    """Return the first records of any tuning that hold a sentence; sealed ones want their key."""
    found = (
        match
        for artifact in workspace.list_artifacts()
        if artifact.kind == "tune"
        for match in _search(artifact, sentence)
    )
    return list(islice(found, limit))


def describe_chat(match: ChatMatch) -> str:
    """Return a match as people read it."""
    return f"{match.origin}  record {match.row:,} of {match.tune}"


def _search(artifact: Artifact, sentence: str) -> Iterator[ChatMatch]:
    path = artifact.file(_ROWS_FILE)
    with path.open("rb") as file:
        is_sealed = file.read(len(MAGIC)) == MAGIC
    if is_sealed and granted_key() is None:
        say(f"the records of {artifact.id} are sealed and are not looked into")
        return
    for number, line in enumerate(read_lines(path), 1):
        row = json.loads(line)
        if any(sentence in text for text in _texts(row)):
            yield ChatMatch(tune=artifact.id, row=number, origin=str(row.get("origin")))


def _texts(value: Any) -> Iterator[str]:
    """Yield all that a record says, in whichever form it is kept."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, part in value.items():
            if name != "origin":
                yield from _texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)
