"""Start, finish and kill `lodesmith run` as a real process."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any


def command(recipe: Path, workspace: Path, *arguments: str) -> list[str]:
    """Return the command line of a run that prints JSON."""
    run = [sys.executable, "-m", "lodesmith", "run", str(recipe), *arguments]
    return [*run, "--workspace", str(workspace), "--json"]


def start(recipe: Path, workspace: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Start a run as the leader of a process group of its own."""
    return subprocess.Popen(
        command(recipe, workspace, *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def finish(recipe: Path, workspace: Path, *arguments: str) -> Any:
    """Run to the end and return what the run printed."""
    child = start(recipe, workspace, *arguments)
    output, messages = child.communicate(timeout=240)
    assert child.returncode == 0, messages.decode()[-3000:]
    return json.loads(output)


def kill_after(seconds: float, recipe: Path, workspace: Path, *, whole_group: bool) -> bool:
    """Start a run and kill it; return whether it was still running."""
    child = start(recipe, workspace)
    try:
        child.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        if whole_group:
            os.killpg(child.pid, signal.SIGKILL)
        else:
            child.kill()
        child.communicate()
        return True
    return False
