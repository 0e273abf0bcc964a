"""What all bodies of requests have in common.

Exact types, no unknown field, whole characters only, and null means absent.
"""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, model_validator

_HALF = r"holds half a character (a lone \ud800 to \udfff); send whole ones"
_NUMBERS = frozenset({int, float})


class RequestBody(BaseModel):
    """A body whose types must be exact and whose unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, data: Any) -> Any:
        """Read null as absent, as OpenAI's reference does for every optional field."""
        if not isinstance(data, dict):
            return data
        for name, value in data.items():
            if not _is_whole(value, deep=False):  # objects in it check themselves
                raise ValueError(f"{name} {_HALF}")
        return {name: value for name, value in data.items() if value is not None}


def _is_whole(value: Any, *, deep: bool = True) -> bool:
    """Tell whether all text inside a value can be written as UTF-8; JSON can spell what cannot."""
    left = [value]
    while left:
        part = left.pop()
        if isinstance(part, str):
            try:
                part.encode()
            except UnicodeEncodeError:
                return False
        elif isinstance(part, list):
            left.extend(() if _NUMBERS.issuperset(map(type, part)) else part)
        elif deep and isinstance(part, dict):
            left.extend((*part, *part.values()))
    return True


def _check_object(value: dict[str, Any]) -> dict[str, Any]:
    if not _is_whole(value):
        raise ValueError(f"the object {_HALF}")
    return value


JsonObject = Annotated[dict[str, Any], AfterValidator(_check_object)]
"""Any JSON object."""
