"""Layouts that do not fit are refused with the number that does not divide and the nearest ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from lodesmith.core.errors import UserError
from lodesmith.model.config import DecoderConfig
from lodesmith.parallel.config import ParallelConfig, check_layout

MODEL = DecoderConfig(
    vocab_size=96,
    hidden_size=32,
    intermediate_size=64,
    num_hidden_layers=4,
    num_attention_heads=8,
    num_key_value_heads=4,
    head_dim=8,
    tie_word_embeddings=False,
)


def check(parallel, *, model=MODEL, **changes):
    facts = {
        "num_ranks": parallel.num_ranks,
        "sequence_length": 64,
        "global_batch_size": 16,
        "micro_batch_size": 1,
        **changes,
    }
    check_layout(parallel, model, **facts)


def test_a_layout_that_fits_is_taken():
    check(ParallelConfig(tensor_parallel_size=4, data_parallel_shard_size=2))
    check(ParallelConfig(pipeline_parallel_size=4, context_parallel_size=2))


@pytest.mark.parametrize(
    ("sizes", "changes", "message"),
    [
        ({"tensor_parallel_size": 3}, {}, r"num_attention_heads \(8\).*\(3\).*may be 2 or 4"),
        ({"tensor_parallel_size": 8}, {}, r"num_key_value_heads \(4\).*may be 4$"),
        ({"data_parallel_shard_size": 2}, {"num_ranks": 6}, r"2 ranks.*are 6.*size 6 would fit"),
        ({"tensor_parallel_size": 4}, {"num_ranks": 6}, r"4 ranks.*are 6.*4 or 8 would do"),
        ({"pipeline_parallel_size": 8}, {}, r"8 pipeline stages cannot share 4 layers"),
        ({"context_parallel_size": 2}, {"sequence_length": 30}, r"\(30\).*of 4.*may be 28 or 32"),
        ({"data_parallel_shard_size": 3}, {}, r"global_batch_size \(16\).*of 3 .*may be 15 or 18"),
    ],
)
def test_what_does_not_divide_is_named_with_the_nearest_that_do(sizes, changes, message):
    with pytest.raises(UserError, match=f"(?m){message}"):
        check(ParallelConfig(**sizes), **changes)


def test_a_tied_model_is_not_cut_into_a_pipeline():
    tied = MODEL.model_copy(update={"tie_word_embeddings": True})
    with pytest.raises(UserError, match="tie_word_embeddings: false"):
        check(ParallelConfig(pipeline_parallel_size=2), model=tied)


def test_all_faults_are_told_at_once():
    with pytest.raises(UserError) as caught:
        check(ParallelConfig(tensor_parallel_size=3, data_parallel_shard_size=5), num_ranks=4)
    assert len(str(caught.value).splitlines()) >= 4


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"virtual_pipeline_size": 2, "pipeline_parallel_size": 2}, "wants pipeline_schedule"),
        ({"pipeline_schedule": "interleaved_1f1b"}, "wants several pp ranks"),
        (
            {"pipeline_schedule": "interleaved_zero_bubble", "pipeline_parallel_size": 2},
            "wants virtual_pipeline_size",
        ),
        ({"expert_parallel_size": 4, "data_parallel_shard_size": 6}, "may be 3 or 6"),
    ],
)
def test_sizes_that_contradict_each_other_are_refused(sizes, message):
    with pytest.raises(ValidationError, match=message):
        ParallelConfig(**sizes)


@given(st.lists(st.integers(1, 4), min_size=5, max_size=5))
def test_the_product_of_the_axes_is_the_number_of_ranks(sizes):
    stages, replicas, shards, contexts, tensor = sizes
    parallel = ParallelConfig(
        pipeline_parallel_size=stages,
        data_parallel_replicate_size=replicas,
        data_parallel_shard_size=shards,
        context_parallel_size=contexts,
        tensor_parallel_size=tensor,
    )
    assert parallel.num_ranks == stages * replicas * shards * contexts * tensor
    assert parallel.data_parallel_size == replicas * shards


def test_a_pipeline_wants_a_micro_batch_for_each_rank():
    model = DecoderConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=4, num_attention_heads=4,
        num_key_value_heads=4, head_dim=8, vocab_size=48, tie_word_embeddings=False,
    )  # fmt: skip
    parallel = ParallelConfig(pipeline_parallel_size=2, data_parallel_shard_size=2)
    sizes = {"num_ranks": 4, "sequence_length": 16, "micro_batch_size": 4}
    with pytest.raises(UserError, match=r"1 micro-batches a step are fewer.* raise.* to 16"):
        check_layout(parallel, model, global_batch_size=8, **sizes)
    check_layout(parallel, model, global_batch_size=16, **sizes)
