"""Lodesmith: from raw web pages to a served language model, one recipe and one command.

The functions below are the commands of the same names:

    import lodesmith as ls

    ls.run("quickstart")
    ls.clean(["pages.warc.gz"], output="clean.jsonl")
    ls.plan("small", cluster="h100")
    model = ls.load_model("tune-3f2a91c07b1e")

Nothing heavy is imported before it is used.
"""

from importlib import import_module
from typing import Any

from lodesmith.core.version import VERSION

__version__ = VERSION

_EXPORTS = {
    "run": "lodesmith.pipeline.run",
    "clean": "lodesmith.prepare.clean",
    "load_model": "lodesmith.infer.load",
    "load_recipe": "lodesmith.pipeline.recipe",
    "Workspace": "lodesmith.lineage.workspace",
    "LodesmithError": "lodesmith.core.errors",
    "UserError": "lodesmith.core.errors",
    "DamagedArtifactError": "lodesmith.core.errors",
    "EngineError": "lodesmith.core.errors",
}

__all__ = ["__version__", "plan", *sorted(_EXPORTS)]  # noqa: PLE0604 the names are literal above


def __getattr__(name: str) -> Any:
    if name == "plan":  # the room itself, which can be called
        return import_module("lodesmith.plan")
    if name not in _EXPORTS:
        raise AttributeError(f"module 'lodesmith' has no attribute '{name}'")
    return getattr(import_module(_EXPORTS[name]), name)
