"""JSON Schemas whose every keyword is enforced while the answer is made, or which are refused.

A keyword that is silently dropped is worse than an error: the client would trust an answer that
nobody has checked. llguidance refuses the keywords of the standard that it cannot enforce; here
those are refused that no standard knows, and so would have no effect.

Source: JSON Schema, draft 2020-12, "Core" and "Validation".
"""

from collections.abc import Iterator, Mapping
from typing import Any

_ANNOTATIONS = frozenset({
    "$schema", "$id", "$comment", "$anchor", "title", "description", "default", "examples",
    "deprecated", "readOnly", "writeOnly",
})  # fmt: skip
_ASSERTIONS = frozenset({
    "type", "enum", "const", "$ref", "required", "minimum", "maximum", "exclusiveMinimum",
    "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "pattern", "format", "minItems",
    "maxItems",
})  # fmt: skip
_ONE_SCHEMA = frozenset({"additionalProperties", "items", "additionalItems"})
_SCHEMA_LISTS = frozenset({"anyOf", "allOf", "oneOf", "prefixItems"})
_NAMED_SCHEMAS = frozenset({"properties", "patternProperties", "$defs", "definitions"})
_KNOWN = _ANNOTATIONS | _ASSERTIONS | _ONE_SCHEMA | _SCHEMA_LISTS | _NAMED_SCHEMAS


def find_unenforced(schema: Any, *, where: str = "#") -> Iterator[str]:
    """Yield the places of keywords that would have no effect on the answer.

    >>> list(find_unenforced({"type": "object", "properties": {"a": {"colour": "red"}}}))
    ['#/properties/a/colour']
    """
    if not isinstance(schema, Mapping):
        return
    for keyword, value in schema.items():
        if keyword not in _KNOWN:
            yield f"{where}/{keyword}"
        for place, part in _parts(keyword, value):
            yield from find_unenforced(part, where=f"{where}/{place}")


def _parts(keyword: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the schemas inside a keyword's value, and where they stand."""
    if keyword in _NAMED_SCHEMAS and isinstance(value, Mapping):
        yield from ((f"{keyword}/{name}", part) for name, part in value.items())
    elif keyword in _SCHEMA_LISTS and isinstance(value, list):
        yield from ((f"{keyword}/{number}", part) for number, part in enumerate(value))
    elif keyword in _ONE_SCHEMA:
        yield keyword, value
