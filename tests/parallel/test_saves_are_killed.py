"""kill -9 at any moment of a save, and disks that fill up: a checkpoint is whole or absent."""

import multiprocessing
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from endless_saves import latest, save_for_ever

NUM_KILLS = 6


@pytest.mark.chaos
@pytest.mark.dist
def test_kills_at_random_moments_leave_no_half_checkpoint_and_lose_no_whole_one(tmp_path):
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["endless_saves"])
    moments, step = random.Random(4), 0
    for _ in range(NUM_KILLS):
        process = context.Process(target=save_for_ever, args=(tmp_path,))
        process.start()
        while not list(tmp_path.glob(f"step-{step + 2:08d}/committed.json")):
            assert process.is_alive()
            time.sleep(0.01)
            if latest_committed(tmp_path) >= step + 2:
                break
        time.sleep(moments.random() * 0.1)
        process.kill()
        process.join()
        committed = latest_committed(tmp_path)
        found, messages, whole = latest(tmp_path)
        assert whole
        assert messages == []
        assert found == committed >= step + 2
        step = found


def latest_committed(folder):
    markers = folder.glob("step-*/committed.json")
    return max((int(path.parent.name[5:]) for path in markers), default=0)


@pytest.mark.chaos
def test_a_disk_that_fills_up_costs_a_save_and_nothing_that_is_there(tmp_path):
    if shutil.which("unshare") is None:
        pytest.skip("needs unshare")
    script = 'mount -t tmpfs -o size=16m none "$1" && shift && exec "$@"'
    support = Path(sys.modules["endless_saves"].__file__)
    done = subprocess.run(
        ["unshare", "--mount", "--map-root-user", "sh", "-c", script, "sh", tmp_path,
         sys.executable, support, tmp_path],
        env={**os.environ, "PYTHONPATH": str(support.parent)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "mount" in done.stderr and done.returncode:
        pytest.skip("needs the right to mount a tmpfs")
    assert done.returncode == 0, done.stderr
    before, said, after = done.stdout.splitlines()
    assert before == "(2, [], True)"
    assert said.count("no space left on the disk while saving the checkpoint of step 3") == 1
    assert after == "(4, [], True)"
