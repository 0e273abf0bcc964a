"""Which samples are learnt, which are held out, and which of earlier domains are learnt again.

All of it is decided by hashes of what the samples say, so that it does not depend on the order of
files, and a sample that comes twice falls on one side.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import zstandard

from lodesmith.core.seal import protect
from lodesmith.core.storage import replace_file
from lodesmith.data.documents import read_documents, read_folder, read_lines
from lodesmith.data.tokens import TokenSet
from lodesmith.lineage.artifact import Artifact
from lodesmith.lineage.workspace import Workspace
from lodesmith.tune.samples.samples import Sample

ROWS_FILE = "chat.jsonl.zst"
HELD_OUT_FILE = "held_out.jsonl.zst"
REPLAYED_FILE = "replayed.jsonl.zst"
PRETRAINING = "pretraining"  # the domain of a base model's own documents

_MAX_PAGES = 200  # of a base model's held-out documents: enough to see what is forgotten


@dataclass(frozen=True)
class EarlierDomain:
    """What the chain has learnt before."""

    name: str
    held_out: list[Sample]  # empty where nothing was held out
    _artifact: Artifact
    _space: Workspace

    def learnt(self) -> Iterator[Sample]:
        """Yield what was learnt, in stored order."""
        if self._artifact.kind == "tune":
            yield from read_rows(self._artifact.file(ROWS_FILE))
            return
        prepare, tokenize = (
            self._space.find_ancestor(self._artifact, kind) for kind in ("prepare", "tokenize")
        )
        seen = set(TokenSet.open(tokenize.path / "train").document_ids)
        for document in read_folder(prepare.path):
            if document.id in seen:
                yield Sample(origin=f"document {document.id}", text=document.text)

    def learnt_at_random(self) -> list[Sample]:
        """Return what was learnt in an order that any machine finds."""
        return sorted(self.learnt(), key=_key)


def earlier_domains(parent: Artifact | None, space: Workspace) -> list[EarlierDomain]:
    """Return the domains that a model was made of, the oldest first; none for a foreign model."""
    found: list[EarlierDomain] = []
    while parent is not None:
        found.append(_domain_of(parent, space))
        before = next((kind for kind in ("tune", "pretrain") if kind in parent.receipt.parents), "")
        parent = space.open_parent(parent, before) if before else None
    return found[::-1]


def _domain_of(artifact: Artifact, space: Workspace) -> EarlierDomain:
    if artifact.kind == "pretrain":
        pages = read_documents(space.find_ancestor(artifact, "tokenize").file(HELD_OUT_FILE))
        texts = (Sample(origin=f"document {page.id}", text=page.text) for page in pages)
        held_out, _ = choose(texts, _MAX_PAGES)
        return EarlierDomain(PRETRAINING, held_out, artifact, space)
    name = artifact.receipt.config["tune"].get("domain", "chat")
    path = artifact.path / HELD_OUT_FILE
    held_out = list(read_rows(path)) if path.exists() else []
    return EarlierDomain(name, held_out, artifact, space)


def split_samples(
    samples: Iterable[Sample], *, held_out_fraction: float, max_held_out: int
) -> tuple[list[Sample], list[Sample], int]:
    """Return what is learnt, what is held out, and how many samples came twice."""
    by_key: dict[bytes, Sample] = {}
    num_all = 0
    for sample in samples:
        num_all += 1
        by_key.setdefault(_key(sample), sample)
    wanted = min(max_held_out, max(1, round(held_out_fraction * len(by_key))))
    held_out, learnt = choose(by_key.values(), wanted if len(by_key) > 1 else 0)
    return learnt, held_out, num_all - len(by_key)


def choose(samples: Iterable[Sample], count: int) -> tuple[list[Sample], list[Sample]]:
    """Return `count` samples drawn by the hash of what they say, and the others, both in order."""
    listed = list(samples)
    drawn = set(sorted(range(len(listed)), key=lambda number: _key(listed[number]))[:count])
    return (
        [sample for number, sample in enumerate(listed) if number in drawn],
        [sample for number, sample in enumerate(listed) if number not in drawn],
    )


def write_rows(path: Path, samples: Iterable[Sample]) -> None:
    """Write samples as zstd-compressed JSON lines, whole or not at all."""
    text = "".join(sample.to_json() + "\n" for sample in samples)
    with replace_file(path) as file:
        file.write(protect(zstandard.ZstdCompressor(level=3).compress(text.encode())))


def read_rows(path: Path) -> Iterator[Sample]:
    """Yield the samples of a file that `write_rows` wrote."""
    for line in read_lines(path):
        yield Sample.from_json(line.decode())


def _key(sample: Sample) -> bytes:
    said = (sample.messages, sample.chosen, sample.rejected, sample.label, sample.text)
    return hashlib.sha256(repr(said).encode()).digest()
