"""The compiled kernels are those of the sources that stand beside them."""

import ctypes
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lodesmith.native import build, library


def test_the_library_was_compiled_from_the_sources_that_are_here() -> None:
    kernels = library.load_library()
    kernels.ls_source_digest.restype = ctypes.c_char_p
    assert kernels.ls_source_digest().decode() == f"lodesmith-kernels:{build.hash_sources()}"


def test_a_changed_source_is_compiled_again(tmp_path: Path, monkeypatch) -> None:
    folder = tmp_path / "native"
    shutil.copytree(build.FOLDER, folder)
    for module in (build, library):
        monkeypatch.setattr(module, "FOLDER", folder)
    with (folder / "version.c").open("a") as file:
        file.write("LS_EXPORT int ls_answer(void) { return 42; }\n")
    kernels = library.load_library.__wrapped__()
    assert kernels.ls_answer() == 42


def test_without_a_compiler_the_error_says_what_to_install(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(build, "find_compiler", lambda: None)
    with pytest.raises(build.BuildError, match="apt-get install gcc"):
        build.build_library(tmp_path / "kernels.so")


def test_a_compiler_that_fails_leaves_no_library(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(build, "find_compiler", lambda: [sys.executable, "-c", "exit(1)"])
    with pytest.raises(build.BuildError, match="failed"):
        build.build_library(tmp_path / "kernels.so")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.network
def test_a_machine_without_a_compiler_takes_the_one_from_pypi(tmp_path: Path) -> None:
    target = tmp_path / "packages"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--target", target, "ziglang"],
        check=True,
    )
    script = (
        "import sys, pathlib; sys.path[:0] = [sys.argv[1], sys.argv[2]]\n"
        "import build; assert 'ziglang' in build.find_compiler()\n"
        "build.build_library(pathlib.Path(sys.argv[3]))"
    )
    built = tmp_path / "kernels.so"
    subprocess.run(
        [sys.executable, "-c", script, build.FOLDER, target, built],
        check=True,
        env={"PATH": "/nowhere", "PYTHONPATH": str(target), "HOME": str(tmp_path)},
    )
    assert ctypes.CDLL(str(built)).ls_source_digest is not None
