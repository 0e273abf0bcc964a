"""The decoder in C: its products against numpy's, for each width of register and each rounding."""

import itertools
import platform

import numpy as np
import pytest

from lodesmith.native.decoder import (
    PANEL,
    Format,
    NativeDecoder,
    Part,
    Pass,
    Shape,
    cache_floats,
    padded,
)

X86 = platform.machine() == "x86_64"
WIDTHS = ["plain", "avx2", None] if X86 else ["plain"]
VOCAB, HIDDEN, INNER, HEADS, KV_HEADS, DIM = 75, 40, 50, 6, 2, 12


def random_weights(seed=0):
    generator = np.random.default_rng(seed)
    matrices = {
        Part.Q_PROJ: (HEADS * DIM, HIDDEN), Part.K_PROJ: (KV_HEADS * DIM, HIDDEN),
        Part.V_PROJ: (KV_HEADS * DIM, HIDDEN), Part.O_PROJ: (HIDDEN, HEADS * DIM),
        Part.GATE_PROJ: (INNER, HIDDEN), Part.UP_PROJ: (INNER, HIDDEN),
        Part.DOWN_PROJ: (HIDDEN, INNER), Part.EMBEDDING: (VOCAB, HIDDEN),
        Part.HEAD: (VOCAB, HIDDEN),
        Part.INPUT_NORM: (HIDDEN,), Part.POST_NORM: (HIDDEN,), Part.Q_NORM: (DIM,),
        Part.K_NORM: (DIM,), Part.FINAL_NORM: (HIDDEN,),
    }  # fmt: skip
    return {
        part: generator.standard_normal(shape, np.float32) * (0.3 if len(shape) == 2 else 1)
        for part, shape in matrices.items()
    }


def make_native(weights, *, form=Format.FLOAT, kernels=None, num_threads=2):
    shape = Shape(
        vocab_size=VOCAB, hidden_size=HIDDEN, intermediate_size=INNER, num_layers=1,
        num_heads=HEADS, num_key_value_heads=KV_HEADS, head_dim=DIM, max_model_len=128,
        max_rows=128, num_blocks=8, num_threads=num_threads, format=form, head_format=form,
        eps=1e-6,
    )  # fmt: skip
    native = NativeDecoder(shape, kernels=kernels)
    for part, weight in weights.items():
        native.put(part, weight)
    angles = np.outer(np.arange(128), 0.3 ** np.arange(DIM // 2)).astype(np.float32)
    num_keys, num_values = cache_floats(shape)
    memory = {"keys": np.zeros(num_keys, np.float32), "values": np.zeros(num_values, np.float32)}
    memory |= {"cosines": np.cos(angles), "sines": np.sin(angles)}
    native.lend_memory(memory)
    return native


def rounded(native, weights):
    """Return the weights as the decoder computes with them."""
    kept = {part for part in weights if weights[part].ndim == 1} | {Part.EMBEDDING}
    return {
        part: weight
        if part in kept
        else np.stack(
            [native.read_row(part, row, size=weight.shape[1]) for row in range(len(weight))]
        )
        for part, weight in weights.items()
    }


def run(native, ids, *, start=0, blocks=(3, 0, 5, 1)):
    as_int = lambda values: np.array(values, np.int32)  # noqa: E731
    states = native.run(
        Pass(
            ids_R=as_int(ids), positions_R=as_int(range(start, start + len(ids))),
            starts_S=as_int([0, len(ids)]), tables_SM=as_int([blocks]),
            out_rows_O=as_int(range(len(ids))),
        )
    )  # fmt: skip
    return native.logits(states)


def norm(x, weight):
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6) * weight


def reference(weights, ids):
    """Return the logits of all positions, in float64."""
    w = {part: weight.astype(np.float64) for part, weight in weights.items()}
    x = w[Part.EMBEDDING][ids]
    normed = norm(x, w[Part.INPUT_NORM])
    angles = np.outer(np.arange(len(ids)), 0.3 ** np.arange(DIM // 2))[:, None]

    def heads(part, norm_part):
        split = (normed @ w[part].T).reshape(len(ids), -1, DIM)
        if norm_part is None:
            return split
        a, b = np.split(norm(split, w[norm_part]), 2, axis=-1)
        return np.concatenate(
            (a * np.cos(angles) - b * np.sin(angles), b * np.cos(angles) + a * np.sin(angles)), -1
        )

    q = heads(Part.Q_PROJ, Part.Q_NORM)
    k, v = heads(Part.K_PROJ, Part.K_NORM), heads(Part.V_PROJ, None)
    k, v = (np.repeat(each, HEADS // KV_HEADS, axis=1) for each in (k, v))
    scores = np.einsum("qhd,khd->hqk", q, k) / np.sqrt(DIM)
    scores[:, np.triu_indices(len(ids), 1)[0], np.triu_indices(len(ids), 1)[1]] = -np.inf
    shares = np.exp(scores - scores.max(-1, keepdims=True))
    shares /= shares.sum(-1, keepdims=True)
    x = x + np.einsum("hqk,khd->qhd", shares, v).reshape(len(ids), -1) @ w[Part.O_PROJ].T
    normed = norm(x, w[Part.POST_NORM])
    gate = normed @ w[Part.GATE_PROJ].T
    inner = gate / (1 + np.exp(-gate)) * (normed @ w[Part.UP_PROJ].T)
    x = x + inner @ w[Part.DOWN_PROJ].T
    return norm(x, w[Part.FINAL_NORM]) @ w[Part.HEAD].T


@pytest.mark.parametrize("form", list(Format))
@pytest.mark.parametrize("kernels", WIDTHS)
def test_logits_are_those_of_the_weights_that_are_stored(kernels, form):
    weights = random_weights()
    native = make_native(weights, form=form, kernels=kernels)
    ids = np.random.default_rng(1).integers(0, VOCAB, 100)
    expected = reference(rounded(native, weights), ids)
    logits, best = run(native, ids)
    assert np.abs(logits - expected).max() < 1e-4 * np.abs(expected).max()
    assert best.tolist() == logits.argmax(-1).tolist()


@pytest.mark.parametrize("form", list(Format))
@pytest.mark.parametrize("kernels", WIDTHS)
def test_pieces_of_any_size_give_the_same_bits(kernels, form):
    native = make_native(random_weights(), form=form, kernels=kernels)
    ids = np.random.default_rng(2).integers(0, VOCAB, 121)
    whole, _ = run(native, ids)
    whole = whole.copy()
    for sizes in ([1] * 121, [120, 1], [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 31]):
        edges = [0, *itertools.accumulate(sizes)]
        for start, end in itertools.pairwise(edges):
            piece, _ = run(native, ids[start:end], start=start)
            assert np.array_equal(piece, whole[start:end])


@pytest.mark.parametrize("kernels", WIDTHS)
def test_long_sums_are_rounded_far_less_than_by_adding_one_input_after_the_other(kernels):
    num_in, rows = 6000, 20
    shape = Shape(
        vocab_size=PANEL, hidden_size=num_in, intermediate_size=1, num_layers=1, num_heads=1,
        num_key_value_heads=1, head_dim=2, max_model_len=PANEL, max_rows=rows, num_blocks=1,
        num_threads=1, format=Format.FLOAT, head_format=Format.FLOAT, eps=1e-6,
    )  # fmt: skip
    native = NativeDecoder(shape, kernels=kernels)
    generator = np.random.default_rng(5)
    head, states = (generator.random((count, num_in), np.float32) for count in (PANEL, rows))
    native.put(Part.HEAD, head)
    exact = states.astype(np.float64) @ head.T.astype(np.float64)
    plain = np.cumsum(states[:, None] * head, axis=-1, dtype=np.float32)[..., -1]
    logits, _ = native.logits(states)
    errors = [np.sqrt((((found - exact) / exact) ** 2).mean()) for found in (logits, plain)]
    assert errors[0] < errors[1] / 3


def test_threads_change_nothing():
    ids = np.random.default_rng(3).integers(0, VOCAB, 60)
    one, three = (run(make_native(random_weights(), num_threads=n), ids)[0] for n in (1, 3))
    assert np.array_equal(one, three)


@pytest.mark.parametrize(("form", "worst"), [(Format.INT8, 0.006), (Format.INT4, 0.12)])
def test_rounding_loses_little(form, worst):
    weights = random_weights(4)
    stored = rounded(make_native(weights, form=form), weights)
    for part, weight in weights.items():
        error = np.sqrt(((stored[part] - weight) ** 2).mean() / (weight**2).mean())
        assert error < worst


@pytest.mark.parametrize("form", [Format.INT8, Format.INT4])
def test_weights_of_zero_stay_zero(form):
    weights = random_weights(5)
    weights[Part.O_PROJ][:] = 0
    weights[Part.DOWN_PROJ][3, :PANEL] = 0
    stored = rounded(make_native(weights, form=form), weights)
    assert not stored[Part.O_PROJ].any()
    assert not stored[Part.DOWN_PROJ][3, :PANEL].any()


def test_counts_are_rounded_up_to_whole_panels():
    assert [padded(count) for count in (1, 32, 33)] == [32, 32, 64]


@pytest.mark.parametrize("form", list(Format))
def test_without_an_embedding_rows_of_the_output_stand_for_it(form):
    weights = random_weights()
    tied = {part: weight for part, weight in weights.items() if part is not Part.EMBEDDING}
    native = make_native(tied, form=form)
    ids = np.arange(20)
    logits, _ = run(native, ids)
    head = rounded(native, tied)[Part.HEAD]
    same, _ = run(make_native({**tied, Part.EMBEDDING: head}, form=form), ids)
    assert np.array_equal(logits, same)


def test_matrices_that_suffer_most_from_four_bits_keep_eight():
    weights = random_weights()
    four, eight = (
        rounded(make_native(weights, form=form), weights) for form in (Format.INT4, Format.INT8)
    )
    finer = {part for part in weights if np.array_equal(four[part], eight[part])}
    assert finer >= {Part.Q_PROJ, Part.K_PROJ, Part.V_PROJ, Part.DOWN_PROJ}
    assert not finer & {Part.O_PROJ, Part.GATE_PROJ, Part.UP_PROJ}
