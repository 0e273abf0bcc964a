"""The same global batches for every layout, plain, packed or mixed, and none that is waited for."""

from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_training import make_job

from lodesmith.data.corpora import write_corpora
from lodesmith.data.skips import NO_SKIPS, SkipList
from lodesmith.train.job import TokenSetData
from lodesmith.train.objectives.batch import Batch
from lodesmith.train.samples.loader import Loader, open_source, order_of

SIZE, STEPS = 12, 3


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    """A job on all tokens, and one on a mixture of their two corpora."""
    plain = make_job(tmp_path_factory.mktemp("job"))
    write_corpora(plain.data.folder, [("first", 20), ("second", 40)])
    mixed = TokenSetData(plain.data.folder, {"first": 3.0, "second": 1.0})
    return plain, replace(plain, data=mixed)


def read(job, rows, *, first_step=0, skips=NO_SKIPS):
    source = open_source(job.data, sequence_length=16)
    loader = Loader(
        source,
        global_batch_size=SIZE,
        order=order_of(job, source),
        first_step=first_step,
        steps=STEPS,
        rows=rows,
        skips=skips,
    )
    return [batch.input_ids for batch in loader]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    ranks=st.sampled_from([1, 2, 3, 4, 6, 12]),
    kind=st.integers(0, 1),
    skipped=st.integers(0, 5),
    first_step=st.integers(0, STEPS - 1),
)
def test_the_ranks_of_any_layout_read_one_global_batch(jobs, ranks, kind, skipped, first_step):
    job, skips = jobs[kind], SkipList().plus_positions(2, 2 + skipped)
    whole = read(job, slice(None), skips=skips)[first_step:]
    parts = [
        read(job, slice(rank, None, ranks), first_step=first_step, skips=skips)
        for rank in range(ranks)
    ]
    for step, batch in enumerate(whole):
        joined = torch.empty_like(batch)
        for rank in range(ranks):
            joined[rank::ranks] = parts[rank][step]
        assert torch.equal(joined, batch)


def test_a_mixture_takes_its_shares_and_changes_what_a_checkpoint_belongs_to(jobs):
    plain, mixed = jobs
    assert plain.digest != mixed.digest
    assert not torch.equal(read(plain, slice(None))[0], read(mixed, slice(None))[0])


def test_the_loader_has_the_next_batch_ready_while_a_step_is_taken(jobs):
    source = open_source(jobs[0].data, sequence_length=16)
    asked = []

    class Watched:
        num_samples = source.num_samples

        def batch(self, samples) -> Batch:
            asked.append(len(samples))
            return source.batch(samples)

    loader = Loader(
        Watched(), global_batch_size=4, order=order_of(jobs[0], source), first_step=0, steps=20
    )
    batches = iter(loader)
    for taken in range(1, 15):
        next(batches)
        while len(asked) < taken + 2:  # read on its own, while nobody asks
            torch.zeros(1000).sum()
