"""The compute planner: what a recipe costs on a cluster, before anything runs.

The room can be called: `lodesmith.plan("small", cluster="h100")` is the command `lodesmith plan`.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any


class _CallableRoom(ModuleType):
    """Lets one name be both the room and the public function."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return import_module("lodesmith.pipeline.planning").plan(*arguments, **options)


sys.modules[__name__].__class__ = _CallableRoom
