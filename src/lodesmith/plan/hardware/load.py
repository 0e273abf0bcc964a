"""Reads what a machine can do and what a program gets out of it, from one small YAML file each:
shipped ones by name, one's own by path."""

import difflib
import functools
from pathlib import Path
from typing import Any, TypeVar

from lodesmith.core.config import Config, validate
from lodesmith.core.errors import UserError
from lodesmith.core.yaml_text import parse_yaml
from lodesmith.plan.hardware.cluster import Cluster
from lodesmith.plan.hardware.device import Device
from lodesmith.plan.hardware.stack import Stack

_FOLDER = Path(__file__).parent
_Described = TypeVar("_Described", bound=Config)


def load_device(name: str, *, relative_to: Path | None = None) -> Device:
    """Return a device by shipped name or by path.

    Raises:
        UserError: there is no such device, or its file has faults.
    """
    return _load(Device, name, folder=_FOLDER / "devices", relative_to=relative_to)


def load_cluster(name: str) -> tuple[Cluster, Device]:
    """Return a cluster by shipped name or by path, and the device that it is made of.

    Raises:
        UserError: there is no such cluster or device, or a file has faults.
    """
    cluster = _load(Cluster, name, folder=_FOLDER / "clusters", relative_to=None)
    here = Path(name).parent if _is_path(name) else None
    return cluster, load_device(cluster.device, relative_to=here)


def load_parts(name: str) -> list[tuple[Cluster, Device]]:
    """Return the kinds of devices of a cluster, each as a cluster of its own; the first is its own.

    Raises:
        UserError: there is no such cluster or device, or a file has faults.
    """
    cluster, device = load_cluster(name)
    here = Path(name).parent if _is_path(name) else None
    kinds = [(cluster, device)]
    for part in cluster.parts:
        changes: dict[str, Any] = part.model_dump(exclude_none=True) | {"parts": ()}
        kinds.append(
            (cluster.model_copy(update=changes), load_device(part.device, relative_to=here))
        )
    return kinds


def load_stack(name: str) -> Stack:
    """Return a training program's habits by shipped name or by path.

    Raises:
        UserError: there is no such stack, or its file has faults.
    """
    return _load(Stack, name, folder=_FOLDER / "stacks", relative_to=None)


@functools.cache
def list_stacks() -> tuple[Stack, ...]:
    """Return all shipped stacks."""
    return tuple(load_stack(name) for name in shipped("stacks"))


def shipped(kind: str) -> list[str]:
    """Return the names of the shipped files of a kind: `devices`, `clusters` or `stacks`."""
    return sorted(path.stem for path in (_FOLDER / kind).glob("*.yaml"))


def _is_path(name: str) -> bool:
    return name.endswith((".yaml", ".yml"))


def _load(
    model: type[_Described], name: str, *, folder: Path, relative_to: Path | None
) -> _Described:
    if not _is_path(name):
        known = shipped(folder.name)
        if name in known:
            return _read(model, folder / f"{name}.yaml", f"{folder.name}/{name}")
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {close[0]}?" if close else ";"
        raise UserError(
            f"there is no {folder.name[:-1]} {name}{hint} give a path ending in .yaml, "
            f"or one of: {', '.join(known)}"
        )
    path = (relative_to or Path()) / name
    return _read(model, path, str(path))


def _read(model: type[_Described], path: Path, origin: str) -> _Described:
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: is not UTF-8 text; save it as UTF-8") from None
    return validate(model, parse_yaml(text, origin=origin), origin=origin)
