"""Kernels in C over bytes and numbers: what every page passes through, at the speed of memory.

`*.c` holds plain C11 without Python in it, compiled into one shared library (`build.py`) when the
package is installed; `library.py` loads it with ctypes. A kernel is a pure function over buffers
that its caller owns; each has a small Python module beside it that says shapes and units.
"""
