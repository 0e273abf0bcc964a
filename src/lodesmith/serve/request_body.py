"""What all bodies of requests have in common: exact types, no unknown field, null means absent."""

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator


class RequestBody(BaseModel):
    """A body whose types must be exact and whose unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, data: Any) -> Any:
        """Read null as absent, as OpenAI's reference does for every optional field."""
        if not isinstance(data, dict):
            return data
        return {name: value for name, value in data.items() if value is not None}
