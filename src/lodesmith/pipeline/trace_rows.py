"""The rows of prepare's files that can hold what is looked for, by the catalog where it knows."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lodesmith.data.documents import read_lines
from lodesmith.lineage.artifact import Artifact
from lodesmith.pipeline.catalog_artifacts import Located


def find_rows(
    prepare: Artifact, wanted: set[str], field: str, located: Located
) -> Iterator[tuple[dict[str, Any], bool]]:
    """Yield the rows whose `field` is wanted, and whether they were kept."""
    marks = [
        json.dumps(value, ensure_ascii=is_ascii)[1:-1].encode("utf-8", "surrogatepass")
        for value in wanted
        for is_ascii in (True, False)
    ]
    for line, is_kept in prepared_lines(prepare, located):
        if any(mark in line for mark in marks):
            row = json.loads(line)
            if row.get(field) in wanted:
                yield row, is_kept


def prepared_lines(prepare: Artifact, located: Located) -> Iterator[tuple[bytes, bool]]:
    """Yield the lines that can hold what is looked for, and whether each document was kept."""
    for pattern, is_kept in (("documents-*.jsonl.zst", True), ("rejected-*.jsonl.zst", False)):
        for path in sorted(prepare.path.glob(pattern)):
            for line in _lines_of(path, prepare.id, located):
                yield line, is_kept


def _lines_of(path: Path, artifact_id: str, located: Located) -> Iterator[bytes]:
    """Yield the lines that can hold what is looked for: all, if the catalog has not seen them."""
    if artifact_id not in located.artifacts:
        yield from read_lines(path)
        return
    left = set(located.offsets.get(f"{artifact_id}/{path.name}", ()))
    if not left:
        return
    start = 0
    for line in read_lines(path):
        if start in left:
            left.remove(start)
            yield line
            if not left:
                return
        start += len(line) + 1
