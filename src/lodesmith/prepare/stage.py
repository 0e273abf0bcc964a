"""The prepare stage: the pages of an acquire artifact become clean documents and a funnel."""

from collections.abc import Mapping
from pathlib import Path

from lodesmith.core.errors import UserError
from lodesmith.core.storage import JSON, read_json, write_json
from lodesmith.lineage.artifact import Artifact, Draft
from lodesmith.prepare.config import PrepareConfig
from lodesmith.prepare.funnel import Funnel
from lodesmith.prepare.passes import Prepared, prepare_corpus
from lodesmith.prepare.records import Source

_SHARD_RECORDS = 2048
_MAX_SHARDS_PER_SOURCE = 16  # each inflates its file from the start, so more would cost too much
_NO_RECORDS = frozenset({"warcinfo"})  # our own header of a file


def make(draft: Draft, *, parents: Mapping[str, Artifact], prepare: PrepareConfig) -> None:
    """Write `documents-*.jsonl.zst`, `rejected-*.jsonl.zst` and `funnel.json`.

    Raises:
        UserError: there is no page, or a step left no document.
    """
    acquire = parents["acquire"]
    entries = [
        entry for entry in read_json(acquire.file("sources.json")) if entry["use"] == "pages"
    ]
    sources = [source for entry in entries for source in _cut(entry, acquire)]
    if not sources:
        raise UserError("acquire has no source with use: pages; add one to the recipe")
    prepared = prepare_corpus(
        [[source] for source in sources],
        scratch=draft.scratch,
        final=draft.path,
        config=prepare,
        markers=draft.markers,
    )
    check_not_empty(prepared.funnel)
    write_json(draft.path / "funnel.json", prepared.funnel.to_json())
    draft.sources.extend(entries)
    _fill_receipt(draft, prepared)


def _cut(entry: JSON, acquire: Artifact) -> list[Source]:
    """Return the stretches of one source's file that become shards, of about equal length."""
    num_records = int(entry["num_records"])
    num_shards = min(_MAX_SHARDS_PER_SOURCE, -(-num_records // _SHARD_RECORDS)) or 1
    path: Path = acquire.file(entry["file"])
    edges = [num_records * index // num_shards for index in range(num_shards)]
    return [
        Source(
            path=path,
            kind="archive",
            name=f"{acquire.id}/{entry['file']}",
            corpus=entry["name"],
            num_bytes=int(entry["bytes"]) // num_shards,
            first=first,
            stop=stop,
            skip=_NO_RECORDS,
        )
        for first, stop in zip(edges, [*edges[1:], None], strict=True)
    ]


def check_not_empty(funnel: Funnel) -> None:
    """Say which step left nothing.

    Raises:
        UserError: a step dropped every document that came to it.
    """
    for step, tally in funnel.steps.items():
        if tally.total["documents_out"]:
            continue
        if not tally.total["documents_in"]:
            raise UserError("there is no page to prepare; look at the sources of acquire")
        reasons = sorted(tally.dropped.items(), key=lambda item: -item[1]["count"])
        told = "; ".join(
            f"{entry['count']}: {reason}"
            + ("" if entry["limit"] is None else f", limit {entry['limit']}")
            for reason, entry in reasons[:3]
        )
        raise UserError(
            f"prepare: the step {step} dropped all {tally.total['documents_in']} documents that "
            f"came to it ({told}); change its settings in the section prepare or add other sources"
        )


def _fill_receipt(draft: Draft, prepared: Prepared) -> None:
    draft.counts.update(
        documents_in=prepared.num_records,
        num_documents=prepared.num_documents,
        num_rejected=prepared.num_rejected,
        text_bytes=prepared.text_bytes,
    )
    draft.dropped.update(prepared.funnel.dropped())
    draft.notes.extend(prepared.faults)
    damaged = sum(
        count for reason, count in draft.dropped.items() if reason.endswith(": damaged record")
    )
    if damaged:
        draft.notes.append(f"{damaged} damaged records in the input were left out")
