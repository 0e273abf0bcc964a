"""What a rule says: nothing, or which limit a measured value fails."""

from typing import Any

from lodesmith.prepare.pages import Drop

Fault = tuple[str, Any, Any] | None  # reason, value, limit


def below(reason: str, value: float, limit: float) -> Fault:
    """Return the fault of a value under its limit."""
    return (reason, value, limit) if value < limit else None


def above(reason: str, value: float, limit: float) -> Fault:
    """Return the fault of a value over its limit."""
    return (reason, value, limit) if value > limit else None


def to_drop(fault: tuple[str, Any, Any]) -> Drop:
    """Return why a document goes, the value rounded for people."""
    reason, value, limit = fault
    return Drop(reason, round(value, 3) if isinstance(value, float) else value, limit)
