"""Windows and likelihoods: every token once, with as much context as was promised."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lodesmith.data.tokenizer import Tokenizer
from lodesmith.evaluate.scoring import native_scorer, torch_scorer
from lodesmith.evaluate.scoring.likelihood import log_likelihoods, open_scorer
from lodesmith.evaluate.scoring.native_scorer import NativeScorer
from lodesmith.evaluate.scoring.rows import Row, slide_windows
from lodesmith.evaluate.scoring.scoring import Subject, score_bits_per_byte, score_next_sentence
from lodesmith.evaluate.scoring.shared_prefix import group_rows
from lodesmith.evaluate.scoring.torch_scorer import TorchScorer
from lodesmith.model.config import DecoderConfig
from lodesmith.model.decoder import Decoder

_MODEL = Decoder.fresh(
    DecoderConfig(
        hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=8, max_position_embeddings=64, vocab_size=40,
    ),
    seed=3,
)  # fmt: skip
for _weight in _MODEL.parameters():  # fresh ones are the identity, which hides faults
    torch.nn.init.normal_(_weight, std=0.3, generator=torch.Generator().manual_seed(1))
_SCORERS = {"native": NativeScorer(_MODEL, window=64), "torch": TorchScorer(_MODEL)}


def make_scorer(kind, model):
    return NativeScorer(model, window=64) if kind == "native" else TorchScorer(model)


@given(num_tokens=st.integers(0, 200), window=st.integers(2, 40))
def test_windows_score_each_token_but_the_first_exactly_once(num_tokens, window):
    rows = slide_windows(list(range(num_tokens)), window=window)
    assert [token for row in rows for token in row.input_ids[row.first :]] == list(
        range(1, num_tokens)
    )
    assert all(len(row.input_ids) - 1 <= window for row in rows)


@given(num_tokens=st.integers(2, 200), window=st.integers(2, 40))
def test_after_the_first_window_half_a_window_comes_before_each_scored_token(num_tokens, window):
    rows = slide_windows(list(range(num_tokens)), window=window)
    assert all(row.first > window // 2 for row in rows[1:])


@pytest.mark.parametrize("kind", _SCORERS)
def test_likelihoods_are_those_of_a_plain_forward_pass(tiny_config, kind):
    model = Decoder.fresh(tiny_config, seed=3)
    rows = [Row([5, 6, 7, 8, 9], 2), Row([1, 2], 1), Row([9, 9, 3], 1)]
    expected = []
    for row in rows:
        with torch.no_grad():
            log_p = model(torch.tensor([row.input_ids])).log_softmax(-1)[0]
        places = range(row.first, len(row.input_ids))
        expected.append(sum(float(log_p[at - 1, row.input_ids[at]]) for at in places))
    found = log_likelihoods(make_scorer(kind, model), rows)
    assert found == pytest.approx(expected, rel=1e-5)


def plain(model: Decoder, row: Row) -> float:
    with torch.no_grad():
        log_p = model(torch.tensor([row.input_ids])).log_softmax(-1)[0]
    places = range(row.first, len(row.input_ids))
    return sum(float(log_p[at - 1, row.input_ids[at]]) for at in places)


beginnings = st.lists(st.integers(0, 3), min_size=1, max_size=24)


@given(
    kind=st.sampled_from(list(_SCORERS)),
    head=st.sampled_from([0, 20, 32, 35]),
    rows=st.lists(st.tuples(beginnings, st.integers(1, 30)), min_size=1, max_size=12),
)
def test_rows_that_begin_alike_have_the_likelihoods_of_rows_alone(kind, head, rows):
    made = []
    for ids, first in rows:
        whole = [*(7 + at % 30 for at in range(head)), *ids, ids[0]]
        made.append(Row(whole, min(head + first if head else first, len(whole) - 1)))
    assert log_likelihoods(_SCORERS[kind], made) == pytest.approx(
        [plain(_MODEL, row) for row in made], abs=1e-4
    )


@pytest.mark.parametrize("kind", _SCORERS)
def test_small_passes_and_little_room_change_nothing(monkeypatch, kind):
    trunk = list(range(1, 36))
    rows = [Row(list(range(1, size)), 1) for size in (3, 9, 4, 30, 12)]
    rows += [Row([*trunk, *range(end, 2 * end)], 20 + end) for end in range(1, 13)]
    whole = log_likelihoods(make_scorer(kind, _MODEL), rows)
    monkeypatch.setattr(torch_scorer, "_TOKENS_PER_FORWARD", 8)
    monkeypatch.setattr(torch_scorer, "_LOGITS_PER_BLOCK", 3)
    monkeypatch.setattr(native_scorer, "_ROWS_OF_PASS", 8)
    monkeypatch.setattr(native_scorer, "_BLOCKS", 3)
    monkeypatch.setattr(native_scorer, "_STATES_AT_ONCE", 3)
    found = log_likelihoods(make_scorer(kind, _MODEL), rows)
    assert found == pytest.approx(whole, rel=1e-5)
    assert whole == pytest.approx([plain(_MODEL, row) for row in rows], rel=1e-4)


def test_a_dense_model_on_the_cpu_is_scored_by_the_kernels_and_others_by_torch(tiny_config):
    model = Decoder.fresh(tiny_config, seed=3)
    assert isinstance(open_scorer(model, window=8), NativeScorer)
    assert isinstance(open_scorer(model.double(), window=8), TorchScorer)


def test_a_uniform_model_needs_log2_of_the_vocabulary_for_each_token(
    tmp_path, save_tokenizer, tiny_config, make_page
):
    save_tokenizer(tmp_path)
    model = Decoder.fresh(tiny_config, seed=0)
    with torch.no_grad():
        model.model.embed_tokens.weight.zero_()
    pages = [make_page("a", "four 猫" * 30), make_page("b", "x")]
    subject = Subject(model=model, tokenizer=Tokenizer.load(tmp_path), window=16)
    found = score_bits_per_byte(subject, pages)
    assert found["num_bytes"] == found["num_tokens"] == 8 * 30 + 1
    assert found["bits_per_byte"] == pytest.approx(math.log2(tiny_config.vocab_size), abs=1e-5)


def test_a_model_that_knows_nothing_finds_no_next_sentence(
    tmp_path, save_tokenizer, tiny_config, make_page
):
    save_tokenizer(tmp_path)
    model = Decoder.fresh(tiny_config, seed=0)
    with torch.no_grad():
        model.model.embed_tokens.weight.zero_()
    subject = Subject(model=model, tokenizer=Tokenizer.load(tmp_path), window=64)
    found = score_next_sentence(subject, talks(make_page), context_tokens=16, num_items=20, seed=0)
    assert found["num_items"] == 20
    assert found["acc"] == 0.0  # all four are equally likely, and a tie is an error
    assert found["chance"] == 0.25


def talks(make_page):
    return [
        make_page(
            f"{number}",
            " ".join(f"This is sentence {at} of {number}, and it says nothing." for at in range(9)),
        )
        for number in range(6)
    ]


def test_questions_that_share_only_worked_examples_are_not_packed_together():
    examples = list(range(30))
    rows = [
        Row([*examples, question, question, question, answer], 33)
        for question in (31, 32, 33)
        for answer in (1, 2)
    ]
    groups = group_rows(rows)
    assert sorted(len(group.rows) for group in groups) == [2, 2, 2]
    assert {group.num_shared for group in groups} == {33}
