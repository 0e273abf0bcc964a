"""Writes fitted constants into the planner's files."""

import re
from pathlib import Path

from lodesmith.plan.hardware import stack
from lodesmith.plan.measured.program import STACK_REACH
from plan_fit_constants import (
    DEVICE_CONSTANTS,
    MODEL_CONSTANTS,
    NETWORK_EFFICIENCY,
    STACK_DEFAULTS,
    most_of,
)
from plan_fit_rows import FAMILIES

_NOTE = "fitted to published steps: bench/plan_fit.py"


def write(values: dict[str, float]) -> None:
    """Write fitted constants into the planner's files."""
    folder = Path(stack.__file__).parent
    for family, device in ((family, name) for family, all_ in FAMILIES.items() for name in all_):
        path = folder / "devices" / f"{device}.yaml"
        for name in DEVICE_CONSTANTS:
            value = min(values[f"{family}.{name}"], most_of(name))
            _set(path, rf"^{name}: .*$", f"{name}: {value:.3g} # {_NOTE}", f"{name}: ")
    _write_stacks(folder, values)


def _write_stacks(folder: Path, values: dict[str, float]) -> None:
    for path in sorted((folder / "stacks").glob("*.yaml")):
        program = find_name(path)
        for name in STACK_REACH:
            if f"{program}/{name}" in values:
                line = f"{name}: {values[f'{program}/{name}']:.3g} # {_NOTE}"
                _set(path, rf"^{name}: .*$", line, f"{name}: ")
    for name in STACK_DEFAULTS:
        _set(
            folder / "stack.py",
            rf"^(    {name}: float = Field\(default=)[^,]*",
            rf"\g<1>{values[name]:.3g}",
        )
    _set(
        folder / "cluster.py",
        rf"^(    {NETWORK_EFFICIENCY}: float = Field\(default=)[^,]*",
        rf"\g<1>{values[NETWORK_EFFICIENCY]:.3g}",
    )
    for name, (module, _, _) in MODEL_CONSTANTS.items():
        _set(Path(module.__file__), rf"^({name} = )\S+", rf"\g<1>{values[name]:.3g}")


def find_name(path: Path) -> str:
    """Return the name in a stack file."""
    return re.search(r"^name: (.*)$", path.read_text("utf-8"), re.M).group(1)


def _set(path: Path, pattern: str, line: str, missing: str | None = None) -> None:
    text = path.read_text("utf-8")
    changed, count = re.subn(pattern, line, text, flags=re.M)
    if not count and missing:
        changed = text.rstrip("\n") + f"\n{line}\n"
    elif not count:
        raise SystemExit(f"{path} has no line like {pattern}")
    path.write_text(changed, "utf-8")
