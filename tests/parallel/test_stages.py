"""Stages share the layers evenly, the embedding and the output matrix counted."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from lodesmith.model.config import DecoderConfig
from lodesmith.parallel.stages import layers_of_stage, split_layers


def loads(cuts, costs, head, tail):
    edges = itertools.pairwise((0, *cuts, len(costs)))
    sums = [sum(costs[start:end]) for start, end in edges]
    sums[0] += head
    sums[-1] += tail
    return sums


@given(
    costs=st.lists(st.integers(1, 9), min_size=1, max_size=7),
    num_stages=st.integers(1, 7),
    head=st.integers(0, 20),
    tail=st.integers(0, 20),
)
def test_no_other_cut_has_a_lighter_heaviest_stage(costs, num_stages, head, tail):
    num_stages = min(num_stages, len(costs))
    stages = split_layers(costs, num_stages=num_stages, head=head, tail=tail)
    assert [layer for stage in stages for layer in stage] == list(range(len(costs)))
    assert all(stages)
    found = loads([stage.stop for stage in stages[:-1]], costs, head, tail)
    others = itertools.combinations(range(1, len(costs)), num_stages - 1)
    assert max(found) == min(max(loads(cuts, costs, head, tail)) for cuts in others)


def test_a_large_vocabulary_takes_layers_from_the_first_and_last_stage():
    config = DecoderConfig(
        vocab_size=3000,
        hidden_size=64,
        intermediate_size=192,
        num_hidden_layers=16,
        num_attention_heads=4,
        num_key_value_heads=4,
        head_dim=16,
        tie_word_embeddings=False,
    )
    sizes = [len(layers_of_stage(config, stage, 4)) for stage in range(4)]
    assert sizes[0] < sizes[1]
    assert sizes[3] < sizes[2]
    assert sum(sizes) == 16
