"""Compiles the C kernels when a wheel or an editable install is built."""

import importlib.util
import sysconfig
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_NATIVE = Path(__file__).parent / "src" / "lodesmith" / "native"


class KernelBuildHook(BuildHookInterface):
    """Adds the shared library to the wheel and gives the wheel its platform's tag."""

    def dependencies(self) -> list[str]:
        """Ask for a compiler from PyPI only where the machine has none."""
        return [] if _load_build().find_compiler() else ["ziglang>=0.13"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile before the files are collected."""
        build = _load_build()
        library = _NATIVE / build.LIBRARY_NAME
        build.build_library(library)
        build_data["artifacts"].append(str(library.relative_to(self.root)))
        build_data["pure_python"] = False
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["tag"] = f"py3-none-{platform}"  # no Python in the library: any version loads it


def _load_build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("lodesmith_native_build", _NATIVE / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
