"""A library that a kill has torn is noticed before it is loaded."""

import subprocess

import pytest

from lodesmith.native.build import find_compiler
from lodesmith.train.ranks.compile_cache import is_whole_library, open_compile_cache


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A real shared library, small but whole, in a cache folder."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "unset")
    monkeypatch.setenv("TRITON_CACHE_DIR", "unset")
    source = tmp_path / "one.c"
    source.write_text("int one(void) { return 1; }")
    path = tmp_path / "compiled" / "aa" / "one.so"
    path.parent.mkdir(parents=True)
    subprocess.run([*find_compiler(), "-shared", "-fPIC", "-o", path, source], check=True)
    return path


def test_a_torn_library_at_any_length_is_noticed_and_its_cache_wiped(tmp_path, library):
    whole = library.read_bytes()
    assert not open_compile_cache(tmp_path / "compiled")
    assert library.exists()
    for size in {0, 10, 63, 64, len(whole) // 2, len(whole) - 1}:
        library.write_bytes(whole[:size])
        assert not is_whole_library(library), size
    assert open_compile_cache(tmp_path / "compiled")
    assert not library.exists()
