"""What a rule says: nothing, or which limit a measured value fails."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lodesmith.prepare.input.pages import Drop

Fault = tuple[str, Any, Any] | None  # reason, value, limit
Passed = tuple[str, float, float]  # of a rule that found no fault

_listening: list[list[Passed]] = []  # of this process, which judges one document at a time


@contextmanager
def listen() -> Iterator[list[Passed]]:
    """Yield a list that each rule which passes in the block adds its value and limit to."""
    heard: list[Passed] = []
    _listening.append(heard)
    try:
        yield heard
    finally:
        _listening.pop()


def below(reason: str, value: float, limit: float) -> Fault:
    """Return the fault of a value under its limit."""
    return _tell((reason, value, limit), has_passed=value >= limit)


def above(reason: str, value: float, limit: float) -> Fault:
    """Return the fault of a value over its limit."""
    return _tell((reason, value, limit), has_passed=value <= limit)


def _tell(judged: Passed, *, has_passed: bool) -> Fault:
    if not has_passed:
        return judged
    for heard in _listening:
        heard.append(judged)
    return None


def to_drop(fault: tuple[str, Any, Any]) -> Drop:
    """Return why a document goes, the value rounded for people."""
    reason, value, limit = fault
    return Drop(reason, round(value, 3) if isinstance(value, float) else value, limit)
