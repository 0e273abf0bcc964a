"""When a silent rank counts as lost, on made-up signs and a made-up clock."""

from dataclasses import replace

import pytest

from lodesmith.core.errors import EngineError
from lodesmith.train.loop.pulse import Phase, Pulse, PulseBoard, Sign
from lodesmith.train.ranks.restart import Restarts, choose_size
from lodesmith.train.ranks.watch import Fault, Watcher

TRAINING = Sign(alive=0, beats=0, phase=Phase.TRAINING, step=0)


def watch(seconds, sign_at, *, ranks=(0, 1), look_every=0.1):
    """Look for some seconds; return the fault and when it was seen."""
    watcher = Watcher()
    for number in range(round(seconds / look_every)):
        now = number * look_every
        fault = watcher.look({rank: sign_at(rank, now) for rank in ranks}, now=now)
        if fault is not None:
            return fault, now
    return None, seconds


def living(now, *, step_seconds, phase=Phase.TRAINING):
    beats = int(now / step_seconds)
    return replace(TRAINING, alive=int(now / 0.2), beats=beats, step=beats, phase=phase)


def test_a_frozen_rank_is_named_within_ten_seconds_though_its_peer_waits_too():
    def sign(rank, now):
        alive = living(min(now, 20.0), step_seconds=0.5)
        return alive if rank == 1 else replace(alive, alive=int(now / 0.2))

    fault, seen = watch(60, sign)
    assert (fault.what, fault.rank) == ("frozen", 1)
    assert seen - 20 <= 10
    assert fault.silent_seconds <= 10


@pytest.mark.parametrize("phase", [Phase.LOADING, Phase.COMPILING, Phase.SAVING])
def test_a_long_phase_is_no_fault_but_a_stopped_process_is(phase):
    def busy(rank, now):
        return living(now, step_seconds=1e9, phase=phase)

    assert watch(300, busy)[0] is None

    def holding_the_lock(rank, now):
        return replace(TRAINING, phase=phase, alive=int(max(now - 40, 0) / 0.2))

    assert watch(100, holding_the_lock)[0] is None

    def stopped(rank, now):
        return replace(TRAINING, phase=phase, halted=True)

    fault, seen = watch(100, stopped)
    assert fault.what == "frozen"
    assert seen <= 10


@pytest.mark.parametrize("step_seconds", [0.01, 1.0, 20.0])
def test_a_step_that_takes_five_times_as_long_is_no_fault_one_that_never_ends_is(step_seconds):
    start = 20 * step_seconds

    def slow_once(rank, now):
        work = now if now < start else start + max(0.0, now - start - 5 * step_seconds)
        return replace(living(work, step_seconds=step_seconds), alive=int(now / 0.2))

    assert watch(40 * step_seconds, slow_once, look_every=step_seconds / 20)[0] is None

    def never(rank, now):
        done = living(min(now, start), step_seconds=step_seconds)
        return replace(done, alive=int(now / 0.2))

    fault, seen = watch(start + 30 + 20 * step_seconds, never)
    assert fault.what == "stalled"
    assert seen - start <= 30 + 13 * step_seconds


def test_a_clock_that_jumps_or_a_supervisor_that_slept_is_no_silence():
    watcher = Watcher()
    for now in (0.0, 0.1, 3600.0, 3600.1, 10.0, 7200.0):
        assert watcher.look({0: TRAINING}, now=now) is None


def test_signs_come_through_the_file(tmp_path):
    board = PulseBoard(tmp_path / "pulse", num_ranks=2)
    assert board.read(1).phase == Phase.STARTING
    with Pulse(tmp_path / "pulse", slot=1) as pulse:
        assert board.read(1).phase == Phase.LOADING
        with pulse.during(Phase.SAVING):
            assert board.read(1).phase == Phase.SAVING
        pulse.finish_step(7)
        sign = board.read(1)
        assert (sign.phase, sign.step) == (Phase.TRAINING, 7)
        assert not pulse.asked_to_stop
        board.ask_to_stop()
        assert pulse.asked_to_stop
    assert board.read(0).beats == 0


def test_restarts_are_bounded_only_while_the_run_does_not_get_on():
    restarts = Restarts(title="tiny")
    fault = Fault(what="killed", rank=1, says="rank 1 was killed by signal 9", log="the log")
    for step in (4, 8, 8, 8, 9, 9, 9):
        restarts.allow(fault, step=step)
    with pytest.raises(EngineError, match=r"no further than step 9(?s:.*)the log"):
        restarts.allow(fault, step=9)


def test_the_largest_size_that_fits_is_taken():
    assert [choose_size([2, 4, 8], available=n) for n in (2, 3, 4, 7, 9)] == [2, 2, 4, 4, 8]
    with pytest.raises(EngineError, match="room for 1 rank is left"):
        choose_size([2, 4], available=1)
