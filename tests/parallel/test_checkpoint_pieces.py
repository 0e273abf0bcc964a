"""Pieces of tensors: N ranks' into M ranks' and back is the identity, and little is read for it."""

import itertools
import math

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lodesmith.parallel.boxes import Box, byte_spans, merge_spans
from lodesmith.parallel.checkpoint.disk import LocalFiles
from lodesmith.parallel.checkpoint.manifest import BLOCK_BYTES, DTYPES, Manifest, PartFile
from lodesmith.parallel.checkpoint.part_file import Held, PartLayout, Staging, anonymous_memory
from lodesmith.parallel.checkpoint.plan import collect, share_out
from lodesmith.parallel.checkpoint.reading import read_parts

shapes = st.lists(st.integers(1, 7), max_size=3).map(tuple)


@st.composite
def shape_and_part(draw):
    shape = draw(st.lists(st.integers(1, 7), max_size=4))
    ends = [sorted((draw(st.integers(0, n - 1)), draw(st.integers(1, n)))) for n in shape]
    ends = [(a, b if b > a else a + 1) for a, b in ends]
    return tuple(shape), Box(tuple(a for a, _ in ends), tuple(b - a for a, b in ends))


@given(shape_and_part(), st.sampled_from([1, 2, 8]), st.integers(0, 100))
def test_spans_of_a_part_hold_all_its_bytes_and_without_gaps_no_others(found, item, gap):
    shape, part = found
    size = math.prod(shape)
    wanted = set(np.arange(size).reshape(shape)[part.slices].flatten().tolist())
    spans = list(byte_spans(shape, part, item_bytes=item, gap_bytes=gap))
    covered = [byte for start, stop in spans for byte in range(start, stop)]
    assert len(covered) == len(set(covered))
    assert {byte // item for byte in covered} >= wanted
    assert max(covered) < size * item
    if gap == 0:
        assert {byte // item for byte in covered} == wanted


@given(
    st.lists(st.tuples(st.integers(0, 99), st.integers(1, 30)), min_size=1),
    st.integers(1, 16),
    st.integers(0, 20),
)
def test_merged_spans_are_whole_blocks_in_order_that_hold_all(starts, block, gap):
    spans = [(start, min(start + size, 100)) for start, size in starts]
    merged = merge_spans(spans, block_bytes=block, total_bytes=100, gap_bytes=gap)
    assert all(a[1] + gap < b[0] for a, b in itertools.pairwise(merged))
    assert all(start % block == 0 and (stop % block == 0 or stop == 100) for start, stop in merged)
    assert all(any(a <= start and stop <= b for a, b in merged) for start, stop in spans)


@st.composite
def layouts(draw, shapes):
    """Give each of some ranks a box of each tensor: cut once, cut twice, or the whole."""
    num_ranks = draw(st.sampled_from([1, 2, 3, 4, 6]))
    everyone = [[] for _ in range(num_ranks)]
    for number, (shape, dtype) in enumerate(shapes):
        cuts = draw(st.sampled_from([n for n in (1, 2, 3, 4, 6) if num_ranks % n == 0]))
        inner = draw(st.sampled_from([n for n in (1, 2, 3) if cuts % n == 0]))
        dims = [draw(st.integers(0, max(len(shape) - 1, 0))) for _ in range(2)]
        for rank in range(num_ranks):
            box = Box.whole(shape)
            if shape:
                place = rank % cuts
                box = box.cut(dims[0], inner, place % inner)
                box = box.cut(dims[1], cuts // inner, place // inner)
            everyone[rank].append(Held(f"tensor {number}", dtype, shape, box))
    return everyone


@st.composite
def two_layouts(draw):
    shape_list = draw(
        st.lists(st.tuples(shapes, st.sampled_from(sorted(DTYPES))), min_size=1, max_size=4)
    )
    return draw(layouts(shape_list)), draw(layouts(shape_list))


def write(everyone, parts):
    """Return a manifest and files of what ranks hold."""
    planned = [PartLayout.of(held) for held in share_out(everyone)]
    names = [f"file {rank}" for rank in range(len(planned))]
    files, table = {}, {}
    for name, layout, own in zip(names, planned, parts, strict=True):
        staging = Staging(layout, anonymous_memory(layout.buffer_bytes))
        staging.fill(own)
        files[name] = staging.bytes[: layout.num_bytes]
        table[name] = PartFile(layout.num_bytes, None)
    manifest = Manifest(step=1, facts={}, tensors=collect(planned, names), files=table)
    return Manifest.from_bytes(manifest.to_bytes()), files


def read(everyone, stored):
    manifest, files = stored
    return [read_parts(held, manifest, lambda name, spans: files[name]) for held in everyone]


@settings(deadline=None, max_examples=150)
@given(two_layouts(), st.integers(0, 1000))
def test_from_any_ranks_to_any_others_and_back_is_the_identity(pair, seed):
    first, second = pair
    generator = torch.Generator().manual_seed(seed)
    wholes = {
        one.name: torch.randint(0, 50, one.shape, generator=generator).to(DTYPES[one.dtype])
        for one in first[0]
    }
    before = [{one.name: wholes[one.name][one.box.slices] for one in held} for held in first]
    there = read(second, write(first, before))
    for held, parts in zip(second, there, strict=True):
        for one in held:
            if one.num_bytes:
                assert torch.equal(parts[one.name], wholes[one.name][one.box.slices])
    back = read(first, write(second, there))
    for held, parts in zip(first, back, strict=True):
        assert all(torch.equal(parts[one.name], wholes[one.name][one.box.slices])
                   for one in held if one.num_bytes)  # fmt: skip


@settings(deadline=None)
@given(two_layouts())
def test_each_element_is_written_once_by_a_rank_that_holds_it(pair):
    everyone, _ = pair
    shares = share_out(everyone)
    for held, mine in zip(everyone, shares, strict=True):
        assert set(mine) <= set(held)
    for one in everyone[0]:
        counts = np.zeros(one.shape, int)
        for mine in shares:
            for other in mine:
                if other.name == one.name:
                    counts[other.box.slices] += 1
        assert (counts == 1).all()


def test_replicas_share_the_writing_evenly():
    held = [Held(f"layer {n}", "F32", (64, 64), Box.whole((64, 64))) for n in range(12)]
    loads = [sum(one.num_bytes for one in mine) for mine in share_out([held] * 4)]
    assert max(loads) == min(loads)


def test_a_rank_reads_only_the_blocks_that_it_needs(tmp_path, monkeypatch):
    shape = (1024, 4096)  # 16 MB
    whole = torch.arange(shape[0] * shape[1], dtype=torch.float32).view(shape)
    held = [Held("a", "F32", shape, Box.whole(shape))]
    manifest, files = write([held], [{"a": whole}])
    LocalFiles(tmp_path).write("file 0", pages(files["file 0"]), files["file 0"].size)
    bytes_read = []
    part = Box((256, 0), (64, 4096))

    def open_window(name, spans):
        window = np.zeros(manifest.files[name].num_bytes, np.uint8)
        blocks = merge_spans(list(spans), block_bytes=BLOCK_BYTES, total_bytes=window.size)
        bytes_read.extend(stop - start for start, stop in blocks)
        LocalFiles(tmp_path).read_into(name, blocks, window)
        return window

    found = read_parts([Held("a", "F32", shape, part)], manifest, open_window)
    assert torch.equal(found["a"], whole[part.slices])
    assert sum(bytes_read) <= part.num_elements * 4 + 2 * BLOCK_BYTES


def pages(data):
    memory = np.frombuffer(anonymous_memory(-(-data.size // 4096) * 4096), np.uint8)
    memory[: data.size] = data
    return memory
