"""Attention of our own is that of double precision, with its gradients, and its bits are steady."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import scaled_dot_product_attention

from lodesmith.model import attention as attentions
from lodesmith.model.attention import attend_from, starts_of_segments, suits_own_kernel
from lodesmith.model.decoder import causal_attention
from lodesmith.parallel.layers import _run_again


def heads(size, num_heads, tokens, dim, *, seed, factor=1.0):
    """Return heads as products leave them: a view of token after token."""
    generator = torch.Generator().manual_seed(seed)
    return factor * torch.randn(size, tokens, num_heads, dim, generator=generator).transpose(1, 2)


def inputs(size=2, groups=2, num_kv=2, tokens=70, dim=16, *, seed=0, factor=1.0):
    numbers = (groups * num_kv, num_kv, num_kv)
    made = [
        heads(size, number, tokens, dim, seed=seed + index, factor=factor)
        for index, number in enumerate(numbers)
    ]
    return [x.requires_grad_() for x in made]


def documents(size, tokens, *, seed):
    generator = torch.Generator().manual_seed(seed)
    ids = (torch.rand(size, tokens, generator=generator) < 0.1).int().cumsum(1)
    return starts_of_segments(ids)


def learn(attend, asked, *, pull=None):
    """Return what is read and the gradients of queries, keys and values."""
    asked = [x.detach().requires_grad_() for x in asked]
    out = attend(*asked)
    pull = heads(*out.shape, seed=9) if pull is None else pull
    return [out, *torch.autograd.grad(out, asked, pull.to(out.dtype))]


def in_double(asked, starts):
    tokens = asked[0].shape[2]
    places = torch.arange(tokens)
    mask = places <= places[:, None]
    if starts is not None:
        mask = mask & (places >= starts[:, None, :, None])
    return learn(
        lambda q, k, v: scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=True),
        [x.detach().double() for x in asked],
    )


def own(asked, starts=None, **options):
    return learn(lambda q, k, v: attend_from(starts, q, k, v), asked, **options)


def assert_near(found, expected):
    least = 0.1 * expected[3].norm()  # a lone token's queries and keys have no gradient at all
    for name, one, wanted in zip(("out", "q", "k", "v"), found, expected, strict=True):
        assert one.shape == wanted.shape
        off = (one - wanted).norm() / wanted.norm().clamp(min=least)
        assert off < 1e-5, f"{name} is off by {off:.1e}"


@settings(deadline=None, max_examples=60)
@given(
    size=st.integers(1, 3),
    groups=st.integers(1, 4),
    num_kv=st.integers(1, 3),
    tokens=st.integers(1, 230),
    dim=st.one_of(st.sampled_from([16, 32, 64, 128]), st.integers(1, 140)),
    packed=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_attention_and_its_gradients_are_those_of_double_precision(
    size, groups, num_kv, tokens, dim, packed, seed
):
    asked = inputs(size, groups, num_kv, tokens, dim, seed=seed)
    starts = documents(size, tokens, seed=seed) if packed else None
    assert_near(own(asked, starts), in_double(asked, starts))


@pytest.mark.parametrize(("tokens", "dim"), [(480, 8), (481, 16), (1100, 24), (97, 256)])
@pytest.mark.parametrize("packed", [False, True])
def test_long_rows_and_wide_heads(tokens, dim, packed):
    asked = inputs(1, 2, 1, tokens, dim)
    starts = documents(1, tokens, seed=3) if packed else None
    assert_near(own(asked, starts), in_double(asked, starts))


@pytest.mark.parametrize("layout", ["side by side", "every second", "one for all", "turned"])
def test_heads_may_lie_anywhere(layout):
    asked = [x.detach() for x in inputs()]
    pull = heads(2, 4, 70, 16, seed=9)
    if layout == "side by side":
        asked = [x.contiguous() for x in asked]
    elif layout == "every second":
        wide = [x.repeat_interleave(2, -1)[..., ::2] for x in asked]
        assert wide[0].stride(-1) == 2
        asked = wide
    elif layout == "one for all":
        asked = [x[:1, :1].expand(x.shape) for x in asked]
    else:
        pull = torch.ones(()).expand(2, 4, 70, 16)
    plain = [x.clone(memory_format=torch.contiguous_format) for x in asked]
    expected = own(plain, pull=pull.clone(memory_format=torch.contiguous_format))
    found = own(asked, pull=pull)
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


@pytest.mark.parametrize("num_threads", [1, 2, 3, 7])
def test_the_bits_depend_on_no_number_of_threads(num_threads):
    asked, starts = inputs(3, tokens=130), documents(3, 130, seed=1)
    expected = own(asked, starts)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(num_threads)
        found = own(asked, starts)
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


def test_the_bits_depend_on_no_other_sequence():
    asked, starts = inputs(4, tokens=130), documents(4, 130, seed=1)
    pull = heads(4, 4, 130, 16, seed=9)
    together = own(asked, starts, pull=pull)
    for row in range(4):
        alone = own([x[row : row + 1] for x in asked], starts[row : row + 1], pull=pull[row][None])
        assert all(
            torch.equal(one[row], other[0]) for one, other in zip(together, alone, strict=True)
        )


def test_documents_read_nothing_of_each_other():
    asked = [x.detach() for x in inputs(1, tokens=100)]
    starts = starts_of_segments((torch.arange(100) >= 37)[None].int())
    found = own(asked, starts)
    for index in (1, 2):
        asked[index][:, :, :37] = 1e4
    changed = own(asked, starts)
    assert torch.equal(found[0][:, :, 37:], changed[0][:, :, 37:])
    assert not torch.equal(found[0][:, :, :37], changed[0][:, :, :37])
    for one in changed[1:]:
        assert one.isfinite().all()


@pytest.mark.parametrize("factor", [1e-42, 1e-30, 1e-3, 30.0])
def test_tiny_and_huge_scores(factor):
    asked = inputs(1, tokens=50, factor=factor)
    found, expected = own(asked), in_double(asked, None)
    assert all(one.isfinite().all() for one in found)
    if factor >= 1e-3:  # scores of 4,000 at the other end: a softmax of rounded scores
        close = 1e-3 if factor > 1 else 1e-5
        for one, wanted in zip(found, expected, strict=True):
            assert (one - wanted).norm() < close * wanted.norm()


def test_a_query_of_zeros_reads_the_mean_whatever_the_sign_of_zero():
    _, k, v = (x.detach() for x in inputs(1, groups=1, tokens=40))
    expected = v.double().cumsum(2) / torch.arange(1, 41)[:, None]
    for zero in (0.0, -0.0):
        out = own([torch.full_like(k, zero), k, v])[0]
        torch.testing.assert_close(out.double(), expected, atol=1e-6, rtol=1e-6)


def test_what_is_no_number_stays_none():
    asked = [x.detach() for x in inputs(1, tokens=40)]
    asked[0][0, 1, 20, 3] = torch.nan
    out = own(asked)[0]
    assert out[0, 1, 20].isnan().all()
    assert out[0, 0].isfinite().all()
    assert out[0, 1, :20].isfinite().all()


@pytest.mark.parametrize("kernels", ["plain", "avx2"])
def test_narrower_registers_give_the_same_to_rounding(kernels, monkeypatch):
    asked, starts = inputs(1, 2, 2, 210, 40), documents(1, 210, seed=5)
    for name in ("attend", "attend_backward"):
        whole = getattr(attentions, name)
        monkeypatch.setattr(
            attentions,
            name,
            lambda *args, whole=whole, **options: whole(*args, kernels=kernels, **options),
        )
    assert_near(own(asked, starts), in_double(asked, starts))


def test_without_openmp_threads_of_its_own_give_the_same_bits(monkeypatch):
    asked = inputs(tokens=100)
    expected = own(asked)
    monkeypatch.setattr("lodesmith.native.attention._openmp_start", lambda: None)
    assert all(torch.equal(one, other) for one, other in zip(own(asked), expected, strict=True))


@pytest.mark.parametrize("packed", [False, True])
def test_a_compiler_sees_one_operator_with_the_same_bits(packed):
    asked = inputs(tokens=33)
    starts = documents(2, 33, seed=1) if packed else None
    attend = torch.compile(
        lambda q, k, v: attend_from(starts, q * 1.5, k, v) * 2, backend="aot_eager", fullgraph=True
    )
    found = learn(attend, asked)
    expected = learn(lambda q, k, v: attend_from(starts, q * 1.5, k, v) * 2, asked)
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))
    fixed = [x.detach() for x in asked]
    torch.library.opcheck(
        torch.ops.lodesmith.attend.default, (*fixed, starts), test_utils="test_faketensor"
    )
    out, normalisers = torch.ops.lodesmith.attend(*fixed, starts)
    torch.library.opcheck(
        torch.ops.lodesmith.attend_backward.default,
        (out, *fixed, out, normalisers, starts),
        test_utils="test_faketensor",
    )


def test_selective_recomputing_keeps_what_attention_gave(monkeypatch):
    calls = []
    whole = attentions.attend

    def counted(*args, **options):
        calls.append(1)
        whole(*args, **options)

    monkeypatch.setattr(attentions, "attend", counted)
    asked = inputs(tokens=20)
    learn(lambda q, k, v: _run_again(lambda *x: attend_from(None, *x).sin(), True, q, k, v), asked)
    assert len(calls) == 1
    learn(lambda q, k, v: _run_again(lambda *x: attend_from(None, *x).sin(), False, q, k, v), asked)
    assert len(calls) == 3


def test_the_own_kernel_is_taken_for_learning_in_float32_only(monkeypatch):
    monkeypatch.setattr(attentions, "PREFERS_OWN", True)
    q, k, v = inputs()
    assert suits_own_kernel(q, k, v)
    assert not suits_own_kernel(q[:, :, -1:], k, v)  # its place would be the last one
    assert not suits_own_kernel(q.double(), k.double(), v.double())
    assert not suits_own_kernel(q.to("meta"), k.to("meta"), v.to("meta"))
    with torch.no_grad():
        assert not suits_own_kernel(q, k, v)
    with torch.autocast("cpu", torch.bfloat16):
        assert not suits_own_kernel(q, k, v)
    monkeypatch.setattr(attentions, "PREFERS_OWN", False)
    assert not suits_own_kernel(q, k, v)


def test_both_kinds_of_attention_agree(monkeypatch):
    asked = inputs()
    found = []
    for prefers in (True, False):
        monkeypatch.setattr(attentions, "PREFERS_OWN", prefers)
        found.append(learn(lambda *x: causal_attention(0, *x), asked))
    assert_near(*found)
    assert not all(torch.equal(one, other) for one, other in zip(*found, strict=True))
