"""Preferences and rewards: each method, on a tiny model, moves what it is meant to move."""

import json
import random

import numpy as np
import pytest
import torch
from tests.support.tiny_model import write_chain, write_domain, write_model

from lodesmith.core.errors import UserError
from lodesmith.core.storage import read_json
from lodesmith.data.chat import render_prompt
from lodesmith.data.tokenizer import Tokenizer
from lodesmith.model.checkpoint import load_decoder
from lodesmith.pipeline.run import run
from lodesmith.tune.measures.preference_accuracy import _compare
from lodesmith.tune.methods.lesson import answer_groups
from lodesmith.tune.methods.rewards import advantages, is_right
from lodesmith.tune.samples.encode import choose_encoder
from lodesmith.tune.samples.samples import Sample, parse_sample


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("methods")
    write_model(folder / "base")
    chance = random.Random(1)
    pairs, rated = [], []
    for number in range(60):
        asked = f"Which colour has table {number}?"
        answers = [f"The table is {colour}." for colour in ("red", "blue")]
        pairs.append({"prompt": asked, "chosen": answers[0], "rejected": answers[1]})
        good = chance.random() < 0.5
        rated.append({"prompt": asked, "completion": answers[not good], "label": good})
    questions = [{"question": f"What is {n}?", "answer": f"#### {1 + n % 2}"} for n in range(24)]
    for name, rows in (("pairs", pairs), ("rated", rated), ("questions", questions)):
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


def tune(place, name, **settings):
    files = [str(place / f"{name}.jsonl")]
    defaults = {"domain": name, "files": files, "max_steps": 6, "sequence_length": 96}
    defaults |= {"learning_rate": 0.004, "forgetting_limit": None}
    recipe = write_chain(place / "recipe.yaml", {**defaults, **settings})
    made = run(str(recipe), workspace=place / "space", until="tune", start=str(place / "base"))
    return made.artifacts["tune"]


@torch.no_grad()
def preference(place, folder, method="dpo"):
    """Return by how much the model prefers red to blue, on the average pair."""
    encoder = choose_encoder(Tokenizer.load(place / "base"), None)
    lines = (place / "pairs.jsonl").read_text().splitlines()
    samples = [parse_sample(json.loads(line), "x:1") for line in lines]
    domain = type("Domain", (), {"method": method})
    encode, decoder, total = answer_groups(samples, domain=domain, encoder=encoder), None, 0.0
    decoder = load_decoder(folder)
    for sample in samples:
        for sign, (ids, mask) in zip((1, -1), encode(sample), strict=True):
            logits = decoder(torch.tensor([ids[:-1]]))[0].log_softmax(-1)
            chosen = logits.gather(1, torch.tensor(ids[1:])[:, None])[:, 0]
            total += sign * float(chosen[torch.tensor(mask[1:])].sum())
    return total / len(samples)


@pytest.mark.parametrize(("method", "name"), [("dpo", "pairs"), ("kto", "rated")])
def test_the_better_answers_get_likelier(place, method, name):
    before = preference(place, place / "base")
    link = tune(place, name, method=method)
    assert preference(place, link.file("model")) > before + 0.1
    assert read_json(link.file("training.json"))["first_loss"] == pytest.approx(
        {"dpo": np.log(2), "kto": 0.5}[method], abs=1e-4
    ), "the model that is started from is its own reference"
    found = read_json(link.file("preferences.json"))
    assert found["accuracy"] > 0.9, "red is better in every question"
    assert link.receipt.counts["held_out_accuracy"] == found["accuracy"]


def test_rewards_of_either_kind_grow(place):
    judge = tune(place, "pairs", domain="judge", method="reward", max_steps=20)
    assert preference(place, judge.file("model"), "reward") > 0.5
    found = read_json(judge.file("preferences.json"))
    assert (found["accuracy"], found["num_comparisons"]) == (
        1.0,
        judge.receipt.counts["num_held_out"],
    )
    rewards = {"group_size": 4, "max_answer_tokens": 4, "steps_per_round": 3}
    link = tune(place, "questions", method="rloo", max_steps=6, global_batch_size=8,
                sequence_length=64, rewards={**rewards, "model": judge.id})  # fmt: skip
    facts = read_json(link.file("training.json"))
    assert len(facts["rewards"]) == 2
    assert facts["num_steps"] == 6


def test_a_reward_model_of_another_tokenizer_is_refused(place, tmp_path):
    stranger = write_model(tmp_path / "stranger", vocab_size=300)
    made = run(
        str(write_chain(tmp_path / "judge.yaml", {
            "domain": "judge", "files": [str(place / "pairs.jsonl")], "method": "reward",
            "sequence_length": 96, "max_steps": 1,
        })), workspace=place / "space", until="tune", start=str(stranger),
    )  # fmt: skip
    with pytest.raises(UserError, match=r"questions: rewards\.model has another tokenizer"):
        tune(place, "questions", method="rloo", sequence_length=64, max_steps=2,
             global_batch_size=8, rewards={"model": made.artifacts["tune"].id})  # fmt: skip
    assert not list((place / "space" / "unfinished").glob("*"))


@pytest.mark.parametrize(
    ("labels", "gains", "accuracy"),
    [
        (None, [[2, 1], [0, 3], [1, 1]], 0.5),
        ([True, False, True], [[3, 0], [1, 0], [0, 0]], 0.5),
        ([False, True, True], [[-1, 9], [2, 9], [1, 9]], 1.0),
    ],
)
def test_comparisons_are_counted_and_ties_are_half_right(labels, gains, accuracy):
    samples = [Sample(origin="x", label=label) for label in labels or [None] * len(gains)]
    found = _compare(samples, np.array(gains, np.float32))
    assert found["accuracy"] == accuracy
    assert found["num_comparisons"] == (2 if labels else 3)


def test_ratings_of_one_kind_compare_nothing():
    assert _compare([Sample(origin="x", label=True)], np.ones((1, 2), np.float32)) is None


def test_right_answers_get_likelier(place):
    # Every second question wants 1, the others 2: saying a digit at all is most of the way.
    write_domain(place / "table.jsonl", subject="table")
    rewards = {"group_size": 8, "max_answer_tokens": 2, "steps_per_round": 1}
    link = tune(place, "questions", domain="right", method="grpo", max_steps=4,
                global_batch_size=64, micro_batch_size=32, sequence_length=40, learning_rate=0.04,
                rewards=rewards)  # fmt: skip
    facts = read_json(link.file("training.json"))
    assert facts["final_reward"] > facts["first_reward"]


def test_a_prompt_is_what_the_answer_will_be_learnt_behind(place):
    tokenizer = Tokenizer.load(place / "base")
    encoder = choose_encoder(tokenizer, None)
    asked = [{"role": "user", "content": "hi"}]
    assert encoder.prompt(asked) == render_prompt(tokenizer, asked)


@pytest.mark.parametrize(
    ("answer", "reference", "right"),
    [
        ("so it is 42.", "#### 42", True),
        ("1,234", "1234", True),
        ("0.5", "1/2", True),
        ("-3", "3", False),
        ("", "3", False),
        ("1/0", "3", False),
        ("It is Paris", "paris", True),
    ],
)
def test_the_last_number_decides(answer, reference, right):
    assert is_right(answer, reference) is right


def test_advantages_compare_answers_to_the_same_question():
    rewards = np.array([1, 0, 0, 0, 5, 5, 5, 5], np.float32)
    for method in ("grpo", "rloo"):
        found = advantages(rewards, group_size=4, method=method)
        assert found[4:].tolist() == [0, 0, 0, 0]
        assert found[:4].sum() == pytest.approx(0, abs=1e-6)
    assert advantages(rewards, group_size=4, method="rloo")[0] == 1.0
    assert advantages(rewards, group_size=4, method="grpo")[0] == pytest.approx(0.75 / 0.5, 1e-3)


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"method": "grpo"}, "rewards is needed with grpo and rloo"),
        ({"method": "dpo", "rewards": {}}, "rewards is needed with grpo and rloo"),
        ({"method": "grpo", "rewards": {"group_size": 3}}, "multiple of rewards.group_size"),
        ({"method": "grpo", "rewards": {"group_size": 2, "steps_per_round": 5}},
         "multiple of rewards.steps_per_round"),
        ({"method": "ppo"}, "'dpo'"),
    ],
)  # fmt: skip
def test_settings_that_do_not_fit_the_method_are_refused(place, settings, fault):
    with pytest.raises(UserError, match=fault):
        tune(place, "questions", **settings)
