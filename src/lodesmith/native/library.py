"""Loads the compiled kernels, and compiles them again in a checkout whose C files have changed."""

import ctypes
import functools
import os
from pathlib import Path

from lodesmith.core.errors import EngineError
from lodesmith.native.build import (
    FOLDER,
    LIBRARY_NAME,
    BuildError,
    build_library,
    hash_sources,
    list_sources,
)


@functools.cache
def load_library() -> ctypes.CDLL:
    """Return the library of kernels.

    Raises:
        EngineError: it is missing and cannot be compiled here.
    """
    beside = FOLDER / LIBRARY_NAME
    if not list_sources():  # an installed wheel
        return _open(beside)
    wanted = hash_sources()
    kept = _cache_folder() / f"{wanted}.so"
    for path in (beside, kept):
        if path.exists() and _digest_of(path) == wanted:
            return _open(path)
    target = beside if os.access(FOLDER, os.W_OK) else kept
    try:
        build_library(target)
    except BuildError as error:
        raise EngineError(str(error)) from None
    return _open(target)


def _digest_of(path: Path) -> str:
    """Return which sources a library was compiled from, read from its bytes.

    Opening it to ask would keep the old one mapped under the same name.
    """
    content = path.read_bytes()
    start = content.find(b"lodesmith-kernels:")
    return content[start + 18 : start + 34].decode("ascii", "replace") if start >= 0 else ""


def _open(path: Path) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise EngineError(
            f"Lodesmith's kernels cannot be loaded ({error}); install the package again"
        ) from None


def _cache_folder() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "lodesmith" / "kernels"
