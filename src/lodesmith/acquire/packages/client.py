"""Running a package manager's own client: quietly, for a limited time, never outliving us."""

import functools
import gzip
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from lodesmith.core.errors import EngineError
from lodesmith.core.process import die_with_parent
from lodesmith.core.units import format_bytes

_LIMIT_SECONDS = 900  # a client that takes longer has hung
_MAX_UNPACKED_BYTES = 8 << 30  # of one package; larger is taken for a decompression bomb
_BLOCK_BYTES = 1 << 20


class ClientError(Exception):
    """A client ended with an error; the message is what it said, in one line."""

    def __init__(self, transcript: str) -> None:
        super().__init__(condense(transcript))
        self.transcript = transcript  # all that it wrote to stderr


def run_client(
    command: Sequence[str], *, folder: Path, settings: Mapping[str, str] | None = None
) -> str:
    """Return what a client wrote to stdout.

    Args:
        command: program and arguments, never through a shell.
        folder: where it runs.
        settings: environment variables besides ours.

    Raises:
        ClientError: it ended with an error.
        EngineError: it is not installed or does not end.
    """
    try:
        done = subprocess.run(
            command, cwd=folder, env=_environment(settings), stdin=subprocess.DEVNULL,
            capture_output=True, timeout=_LIMIT_SECONDS, check=False, preexec_fn=_tie_to_us(),
        )  # fmt: skip
    except FileNotFoundError:
        raise EngineError(
            f"{command[0]} is not installed; install it or change the source"
        ) from None
    except subprocess.TimeoutExpired:
        raise EngineError(
            f"{command[0]} did not end within {_LIMIT_SECONDS} s; check the network and run again"
        ) from None
    if done.returncode:
        raise ClientError(done.stderr.decode("utf-8", "replace"))
    return done.stdout.decode("utf-8", "replace")


def unpack_to(file: Path, command: Sequence[str]) -> None:
    """Write what a program puts out to a scratch file, up to a limit.

    Raises:
        EngineError: the program failed or puts out more than a package can hold.
    """
    with (
        file.open("wb") as output,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=_environment(None), preexec_fn=_tie_to_us(),  # noqa: PLW1509 it only calls prctl
        ) as process,
    ):  # fmt: skip
        try:
            copy_bounded(process.stdout, output)
        except BaseException:
            process.kill()
            raise
        said = process.stderr.read() if process.stderr is not None else b""
    if process.returncode:
        fault = condense(said.decode("utf-8", "replace"))
        raise EngineError(f"{command[0]} failed: {fault}; run the same command again to refetch")


def copy_bounded(source: IO[bytes] | gzip.GzipFile | None, output: IO[bytes]) -> None:
    """Copy a stream of unpacked bytes up to the size that a package can have.

    Raises:
        EngineError: there is more.
    """
    size = 0
    while source is not None and (block := source.read(_BLOCK_BYTES)):
        size += output.write(block)
        if size > _MAX_UNPACKED_BYTES:
            limit = format_bytes(_MAX_UNPACKED_BYTES)
            raise EngineError(f"a package unpacks to more than {limit}; leave it out")


def condense(text: str) -> str:
    """Return a client's complaint in one line: its errors if it marks them, else its last words.

    >>> condense("W: unsandboxed\\nE: Unable to locate package lo\\n")
    'Unable to locate package lo'
    >>> condense("npm error code E404\\nnpm error 404 Not Found\\n")
    'code E404; 404 Not Found'
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for mark in ("E: ", "ERROR: ", "npm error ", "npm ERR! "):
        marked = [line.removeprefix(mark) for line in lines if line.startswith(mark)]
        if marked:
            return "; ".join(dict.fromkeys(marked[:3]))[:400]
    return "; ".join(lines[-2:])[:400] or "it did not say why"


def _tie_to_us() -> Callable[[], None]:
    return functools.partial(die_with_parent, os.getpid())


def _environment(settings: Mapping[str, str] | None) -> dict[str, str]:
    return {**os.environ, "LC_ALL": "C.UTF-8", **(settings or {})}
