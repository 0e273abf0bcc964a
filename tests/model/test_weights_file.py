"""Weights on disk: the same bytes as the library of the format writes."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save

from lodesmith.model.weights_file import write_weights

DTYPES = [torch.float32, torch.float16, torch.bfloat16, torch.float64]

shapes = st.lists(st.integers(0, 4), max_size=3)
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(
    lambda name: name != "__metadata__"
)


@given(weights=st.dictionaries(names, st.tuples(shapes, st.sampled_from(DTYPES)), max_size=6))
def test_the_bytes_are_those_of_the_library(weights, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "model.safetensors"
    made = {name: torch.randn(shape).to(dtype) for name, (shape, dtype) in weights.items()}
    write_weights(path, made)
    assert path.read_bytes() == save(made, metadata={"format": "pt"})


def test_a_weight_that_is_a_view_is_written_in_its_own_order(tmp_path):
    whole = torch.arange(12.0).reshape(3, 4)
    write_weights(tmp_path / "w", {"turned": whole.T, "part": whole[1:, 2]})
    expected = {"turned": whole.T.contiguous(), "part": whole[1:, 2].contiguous()}
    assert (tmp_path / "w").read_bytes() == save(expected, metadata={"format": "pt"})


def test_a_failed_write_leaves_what_was_there(tmp_path):
    write_weights(tmp_path / "w", {"one": torch.ones(2)})
    before = (tmp_path / "w").read_bytes()
    with pytest.raises(NotImplementedError):
        write_weights(tmp_path / "w", {"one": torch.ones(2, device="meta")})
    assert (tmp_path / "w").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1
