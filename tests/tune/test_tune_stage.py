"""The stage from raw chat files and clean pages to a tuned model."""

import json

import pytest
import zstandard

from lodesmith.core.errors import UserError
from lodesmith.core.storage import read_json, replace_file, write_json
from lodesmith.data.chat import render_training
from lodesmith.data.documents import Document, write_documents
from lodesmith.data.tokenizer import Tokenizer
from lodesmith.data.tokens import write_token_set
from lodesmith.data.warc import WarcWriter
from lodesmith.lineage.artifact import Draft, Order
from lodesmith.lineage.workspace import Workspace
from lodesmith.model.checkpoint import load_decoder, save_decoder
from lodesmith.model.config import DecoderConfig
from lodesmith.model.decoder import Decoder
from lodesmith.tokenize.bpe import train_tokenizer
from lodesmith.train.samples.packed import open_packed
from lodesmith.tune import stage
from lodesmith.tune.config import TuneConfig
from lodesmith.tune.conversations.harvest import harvest_rows

DATE = "2024-05-31T01:16:46Z"
YAML = "conversations:\n- - {0} one?\n  - {0} is one.\n- - {0} one?\n  - {0} is one.\n"
CHATS = {
    "pypi:c/data/english/a.yml": YAML.format("English"),
    "pypi:c/data/chinese/a.yml": "conversations:\n- - 你好\n  - 你好，我能帮你什么吗？\n",
    "pypi:c/data/german/a.yml": "conversations:\n- - Hallo\n  - Guten Tag\n",
    "pypi:c/more.jsonl": json.dumps(
        {
            "messages": [
                {"role": "user", "content": "Long?"},
                {"role": "assistant", "content": "x " * 99},
            ]
        }
    ),
}


def page(number, side):
    text = f"Thing {number} of {side}\nThe {side} thing {number} is good for something."
    return Document(
        id=f"{side}{number}", source="s", url=f"{side}{number}", language="en", text=text,
        headings=[f"Thing {number} of {side}"], corpus="help",
    )  # fmt: skip


@pytest.fixture
def parents(tmp_path):
    """The artifacts before tune, with one chat source and five pages on each side."""
    workspace = Workspace(tmp_path / "workspace")
    pages = {side: [page(number, side) for number in range(5)] for side in ("train", "held_out")}

    def acquire(draft):
        with replace_file(draft.path / "chats.warc.gz") as file:
            writer = WarcWriter(file)
            for uri, text in CHATS.items():
                writer.write(uri=uri, payload=text.encode(), content_type="", date=DATE)
        entry = {"kind": "pypi", "origin": "pypi:c", "version": "1", "licence": "BSD-3-Clause"}
        write_json(
            draft.path / "sources.json",
            [
                {"name": "chats", **entry, "use": "chat", "file": "chats.warc.gz"},
                {"name": "help", **entry, "use": "pages", "file": "help.warc.gz"},
            ],
        )

    def prepare(draft):
        both = [*pages["held_out"], *pages["train"]]
        write_documents(draft.path / "documents-00000.jsonl.zst", both)

    def tokenize(draft):
        texts = [document.text for document in pages["train"]]
        tokenizer = train_tokenizer(draft.path / "tokenizer", texts, vocab_size=300)
        write_token_set(
            draft.path / "train",
            [(document.id, tokenizer.encode(document.text)) for document in pages["train"]],
            vocab_size=tokenizer.vocab_size, tokenizer_digest=tokenizer.digest,
            separator_id=tokenizer.end_of_text_id,
        )  # fmt: skip

    def pretrain(draft):
        shape = DecoderConfig(
            hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
            num_key_value_heads=1, head_dim=8, max_position_embeddings=64, vocab_size=300,
        )  # fmt: skip
        save_decoder(draft.path / "model", Decoder.fresh(shape, seed=0), eos_ids=[299])

    makers = {"acquire": acquire, "prepare": prepare, "tokenize": tokenize, "pretrain": pretrain}
    return {
        kind: workspace.build(Order(kind=kind, version=1, config={}), make)
        for kind, make in makers.items()
    }


def settings(**changes):
    small = {
        "max_steps": 4, "global_batch_size": 2, "micro_batch_size": 1, "sequence_length": 60,
        "warmup_steps": 1, "num_ranks": 1,
    }  # fmt: skip
    return TuneConfig(**{**small, **changes})


def harvest(parents, **changes):
    folders = {kind: parents[kind].path for kind in ("prepare", "tokenize")}
    return harvest_rows(parents["acquire"].path, **folders, tune=settings(**changes))


def test_rows_come_from_chats_of_the_languages_and_from_pages(parents):
    found = harvest(parents)
    assert [row.source for row in found.rows] == ["chats"] * 3 + ["help pages"] * 5
    assert found.dropped == {
        "file of another language": 1, "duplicate": 1,
        "ambiguous heading": 0, "help pair beyond the limit": 0,
    }  # fmt: skip


def test_pairs_never_come_from_held_out_pages(parents):
    text = "".join(row.to_json() for row in harvest(parents).rows)
    assert "thing 3 of train" in text.casefold()
    assert "held_out" not in text


def test_nothing_to_learn_from_is_said(parents):
    sources = parents["acquire"].path / "sources.json"
    write_json(sources, [entry for entry in read_json(sources) if entry["use"] == "pages"])
    with pytest.raises(UserError, match="there is no conversation to tune on"):
        harvest(parents, max_help_pairs=0)


def test_packing_loses_no_token_and_learns_only_answers(parents, tmp_path):
    found = harvest(parents)
    tokenizer = Tokenizer.load(parents["tokenize"].path / "tokenizer")
    stage._pack(found, tokenizer, tune=settings(), folder=tmp_path)
    rows = open_packed(tmp_path)
    given = [render_training(tokenizer, row.messages) for row in found.rows]
    packed = []
    for ids, mask, segments in zip(rows.input_ids, rows.loss_mask, rows.segment_ids, strict=True):
        for segment in range(1, segments.max() + 1):
            here = segments == segment
            packed.append((ids[here].tolist(), mask[here].tolist()))
    assert sorted(packed) == sorted(given)
    assert found.dropped["longer than sequence_length"] == 1  # the row of 99 words


def test_a_sequence_too_short_for_all_is_refused(parents, tmp_path):
    tokenizer = Tokenizer.load(parents["tokenize"].path / "tokenizer")
    with pytest.raises(UserError, match=r"no conversation fits into tune\.sequence_length \(4\)"):
        stage._pack(harvest(parents), tokenizer, tune=settings(sequence_length=4), folder=tmp_path)


@pytest.mark.slow
@pytest.mark.dist
def test_the_stage_makes_a_model_twice_with_the_same_bytes(parents, tmp_path):
    drafts = [Draft(path=tmp_path / name) for name in ("first", "second")]
    for draft in drafts:
        stage.make(draft, parents=parents, tune=settings())
    files = ["model/model.safetensors", "model/tokenizer.json", "chat.jsonl.zst", "training.json"]
    for name in files:
        first, second = ((draft.path / name).read_bytes() for draft in drafts)
        assert first == second
    draft = drafts[0]
    assert load_decoder(draft.path / "model").config.vocab_size == 300
    tokenizer = Tokenizer.load(draft.path / "model")
    assert tokenizer.eos_ids == (tokenizer.token_id("<|im_end|>"), tokenizer.end_of_text_id)
    assert draft.counts["num_rows"] == 7
    assert draft.counts["num_rows of help pages (en)"] == 5
    assert [source["name"] for source in draft.sources] == ["chats", "help"]
    assert all(source["licence"] == "BSD-3-Clause" for source in draft.sources)
    with zstandard.open(draft.path / "chat.jsonl.zst", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    assert rows[0]["origin"] == "pypi:c/data/english/a.yml:2"
    assert draft.observations == {
        "metrics.jsonl", "run.jsonl", "tensorboard/events.out.tfevents.000000"
    }  # fmt: skip


def test_a_sequence_longer_than_the_model_reads_is_refused(parents, tmp_path):
    with pytest.raises(UserError, match=r"\(65\) is above the base model's .*\(64\)"):
        stage.make(Draft(path=tmp_path), parents=parents, tune=settings(sequence_length=65))


def test_settings_refuse_a_language_named_twice():
    with pytest.raises(ValueError, match="languages names one twice: zh, zh"):
        settings(languages=["zh", "zh"])


def test_the_loop_gets_its_own_settings_only():
    assert settings(max_help_pairs=3).training.model_dump().keys() < settings().model_dump().keys()
