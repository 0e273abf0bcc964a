"""`parallel: auto`: what the trainer is told to run, and that it could."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lodesmith.core.errors import UserError
from lodesmith.model.config import DecoderConfig, ExpertsConfig
from lodesmith.parallel.config import ParallelConfig, check_layout
from lodesmith.plan.hardware.cluster import Cluster, bare_cluster
from lodesmith.plan.hardware.device import Device
from lodesmith.plan.hardware.load import load_device
from lodesmith.plan.search.auto import choose_for_cores, choose_parallel


def decoder(**changes: object) -> DecoderConfig:
    sizes = {
        "kind": "qwen3", "vocab_size": 4096, "hidden_size": 256, "intermediate_size": 768,
        "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 64,
        "max_position_embeddings": 512, "tie_word_embeddings": False,
    }  # fmt: skip
    return DecoderConfig.model_validate(sizes | changes)


def machine(device: str, num_devices: int) -> tuple[Cluster, Device]:
    cluster = bare_cluster(
        device, num_devices=num_devices, devices_per_node=num_devices, network_gb_per_second=10
    )
    return cluster, load_device(device)


def test_two_cores_share_the_batch_of_a_small_model():
    chosen = choose_for_cores(
        decoder(), num_cores=2, sequence_length=256, global_batch_size=16, micro_batch_size=4
    )
    assert chosen == ParallelConfig(data_parallel_replicate_size=2)


def test_one_core_is_laid_out_too():
    chosen = choose_for_cores(
        decoder(), num_cores=1, sequence_length=256, global_batch_size=16, micro_batch_size=8
    )
    assert chosen == ParallelConfig()


def test_cores_that_the_batch_does_not_suit_stay_idle():
    chosen = choose_for_cores(
        decoder(), num_cores=7, sequence_length=250, global_batch_size=12, micro_batch_size=2
    )
    assert chosen.num_ranks == 6


def test_a_model_too_large_for_one_device_is_sharded():
    cluster, device = machine("a100-80", 8)
    large = decoder(
        vocab_size=32768, hidden_size=4096, intermediate_size=11008, num_hidden_layers=32,
        num_attention_heads=32, num_key_value_heads=32, head_dim=128, max_position_embeddings=2048,
    )  # fmt: skip
    chosen = choose_parallel(
        large, cluster=cluster, device=device, precision="bf16",
        sequence_length=2048, global_batch_size=64, micro_batch_size=1,
    )  # fmt: skip
    assert chosen.data_parallel_replicate_size < 8


@settings(max_examples=25, deadline=None)
@given(
    ranks=st.sampled_from([1, 2, 3, 4, 6, 8]),
    layers=st.integers(1, 6),
    batch=st.sampled_from([24, 48]),
    has_experts=st.booleans(),
    is_tied=st.booleans(),
)
def test_what_is_chosen_passes_the_trainers_own_check(
    ranks: int, layers: int, batch: int, has_experts: bool, is_tied: bool
):
    experts = ExpertsConfig(num_experts=8, num_experts_per_tok=2, moe_intermediate_size=128)
    model = decoder(
        num_hidden_layers=layers, tie_word_embeddings=is_tied,
        **({"experts": experts} if has_experts else {}),
    )  # fmt: skip
    cluster, device = machine("cpu", ranks)
    chosen = choose_parallel(
        model, cluster=cluster, device=device,
        sequence_length=192, global_batch_size=batch, micro_batch_size=1,
    )  # fmt: skip
    check_layout(
        chosen, model, num_ranks=ranks,
        sequence_length=192, global_batch_size=batch, micro_batch_size=1,
    )  # fmt: skip


def test_a_batch_that_suits_no_ranks_is_refused_with_one_that_does():
    cluster, device = machine("cpu", 7)
    with pytest.raises(UserError, match=r"suits 7 ranks at global_batch_size 16.*multiple of 14"):
        choose_parallel(
            decoder(), cluster=cluster, device=device,
            sequence_length=256, global_batch_size=16, micro_batch_size=2,
        )  # fmt: skip


def test_a_model_that_fits_on_no_layout_is_refused_with_what_it_needs():
    cluster, device = machine("cpu", 2)
    with pytest.raises(UserError, match=r"needs at least .* GB on each of 2 devices of 1 GB"):
        choose_parallel(
            decoder(), cluster=cluster, device=device.model_copy(update={"memory_gb": 1.0}),
            sequence_length=512, global_batch_size=256, micro_batch_size=128,
        )  # fmt: skip
