"""The acquire stage: every source of the recipe as one WARC file.

Sources are made one after the other; a finished one is never made again, and an interrupted one
starts over from its download.
"""

import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from lodesmith.acquire.config import AcquireConfig, resolve
from lodesmith.acquire.crawl.source_crawl import CrawlSource
from lodesmith.acquire.origins import Origin, open_origin
from lodesmith.acquire.packages.debian import fetch_together
from lodesmith.acquire.packages.source_packages import DebianSource
from lodesmith.acquire.pages.pages import Tally
from lodesmith.acquire.source_base import NO_LICENCE, PlainSource
from lodesmith.core.errors import EngineError, UserError
from lodesmith.core.log import show_progress, warn
from lodesmith.core.storage import JSON, replace_file, write_json
from lodesmith.data.warc import WarcWriter
from lodesmith.lineage.artifact import Artifact, Draft

_DOWNLOADS = "downloads"  # below the draft's scratch folder
_MAX_SHOWN_NOTES = 3  # of a source, while it is made; the receipt has them all


def make(draft: Draft, *, parents: Mapping[str, Artifact], acquire: AcquireConfig) -> None:  # noqa: ARG001 every stage is called alike
    """Write one `<name>.warc.gz` for each source, and `sources.json`.

    Raises:
        UserError: a package does not exist, or a source holds no page.
        EngineError: a client failed.
    """
    acquire = resolve(acquire)
    if acquire.fallback_reason:
        draft.notes.append(f"fallback sources were taken: {acquire.fallback_reason}")
    fetch_together(
        [source for source in acquire.sources if isinstance(source, DebianSource)],
        draft.scratch / _DOWNLOADS,
    )
    for source in acquire.sources:
        done = draft.markers.once(f"source-{source.label}", partial(_make_source, draft, source))
        draft.sources.append(done["source"])
        draft.notes.extend(f"{source.label}: {note}" for note in done["notes"])
        for reason, count in done["dropped"].items():
            draft.dropped[reason] = draft.dropped.get(reason, 0) + count
        draft.counts.update(done.get("counts", {}))
    write_json(draft.path / "sources.json", draft.sources)
    draft.counts |= {
        "num_sources": len(draft.sources),
        "num_records": sum(source["num_records"] for source in draft.sources),
        "payload_bytes": sum(source["bytes"] for source in draft.sources),
    }


def _make_source(draft: Draft, source: PlainSource) -> JSON:
    if isinstance(source, CrawlSource):
        from lodesmith.acquire.crawl.source import make_crawl

        return make_crawl(source, draft)
    downloads = draft.scratch / _DOWNLOADS
    tally = Tally()
    try:
        with open_origin(source, downloads, tally) as origin:
            entry = _write_source(draft.path / f"{source.label}.warc.gz", source, origin)
    except EngineError:  # perhaps a torn download: the next attempt fetches it again
        shutil.rmtree(downloads / source.label, ignore_errors=True)
        raise
    if entry["num_records"] == 0:
        (draft.path / entry["file"]).unlink()
        left_out = ", ".join(f"{count} {reason}" for reason, count in tally.dropped.items())
        raise UserError(
            f"source {source.label} holds no page ({left_out or 'it is empty'}); correct or "
            "remove it"
        )
    notes = tally.all_notes()
    for note in notes[:_MAX_SHOWN_NOTES]:
        warn(f"{source.label}: {note}")
    return {"source": entry, "dropped": dict(tally.dropped), "notes": notes}


def _write_source(path: Path, source: PlainSource, origin: Origin) -> dict[str, Any]:
    num_records = num_bytes = 0
    with (
        replace_file(path) as file,
        show_progress(f"acquire {source.label}", total=origin.num_members, unit="pages") as bar,
    ):
        writer = WarcWriter(file, info={"source": source.origin})
        for page in origin.pages:
            writer.write(
                uri=page.uri, payload=page.payload, content_type=page.content_type, date=page.date
            )
            num_records += 1
            num_bytes += len(page.payload)
            bar.advance()
    return {
        "name": source.label,
        "kind": source.kind,
        "origin": source.origin,
        "version": origin.version,
        "licence": source.licence or origin.licence or NO_LICENCE,
        "use": source.use,
        "num_records": num_records,
        "bytes": num_bytes,
        "file": path.name,
    }
