import signal
import subprocess
import sys
import time

import pytest

from lodesmith.core.errors import UserError
from lodesmith.lineage.workspace import Workspace

_HOLD = """
import sys, time
from pathlib import Path
from lodesmith.lineage.workspace import Workspace
with Workspace(Path(sys.argv[1])).lock():
    print("held", flush=True)
    time.sleep(60)
"""


def hold(folder):
    child = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "held\n"
    return child


def stop(child):
    child.kill()
    child.wait()
    child.stdout.close()


@pytest.mark.dist
def test_a_second_writer_is_told_who_holds_the_workspace(tmp_path):
    child = hold(tmp_path)
    try:
        with (
            pytest.raises(UserError, match=f"in use by process {child.pid}"),
            Workspace(tmp_path).lock(wait=False),
        ):
            pass
    finally:
        stop(child)


@pytest.mark.dist
def test_a_second_writer_waits_until_the_first_is_killed(tmp_path, capsys):
    child = hold(tmp_path)
    killer = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import os, time; time.sleep(1); os.kill({child.pid}, {signal.SIGKILL})",
        ]
    )
    started = time.monotonic()
    with Workspace(tmp_path).lock():
        waited = time.monotonic() - started
    killer.wait()
    stop(child)
    assert waited > 0.2
    assert f"in use by process {child.pid}" in capsys.readouterr().err


def test_a_workspace_that_cannot_be_written_is_a_clear_error(tmp_path):
    blocker = tmp_path / "file"
    blocker.write_text("not a folder")
    with pytest.raises(UserError, match="cannot be a workspace"), Workspace(blocker / "w").lock():
        pass
    assert list(tmp_path.iterdir()) == [blocker]
