"""Lineage is true in both directions: replaying the order of samples confirms every step."""

import dataclasses
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import zstandard

from lodesmith.core.config import Config
from lodesmith.core.errors import UserError
from lodesmith.core.seal import make_key, read_key, seal
from lodesmith.core.storage import write_bytes, write_json
from lodesmith.data.corpora import mixture_order
from lodesmith.data.documents import Document, write_documents
from lodesmith.data.mixture import MixtureOrder
from lodesmith.data.order import SampleOrder
from lodesmith.data.skips import NO_SKIPS, SkipList
from lodesmith.data.tokens import TokenSet
from lodesmith.lineage.artifact import Artifact, Draft, Order
from lodesmith.lineage.workspace import Workspace
from lodesmith.pipeline.trace import (
    format_artifact_trace,
    format_document_trace,
    format_text_matches,
    trace_artifact,
    trace_chats,
    trace_document,
    trace_text,
    trace_url,
)
from lodesmith.pipeline.trace_documents import show_url
from lodesmith.tokenize import stage
from lodesmith.tokenize.config import TokenizeConfig

LENGTH, BATCH, SEED, CONSUMED = 16, 4, 11, 50
SOURCE = {
    "name": "help", "kind": "debian", "origin": "debian:help-en", "version": "7.4",
    "licence": "MPL-2.0", "use": "pages", "num_records": 31, "bytes": 9, "file": "help.warc.gz",
}  # fmt: skip
SETTINGS = TokenizeConfig(vocab_size=300, held_out_fraction=0.2)


class PretrainConfig(Config):
    """Enough to tell two runs apart."""

    seed: int = SEED


def make_documents(acquire: Artifact) -> list[Document]:
    return [
        Document(id=f"{number:016x}", source=f"{acquire.id}/help.warc.gz#{number * 100}",
                 url=f"debian:help-en/page{number}.html", language="en",
                 corpus="help" if number < 20 else "more",
                 text=f"Page {number}: choose Insert - Frame {number * 7}, then press Enter.")
        for number in range(30)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = Workspace(tmp_path_factory.mktemp("workspace"))
    acquire = build(workspace, "acquire", fill_acquire)
    prepare = build(workspace, "prepare", fill_prepare(acquire), acquire=acquire)
    tokenize = workspace.build(
        Order(
            kind="tokenize", version=1, config={"tokenize": SETTINGS}, parents={"prepare": prepare}
        ),
        lambda draft: stage.make(draft, parents={"prepare": prepare}, tokenize=SETTINGS),
    )
    pretrain = build(workspace, "pretrain", fill_pretrain(CONSUMED), tokenize=tokenize)
    build(workspace, "tune", fill_tune, pretrain=pretrain, prepare=prepare, tokenize=tokenize,
          acquire=acquire)  # fmt: skip
    return workspace


def build(workspace: Workspace, kind: str, fill, **parents: Artifact) -> Artifact:
    return workspace.build(Order(kind=kind, version=1, config={}, parents=parents), fill)


def fill_acquire(draft: Draft) -> None:
    draft.sources = [SOURCE]
    write_json(draft.path / "sources.json", [SOURCE])
    (draft.path / "help.warc.gz").write_bytes(b"raw")


def fill_prepare(acquire: Artifact):
    def fill(draft: Draft) -> None:
        draft.sources = [SOURCE]
        write_documents(draft.path / "documents-00000.jsonl.zst", make_documents(acquire))
        row = {"id": "f" * 16, "source": f"{acquire.id}/help.warc.gz#9", "url": "x:/bad",
               "language": "en", "text": "buy", "step": "ads", "reason": "ads: looks like an ad",
               "value": 0.9}  # fmt: skip
        line = json.dumps(row).encode() + b"\n"
        write_bytes(draft.path / "rejected-00000.jsonl.zst", zstandard.compress(line))

    return fill


def fill_pretrain(consumed: int, **more):
    def fill(draft: Draft) -> None:
        facts = {"seed": SEED, "sequence_length": LENGTH, "global_batch_size": BATCH,
                 "samples_consumed": consumed, **more}  # fmt: skip
        write_json(draft.path / "training.json", facts)

    return fill


def fill_tune(draft: Draft) -> None:
    rows = [
        {"origin": f"document {0:016x}"},
        {"origin": "chats/a.yml", "messages": [{"role": "user", "content": 'Où est "Ça"?'}]},
        {"origin": f"document {0:016x}"},
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    write_bytes(draft.path / "chat.jsonl.zst", zstandard.compress(text.encode()))


def only(workspace: Workspace, kind: str) -> Artifact:
    return workspace.find(f"{kind}-")


def replay(
    tokens: TokenSet,
    consumed: int,
    order: SampleOrder | MixtureOrder | None = None,
    skips: SkipList = NO_SKIPS,
) -> dict[str, set[int]]:
    """Return by document the steps at which it is read, by going through the run as it went."""
    order = order or SampleOrder(tokens.num_windows(LENGTH), SEED)
    steps: dict[str, set[int]] = {name: set() for name in tokens.document_ids}
    for place, window in enumerate(order.windows(skips.samples(np.arange(consumed))).tolist()):
        for name in tokens.documents_in_window(window, LENGTH):
            steps[name].add(place // BATCH + 1)
    return steps


def test_every_step_of_a_run_that_mixed_corpora_and_skipped_samples_is_found(
    workspace: Workspace,
) -> None:
    tokenize, weights = only(workspace, "tokenize"), {"help": 1.0, "more": 4.0}
    skips = SkipList().plus_positions(5, 11)
    mixed = workspace.build(
        Order(kind="pretrain", version=1, config={"pretrain": PretrainConfig(seed=3)},
              parents={"tokenize": tokenize}),
        fill_pretrain(CONSUMED, mixture=weights, samples_skipped=skips.to_json()),
    )  # fmt: skip
    try:
        tokens = TokenSet.open(tokenize.file("train"))
        order = mixture_order(tokens, weights, sequence_length=LENGTH, seed=SEED)
        for name, steps in replay(tokens, CONSUMED, order, skips).items():
            [use] = trace_document(workspace, name).fates[0].tokens
            [run] = [run for run in use.training if run.pretrain == mixed.id]
            assert {reading.step for reading in run.readings} == steps
    finally:
        shutil.rmtree(mixed.path)


def test_every_step_of_every_document_is_as_the_run_went(workspace: Workspace) -> None:
    tokens = TokenSet.open(only(workspace, "tokenize").file("train"))
    windows = tokens.num_windows(LENGTH)
    assert windows < CONSUMED < 3 * windows  # whole epochs and a part of one
    for name, steps in replay(tokens, CONSUMED).items():
        [fate] = trace_document(workspace, name).fates
        [use] = fate.tokens
        [run] = use.training
        assert {reading.step for reading in run.readings} == steps
        assert run.num_steps == 13
        assert use.side == "train"
        assert tokens.span_of_document(name) == range(
            use.first_token, use.first_token + use.num_tokens
        )


def test_a_document_leads_to_its_page_and_licence(workspace: Workspace) -> None:
    trace = trace_document(workspace, f"{3:016x}")
    assert trace.url == "debian:help-en/page3.html"
    assert trace.page.offset == 300
    assert Path(trace.page.file).read_bytes() == b"raw"
    assert trace.page.package["licence"] == "MPL-2.0"
    shown = format_document_trace(trace)
    for fact in ("debian:help-en 7.4 (MPL-2.0", "at byte 300", "kept", only(workspace, "tune").id):
        assert fact in shown


def test_an_address_is_shown_readable_and_found_as_it_is_shown(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    acquire = build(workspace, "acquire", fill_acquire)
    url = "file:///%E8%B5%84%E6%96%99/%E9%A6%96%E9%A1%B5%20(1).html"
    document = dataclasses.replace(make_documents(acquire)[0], url=url)

    def fill(draft: Draft) -> None:
        write_documents(draft.path / "documents-00000.jsonl.zst", [document])

    build(workspace, "prepare", fill, acquire=acquire)
    (trace,) = trace_url(workspace, url)
    assert "page      file:///资料/首页 (1).html" in format_document_trace(trace)
    assert trace_url(workspace, "file:///资料/首页 (1).html") == [trace]


@pytest.mark.parametrize("url", ["https://a.org/50%25", "x:/a%2Fb", "x:/%FF", "x:/%0A", "x:/页"])
def test_an_address_that_reading_would_change_is_shown_as_it_is(url: str) -> None:
    assert show_url(url) == url


def test_a_held_out_document_was_never_read(workspace: Workspace) -> None:
    held_out = TokenSet.open(only(workspace, "tokenize").file("held_out")).document_ids
    assert held_out
    for name in held_out:
        trace = trace_document(workspace, name)
        assert [(use.side, use.training) for use in trace.fates[0].tokens] == [("held_out", [])]
        assert "held out" in format_document_trace(trace)


def test_a_rejected_document_says_why(workspace: Workspace) -> None:
    trace = trace_document(workspace, "f" * 16)
    [fate] = trace.fates
    assert not fate.is_kept
    assert fate.rejection == {"step": "ads", "reason": "ads: looks like an ad", "value": 0.9}
    assert fate.tokens == []
    assert "dropped by ads: looks like an ad" in format_document_trace(trace)


def test_conversations_made_of_a_document_are_counted(workspace: Workspace) -> None:
    trace = trace_document(workspace, f"{0:016x}")
    assert [use.num_rows for use in trace.fates[0].chats] == [2]
    assert "2 conversations" in format_document_trace(trace)
    assert trace_document(workspace, f"{1:016x}").fates[0].chats == []


def test_a_short_run_has_not_read_all(workspace: Workspace, tmp_path: Path) -> None:
    tokenize = only(workspace, "tokenize")
    short = workspace.build(
        Order(kind="pretrain", version=1, config={"pretrain": PretrainConfig(seed=2)},
              parents={"tokenize": tokenize}),
        fill_pretrain(BATCH),
    )  # fmt: skip
    try:
        tokens = TokenSet.open(tokenize.file("train"))
        expected = replay(tokens, BATCH)
        assert not all(expected.values())
        for name, steps in expected.items():
            runs = trace_document(workspace, name).fates[0].tokens[0].training
            [run] = [run for run in runs if run.pretrain == short.id]
            assert {reading.step for reading in run.readings} == steps
            if not steps:
                shown = format_document_trace(trace_document(workspace, name))
                assert "never read: 1 step ended" in shown
    finally:
        short.path.rename(tmp_path / "aside")


def test_an_unknown_document_is_a_clear_error(workspace: Workspace) -> None:
    with pytest.raises(UserError, match="no document 0123456789abcdef"):
        trace_document(workspace, "0123456789abcdef")


def test_a_sentence_leads_to_its_documents(workspace: Workspace) -> None:
    tokens = TokenSet.open(only(workspace, "tokenize").file("train"))
    number = int(tokens.document_ids[4], 16)
    [match] = trace_text(workspace, f"Page {number}: choose Insert - Frame {number * 7},")
    assert match.document_id == f"{number:016x}"
    assert (match.start, match.before, match.after) == (0, "", " then press Enter.")
    assert match.document.fates[0].tokens[0].training[0].readings
    assert match.url in format_text_matches([match])


def test_a_sentence_leads_to_the_records_of_tuning_that_say_it(workspace: Workspace) -> None:
    [match] = trace_chats(workspace, 'est "Ça"')
    tune = only(workspace, "tune").id
    assert (match.tune, match.row, match.origin) == (tune, 2, "chats/a.yml")
    assert format_text_matches([], [match]) == f"chats/a.yml  record 2 of {tune}"
    assert trace_chats(workspace, "chats/a.yml") == []  # no record says where it came from


def test_sealed_records_of_tuning_are_passed_over_and_said_to_be(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_key(tmp_path / "key")
    rows = only(workspace, "tune").file("chat.jsonl.zst")
    plain = rows.read_bytes()
    try:
        rows.write_bytes(seal(plain, read_key(tmp_path / "key")))
        assert trace_chats(workspace, "est") == []
        assert "are sealed and are not looked into" in capsys.readouterr().err
    finally:
        rows.write_bytes(plain)


def test_a_sentence_on_many_pages_is_shown_as_often_as_asked(workspace: Workspace) -> None:
    tokens = TokenSet.open(only(workspace, "tokenize").file("train"))
    for sentence in ("then press Enter.", ", then press Enter.", "Insert"):
        assert len(trace_text(workspace, sentence, limit=3)) == 3
        assert len(trace_text(workspace, sentence, limit=99)) == tokens.num_documents


def test_held_out_text_is_not_training_text(workspace: Workspace) -> None:
    name = TokenSet.open(only(workspace, "tokenize").file("held_out")).document_ids[0]
    assert trace_text(workspace, f"Page {int(name, 16)}: choose Insert") == []
    assert "no training document" in format_text_matches([])


def test_an_artifact_leads_to_packages_and_models(workspace: Workspace) -> None:
    trace = trace_artifact(workspace, only(workspace, "tokenize"))
    acquire = trace.origin.parents[0].parents[0]
    assert (acquire.kind, acquire.sources[0]["licence"]) == ("acquire", "MPL-2.0")
    reached = {node.kind: [child.kind for child in node.children] for node in trace.reached}
    assert reached == {"pretrain": ["tune"], "tune": []}
    shown = format_artifact_trace(trace).splitlines()
    assert shown[0] == only(workspace, "tokenize").id
    assert sum("debian:help-en 7.4 (MPL-2.0, 31 records)" in line for line in shown) == 1
    assert sum(only(workspace, "tune").id in line for line in shown) == 2
    assert any("(see above)" in line for line in shown)


def test_a_removed_ancestor_is_shown_as_missing(workspace: Workspace, tmp_path: Path) -> None:
    acquire = only(workspace, "acquire")
    acquire.path.rename(tmp_path / "aside")
    try:
        trace = trace_artifact(workspace, only(workspace, "prepare"))
        assert [parent.is_missing for parent in trace.origin.parents] == [True]
        assert "no longer in the workspace" in format_artifact_trace(trace)
        document = trace_document(workspace, f"{3:016x}")
        assert document.page.package == {}
        assert "not known any more" in format_document_trace(document)
    finally:
        (tmp_path / "aside").rename(acquire.path)


def test_traces_can_be_written_as_json(workspace: Workspace) -> None:
    traces: Mapping[str, object] = {
        "artifact": trace_artifact(workspace, only(workspace, "tune")),
        "document": trace_document(workspace, f"{0:016x}"),
        "text": trace_text(workspace, "Insert")[0],
    }
    for trace in traces.values():
        assert json.loads(json.dumps(dataclasses.asdict(trace)))  # type: ignore[call-overload]


def test_an_empty_workspace_has_no_text_to_search(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no training text"):
        trace_text(Workspace(tmp_path), "anything")
