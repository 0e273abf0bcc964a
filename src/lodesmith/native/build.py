"""Compiles the kernels into one shared library: when a wheel is built, and in a changed checkout.

Uses the machine's C compiler (`CC`, `cc`); where there is none, the one in the PyPI package
`ziglang`. Imports nothing but the standard library: the build hook runs it before anything else
is installed.
"""

import hashlib
import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
LIBRARY_NAME = "lodesmith_kernels.so"

# No fast-math: sums must come out the same on every machine. No -march: the library must run on
# any processor of its kind; kernels that gain from wide registers ask for clones (`WIDE`).
_FLAGS = (
    "-std=c11", "-O3", "-fPIC", "-shared", "-fvisibility=hidden", "-ffp-contract=off",
    "-Wall", "-Wextra",
)  # fmt: skip


class BuildError(Exception):
    """The kernels could not be compiled."""


def list_sources() -> list[Path]:
    """Return the C files of this folder; none in an installed wheel."""
    return sorted(FOLDER.glob("*.c"))


def hash_sources() -> str:
    """Return a digest of all C files and headers, which the library repeats when asked."""
    digest = hashlib.sha256(" ".join(_FLAGS).encode())
    for path in sorted(FOLDER.glob("*.[ch]")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def find_compiler() -> list[str] | None:
    """Return the command of a C compiler on this machine, None where there is none."""
    named = os.environ.get("CC")
    if named:
        return shlex.split(named)
    found = next((path for name in ("cc", "gcc", "clang") if (path := shutil.which(name))), None)
    if found and _can_compile([found]):
        return [found]
    if importlib.util.find_spec("ziglang") is not None:
        return [sys.executable, "-m", "ziglang", "cc", "-mcpu=baseline"]
    return None


def build_library(target: Path, *, extra_flags: tuple[str, ...] = ()) -> None:
    """Compile all kernels into `target`, whole or not at all.

    Raises:
        BuildError: there is no compiler, or it failed.
    """
    compiler = find_compiler()
    if compiler is None:
        raise BuildError(
            "Lodesmith's kernels need a C compiler: install one (Debian: apt-get install gcc "
            "libc6-dev; macOS: xcode-select --install) or run: pip install ziglang"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".kernels-", suffix=".so", dir=target.parent)
    os.close(handle)
    command = [
        *compiler, *_FLAGS, *extra_flags, f'-DLS_SOURCE_DIGEST="{hash_sources()}"',
        *map(str, list_sources()), "-o", name, "-lm",
    ]  # fmt: skip
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode:
            raise BuildError(f"{shlex.join(command)} failed:\n{run.stderr.strip()}")
        Path(name).chmod(0o755)
        Path(name).replace(target)
    finally:
        Path(name).unlink(missing_ok=True)


def _can_compile(compiler: list[str]) -> bool:
    """Tell whether a compiler is whole: Debian's gcc comes without the headers of libc."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "probe.c")
        source.write_text("#include <stdlib.h>\nint probe(void) { return abs(-1); }\n")
        command = [*compiler, "-shared", "-fPIC", str(source), "-o", str(source.with_suffix(".so"))]
        try:
            run = subprocess.run(command, capture_output=True, check=False)
        except OSError:
            return False
        return run.returncode == 0
