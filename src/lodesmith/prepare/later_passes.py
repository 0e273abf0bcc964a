"""Second and third pass over a shard, and the merges before them that see the whole corpus.

merge 1: which texts are copies, which lines are repeated    second pass: drop them, take MinHashes
merge 2: which documents are nearly equal                    third pass: drop them, mask, write
"""

from collections.abc import Iterator, Sequence

import numpy as np

from lodesmith.core.storage import JSON
from lodesmith.data.documents import Document, write_documents
from lodesmith.prepare.carried import (
    Carried,
    Rejected,
    read_carried,
    reject,
    write_carried,
    write_json_lines,
)
from lodesmith.prepare.config import PrepareConfig
from lodesmith.prepare.decontaminate import check_contamination, read_benchmarks
from lodesmith.prepare.exact_duplicates import (
    candidate_lines,
    find_lines,
    later_copies,
    lines_of_earlier_shards,
    merge_line_counts,
    remove_lines,
)
from lodesmith.prepare.funnel import Funnel
from lodesmith.prepare.near_duplicates import NUM_HASHES, find_near_duplicates, sign
from lodesmith.prepare.pages import Drop
from lodesmith.prepare.personal_data import mask_personal_data
from lodesmith.prepare.shard_files import Shard, read_array, repeated_lines_file, write_array
from lodesmith.prepare.words import Hashes, split_words


def merge_exact(shards: Sequence[Shard], config: PrepareConfig) -> None:
    """Find copies of earlier documents and lines of too many documents."""
    hashes = [read_array(shard.text_hashes) for shard in shards]
    first = later_copies(np.concatenate(hashes))
    is_copy = first != np.arange(len(first))
    ends = np.cumsum([len(part) for part in hashes])[:-1]
    for shard, part in zip(shards, np.split(is_copy, ends), strict=True):
        write_array(shard.is_copy, part)
    parts = [read_array(shard.line_counts) for shard in shards]
    lines, counts = merge_line_counts([(part[0], part[1].astype(np.int64)) for part in parts])
    limit = config.exact_duplicates.max_line_documents
    for shard, known in zip(shards, lines_of_earlier_shards([p[0] for p in parts]), strict=True):
        write_array(shard.known_lines, known)
    write_array(repeated_lines_file(shards[0].folder), lines[counts > limit])


def merge_near(shards: Sequence[Shard], config: PrepareConfig) -> None:
    """Find documents that are nearly equal to an earlier one."""
    rows = [read_array(shard.signatures) for shard in shards]
    links = find_near_duplicates(
        np.concatenate(rows), min_similarity=config.near_duplicates.min_similarity
    )
    similarities = np.array([link[1] if link else 0.0 for link in links], dtype=np.float64)
    ends = np.cumsum([len(part) for part in rows])[:-1]
    for shard, part in zip(shards, np.split(similarities, ends), strict=True):
        write_array(shard.similarities, part)


def deduplicate_shard(shard: Shard, steps: Sequence[str], config: PrepareConfig) -> JSON:
    """Drop copies and repeated lines, and take the MinHash of what stays."""
    worker = _Deduplication(shard, steps, config)
    write_carried(shard.unique, worker.run())
    rows = np.array(worker.signatures, dtype=np.uint32).reshape(-1, NUM_HASHES)
    write_array(shard.signatures, rows)
    return {"funnel": worker.funnel.to_json()}


class _Deduplication:
    def __init__(self, shard: Shard, steps: Sequence[str], config: PrepareConfig) -> None:
        self.shard, self.steps, self.config = shard, steps, config
        self.funnel = Funnel(steps)
        self.signatures: list[np.ndarray] = []
        self.line_hashes: set[int] = set()  # of the shard's documents so far

    def run(self) -> Iterator[Carried | Rejected]:
        is_copy = iter(read_array(self.shard.is_copy))
        repeated: Hashes = read_array(repeated_lines_file(self.shard.folder))
        if self.config.exact_duplicates.keep_first_line_only:
            repeated = np.union1d(repeated, read_array(self.shard.known_lines))
        for item in read_carried(self.shard.cleaned):
            result: Carried | Rejected = item
            if isinstance(item, Carried) and "exact_duplicates" in self.steps:
                result = (
                    self._drop_copy(item) if next(is_copy) else self._drop_lines(item, repeated)
                )
            if isinstance(result, Carried) and "near_duplicates" in self.steps:
                self.signatures.append(sign(result.document.text))
            yield result

    def _drop_copy(self, item: Carried) -> Rejected:
        drop = Drop("equal to an earlier document")
        return drop_document(self.funnel, "exact_duplicates", item.document, drop)

    def _drop_lines(self, item: Carried, repeated: Hashes) -> Carried | Rejected:
        document = item.document
        lines = candidate_lines(document, item.code_lines, self.config.exact_duplicates)
        without = remove_lines(document, find_lines(lines, repeated) | self._lines_seen(lines))
        if without.lines:
            num_words = len(split_words(without.document.text).hashes)
            limit = self.config.quality.min_words if "quality" in self.steps else 1
            if num_words < limit:
                drop = Drop("too few words without repeated lines", num_words, limit)
                return drop_document(self.funnel, "exact_duplicates", document, drop)
            self.funnel["exact_duplicates"].add_lines(without.lines)
        keep_document(self.funnel, "exact_duplicates", document, without.document)
        return item.with_document(without.document)

    def _lines_seen(self, lines: dict[str, int]) -> set[str]:
        """Return which lines an earlier document of the shard has, if only the first is kept."""
        if not self.config.exact_duplicates.keep_first_line_only:
            return set()
        seen = {line for line, line_hash in lines.items() if line_hash in self.line_hashes}
        self.line_hashes.update(lines.values())
        return seen


def finish_shard(shard: Shard, steps: Sequence[str], config: PrepareConfig) -> JSON:
    """Drop near duplicates, mask personal data, drop benchmark texts, write what stays."""
    worker = _Finish(shard, steps, config)
    rejected: list[Rejected] = []
    num_documents = write_documents(shard.documents, worker.run(rejected))
    write_json_lines(shard.rejected, (item.record for item in rejected))
    return {
        "funnel": worker.funnel.to_json(),
        "num_documents": num_documents,
        "num_rejected": len(rejected),
        "text_bytes": worker.text_bytes,
    }


class _Finish:
    def __init__(self, shard: Shard, steps: Sequence[str], config: PrepareConfig) -> None:
        self.shard, self.steps, self.config = shard, steps, config
        self.funnel = Funnel(steps)
        self.benchmarks = read_benchmarks(config.decontaminate)
        self.text_bytes = 0

    def run(self, rejected: list[Rejected]) -> Iterator[Document]:
        near = "near_duplicates" in self.steps
        similarities = iter(read_array(self.shard.similarities) if near else ())
        for item in read_carried(self.shard.unique):
            result = item
            if isinstance(item, Carried):
                result = self._finish(item, float(next(similarities)) if near else 0.0)
            if isinstance(result, Rejected):
                rejected.append(result)
            else:
                self.text_bytes += _size(result.document)
                yield result.document

    def _finish(self, item: Carried, similarity: float) -> Carried | Rejected:
        document = item.document
        if similarity:
            limit = self.config.near_duplicates.min_similarity
            drop = Drop("nearly equal to an earlier document", similarity, limit)
            return drop_document(self.funnel, "near_duplicates", document, drop)
        for step in self.steps:
            if step == "near_duplicates":
                keep_document(self.funnel, step, document, document)
            elif step == "personal_data":
                masked = mask_personal_data(document)
                self.funnel[step].add_masked(masked.counts)
                keep_document(self.funnel, step, document, masked.document)
                document = masked.document
            elif step == "decontaminate":
                checked = check_contamination(document, self.benchmarks)
                if isinstance(checked, Drop):
                    return drop_document(self.funnel, step, document, checked)
                keep_document(self.funnel, step, document, document)
        return item.with_document(document)


def keep_document(funnel: Funnel, step: str, before: Document, after: Document) -> None:
    """Count a document that a step lets through."""
    funnel[step].add(after, bytes_in=_size(before), bytes_out=_size(after))


def drop_document(funnel: Funnel, step: str, document: Document, drop: Drop) -> Rejected:
    """Count a document that a step drops, and return its record."""
    funnel[step].add(document, bytes_in=_size(document), bytes_out=None)
    funnel[step].add_drop(document, drop)
    return reject(document, step, drop)


def _size(document: Document) -> int:
    return len(document.text.encode("utf-8", "replace"))
