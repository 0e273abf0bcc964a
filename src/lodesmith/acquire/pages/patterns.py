"""Glob patterns over paths with slashes: `*` and `?` inside one folder, `**` over any folders."""

import functools
import posixpath
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress

_WILDCARD = re.compile(r"[*?\[]")


def matches_any(path: str, patterns: Sequence[str]) -> bool:
    """Tell whether a path fits one of the patterns as a whole.

    >>> matches_any("a/b/c.html", ["**/*.html"]), matches_any("c.html", ["**/*.html"])
    (True, True)
    >>> matches_any("a/b/c.html", ["a/*.html"]), matches_any("a/[1].txt", ["a/[[]?].txt"])
    (False, True)
    """
    return any(_compile(pattern).fullmatch(path) for pattern in patterns)


def split_root(pattern: str) -> tuple[str, str]:
    """Return the folder that a pattern starts from and the pattern below it, "" where none.

    >>> split_root("pages/zh/**/*.html"), split_root("*.html"), split_root("pages/a")
    (('pages/zh', '**/*.html'), ('.', '*.html'), ('pages/a', ''))
    """
    parts = pattern.split("/")
    first = next((n for n, part in enumerate(parts) if _WILDCARD.search(part)), len(parts))
    root = "/".join(parts[:first])
    if first and not root:
        root = "/"
    return root or ".", "/".join(parts[first:])


def show_some(paths: Iterable[str], *, count: int = 5) -> str:
    """Return a few of the paths and how many more there are, for a message."""
    known = sorted(paths)
    # spread over the list, since neighbours are mostly alike
    step = max(1, len(known) // count)
    shown = [posixpath.normpath(path) for path in known[::step][:count]]
    more = len(known) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "") if shown else "nothing"


@functools.cache
def _compile(pattern: str) -> re.Pattern[str]:
    pieces = re.findall(r"\*\*/|\*\*|\*|\?|\[!?[^\]/]+\]|.", pattern.lstrip("/"), re.DOTALL)
    return re.compile("".join(_translate(piece) for piece in pieces), re.DOTALL)


def _translate(piece: str) -> str:
    wildcards = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    if piece in wildcards:
        return wildcards[piece]
    if piece[0] == "[" and len(piece) > 2:
        negated = piece[1] == "!" and len(piece) > 3
        inside = re.sub(r"([\\\[\]^&~|])", r"\\\1", piece[2 if negated else 1 : -1])
        one_of = f"(?!/)[{'^' if negated else ''}{inside}]"
        with suppress(re.error):  # as in [z-a], which then stands for itself
            return re.compile(one_of).pattern
    return re.escape(piece)
