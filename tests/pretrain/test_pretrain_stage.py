"""The stage: a tokenize artifact in, a base model out."""

import json

import numpy as np
import pytest

from lodesmith.core.errors import UserError
from lodesmith.data.corpora import mixture_order, write_corpora
from lodesmith.data.tokenizer import Tokenizer
from lodesmith.data.tokens import TokenSet, write_token_set
from lodesmith.lineage.artifact import Draft, Order
from lodesmith.lineage.workspace import Workspace
from lodesmith.model.checkpoint import load_decoder, read_eos_ids
from lodesmith.model.config import ModelConfig
from lodesmith.pretrain.config import STAGE_VERSION, PretrainConfig
from lodesmith.pretrain.stage import make
from lodesmith.tokenize.bpe import train_tokenizer

MODEL = ModelConfig(
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=1,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=8,
    max_position_embeddings=64,
)
PRETRAIN = PretrainConfig(
    max_steps=6, global_batch_size=4, micro_batch_size=2, sequence_length=16, num_ranks=1
)
TEXTS = [f"The {number} bells rang {number * 3} times over the hill." for number in range(80)]


def make_tokens(draft: Draft) -> None:
    tokenizer = train_tokenizer(draft.path / "tokenizer", TEXTS, vocab_size=300)
    for side in ("train", "held_out"):
        write_token_set(
            draft.path / side,
            ((f"{side}-{number}", tokenizer.encode(text)) for number, text in enumerate(TEXTS)),
            vocab_size=tokenizer.vocab_size,
            tokenizer_digest=tokenizer.digest,
            separator_id=tokenizer.end_of_text_id,
        )


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return Workspace(tmp_path_factory.mktemp("workspace"))


@pytest.fixture(scope="module")
def parents(workspace):
    order = Order(kind="tokenize", version=1, config={})
    return {"tokenize": workspace.build(order, make_tokens)}


def build(workspace, parents, model, pretrain):
    order = Order(
        kind="pretrain",
        version=STAGE_VERSION,
        config={"model": model, "pretrain": pretrain},
        parents=parents,
    )
    return workspace.build(
        order, lambda draft: make(draft, parents=parents, model=model, pretrain=pretrain)
    )


def test_a_token_set_becomes_a_model_folder_with_its_tokenizer(workspace, parents):
    artifact = build(workspace, parents, MODEL, PRETRAIN)
    artifact.verify()
    folder = artifact.file("model")
    tokenizer = Tokenizer.load(folder)
    assert tokenizer.digest == Tokenizer.load(parents["tokenize"].file("tokenizer")).digest
    decoder = load_decoder(folder)
    assert decoder.config.vocab_size == tokenizer.vocab_size
    assert read_eos_ids(folder) == list(tokenizer.eos_ids)
    facts = json.loads(artifact.file("training.json").read_text())
    assert facts["num_steps"] == 6
    assert facts["tokens_seen"] == 6 * 4 * 16
    assert facts["num_epochs"] == pytest.approx(
        facts["samples_consumed"] / ((facts_tokens(parents) - 1) // 16)
    )
    assert artifact.receipt.counts["num_parameters"] == decoder.config.num_parameters
    assert "metrics.jsonl" in artifact.receipt.observations
    assert "metrics.jsonl" not in artifact.receipt.files


def facts_tokens(parents):
    return json.loads(parents["tokenize"].file("train/meta.json").read_text())["num_tokens"]


def test_sequences_longer_than_the_model_reads_are_refused(workspace, parents):
    model = MODEL.model_copy(update={"max_position_embeddings": 8})
    with pytest.raises(UserError, match=r"sequence_length \(16\) is above"):
        build(workspace, parents, model, PRETRAIN)


def test_too_little_text_is_refused_before_any_process_starts(workspace, parents):
    model = MODEL.model_copy(update={"max_position_embeddings": 10**6})
    pretrain = PRETRAIN.model_copy(update={"sequence_length": 10**6})
    with pytest.raises(UserError, match="too few for one sequence"):
        build(workspace, parents, model, pretrain)


def test_a_mixture_reads_corpora_by_weight_and_tells_their_epochs(workspace, parents):
    folder = parents["tokenize"].file("train")
    write_corpora(folder, [("bells", 60), ("towers", 20)])
    artifact = build(
        workspace, parents, MODEL, PRETRAIN.model_copy(update={"mixture": {"towers": 1.0}})
    )
    facts = json.loads(artifact.file("training.json").read_text())
    tokens = TokenSet.open(folder)
    order = mixture_order(tokens, {"towers": 1.0}, sequence_length=16, seed=PRETRAIN.seed)
    assert facts["mixture"] == {"towers": 1.0}
    assert facts["num_epochs_by_corpus"] == order.epochs(facts["samples_consumed"])
    first = tokens.span_of_document("train-60").start
    assert min(order.windows(np.arange(24))) * 16 >= first
    with pytest.raises(UserError, match="no corpus bell; the tokens come from bells, towers"):
        build(workspace, parents, MODEL, PRETRAIN.model_copy(update={"mixture": {"bell": 1.0}}))
