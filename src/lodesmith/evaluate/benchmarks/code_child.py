"""Runs a program that nobody has read: in a child without network, with little of everything.

The child gets namespaces of its own without any network device, an empty folder, no environment,
and limits on time, memory and files; it cannot write a byte to a file, and what it starts ends with
it (for anyone but root, it can start nothing). It runs as the same user and can read what that user
can read, but cannot send it: its output is thrown away.
Where the system does not let a child leave the network, no program is run at all.
"""

import ctypes
import os
import resource
import subprocess
import sys
import tempfile

from lodesmith.core.errors import EngineError

_NEW_NAMESPACES = 0x10000000 | 0x40000000 | 0x20000000  # users, network and processes
_MEMORY_BYTES = 1 << 30
_LOCKED_OUT = 97  # exit code of a child that could not be locked in


def run_code(program: str, *, seconds: int) -> str:
    """Return "passed", "failed" or "timed out" for a program that raises if it is wrong.

    Raises:
        EngineError: this system does not let a child be locked in.
    """
    if sys.platform != "linux":
        raise EngineError("programs are run only on Linux, which can take a child's network away")
    with tempfile.TemporaryDirectory(prefix="lodesmith-code-") as folder:
        try:
            child = subprocess.run(
                [sys.executable, "-I", "-S", "-c", _BOOT, str(seconds)],
                input=program.encode("utf-8", "replace"),
                cwd=folder,
                env={},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=seconds + 5,
                start_new_session=True,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return "timed out"
    if child.returncode == _LOCKED_OUT:
        raise EngineError(
            "this system lets no child give up its network (user namespaces are off), so no "
            "program of a model is run; leave the task out, or run it where they are on"
        )
    if child.returncode in (256 - 9, 256 - 24):  # killed, or out of processor time
        return "timed out"
    return "passed" if child.returncode == 0 else "failed"


def _boot() -> None:  # pragma: no cover - runs as the child's source
    """Lock this process in, then run what stands on its input."""
    seconds = int(sys.argv[1])
    if ctypes.CDLL(None, use_errno=True).unshare(_NEW_NAMESPACES) != 0:
        os._exit(_LOCKED_OUT)
    program = sys.stdin.buffer.read().decode()
    child = os.fork()  # the first process of its namespace: with it, all that it started ends
    if child:
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 0xFF)
    ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG: killed with its parent
    for limit, value in (
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_AS, _MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, 32),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (value, value))
    exec(compile(program, "answer", "exec"), {"__name__": "answer"})  # noqa: S102 what it is for


def _source_of_boot() -> str:
    import inspect

    head = "import ctypes, os, resource, sys\n"
    constants = "".join(
        f"{name} = {globals()[name]}\n"
        for name in ("_NEW_NAMESPACES", "_MEMORY_BYTES", "_LOCKED_OUT")
    )
    return f"{head}{constants}{inspect.getsource(_boot)}_boot()\n"


_BOOT = _source_of_boot()
