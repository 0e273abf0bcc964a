"""The catalog only says where to look: with all, half or none of it, answers are equal."""

import gzip
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard

from lodesmith.core.errors import DamagedArtifactError, UserError
from lodesmith.core.storage import replace_file, write_bytes, write_json
from lodesmith.data.documents import Document, write_documents
from lodesmith.data.warc import WarcWriter, read_record_at
from lodesmith.lineage.artifact import Artifact, Draft, Order
from lodesmith.lineage.workspace import Workspace
from lodesmith.pipeline import trace_rows
from lodesmith.pipeline.catalog_artifacts import (
    describe_catalog,
    open_catalog,
    rebuild_catalog,
    record_artifact,
)
from lodesmith.pipeline.trace import trace_content, trace_document, trace_url
from lodesmith.prepare.input.pages import Page

PAGES = {f"debian:help/page{number}.html": f"text {number}".encode() for number in range(40)}


def fill_acquire(draft: Draft) -> None:
    source = {"name": "help", "file": "help.warc.gz", "origin": "debian:help", "version": "1"}
    with replace_file(draft.path / "help.warc.gz") as file:
        writer = WarcWriter(file)
        for url, payload in PAGES.items():
            writer.write(uri=url, payload=payload, content_type="text/html",
                         date="2024-05-31T01:16:46Z")  # fmt: skip
    write_json(draft.path / "sources.json", [source])


def make_documents(acquire: Artifact) -> list[Document]:
    return [
        Document(id=Page(source="", url=url, payload=payload).id, url=url, language="en",
                 source=f"{acquire.id}/help.warc.gz#{number}", text=payload.decode() * 9)
        for number, (url, payload) in enumerate(PAGES.items())
    ]  # fmt: skip


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    workspace = Workspace(tmp_path)
    acquire = workspace.build(Order(kind="acquire", version=1, config={}), fill_acquire)
    documents = make_documents(acquire)
    for version in (1, 2):  # two prepares that differ in what they keep

        def fill(draft: Draft, version: int = version) -> None:
            write_documents(draft.path / "documents-00000.jsonl.zst", documents[:20])
            write_documents(draft.path / "documents-00001.jsonl.zst", documents[20 : 40 - version])
            rows = [json.loads(document.to_json()) | {"step": "ads", "reason": "ads"}
                    for document in documents[40 - version :]]  # fmt: skip
            lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
            write_bytes(draft.path / "rejected-00000.jsonl.zst", zstandard.compress(lines))

        workspace.build(
            Order(kind="prepare", version=version, config={}, parents={"acquire": acquire}), fill
        )
    return workspace


def record_all(workspace: Workspace) -> None:
    for artifact in workspace.list_artifacts():
        record_artifact(workspace, artifact)


def all_answers(workspace: Workspace) -> list:
    documents = make_documents(next(a for a in workspace.list_artifacts() if a.kind == "acquire"))
    return [(trace_document(workspace, document.id), trace_url(workspace, document.url))
            for document in documents]  # fmt: skip


def test_answers_are_equal_with_without_and_with_half_a_catalog(workspace: Workspace) -> None:
    without = all_answers(workspace)
    assert [len(document.fates) for document, _ in without] == [2] * 40
    assert [fate.is_kept for fate in without[38][0].fates] in ([True, False], [False, True])
    record_artifact(workspace, workspace.list_artifacts()[1])
    assert all_answers(workspace) == without
    record_all(workspace)
    assert all_answers(workspace) == without
    shutil.rmtree(workspace.root / "catalog")
    assert all_answers(workspace) == without


def test_with_a_catalog_only_files_that_hold_the_document_are_read(
    workspace: Workspace, monkeypatch
) -> None:
    record_all(workspace)
    opened: list[str] = []
    read_lines = trace_rows.read_lines

    def watch(path: Path):
        opened.append(path.name)
        return read_lines(path)

    monkeypatch.setattr(trace_rows, "read_lines", watch)
    (found,) = trace_url(workspace, "debian:help/page3.html")
    assert found.url == "debian:help/page3.html"
    assert set(opened) == {"documents-00000.jsonl.zst"}


def test_a_raw_record_is_read_at_the_place_that_the_catalog_gives(workspace: Workspace) -> None:
    record_all(workspace)
    snapshot = open_catalog(workspace).snapshot()
    for url, payload in PAGES.items():
        page = Page(source="", url=url, payload=payload)
        place = snapshot.find(page.id)[0]
        path = workspace.artifacts / place.archive
        assert read_record_at(path, place.offset).payload == payload
        end = place.offset + place.length
        assert gzip.decompress(path.read_bytes()[place.offset : end]).endswith(
            payload + b"\r\n\r\n"
        )


def test_recording_twice_and_rebuilding_change_no_answer(workspace: Workspace) -> None:
    record_all(workspace)
    before, answers = describe_catalog(open_catalog(workspace)), all_answers(workspace)
    record_all(workspace)
    assert describe_catalog(open_catalog(workspace)) == before
    assert before["num_places"] == 3 * len(PAGES)
    assert rebuild_catalog(workspace) == 3 * len(PAGES)
    assert all_answers(workspace) == answers


def test_a_damaged_catalog_stops_no_run_and_tells_how_to_mend_it(
    workspace: Workspace, capsys
) -> None:
    artifacts = workspace.list_artifacts()
    record_artifact(workspace, artifacts[0])
    for path in (workspace.root / "catalog").rglob("run.json"):
        path.write_bytes(b"torn")
    record_artifact(workspace, artifacts[1])
    said = capsys.readouterr()
    assert "is not in the catalog" in said.out + said.err
    assert "lodesmith catalog --rebuild" in said.out + said.err
    with pytest.raises(DamagedArtifactError, match="--rebuild"):
        trace_document(workspace, "0" * 16)
    rebuild_catalog(workspace)
    assert all_answers(workspace)


def test_an_unknown_url_is_told_from_a_known_one(workspace: Workspace) -> None:
    with pytest.raises(UserError, match="no document of debian:nothing"):
        trace_url(workspace, "debian:nothing")


@pytest.mark.parametrize("with_catalog", [True, False])
def test_a_text_is_found_by_its_hash_and_a_raw_page_where_the_catalog_has_it(
    workspace: Workspace, with_catalog: bool
) -> None:
    if with_catalog:
        record_all(workspace)
    acquire = next(a for a in workspace.list_artifacts() if a.kind == "acquire")
    for document in make_documents(acquire)[::13]:
        digest = hashlib.sha256(document.text.encode()).hexdigest()
        expected = trace_document(workspace, document.id)
        assert expected in trace_content(workspace, digest.upper())
        if with_catalog:
            raw = hashlib.sha256(PAGES[document.url]).hexdigest()
            assert trace_content(workspace, raw) == [expected]
    with pytest.raises(UserError, match="has the SHA-256 00"):
        trace_content(workspace, "0" * 64)


def test_the_command_line_looks_up_a_url_and_mends_the_catalog(workspace: Workspace) -> None:
    def call(*words: str) -> dict | list:
        command = [sys.executable, "-m", "lodesmith", *words, "--json"]
        command += ["--workspace", str(workspace.root)]
        return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)

    assert call("catalog")["num_places"] == 0
    facts = call("catalog", "--rebuild", "--compact", "--vacuum")
    assert (facts["num_places"], facts["num_runs"], len(facts["artifacts"])) == (120, 1, 3)
    (found,) = call("trace", "--url", "debian:help/page7.html")
    assert found == call("trace", "--document", found["document_id"])
    digest = hashlib.sha256(PAGES["debian:help/page7.html"]).hexdigest()
    assert call("trace", "--content", digest) == [found]
