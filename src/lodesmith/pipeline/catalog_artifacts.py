"""The workspace's catalog: which file of which artifact holds a document, without reading all.

It says nothing that the artifacts do not say. It is written after an artifact is whole, an artifact
that it lacks is read as if there were no catalog, and what is lost of it is made again.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import Any

from lodesmith.core.errors import LodesmithError
from lodesmith.core.log import say
from lodesmith.core.storage import read_json
from lodesmith.data.documents import read_lines
from lodesmith.data.warc import Damage, read_warc
from lodesmith.lineage.artifact import Artifact
from lodesmith.lineage.catalog import Catalog, Place
from lodesmith.lineage.workspace import Workspace
from lodesmith.prepare.input.pages import UNKNOWN_LANGUAGE, Page

KINDS = ("acquire", "prepare")  # whose documents are in it
_BATCH_ROWS = 1 << 14
_RECORD_TYPES = ("resource", "response")


_COLUMNS = ("ids", "offsets", "lengths", "urls", "languages", "content_hashes")
_Row = tuple[str, int, int, str, str, str]  # in the order of the columns


@dataclass(frozen=True)
class Located:
    """What the catalog knows of some documents."""

    artifacts: frozenset[str]  # ids of all artifacts that it has; others must be read
    offsets: dict[str, list[int]]  # archive (artifact and file) -> where lines begin


def open_catalog(workspace: Workspace) -> Catalog:
    """Return the workspace's catalog, which may be empty."""
    return Catalog(_folder(workspace))


def record_artifact(workspace: Workspace, artifact: Artifact) -> None:
    """Add an artifact's documents to the catalog, once; a fault there is said and harms nothing."""
    if artifact.kind not in KINDS:
        return
    try:
        add_artifact(open_catalog(workspace), artifact)
    except LodesmithError as error:  # the artifact is whole, and the catalog can be made again
        say(f"{artifact.id} is not in the catalog: {error}")


def add_artifact(catalog: Catalog, artifact: Artifact) -> None:
    """Add an artifact's documents, unless they are there."""
    if artifact.id in catalog.snapshot().tags:
        return
    with catalog.writer(tag=artifact.id) as writer:
        for path, rows in _files_of(artifact):
            while batch := list(islice(rows, _BATCH_ROWS)):
                columns = map(list, zip(*batch, strict=True))
                writer.add(
                    archives=f"{artifact.id}/{path.name}",
                    **dict(zip(_COLUMNS, columns, strict=True)),
                )
    catalog.compact()


def rebuild_catalog(workspace: Workspace) -> int:
    """Make the catalog anew from the artifacts and return how many documents' places it has."""
    shutil.rmtree(_folder(workspace), ignore_errors=True)
    catalog = open_catalog(workspace)
    for artifact in workspace.list_artifacts():
        if artifact.kind in KINDS:
            add_artifact(catalog, artifact)
    return catalog.snapshot().num_rows


def locate_documents(workspace: Workspace, document_ids: Sequence[str]) -> Located:
    """Return which lines of which files hold documents."""
    snapshot = open_catalog(workspace).snapshot()
    return _locate(snapshot.tags, snapshot.find_many(document_ids))


def locate_url(workspace: Workspace, url: str) -> Located:
    """Return which lines of which files hold the documents of a URL."""
    snapshot = open_catalog(workspace).snapshot()
    return _locate(snapshot.tags, [snapshot.find_url(url)])


def locate_content(workspace: Workspace, content_hash: str) -> Located:
    """Return which lines of which files hold the texts, and the raw pages, of a SHA-256."""
    snapshot = open_catalog(workspace).snapshot()
    return _locate(snapshot.tags, [snapshot.find_content(content_hash)])


def hash_content(content: str | bytes) -> str:
    """Return the SHA-256 by which the catalog knows a text or a raw page."""
    data = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    return hashlib.sha256(data).hexdigest()


def describe_catalog(catalog: Catalog) -> dict[str, Any]:
    """Return what the newest snapshot holds, by name."""
    snapshot = catalog.snapshot()
    return {
        "snapshot": snapshot.commit.number,
        "num_runs": len(snapshot.runs),
        "num_places": snapshot.num_rows,
        "bytes": sum(run.info.num_bytes for run in snapshot.runs),
        "artifacts": sorted(snapshot.tags),
    }


def _locate(tags: set[str], found: Sequence[Sequence[Place]]) -> Located:
    offsets: dict[str, list[int]] = {}
    for places in found:
        for place in places:
            offsets.setdefault(place.archive, []).append(place.offset)
    return Located(frozenset(tags), offsets)


def _folder(workspace: Workspace) -> Path:
    return workspace.root / "catalog"


def _files_of(artifact: Artifact) -> Iterator[tuple[Path, Iterator[_Row]]]:
    """Yield the files that hold documents or raw records, and their rows."""
    if artifact.kind == "acquire":
        for entry in read_json(artifact.file("sources.json")):
            path = artifact.file(entry["file"])
            yield path, _acquired_rows(path)
    else:
        for pattern in ("documents-*.jsonl.zst", "rejected-*.jsonl.zst"):
            for path in sorted(artifact.path.glob(pattern)):
                yield path, _prepared_rows(path)


def _prepared_rows(path: Path) -> Iterator[_Row]:
    """Yield the rows of a file of lines; an offset is where a line begins in the unpacked file."""
    start = 0
    for line in read_lines(path):
        row: dict[str, Any] = json.loads(line)
        digest = hash_content(str(row.get("text", "")))
        language = str(row.get("language", UNKNOWN_LANGUAGE))
        url = str(row.get("url", ""))
        yield row["id"], start, len(line), url, language, digest
        start += len(line) + 1


def _acquired_rows(path: Path) -> Iterator[_Row]:
    """Yield the rows of a WARC file; an offset is where a record begins, a length in the file."""
    records = chain(read_warc(path, on_damage=_pass_over), [None])
    for record, behind in pairwise(records):
        if record is None or record.type not in _RECORD_TYPES:
            continue
        page = Page(source="", url=record.uri, payload=record.payload)
        length = (behind.offset if behind else path.stat().st_size) - record.offset
        digest = hash_content(record.payload)
        yield page.id, record.offset, max(0, length), record.uri, UNKNOWN_LANGUAGE, digest


def _pass_over(_: Damage) -> None:
    """A stretch that gives no record has no document; prepare has reported it."""
