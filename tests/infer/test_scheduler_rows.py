"""Rows and queue of the scheduler under any order of events."""

from hypothesis import given
from hypothesis import strategies as st

from lodesmith.infer.scheduler import Scheduler

EVENTS = st.lists(st.tuples(st.sampled_from(["add", "read", "run", "remove"]), st.integers(0, 99)))


def served(scheduler):
    return [*scheduler.running] + ([] if scheduler.reading is None else [scheduler.reading])


def remove_one(scheduler, rows, number):
    present = [*served(scheduler), *scheduler.waiting]
    for source, target in scheduler.remove(present[number % len(present)]) if present else ():
        rows[target] = rows[source]


@given(events=EVENTS, max_num_seqs=st.integers(1, 4), max_num_queued_seqs=st.integers(1, 5))
def test_rows_stay_dense_and_each_sequence_keeps_its_cache(
    events, max_num_seqs, max_num_queued_seqs
):
    scheduler = Scheduler(max_num_seqs=max_num_seqs, max_num_queued_seqs=max_num_queued_seqs)
    rows = [None] * max_num_seqs  # what the cache of the engine would hold
    names, started = iter(range(1000)), []
    for kind, number in events:
        if kind == "add" and scheduler.has_room_for(1):
            scheduler.add(next(names))
        elif kind == "read":
            sequence = scheduler.next_to_read()
            if sequence is not None and sequence not in started:
                started.append(sequence)
                rows[len(scheduler.running)] = sequence
        elif kind == "run" and scheduler.reading is not None:
            scheduler.start_running(scheduler.reading)
        elif kind == "remove":
            remove_one(scheduler, rows, number)
        assert rows[: scheduler.num_rows] == served(scheduler)
        assert scheduler.num_rows <= max_num_seqs
        assert len(scheduler.waiting) <= max_num_queued_seqs
        assert started == sorted(started), "first come, first served"
        assert scheduler.has_work == bool(scheduler.num_rows or scheduler.waiting)
