"""The prepare stage: the pages of an acquire artifact become clean documents and a funnel."""

from collections.abc import Mapping

from lodesmith.core.errors import UserError
from lodesmith.core.storage import JSON, read_json, write_json, write_text
from lodesmith.lineage.artifact import Artifact, Draft
from lodesmith.prepare.config import PrepareConfig
from lodesmith.prepare.funnel.funnel import Funnel
from lodesmith.prepare.funnel.funnel_page import render_funnel
from lodesmith.prepare.input.sources import Source
from lodesmith.prepare.passes.passes import Prepared, prepare_corpus

_NO_RECORDS = frozenset({"warcinfo"})  # our own header of a file


def make(draft: Draft, *, parents: Mapping[str, Artifact], prepare: PrepareConfig) -> None:
    """Write `documents-*.jsonl.zst`, `rejected-*.jsonl.zst`, `funnel.json` and `funnel.html`.

    Raises:
        UserError: there is no page, or a step left no document.
    """
    acquire = parents["acquire"]
    entries = [
        entry for entry in read_json(acquire.file("sources.json")) if entry["use"] == "pages"
    ]
    sources = [_open_source(entry, acquire) for entry in entries]
    if not sources:
        raise UserError("acquire has no source with use: pages; add one to the recipe")
    prepared = prepare_corpus(
        sources,
        scratch=draft.scratch,
        final=draft.path,
        config=prepare,
        markers=draft.markers,
    )
    check_not_empty(prepared.funnel)
    funnel = prepared.funnel.to_json()
    write_json(draft.path / "funnel.json", funnel)
    write_text(draft.path / "funnel.html", render_funnel(funnel, title="Prepare"))
    draft.sources.extend(entries)
    _fill_receipt(draft, prepared)


def _open_source(entry: JSON, acquire: Artifact) -> Source:
    """Return the file of one of acquire's sources."""
    return Source(
        path=acquire.file(entry["file"]),
        kind="archive",
        name=f"{acquire.id}/{entry['file']}",
        corpus=entry["name"],
        num_bytes=int(entry["bytes"]),
        skip=_NO_RECORDS,
    )


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
