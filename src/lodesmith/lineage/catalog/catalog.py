"""A catalog: from a document's id, URL or content hash to where its bytes are, at any size.

    catalog = Catalog("s3://bucket/catalog")
    with catalog.writer(tag="prepare-3f2a91c07b1e") as writer:
        writer.add(ids=ids, archives="prepare-3f2a91c07b1e/documents-00000.jsonl.zst",
                   offsets=offsets, lengths=lengths, urls=urls)
    places = catalog.snapshot().find("00c0ffee00c0ffee")

Rows are never changed: a writer adds runs, a compaction writes a new run in place of several, and a
commit says which runs count.
"""

import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from lodesmith.core.store import open_store
from lodesmith.lineage.catalog.commits import Commit, CommitLog
from lodesmith.lineage.catalog.rows import key_of
from lodesmith.lineage.catalog.run_writer import RunWriter
from lodesmith.lineage.catalog.runs import Run, RunInfo
from lodesmith.lineage.catalog.writer import Writer
from lodesmith.native.catalog import KEY_BYTES

_PLACE_VALUES = struct.Struct("<6sHII8s")  # offset, language, length, archive, digest

GRACE_SECONDS = 7 * 24 * 3600.0  # longer than any writer takes from its first file to its commit
_FAN_OUT = 8  # runs of one size that a compaction makes one: a row is rewritten log8(runs) times


@dataclass(frozen=True)
class Place:
    """Where a document is, or one of the artifacts that it reached."""

    archive: str  # as the writer named it: artifact and file
    offset: int
    length: int
    language: str  # "" where nobody said
    digest: bytes  # first 8 bytes of key_of("content", hash); zeros where nobody gave a hash


class Snapshot:
    """The catalog as it was at one commit; later changes do not show in it."""

    def __init__(self, commit: Commit, runs: Sequence[Run]) -> None:
        self.commit = commit
        self.runs = runs

    @property
    def tags(self) -> set[str]:
        """What was added: the tags of all writers."""
        return {tag for run in self.runs for tag in run.info.tags}

    @property
    def num_rows(self) -> int:
        """Rows of places."""
        return sum(run.num_rows("places") for run in self.runs)

    @property
    def metadata_files(self) -> list[str]:
        """Parquet files below the catalog's place, for scans."""
        return [f"runs/{run.info.id}/{name}" for run in self.runs for name in run.info.metadata]

    def find(self, document_id: str | bytes) -> list[Place]:
        """Return the places of a document in the order in which they were added."""
        return self.find_many([document_id])[0]

    def find_many(self, document_ids: Sequence[str | bytes]) -> list[list[Place]]:
        """Return the places of several documents; all are asked for at once."""
        return self._places([key_of("document", name) for name in document_ids])

    def find_url(self, url: str | bytes) -> list[Place]:
        """Return the places of all documents of a URL."""
        return self._follow(key_of("url", url))

    def find_content(self, content_hash: str | bytes) -> list[Place]:
        """Return the places of all documents of a content hash."""
        return self._follow(key_of("content", content_hash))

    def _follow(self, key: bytes) -> list[Place]:
        links = [row.tobytes() for run in self.runs for row in run.find("links", [key])[0]]
        found = self._places(list(dict.fromkeys(link[KEY_BYTES:] for link in links)))
        return [place for places in found for place in places]

    def _places(self, keys: Sequence[bytes]) -> list[list[Place]]:
        found: list[dict[Place, None]] = [{} for _ in keys]
        for run in self.runs:
            for places, rows in zip(found, run.find("places", keys), strict=True):
                places.update(dict.fromkeys(_read_place(row.tobytes(), run) for row in rows))
        return [list(places) for places in found]


class Catalog:
    """The catalog of one place: a folder or an fsspec URL. Many may write to it at once."""

    def __init__(self, place: str | Path) -> None:
        """Open a catalog, which is empty if nothing is there.

        Raises:
            UserError: the store cannot keep two writers apart.
        """
        self._store = open_store(place)
        self._log = CommitLog(self._store)
        self._runs: dict[str, Run] = {}  # read once: a run never changes

    def snapshot(self, number: int | None = None) -> Snapshot:
        """Return the newest snapshot, or that of a number.

        Raises:
            UserError: there is no snapshot of that number.
            DamagedArtifactError: a file is missing, torn or of another version.
        """
        commit = self._log.latest() if number is None else self._log.read(number)
        return Snapshot(commit, self._open(commit.runs))

    @contextmanager
    def writer(self, *, tag: str | None = None) -> Iterator[Writer]:
        """Yield a writer; what it adds shows, all at once, when the block ends without an error.

        Args:
            tag: a name for what is added; nothing is added twice under one tag.
        """
        writer = Writer(self._store, tag=tag)
        yield writer
        writer.commit = self._publish(writer.finish())

    def compact(self, *, whole: bool = False) -> Commit | None:
        """Merge runs of like size, or all of them; readers and writers go on meanwhile.

        Returns:
            The new commit; None if there is nothing to merge, or another compaction was quicker.
        """
        runs = list(self.snapshot().runs)
        chosen = runs if whole else runs[len(runs) - _count_to_merge(runs) :]
        if len(chosen) < 2:
            return None
        tags = [tag for run in chosen for tag in run.info.tags]
        merged = RunWriter(self._store, chosen, tags=tags).write()
        old = [run.info.id for run in chosen]

        def replace(now: list[str]) -> list[str] | None:
            if not set(old) <= set(now):
                return None
            start = now.index(old[0])
            return [*now[:start], merged.id, *now[start + len(old) :]]

        return self._log.publish(replace)

    def vacuum(self, *, grace_seconds: float = GRACE_SECONDS) -> int:
        """Delete commits and runs that were out of use all through the grace period.

        Returns:
            How many runs were deleted.
        """
        horizon, used = time.time() - grace_seconds, set[str]()
        commits = [self._log.read(number) for number in self._log.numbers()]
        for commit, later in zip_longest(commits, commits[1:]):
            if later is not None and later.seconds < horizon:
                self._log.remove(commit.number)
            else:
                used.update(commit.runs)
        unused = [name for name in self._store.list_names("runs")
                  if name not in used and int(name.partition("-")[0]) < horizon * 1e9]  # fmt: skip
        for name in unused:
            self._store.remove(f"runs/{name}")
        return len(unused)

    def _publish(self, runs: Sequence[RunInfo]) -> Commit | None:
        """Commit runs; those whose tag is there already are left out."""

        def add(now: list[str]) -> list[str] | None:
            tags = {tag for info in runs for tag in info.tags}
            is_there = tags and any(tags & set(run.info.tags) for run in self._open(now))
            if not runs or runs[0].id in now or is_there:
                return None  # a commit whose answer was lost on the way has won after all
            return [*now, *(info.id for info in runs)]

        return self._log.publish(add)

    def _open(self, run_ids: Sequence[str]) -> list[Run]:
        for run_id in run_ids:
            if run_id not in self._runs:
                self._runs[run_id] = Run(self._store, run_id)
        return [self._runs[run_id] for run_id in run_ids]


def _read_place(row: bytes, run: Run) -> Place:
    """Return what a row of places says."""
    offset, language, length, archive, digest = _PLACE_VALUES.unpack_from(row, KEY_BYTES)
    return Place(
        archive=run.names["archive"][archive],
        offset=int.from_bytes(offset, "little"),
        length=length,
        language=run.names["language"][language],
        digest=digest,
    )


def _count_to_merge(runs: Sequence[Run]) -> int:
    """Return how many of the newest runs are due: those up to the first full class of sizes."""
    classes = [run.num_rows("places").bit_length() // (_FAN_OUT.bit_length() - 1) for run in runs]
    for size in sorted(set(classes)):
        tail = next((n for n, c in enumerate(reversed(classes)) if c > size), len(classes))
        if classes[len(classes) - tail :].count(size) >= _FAN_OUT:
            return tail
    return 0
