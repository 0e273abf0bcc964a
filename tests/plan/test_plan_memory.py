"""Memory by cause against the formulas and figures of the papers it follows."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodesmith.plan.step.memory import count_activation_bytes, estimate_memory
from lodesmith.plan.workload.flops import count_parameters
from lodesmith.plan.workload.layout import Layout, Training
from lodesmith.plan.workload.shape import ModelShape, gpt_shape

SHAPE = gpt_shape(
    hidden_size=12288, num_hidden_layers=96, num_attention_heads=96, vocab_size=51200,
    max_position_embeddings=2048,
)  # fmt: skip
TRAINING = Training(
    global_batch_size=64, sequence_length=2048, precision="bf16", attention="unfused"
)
SBH = 2048 * 12288
SCORES = 5 * 96 * 2048 / 12288


@pytest.mark.parametrize(
    ("layout", "bytes_per_sbh"),
    [
        (Layout(), 34 + SCORES),
        (Layout(tensor_parallel_size=8), 10 + 24 / 8 + SCORES / 8),
        (Layout(tensor_parallel_size=8, sequence_parallel=True), (34 + SCORES) / 8),
        (Layout(activation_checkpointing="selective"), 34),
        (Layout(activation_checkpointing="full"), 2),
    ],
    ids=["equation 1", "equation 2", "equation 4", "equation 6", "full recomputation"],
)
def test_activations_of_a_layer_follow_korthikanti(layout: Layout, bytes_per_sbh: float):
    assert count_activation_bytes(SHAPE, layout, TRAINING) == pytest.approx(bytes_per_sbh * SBH)


def test_mixed_precision_adam_needs_eighteen_bytes_a_parameter():
    # 2 weights + 4 gradients + 12 optimizer: arXiv 1910.02054, section 3.1, gradients in fp32.
    memory = estimate_memory(SHAPE, Layout(), TRAINING, reserved_bytes=0)
    state = memory.weights + memory.gradients + memory.optimizer
    final_norm = count_parameters(SHAPE).final_norm
    assert state == 18 * (count_parameters(SHAPE).total - final_norm)


def test_full_sharding_divides_all_state_by_the_ranks():
    one = estimate_memory(SHAPE, Layout(), TRAINING, reserved_bytes=0)
    sharded = estimate_memory(
        SHAPE, Layout(data_parallel_size=64, sharded="everything"), TRAINING, reserved_bytes=0
    )
    for cause in ("weights", "gradients", "optimizer"):
        assert getattr(sharded, cause) == pytest.approx(getattr(one, cause) / 64)


def test_optimizer_sharding_leaves_weights_and_gradients_whole():
    one = estimate_memory(SHAPE, Layout(), TRAINING, reserved_bytes=0)
    sharded = estimate_memory(
        SHAPE, Layout(data_parallel_size=4, sharded="optimizer"), TRAINING, reserved_bytes=0
    )
    assert (sharded.weights, sharded.gradients) == (one.weights, one.gradients)
    assert sharded.optimizer == one.optimizer / 4


def test_gpt3_on_64_devices_fits_in_80_gb_only_with_recomputation():
    # Korthikanti et al., figure 1: tensor 8, pipeline 8, micro-batch 1 does not fit without.
    layout = Layout(tensor_parallel_size=8, pipeline_parallel_size=8)
    without = estimate_memory(SHAPE, layout, TRAINING, reserved_bytes=4e9)
    kept = replace(layout, activation_checkpointing="selective", sequence_parallel=True)
    assert without.total > 80e9
    assert estimate_memory(SHAPE, kept, TRAINING, reserved_bytes=4e9).total < 80e9


def test_the_first_pipeline_rank_holds_as_many_micro_batches_as_there_are_ranks():
    one = estimate_memory(SHAPE, Layout(), TRAINING, reserved_bytes=0)
    eight = estimate_memory(SHAPE, Layout(pipeline_parallel_size=8), TRAINING, reserved_bytes=0)
    assert eight.activations == pytest.approx(one.activations)  # an eighth of the layers, 8 times


@given(
    tensor=st.sampled_from([1, 2, 4, 8]),
    micro=st.sampled_from([1, 2, 4]),
    mode=st.sampled_from(["none", "selective", "full"]),
)
def test_more_tensor_ranks_never_need_more_memory(tensor: int, micro: int, mode: str):
    layout = Layout(
        tensor_parallel_size=tensor, micro_batch_size=micro, activation_checkpointing=mode
    )
    wider = replace(layout, tensor_parallel_size=2 * tensor)
    small, large = (
        estimate_memory(SHAPE, each, TRAINING, reserved_bytes=0).total for each in (wider, layout)
    )
    assert small < large


def test_every_other_product_kept_lies_between_none_and_full():
    flash = replace(TRAINING, attention="flash")
    none, half, full = (
        count_activation_bytes(SHAPE, Layout(activation_checkpointing=mode), flash)
        for mode in ("none", "alternate", "full")
    )
    assert full < half < none


def test_full_recomputation_keeps_a_layers_input_split_where_norms_are():
    layout = Layout(tensor_parallel_size=8, activation_checkpointing="full")
    split = replace(layout, sequence_parallel=True)
    whole = count_activation_bytes(SHAPE, layout, TRAINING)
    assert count_activation_bytes(SHAPE, split, TRAINING) == whole / 8


def test_context_ranks_share_what_is_sharded():
    layout = Layout(data_parallel_size=4, sharded="everything")
    with_context = replace(layout, context_parallel_size=2)
    one, two = (
        estimate_memory(SHAPE, each, TRAINING, reserved_bytes=0) for each in (layout, with_context)
    )
    assert two.optimizer == pytest.approx(one.optimizer / 2)


def test_a_pipeline_of_sharded_stages_holds_its_stage_whole_while_it_works():
    sharded = Layout(pipeline_parallel_size=8, data_parallel_size=8, sharded="everything")
    memory = estimate_memory(SHAPE, sharded, TRAINING, reserved_bytes=0)
    assert memory.buffers > 8 * (memory.weights + memory.gradients) * 0.99


def test_hybrid_sharding_holds_as_much_as_its_group_allows():
    # Four copies of sixteen ranks each hold what sixteen ranks alone would.
    hybrid = Layout(data_parallel_size=64, data_parallel_shard_size=16, sharded="everything")
    alone = Layout(data_parallel_size=16, sharded="everything")
    assert estimate_memory(SHAPE, hybrid, TRAINING, reserved_bytes=0).weights == pytest.approx(
        estimate_memory(SHAPE, alone, TRAINING, reserved_bytes=0).weights
    )


@pytest.mark.parametrize(
    ("stage", "parts"), [("optimizer", 1), ("gradients", 2), ("everything", 3)]
)
def test_each_stage_of_zero_shards_one_more_part(stage: str, parts: int):
    one = estimate_memory(SHAPE, Layout(), TRAINING, reserved_bytes=0)
    layout = Layout(data_parallel_size=8, sharded=stage)
    many = estimate_memory(SHAPE, layout, TRAINING, reserved_bytes=0)
    shared = [
        getattr(many, name) < getattr(one, name) / 7.9
        for name in ("optimizer", "gradients", "weights")
    ]
    assert sum(shared) == parts


def test_a_loss_in_place_and_no_dropout_need_less():
    plain = estimate_memory(SHAPE, Layout(), TRAINING, reserved_bytes=0)
    lean = estimate_memory(
        SHAPE, Layout(), replace(TRAINING, logit_bytes=2, has_dropout=False), reserved_bytes=0
    )
    assert lean.logits == pytest.approx(plain.logits / 5)
    layers = SHAPE.num_hidden_layers
    assert plain.activations - lean.activations == pytest.approx(2 * SBH * layers)


def test_expert_ranks_are_taken_from_the_tensor_ranks_and_hold_as_many_experts():
    # As the trainer lays them: of a stage's ranks, whatever these do to attention.
    shape = ModelShape(
        kind="llama", vocab_size=128, hidden_size=1024, intermediate_size=0, num_hidden_layers=8,
        num_attention_heads=8, num_key_value_heads=8, head_dim=128, max_position_embeddings=128,
        tie_word_embeddings=False, num_experts=64, num_experts_per_tok=2,
        moe_intermediate_size=1024,
    )  # fmt: skip
    one, two = (
        estimate_memory(shape, layout, TRAINING, reserved_bytes=0)
        for layout in (
            Layout(data_parallel_size=16, expert_parallel_size=8, sharded="optimizer"),
            Layout(tensor_parallel_size=2, data_parallel_size=8, expert_parallel_size=8,
                   sharded="optimizer"),
        )
    )  # fmt: skip
    experts = 8 * 8 * 3 * 1024 * 1024  # of eight layers, eight on each rank, three matrices
    assert one.weights > two.weights > 2 * experts
    assert two.weights == pytest.approx(2 * experts, rel=0.1)  # the rest is attention's, split
    assert two.optimizer == pytest.approx(12 * experts / 2, rel=0.1)  # 16 ranks, so two copies
