import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lodesmith.prepare.scratch import scratch_folder

_HOLD = """
import sys, time
from pathlib import Path
from lodesmith.prepare.scratch import scratch_folder
with scratch_folder(Path(sys.argv[1])) as folder:
    (folder / "work").write_text("half done")
    print(folder, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path: Path):
    command = [sys.executable, "-c", _HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield process, Path(process.stdout.readline().strip())
        process.kill()


def test_the_folder_is_gone_at_the_end(tmp_path: Path) -> None:
    def fail() -> None:
        with scratch_folder(tmp_path) as folder:
            assert [*tmp_path.iterdir()] == [folder]
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.chaos
def test_what_a_killed_run_left_goes_with_the_next(tmp_path: Path, holder, number: int) -> None:
    process, left = holder
    os.kill(process.pid, number)
    process.wait()
    assert (left / "work").exists()
    with scratch_folder(tmp_path) as folder:
        assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.chaos
def test_a_run_beside_this_one_keeps_its_folder(tmp_path: Path, holder) -> None:
    _, other = holder
    with scratch_folder(tmp_path) as folder:
        assert {*tmp_path.iterdir()} == {folder, other}
        assert (other / "work").read_text() == "half done"
    assert [*tmp_path.iterdir()] == [other]


def test_folders_that_are_not_ours_stay(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / ".lodesmith-clean-by-hand").mkdir()  # without a lock: perhaps just being made
    with scratch_folder(tmp_path):
        pass
    assert len(list(tmp_path.iterdir())) == 2
