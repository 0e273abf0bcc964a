"""No stage connects to anything outside this machine, nor asks for an address, unless told to."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import tiny_life

# Runs in every Python process that the run starts; the libraries' own C code opens no sockets here
# but gloo's, which is told to stay on the loopback interface.
HOOK = """
import os, sys

def watch(event, arguments):
    if event == "socket.connect":
        address = arguments[1]
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        address = arguments
    else:
        return
    host = str(address[0] if isinstance(address, tuple) else address)
    if host in ("127.0.0.1", "::1", "localhost", "None", "") or host.startswith(("/", "\\0", "b'")):
        return
    with open(os.environ["CONNECTIONS"], "a") as file:
        file.write(f"{event} {host}\\n")

sys.addaudithook(watch)
"""


@pytest.fixture
def watched(tmp_path):
    """Return the environment of a watched process, and where its connections are written."""
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook" / "sitecustomize.py").write_text(HOOK)
    log = tmp_path / "connections"
    paths = [str(tmp_path / "hook"), *sys.path[1:]]
    offline = {"CONNECTIONS": str(log), "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    return {**os.environ, **offline}, log


def start(code: list[str], environment: dict[str, str], folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, *code], env=environment, cwd=folder, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_hook_sees_a_connection_of_a_child_process(watched, tmp_path):
    environment, log = watched
    child = (
        "import socket\n"
        "s = socket.socket()\n"
        "s.settimeout(0.1)\n"
        "try: s.connect(('192.0.2.1', 9))\n"
        "except OSError: pass\n"
    )
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    start(["-c", parent], environment, tmp_path)
    assert log.read_text() == "socket.connect 192.0.2.1\n"


@pytest.mark.slow
def test_no_stage_of_a_whole_life_connects_to_the_outside(watched, tmp_path):
    environment, log = watched
    recipe = tiny_life.write_life(tmp_path, max_steps=8)
    start(["-m", "lodesmith", "run", str(recipe)], environment, tmp_path)
    assert not log.exists(), log.read_text()
    assert list((tmp_path / "lodesmith-workspace" / "artifacts").glob("serve-*"))
