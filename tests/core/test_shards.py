import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
import shard_work
from shard_work import (
    count_calls_and_square,
    die_always,
    die_once,
    fail_with_full_disk,
    handle_records,
    square,
)

from lodesmith.core.errors import EngineError
from lodesmith.core.shards import Limits, Markers, map_shards


def tasks_of(count, *extra):
    return {f"shard-{number}": (number, *extra) for number in range(count)}


@pytest.mark.parametrize("num_workers", [1, 2])
def test_results_come_in_the_order_of_tasks(tmp_path, num_workers):
    results = map_shards(square, tasks_of(5), markers=Markers(tmp_path), num_workers=num_workers)
    assert list(results) == [0, 1, 4, 9, 16]


def test_finished_shards_are_not_done_again(tmp_path):
    markers = Markers(tmp_path / "done")
    tasks = tasks_of(4, str(tmp_path))
    map_shards(
        count_calls_and_square, dict(list(tasks.items())[:3]), markers=markers, num_workers=1
    )
    again = map_shards(count_calls_and_square, tasks, markers=markers, num_workers=1)
    assert list(again) == [0, 1, 4, 9]
    assert {path.read_text() for path in tmp_path.glob("*.calls")} == {"x"}


@pytest.mark.chaos
def test_the_work_of_a_killed_worker_is_done_again(tmp_path):
    markers = Markers(tmp_path / "done")
    results = map_shards(die_once, tasks_of(5, str(tmp_path)), markers=markers, num_workers=2)
    assert list(results) == [0, 1, 2, 3, 4]
    assert (tmp_path / "2.died").exists()


@pytest.mark.chaos
def test_a_shard_that_kills_every_worker_is_named(tmp_path):
    with pytest.raises(EngineError, match=r"died 3 times on shard shard-[0-9]"):
        map_shards(die_always, tasks_of(4), markers=Markers(tmp_path), num_workers=2)


def handle(tmp_path, poisons, num_workers=1):
    """Run a shard whose records are poisoned, beside one that is sound."""
    (sick, sound) = map_shards(
        handle_records,
        {"sick": (str(tmp_path), poisons), "sound": (str(tmp_path), {})},
        markers=Markers(tmp_path / "done"),
        num_workers=num_workers,
        limits=Limits(record_seconds=0.3, memory_bytes=256 << 20),
    )
    assert sound == {"kept": list(range(10)), "left_out": []}
    return sick


@pytest.mark.chaos
@pytest.mark.parametrize("num_workers", [1, 2])
def test_a_record_that_kills_or_hangs_its_worker_is_left_out_and_its_shard_goes_on(
    tmp_path, num_workers
):
    sick = handle(tmp_path, {"work-3": "crash", "work-5": "hang", "work-9": "crash"}, num_workers)
    assert sick == {
        "kept": [0, 1, 2, 4, 6, 7, 8],
        "left_out": [
            [3, "record kills its worker"],
            [5, "record takes too long"],
            [9, "record kills its worker"],
        ],
    }


@pytest.mark.chaos
def test_a_place_that_cannot_be_read_ends_the_reading_only(tmp_path):
    sick = handle(tmp_path, {"read-4": "crash"})
    assert sick == {
        "kept": [0, 1, 2, 3],
        "left_out": [[4, "record kills its worker", "unread"]],
    }


@pytest.mark.chaos
def test_a_worker_killed_from_outside_costs_no_record(tmp_path):
    sick = handle(tmp_path, {"work-2": "crash once", "work-6": "crash once"}, 2)
    assert sick == {"kept": list(range(10)), "left_out": []}


@pytest.mark.chaos
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds a process to its memory")
def test_a_record_that_asks_for_too_much_memory_is_refused_it(tmp_path):
    assert handle(tmp_path, {"work-1": "memory"})["kept"] == list(range(10))
    assert (tmp_path / "refused").exists()


@pytest.mark.chaos
def test_workers_go_on_when_the_process_that_starts_them_is_killed(tmp_path):
    assert handle(tmp_path, {"work-1": "parent once"})["kept"] == list(range(10))


@pytest.mark.dist
def test_an_error_of_the_work_arrives_as_it_was_raised(tmp_path):
    with pytest.raises(OSError, match="No space left") as caught:
        map_shards(fail_with_full_disk, tasks_of(3), markers=Markers(tmp_path), num_workers=2)
    assert caught.value.errno == errno.ENOSPC
    assert any("fail_with_full_disk" in note for note in caught.value.__notes__)


def test_once_returns_the_first_result_for_ever(tmp_path):
    markers = Markers(tmp_path)
    assert markers.once("count", lambda: {"n": 1}) == {"n": 1}
    assert markers.once("count", lambda: {"n": 2}) == {"n": 1}


_SCRIPT_WITHOUT_GUARD = """
import sys
from pathlib import Path
from shard_work import square
from lodesmith.core.shards import Limits, Markers, map_shards

with (Path(sys.argv[1]) / "starts").open("a") as file:
    file.write("x")
tasks = {str(number): (number,) for number in range(4)}
print(list(map_shards(square, tasks, markers=Markers(Path(sys.argv[1])), num_workers=2)))
"""


@pytest.mark.dist
def test_a_script_without_a_main_guard_is_run_once(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(_SCRIPT_WITHOUT_GUARD)
    result = subprocess.run(
        [sys.executable, script, tmp_path],
        env={**os.environ, "PYTHONPATH": str(Path(shard_work.__file__).parent)},
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert result.stdout.strip() == "[0, 1, 4, 9]"
    assert (tmp_path / "starts").read_text() == "x"
