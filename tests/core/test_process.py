"""What a process does about its memory."""

import ctypes

import psutil
import pytest

from lodesmith.core.process import give_back_memory

_PIECE = 1 << 20
_NUM_PIECES = 300


@pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="glibc alone keeps and gives back"
)
def test_freed_memory_goes_back_to_the_system():
    # As training leaves it: what is freed lies below a piece that stays.
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    libc.free(libc.malloc(16 << 20))  # from now on such pieces come from the heap
    pieces = [libc.malloc(_PIECE) for _ in range(_NUM_PIECES)]
    for piece in pieces:
        ctypes.memset(piece, 1, _PIECE)
    for piece in pieces[:-1]:
        libc.free(piece)
    kept = psutil.Process().memory_info().rss
    give_back_memory()
    given_back = kept - psutil.Process().memory_info().rss
    libc.free(pieces[-1])
    assert given_back > _NUM_PIECES * _PIECE / 2
