"""A run's own cache of compiled layers, without libraries that a kill has torn.

A process that is killed while it compiles leaves a truncated library, and every later run that
finds it fails ("file too short"). So the cache is no other run's, and is wiped before it is used if
a library in it is not whole.
"""

import os
import shutil
import struct
from pathlib import Path

_ELF = b"\x7fELF"
_HEADER_BYTES = 64
_SECTION_TABLE = 0x28  # where an ELF64 header says where its table of sections begins, and is long


def open_compile_cache(folder: Path) -> bool:
    """Let torch.compile keep what it makes in a folder; return whether torn remains were wiped."""
    torn = any(not is_whole_library(path) for path in folder.rglob("*.so"))
    if torn:
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(folder)
    os.environ["TRITON_CACHE_DIR"] = str(folder / "triton")
    return torn


def is_whole_library(path: Path) -> bool:
    """Tell whether a shared library has all its bytes; its table of sections is written last.

    Source: System V ABI, "ELF header": e_shoff, e_shentsize and e_shnum.
    """
    with path.open("rb") as file:
        header = file.read(_HEADER_BYTES)
    if len(header) < _HEADER_BYTES:
        return False
    if not header.startswith(_ELF):
        return True  # of another system, whose loader we do not second-guess
    (offset,) = struct.unpack_from("<Q", header, _SECTION_TABLE)
    entry_bytes, num_entries = struct.unpack_from("<HH", header, 0x3A)
    return path.stat().st_size >= int(offset) + int(entry_bytes) * int(num_entries)
