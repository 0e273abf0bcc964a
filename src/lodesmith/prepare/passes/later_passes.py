"""Second and third pass over a shard, and the merges before them that see the whole corpus.

merge 1: which texts are copies, which lines are repeated    second pass: drop them, take MinHashes
merge 2: which documents are nearly equal                    third pass: drop them, mask, write

A merge is a list of named tasks, each a function of files that sees one shard or one range of keys.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from lodesmith.core.shards import UNWATCHED, Watch
from lodesmith.core.storage import JSON
from lodesmith.data.documents import Document, write_documents
from lodesmith.prepare.config import PrepareConfig
from lodesmith.prepare.decontaminate import Benchmarks, check_contamination, read_benchmarks
from lodesmith.prepare.duplicates.exact_duplicates import (
    RepeatedLines,
    candidate_lines,
    lines_to_keep_once,
    merge_exact,
    read_copies,
    remove_lines,
)
from lodesmith.prepare.duplicates.near_duplicates import merge_near, read_similarities
from lodesmith.prepare.duplicates.repeated_runs import RepeatedRuns
from lodesmith.prepare.duplicates.signatures import Signatures
from lodesmith.prepare.funnel.funnel import Funnel
from lodesmith.prepare.input.pages import Drop, blame_record
from lodesmith.prepare.passes.carried import (
    Carried,
    Rejected,
    open_json_lines,
    read_carried,
    reject,
    write_carried,
)
from lodesmith.prepare.shards.shard_files import Parts, Ranges, Shard
from lodesmith.prepare.shards.sorted_rows import MapTasks
from lodesmith.prepare.words import split_words

if TYPE_CHECKING:
    from lodesmith.prepare.personal_data import PersonalData


def merge_texts(parts: Parts, config: PrepareConfig, map_tasks: MapTasks) -> Ranges:
    """Find copies of earlier documents and lines of too many documents."""
    return merge_exact(parts, config.exact_duplicates, config.merge_memory_bytes, map_tasks)


def merge_alike(parts: Parts, config: PrepareConfig, map_tasks: MapTasks) -> Ranges:
    """Find documents that are nearly equal to one that stays."""
    return merge_near(parts, config.near_duplicates, config.merge_memory_bytes, map_tasks)


MERGES = {"exact_duplicates": merge_texts, "near_duplicates": merge_alike}


def warm_up(steps: Sequence[str], config: PrepareConfig) -> None:
    """Load what these steps need, so that processes forked from this one share it."""
    _load_personal_data(steps, config)
    _load_benchmarks(steps, config)


def _load_benchmarks(steps: Sequence[str], config: PrepareConfig) -> Benchmarks | None:
    return read_benchmarks(config.decontaminate) if "decontaminate" in steps else None


def _load_personal_data(steps: Sequence[str], config: PrepareConfig) -> "PersonalData | None":
    if "personal_data" not in steps:
        return None
    from lodesmith.prepare.personal_data import PersonalData  # its rules take long to load

    return PersonalData(config.personal_data)


def deduplicate_shard(
    shard: Shard,
    ranges: Ranges,
    steps: Sequence[str],
    config: PrepareConfig,
    *,
    watch: Watch = UNWATCHED,
) -> JSON:
    """Drop copies and repeated lines, and take the MinHash of what stays."""
    worker = _Deduplication(shard, ranges, steps, config)
    write_carried(shard.unique, worker.run(watch))
    watch.end()
    if "near_duplicates" in steps:
        worker.signatures.write(Parts(shard.folder, 0), shard.number)
    return {"funnel": worker.funnel.to_json()}


class _Deduplication:
    def __init__(
        self, shard: Shard, ranges: Ranges, steps: Sequence[str], config: PrepareConfig
    ) -> None:
        self.shard, self.steps, self.config = shard, steps, config
        self.funnel = Funnel(steps)
        self.signatures = Signatures(config.near_duplicates)
        if "exact_duplicates" in steps:
            parts = Parts(shard.folder, 0)
            self.copies = set(read_copies(parts, shard.number, ranges.copies).tolist())
            self.repeated = RepeatedLines(
                parts, shard.number, ranges.lines, config.exact_duplicates
            )
            num_words = config.exact_duplicates.min_repeated_words
            self.runs = (
                RepeatedRuns(parts, shard.number, ranges.runs, num_words) if num_words else None
            )

    def run(self, watch: Watch) -> Iterator[Carried | Rejected]:
        place = 0  # among documents that are left, as in the shard's files of rows
        for number, item in enumerate(read_carried(self.shard.cleaned)):
            result: Carried | Rejected = item
            if (condemned := watch.work(number)) is not None and isinstance(item, Carried):
                result = drop_condemned(self.funnel, "exact_duplicates", item.document, condemned)
                place += 1
            elif isinstance(item, Carried) and "exact_duplicates" in self.steps:
                result = self._drop(item, place)
                place += 1
            if isinstance(result, Carried) and "near_duplicates" in self.steps:
                self.signatures.add(result.document.text)
            yield result

    def _drop(self, item: Carried, place: int) -> Carried | Rejected:
        if place in self.copies:
            return self._drop_copy(item)
        try:
            return self._drop_lines(item, place)
        except Exception as error:  # noqa: BLE001 one record must not cost its shard
            drop = Drop(blame_record(error))
            return drop_document(self.funnel, "exact_duplicates", item.document, drop)

    def _drop_copy(self, item: Carried) -> Rejected:
        drop = Drop("equal to an earlier document")
        return drop_document(self.funnel, "exact_duplicates", item.document, drop)

    def _drop_lines(self, item: Carried, place: int) -> Carried | Rejected:
        before = item.document
        document, gone = self._without_repeated(item, place)
        if gone:
            num_words = len(split_words(document.text).hashes)
            limit = self.config.quality.min_words if "quality" in self.steps else 1
            rule, tally = "too few words without repeated lines", self.funnel["exact_duplicates"]
            if num_words < limit:
                drop = Drop(rule, num_words, limit)
                return drop_document(self.funnel, "exact_duplicates", before, drop)
            tally.scores.add(rule, num_words, limit, passed=True)
            tally.add_lines(gone)
        keep_document(self.funnel, "exact_duplicates", before, document)
        return item.with_document(document)

    def _without_repeated(self, item: Carried, place: int) -> tuple[Document, list[str]]:
        """Return the document without repeated stretches and lines, and these."""
        document, config = item.document, self.config.exact_duplicates
        lines = candidate_lines(document, item.code_lines, config)
        cut: list[str] = []
        if self.runs:
            shorter = self.runs.cut(document, place, item.code_lines.union(document.headings))
            document, cut = shorter.document, shorter.sentences
        gone = self.repeated.find(lines, place)
        without = remove_lines(document, gone, lines_to_keep_once(lines, config))
        return without.document, [*cut, *without.lines]


def finish_shard(
    shard: Shard,
    ranges: Ranges,
    steps: Sequence[str],
    config: PrepareConfig,
    *,
    watch: Watch = UNWATCHED,
) -> JSON:
    """Drop near duplicates, mask personal data, drop benchmark texts, write what stays."""
    worker = _Finish(shard, ranges, steps, config)
    with open_json_lines(shard.rejected) as reject_record:
        num_documents = write_documents(shard.documents, worker.run(reject_record, watch))
        watch.end()
    return {
        "funnel": worker.funnel.to_json(),
        "num_documents": num_documents,
        "num_rejected": worker.num_rejected,
        "text_bytes": worker.text_bytes,
    }


class _Finish:
    def __init__(
        self, shard: Shard, ranges: Ranges, steps: Sequence[str], config: PrepareConfig
    ) -> None:
        self.shard, self.steps, self.config = shard, steps, config
        self.funnel = Funnel(steps)
        self.similarities: dict[int, float] = {}  # by place, of those that go
        self.below: dict[int, float] = {}  # of those that stay: to an earlier one
        if "near_duplicates" in steps:
            where = (Parts(shard.folder, 0), shard.number, ranges.near, config.near_duplicates)
            self.similarities = read_similarities(*where)
            self.below = read_similarities(*where, kind="below")
        self.personal_data = _load_personal_data(steps, config)
        self.benchmarks = _load_benchmarks(steps, config)
        self.text_bytes = self.num_rejected = 0

    def run(self, reject_record: Callable[[JSON], object], watch: Watch) -> Iterator[Document]:
        place = 0  # among documents that are left, as in the shard's signatures
        for number, item in enumerate(read_carried(self.shard.unique)):
            result = item
            condemned = watch.work(number)
            if isinstance(item, Carried):
                result = self._finish(item, place, condemned)
                place += 1
            if isinstance(result, Rejected):
                reject_record(self._hide(result).record)
                self.num_rejected += 1
            else:
                self.text_bytes += _size(result.document)
                yield result.document

    def _finish(self, item: Carried, place: int, condemned: str | None) -> Carried | Rejected:
        document = item.document
        if condemned is not None:
            return drop_condemned(self.funnel, "near_duplicates", document, condemned)
        if "near_duplicates" in self.steps:
            drop = self._compare(place)
            if drop is not None:
                return drop_document(self.funnel, "near_duplicates", document, drop)
        for step in self.steps:
            try:
                after = self._apply(step, document)
            except Exception as error:  # noqa: BLE001 one record must not cost its shard
                return drop_document(self.funnel, step, document, Drop(blame_record(error)))
            if isinstance(after, Rejected):
                return after
            document = after
        return item.with_document(self._label(document, item.code_lines))

    def _compare(self, place: int) -> Drop | None:
        """Return why a document is nearly equal to another one, and count how alike it is."""
        near = self.config.near_duplicates
        which = "an earlier" if near.keep == "first" else "a longer"
        rule, limit = f"nearly equal to {which} document", near.min_similarity
        if (similarity := self.similarities.get(place)) is not None:
            return Drop(rule, similarity, limit)
        scores = self.funnel["near_duplicates"].scores
        scores.add(rule, self.below.get(place, 0.0), limit, passed=True)
        return None

    def _label(self, document: Document, code_lines: frozenset[str]) -> Document:
        """Return a document with the language of each paragraph, now that no line goes any more."""
        if "language" not in self.steps:
            return document
        from lodesmith.prepare.language import label_paragraphs

        return label_paragraphs(document, code_lines=code_lines)

    def _apply(self, step: str, document: Document) -> Document | Rejected:
        """Take a document through one step of this pass; those of the passes before do nothing."""
        if step == "near_duplicates":
            keep_document(self.funnel, step, document, document)
        elif self.personal_data is not None and step == "personal_data":
            return self._mask(document, self.personal_data)
        elif self.benchmarks is not None and step == "decontaminate":
            checked = check_contamination(document, self.benchmarks)
            if isinstance(checked, Drop):
                return drop_document(self.funnel, step, document, checked)
            keep_document(self.funnel, step, document, document)
        return document

    def _hide(self, rejected: Rejected) -> Rejected:
        """Return a record that an earlier step dropped, without personal data too."""
        if self.personal_data is None:
            return rejected
        mask, record = partial(mask_or_hide, self.personal_data), rejected.record
        headings = [mask(heading) for heading in record["headings"]]
        texts = {name: mask(record[name]) for name in ("text", "title")}
        return Rejected({**record, **texts, "headings": headings})

    def _mask(self, document: Document, personal_data: "PersonalData") -> Document | Rejected:
        masked = personal_data.mask(document)
        self.funnel["personal_data"].add_masked(masked.document, masked.counts, masked.first)
        if masked.drop is not None:
            return drop_document(self.funnel, "personal_data", masked.document, masked.drop)
        keep_document(self.funnel, "personal_data", document, masked.document)
        return masked.document


def mask_or_hide(personal_data: "PersonalData", text: str) -> str:
    """Return a text without personal data: none of it where a recogniser fails on it."""
    try:
        return personal_data.mask_text(text)
    except Exception as error:  # noqa: BLE001 one record must not cost its shard
        blame_record(error)
        return ""


def keep_document(funnel: Funnel, step: str, before: Document, after: Document) -> None:
    """Count a document that a step lets through."""
    funnel[step].add(after, bytes_in=_size(before), bytes_out=_size(after))


def drop_document(funnel: Funnel, step: str, document: Document, drop: Drop) -> Rejected:
    """Count a document that a step drops, and return its record."""
    funnel[step].add(document, bytes_in=_size(document), bytes_out=None)
    funnel[step].add_drop(document, drop)
    return reject(document, step, drop)


def drop_condemned(funnel: Funnel, step: str, document: Document, why: str) -> Rejected:
    """Drop a document that kills or hangs workers, at the first step of a pass that is run."""
    return drop_document(funnel, funnel.first_from(step), document, Drop(why))


def _size(document: Document) -> int:
    return len(document.text.encode("utf-8", "replace"))
