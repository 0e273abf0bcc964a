"""From a document to its page and package, and to all that was done with it since."""

import dataclasses
import json
import string
import urllib.parse
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from lodesmith.core.errors import UserError
from lodesmith.core.storage import read_json
from lodesmith.core.units import format_counted
from lodesmith.data.documents import Document
from lodesmith.data.warc import read_record_at
from lodesmith.lineage.artifact import Artifact
from lodesmith.lineage.workspace import Workspace
from lodesmith.pipeline.catalog_artifacts import (
    Located,
    hash_content,
    locate_content,
    locate_documents,
    locate_url,
)
from lodesmith.pipeline.trace_artifacts import children_by_parent, describe_source
from lodesmith.pipeline.trace_rows import find_rows, prepared_lines
from lodesmith.pipeline.trace_training import (
    ChatUse,
    TokenUse,
    describe_token_use,
    find_chat_uses,
    find_token_uses,
)
from lodesmith.prepare.input.pages import Page


@dataclass(frozen=True, kw_only=True)
class PageOrigin:
    """The raw page that a document was taken from."""

    source: str  # as in the document: artifact, file and offset
    file: str  # the WARC file on this disk; "" if its artifact is no longer in the workspace
    offset: int | None  # where its record begins in the file
    package: dict[str, Any]  # origin, version and licence; empty if not known any more


@dataclass(frozen=True, kw_only=True)
class Fate:
    """What a prepare artifact did with the document."""

    prepare: str
    is_kept: bool
    rejection: dict[str, Any]  # step, reason, measured value; empty if it was kept
    tokens: list[TokenUse]
    chats: list[ChatUse]


@dataclass(frozen=True, kw_only=True)
class DocumentTrace:
    """The way of one document."""

    document_id: str
    url: str
    language: str
    page: PageOrigin
    fates: list[Fate]


def trace_document(workspace: Workspace, document_id: str) -> DocumentTrace:
    """Return where a document is from and where it went.

    Raises:
        UserError: no artifact of the workspace has met the document.
    """
    found = trace_documents(workspace, [document_id])
    if not found:
        raise UserError(
            f"no document {document_id} in {workspace.root}; ids are 16 hex digits, as in the "
            "documents of prepare and in `lodesmith trace --text`"
        )
    return found[document_id]


def trace_documents(
    workspace: Workspace, document_ids: Collection[str]
) -> dict[str, DocumentTrace]:
    """Return the ways of several documents by their ids, reading each file at most once."""
    artifacts = workspace.list_artifacts()
    children = children_by_parent(artifacts)
    located = locate_documents(workspace, list(document_ids))
    rows: dict[str, dict[str, Any]] = {}
    fates: dict[str, list[Fate]] = {}
    for prepare in (artifact for artifact in artifacts if artifact.kind == "prepare"):
        found = list(find_rows(prepare, set(document_ids), "id", located))
        kept = [row["id"] for row, is_kept in found if is_kept]
        tokens = find_token_uses(kept, prepare, children) if kept else {}
        chats = find_chat_uses(kept, prepare, children) if kept else {}
        for row, is_kept in found:
            name = row["id"]
            rows[name] = row
            fate = Fate(
                prepare=prepare.id,
                is_kept=is_kept,
                rejection={} if is_kept else _rejection(row),
                tokens=tokens.get(name, []) if is_kept else [],
                chats=chats.get(name, []) if is_kept else [],
            )
            fates.setdefault(name, []).append(fate)
    return {
        name: DocumentTrace(
            document_id=name,
            url=row.get("url", ""),
            language=row.get("language", ""),
            page=_page_origin(workspace, row.get("source", "")),
            fates=fates[name],
        )
        for name, row in rows.items()
    }


def trace_url(workspace: Workspace, url: str) -> list[DocumentTrace]:
    """Return the ways of all documents that were taken from a URL.

    Raises:
        UserError: no prepare artifact of the workspace has met the URL.
    """
    names = _names_of_url(workspace, url) or _names_of_url(workspace, quote_url(url))
    if not names:
        raise UserError(
            f"no document of {url} in {workspace.root}; a URL is looked up as prepare wrote it, or "
            "as `lodesmith trace --document ID` shows it"
        )
    return list(trace_documents(workspace, names).values())


def _names_of_url(workspace: Workspace, url: str) -> list[str]:
    located = locate_url(workspace, url)
    names = {
        row["id"]: None
        for prepare in workspace.list_artifacts()
        if prepare.kind == "prepare"
        for row, _ in find_rows(prepare, {url}, "url", located)
    }
    return list(names)


def trace_content(workspace: Workspace, content_hash: str) -> list[DocumentTrace]:
    """Return the ways of all documents of a text, or of a raw page, given as its SHA-256.

    Raises:
        UserError: no document of the workspace has it.
    """
    content_hash = content_hash.lower()
    located = locate_content(workspace, content_hash)
    names: dict[str, None] = {}
    for artifact in workspace.list_artifacts():
        if artifact.kind == "prepare":
            names.update(dict.fromkeys(_ids_of_text(artifact, content_hash, located)))
        elif artifact.kind == "acquire":
            names.update(dict.fromkeys(_ids_of_page(artifact, content_hash, located)))
    if not names:
        raise UserError(
            f"no document of {workspace.root} has the SHA-256 {content_hash}; give that of a text "
            "as prepare wrote it, or of a page as it was fetched, in 64 hex digits"
        )
    return list(trace_documents(workspace, list(names)).values())


def _ids_of_text(prepare: Artifact, content_hash: str, located: Located) -> Iterator[str]:
    for line, _ in prepared_lines(prepare, located):
        row = json.loads(line)
        if hash_content(str(row.get("text", ""))) == content_hash:
            yield row["id"]


def _ids_of_page(acquire: Artifact, content_hash: str, located: Located) -> Iterator[str]:
    """Yield the ids of the documents of raw pages, where the catalog says that there are some."""
    for entry in read_json(acquire.file("sources.json")):
        for offset in located.offsets.get(f"{acquire.id}/{entry['file']}", ()):
            record = read_record_at(acquire.file(entry["file"]), offset)
            if hash_content(record.payload) == content_hash:
                yield Page(source="", url=record.uri, payload=record.payload).id


def quote_url(url: str) -> str:
    """Return an address with all that is not ASCII written as %-codes."""
    return urllib.parse.quote(url, safe=string.punctuation, errors="surrogatepass")


def show_url(url: str) -> str:
    """Return an address as people read it, where `quote_url` leads back to it.

    >>> show_url("file:///%E8%B5%84%E6%96%99/a%20b.html"), show_url("https://a.org/50%25.html")
    ('file:///资料/a b.html', 'https://a.org/50%25.html')
    """
    shown = urllib.parse.unquote(url, errors="surrogateescape")
    return shown if shown.isprintable() and quote_url(shown) == url else url


def format_document_trace(trace: DocumentTrace) -> str:
    """Return the way of a document as people read it."""
    page = trace.page
    lines = [
        f"document  {trace.document_id} ({trace.language})",
        f"page      {show_url(trace.url)}",
        f"record    {page.file or page.source}"
        + (f" at byte {page.offset}" if page.offset is not None else ""),
        f"package   {describe_source(page.package) if page.package else 'not known any more'}",
    ]
    for fate in trace.fates:
        lines.append(f"{fate.prepare}  {'kept' if fate.is_kept else _say_rejection(fate)}")
        lines += [f"  {line}" for use in fate.tokens for line in describe_token_use(use)]
        lines += [
            f"  {use.tune}  {format_counted(use.num_rows, 'conversation')} made of it"
            for use in fate.chats
        ]
    return "\n".join(lines)


def _rejection(row: dict[str, Any]) -> dict[str, Any]:
    """Return what a rejected row says beyond the document: step, reason, measured value."""
    of_document = {field.name for field in dataclasses.fields(Document)}
    return {name: value for name, value in row.items() if name not in of_document}


def _say_rejection(fate: Fate) -> str:
    return f"dropped by {fate.rejection.get('reason', 'a step that left no reason')}"


def _page_origin(workspace: Workspace, source: str) -> PageOrigin:
    place, _, offset = source.rpartition("#")
    place, offset = (place, offset) if offset.isdigit() else (source, "")
    artifact_id, _, name = place.partition("/")
    folder = workspace.artifacts / artifact_id
    is_here = bool(name) and (folder / name).is_file()
    entries = read_json(folder / "sources.json") if (folder / "sources.json").is_file() else []
    package: dict[str, Any] = next((entry for entry in entries if entry.get("file") == name), {})
    return PageOrigin(
        source=source,
        file=str(folder / name) if is_here else "",
        offset=int(offset) if offset else None,
        package=package,
    )
