"""Recognisers of other packages, for names in running text that rules cannot find.

A package offers one under the entry point `lodesmith.personal_data`: a function without arguments
that loads what it needs and returns a function from a text to `(kind, start, end)`.
"""

import difflib
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import entry_points

from lodesmith.core.errors import UserError

GROUP = "lodesmith.personal_data"

PlugIn = Callable[
    [str], Iterable[tuple[str, int, int]]
]  # kind, first character, one after the last


def load_plug_ins(names: Sequence[str]) -> list[PlugIn]:
    """Return the recognisers of these names, each loaded.

    Raises:
        UserError: none of that name is installed.
    """
    installed = {point.name: point for point in entry_points(group=GROUP)} if names else {}
    recognisers = []
    for name in names:
        if name not in installed:
            close = difflib.get_close_matches(name, installed, n=1)
            hint = f"did you mean {close[0]}?" if close else f"installed: {_list(installed)}"
            raise UserError(
                f"prepare.personal_data.plug_ins: no installed package offers {name!r} as an entry "
                f"point of {GROUP}; {hint}"
            )
        recognisers.append(installed[name].load()())
    return recognisers


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
