"""Chains of domains: each link on top of the last, compared with it, and stopped if it forgets."""

import json
import shutil
import sys

import pytest
import torch
from tests.support.tiny_model import write_chain, write_domain, write_model

from lodesmith.core.errors import DamagedArtifactError, UserError
from lodesmith.core.storage import read_json
from lodesmith.data.tokenizer import Tokenizer
from lodesmith.evaluate.tasks.tasks import Asking, evaluate_model
from lodesmith.lineage.workspace import Workspace
from lodesmith.model.adapter_shape import AdapterShape
from lodesmith.model.checkpoint import load_decoder
from lodesmith.model.lora import load_adapter, merge_adapter
from lodesmith.parallel.ranks import Ranks
from lodesmith.pipeline.ahead import look_along_chain
from lodesmith.pipeline.recipe import load_recipe
from lodesmith.pipeline.run import run
from lodesmith.train.job import PackedData, TrainingJob
from lodesmith.train.learners.learner import open_learner
from lodesmith.tune.domains import DomainConfig
from lodesmith.tune.samples.split import read_rows


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("chain")
    write_model(folder / "base")
    for subject in ("table", "chair"):
        write_domain(folder / f"{subject}.jsonl", subject=subject)
    return folder


def domain(place, subject, **settings):
    return {"domain": subject, "files": [str(place / f"{subject}.jsonl")], **settings}


def tune(place, *domains, start=None, workspace="space"):
    recipe = write_chain(place / "chain.yaml", *domains)
    return run(str(recipe), workspace=place / workspace, until="tune",
               start=str(start or place / "base"))  # fmt: skip


def write_texts(path, form):
    rows = (json.dumps({"text": form.format(number)}) for number in range(30))
    path.write_text("\n".join(rows))


@pytest.fixture(scope="module")
def two_links(place):
    return tune(place, domain(place, "table"), domain(place, "chair", replay_fraction=0.2,
                                                      forgetting_limit=None))  # fmt: skip


def test_a_dry_run_knows_the_links_that_are_made_and_the_next(place, two_links):
    space = Workspace(place / "space")
    last = two_links.artifacts["tune"]
    chair = domain(place, "chair", replay_fraction=0.2, forgetting_limit=None)
    table = domain(place, "table")
    path = write_chain(place / "ahead.yaml", chair, table, {**table, "domain": "again"})
    recipe = load_recipe(str(path))
    first, second, third = look_along_chain(recipe, space.open_parent(last, "tune"), space)
    assert (first.id, first.done, first.domain) == (last.id, True, "chair")
    assert (second.done, second.domain) == (False, "table")
    assert second.id.startswith("tune-")
    assert third.id is None


def test_a_page_shows_what_each_domain_gained_and_what_is_answered_now(place, two_links):
    page = two_links.chain_page.read_text("utf-8")
    last = two_links.artifacts["tune"]
    parent = Workspace(place / "space").open_parent(last, "tune")
    for link in (parent, last):
        assert f'<section id="{link.id}">' in page
        for bits in read_json(link.file("matrix.json"))["child"].values():
            assert f"{bits:.4f}" in page
        for answer in read_json(link.file("answers.json"))["answers"]:
            assert answer["asked"] in page
            assert set(answer) == {"asked", "wanted", "parent", "child"}
    assert page.count("<polyline") == 4, "two curves, each step and the trend"
    assert "http" not in page.replace("http-equiv", ""), "nothing is fetched"


def test_a_link_on_a_foreign_base_is_scored_by_its_id(place, two_links):
    name = two_links.artifacts["tune"].id
    scores = evaluate_model(
        name, tasks=["arithmetic"], workspace=place / "space", asking=Asking(limit=2)
    )
    assert scores["arithmetic"]["num_items"] == 2
    with pytest.raises(UserError, match=f"{name} was not trained here from the start"):
        evaluate_model(name, tasks=["bits_per_byte"], workspace=place / "space")


def test_a_link_records_parent_data_and_what_it_replayed(place, two_links):
    last = two_links.artifacts["tune"]
    parent = Workspace(place / "space").open_parent(last, "tune")
    assert parent.receipt.config["tune"]["domain"] == "table"
    assert list(last.receipt.config["tune"]["data"]) == [str(place / "chair.jsonl")]
    replayed = list(read_rows(last.file("replayed.jsonl.zst")))
    assert replayed
    assert all("table" in sample.messages[0]["content"] for sample in replayed)
    learnt = list(read_rows(last.file("chat.jsonl.zst")))
    held_out = list(read_rows(last.file("held_out.jsonl.zst")))
    assert len(learnt) + len(held_out) == 40
    assert not {sample.messages[0]["content"] for sample in learnt} & {
        sample.messages[0]["content"] for sample in held_out
    }


def test_the_matrix_compares_three_models_on_all_domains(place, two_links):
    last = two_links.artifacts["tune"]
    matrix = read_json(last.file("matrix.json"))
    assert {model: list(scores) for model, scores in matrix.items()} == {
        "base": ["table", "chair"], "parent": ["table", "chair"], "child": ["table", "chair"],
    }  # fmt: skip
    parent = read_json(Workspace(place / "space").open_parent(last, "tune").file("matrix.json"))
    assert matrix["base"]["table"] == parent["parent"]["table"]
    assert matrix["parent"]["table"] == parent["child"]["table"]
    assert matrix["child"]["chair"] < matrix["parent"]["chair"]


def test_a_model_of_a_chain_is_a_whole_model_folder(two_links):
    folder = two_links.artifacts["tune"].file("model")
    assert load_decoder(folder).config.vocab_size == Tokenizer.load(folder).vocab_size


def test_the_same_chain_again_makes_nothing(place, two_links):
    again = tune(place, domain(place, "table"), domain(place, "chair", replay_fraction=0.2,
                                                       forgetting_limit=None))  # fmt: skip
    assert again.made == []
    assert again.artifacts["tune"].id == two_links.artifacts["tune"].id


def test_a_chain_goes_on_from_an_artifact_as_if_it_had_been_one(place, two_links):
    first = Workspace(place / "space").open_parent(two_links.artifacts["tune"], "tune")
    alone = tune(place, domain(place, "chair", replay_fraction=0.2), start=first.id)
    assert alone.artifacts["tune"].id == two_links.artifacts["tune"].id


def test_a_chain_that_forgets_stops_and_says_what(place, two_links):
    write_texts(place / "odd.jsonl", "肝清血{}")
    spoiling = domain(place, "odd", method="pretraining", learning_rate=0.1, replay_fraction=0.0)
    after = domain(place, "table", domain="never")
    with pytest.raises(UserError, match=r"the chain stops at odd: on table .* forgetting_limit"):
        tune(place, domain(place, "table"), spoiling, after)
    page = (place / "space" / "reports" / "chain-chain.html").read_text("utf-8")
    assert "More was forgotten than the limit of 2.0 %" in page
    kinds = [artifact.receipt.config["tune"]["domain"]
             for artifact in Workspace(place / "space").list_artifacts()]  # fmt: skip
    assert "never" not in kinds
    kept = tune(place, domain(place, "table"), {**spoiling, "forgetting_limit": None})
    assert kept.made == [], "raising the limit trains nothing again"


def test_a_base_that_went_away_is_named(place, two_links):
    shutil.move(place / "base", place / "gone")
    try:
        with pytest.raises(UserError, match="which is no longer there"):
            tune(place, domain(place, "chair"), start=two_links.artifacts["tune"].id)
    finally:
        shutil.move(place / "gone", place / "base")


def test_a_recipe_without_a_base_asks_for_one(place):
    recipe = write_chain(place / "bare.yaml", domain(place, "table"))
    with pytest.raises(UserError, match="--from an artifact's id"):
        run(str(recipe), workspace=place / "space", until="tune")


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"method": "pretraining"}, "is a chat, which method pretraining does not learn from"),
        ({"sequence_length": 256}, "above the model's max_position_embeddings"),
        ({"sequence_length": 4}, "no record has a token to learn within sequence_length"),
        ({"files": ["nowhere"]}, "neither a file nor a folder"),
    ],
)
def test_bad_input_leaves_no_artifact(place, settings, fault):
    with pytest.raises(UserError, match=fault):
        tune(place, domain(place, "table") | settings, workspace="empty")
    assert not Workspace(place / "empty").list_artifacts()


def test_an_assistant_that_says_nothing_teaches_nothing(place):
    asked = [{"role": "user", "content": "Well?"}, {"role": "assistant", "content": " "}]
    (place / "silent.jsonl").write_text("\n".join([json.dumps({"messages": asked})] * 9))
    with pytest.raises(UserError, match=r"no record has a token .* says something"):
        tune(place, domain(place, "silent"), workspace="silent")
    assert not list((place / "silent" / "unfinished").glob("*"))


def test_continued_pretraining_learns_plain_text(place):
    write_texts(place / "texts.jsonl", "The liver number {} cleans the blood.")
    made = tune(place, domain(place, "texts", method="pretraining"), workspace="texts")
    matrix = read_json(made.artifacts["tune"].file("matrix.json"))
    assert matrix["child"]["texts"] < matrix["base"]["texts"]


def test_a_tokenizer_of_another_model_is_refused(place, tmp_path):
    write_model(tmp_path / "mixed", vocab_size=280)
    shutil.copy(place / "base" / "tokenizer.json", tmp_path / "mixed")
    with pytest.raises(UserError, match=r"the tokenizer has \d+ tokens but the model only"):
        tune(place, domain(place, "table"), start=tmp_path / "mixed", workspace="empty")


@pytest.mark.parametrize("harm", ["cut", "not a number"])
def test_a_model_whose_weights_are_torn_is_refused_before_anything_is_written(
    place, tmp_path, harm
):
    folder = write_model(tmp_path / "torn")
    path = folder / "model.safetensors"
    data = path.read_bytes()
    path.write_bytes(data[:-100] if harm == "cut" else data[:-4] + b"\0\0\xc0\x7f")
    with pytest.raises(DamagedArtifactError, match=r"is torn|not finite"):
        tune(place, domain(place, "table"), start=folder, workspace="torn")
    assert not list((place / "torn" / "unfinished").glob("*"))


ADAPTER = {"rank": 4, "alpha": 8.0, "targets": ["q_proj", "v_proj", "down_proj"]}


def merged_with(base, folder):
    decoder = load_decoder(base)
    merge_adapter(decoder, load_adapter(folder))
    return decoder


def assert_same_weights(one, other):
    for (name, weight), (_, expected) in zip(
        one.named_parameters(), other.named_parameters(), strict=True
    ):
        torch.testing.assert_close(weight, expected, atol=1e-6, rtol=0, msg=name)


@pytest.mark.parametrize("keep", ["merge", "stack"])
def test_an_adapter_is_merged_into_the_model_and_kept_beside_it(place, keep):
    settings = {"adapter": {**ADAPTER, "keep": keep}, "learning_rate": 0.02,
                "forgetting_limit": None}  # fmt: skip
    last = tune(place, domain(place, "table", **settings), domain(place, "chair", **settings),
                workspace=keep).artifacts["tune"]  # fmt: skip
    parent = Workspace(place / keep).open_parent(last, "tune")
    over = place / "base" if keep == "stack" else parent.file("model")
    adapter = last.file("adapter")
    assert_same_weights(load_decoder(last.file("model")), merged_with(over, adapter))
    assert load_adapter(adapter).shape.rank == (8 if keep == "stack" else 4)
    base = read_json(adapter / "base.json")["base"]
    assert (base == parent.id) == (keep == "merge")
    matrix = read_json(last.file("matrix.json"))
    assert matrix["child"]["chair"] < matrix["base"]["chair"]


def test_an_adapter_beside_weights_in_4_bits_is_added_to_them_as_they_were(place):
    pytest.importorskip("bitsandbytes")
    settings = {"adapter": {**ADAPTER, "quantize_base": "nf4"}, "learning_rate": 0.02}
    last = tune(place, domain(place, "table", **settings), workspace="nf4").artifacts["tune"]
    expected = merged_with(place / "base", last.file("adapter"))
    assert_same_weights(load_decoder(last.file("model")), expected)
    matrix = read_json(last.file("matrix.json"))
    assert matrix["child"]["table"] < matrix["base"]["table"] - 0.1


@pytest.mark.parametrize("method", ["dpo", "kto"])
def test_what_is_compared_with_the_start_is_not_learnt_beside_4_bits(method):
    with pytest.raises(ValueError, match="quantize_base goes with pretraining and sft"):
        DomainConfig(domain="x", files=["x"], max_steps=1, method=method,
                     adapter={"quantize_base": "nf4"})  # fmt: skip


def test_a_missing_library_for_4_bits_is_named_before_any_rank_starts(place, monkeypatch):
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    settings = {"adapter": {**ADAPTER, "quantize_base": "nf4"}}
    with pytest.raises(UserError, match=r"pip install 'lodesmith\[qlora\]'"):
        tune(place, domain(place, "table", **settings), workspace="missing")


def test_a_killed_adapter_run_would_save_little(place):
    # The frozen weights are in the model that was started from; a checkpoint holds the rest.
    job = TrainingJob(
        config=DomainConfig(domain="x", files=["x"], max_steps=1, micro_batch_size=2,
                            global_batch_size=4).training,
        start=place / "base", data=PackedData(place), scratch=place, model_folder=place,
        metrics_file=place / "m", adapter=AdapterShape(2, 2.0, ("q_proj",)), quantize_base=None,
    )  # fmt: skip
    assert TrainingJob.from_json(job.to_json()) == job
    learner = open_learner(job, ranks=Ranks(rank=0, num_ranks=1), beat=lambda: None)
    assert all("lora_" in name for name in learner.tensors())


def test_an_adapter_over_laid_out_weights_is_refused():
    with pytest.raises(ValueError, match="leave out parallel"):
        DomainConfig(domain="x", files=["x"], max_steps=1, adapter={},
                     parallel={"data_parallel_shard_size": 2})  # fmt: skip
