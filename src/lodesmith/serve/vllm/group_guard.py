"""A program that runs a command and ends with all its processes once whoever started it has ended.

    python group_guard.py COMMAND...

Some servers leave processes behind when their first one is killed: those of vLLM go on holding a
GPU. The guard leads the process group of the command, and its standard input is a pipe that its
starter holds open. However the starter ends, the pipe ends too, and the guard kills the group;
where only the command ends, the guard ends with its exit code, and the starter kills the group.
It imports nothing but the standard library.
"""

import os
import signal
import subprocess
import sys
import threading


def main() -> int:
    """Run the command that the arguments are; return its exit code as a shell tells it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    threading.Thread(target=_end_with_starter, daemon=True).start()
    code = child.wait()
    return code if code >= 0 else 128 - code


def _end_with_starter() -> None:
    os.read(0, 1)  # nothing is ever written
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
