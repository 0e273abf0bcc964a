"""Typed, frozen settings, and messages that name the line, the fault and the nearest right word.

A room's `config.py` derives its settings from `Config`; a recipe is a `Config` of such sections.
"""

import difflib
import types
import typing
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError

from lodesmith.core.errors import UserError
from lodesmith.core.storage import JSON

if typing.TYPE_CHECKING:
    from lodesmith.core.yaml_text import YamlText

ConfigType = typing.TypeVar("ConfigType", bound="Config")


class Config(BaseModel):
    """Settings of one room: immutable, and an unknown key is an error."""

    # Sections of a recipe are built with it, once, and not a second time each on import.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)

    without_effect: ClassVar[frozenset[str]] = frozenset()
    """Fields that change how fast or loud the work is done, never what comes out of it; an
    artifact's id does not depend on them."""

    def identity(self) -> JSON:
        """Return the settings that an artifact's id depends on, as JSON data."""
        data = self.model_dump(mode="json")
        for name in self.without_effect:
            data.pop(name)
        for name, value in self:
            if isinstance(value, Config) and name in data:
                data[name] = value.identity()
        return data


def apply_overrides(data: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Return recipe data with `section.field=value` settings of the command line laid over it.

    >>> apply_overrides({"pretrain": {"seed": 1}}, ["pretrain.seed=2", "pretrain.max_steps=9"])
    {'pretrain': {'seed': 2, 'max_steps': 9}}
    """
    from lodesmith.core.yaml_text import parse_scalar  # workers read no recipe

    result: dict[str, Any] = _copy(data)
    for override in overrides:
        name, equals, text = override.partition("=")
        keys = name.split(".")
        if not equals or not all(keys):
            raise UserError(f"'{override}' is not an override; write section.field=value")
        place = result
        for key in keys[:-1]:
            place = _enter(place, key, override)
        _put(place, keys[-1], parse_scalar(text), override)
    return result


def validate(
    model: type[ConfigType], source: "YamlText", *, origin: str, overrides: Sequence[str] = ()
) -> ConfigType:
    """Return the settings that a YAML text and command-line overrides describe.

    Raises:
        UserError: with every fault of the text, one a line.
    """
    data = source.data if source.data is not None else {}
    if not isinstance(data, dict):
        raise UserError(f"{origin}: a recipe is a mapping of sections, not a {type(data).__name__}")
    try:
        return model.model_validate(apply_overrides(data, overrides))
    except ValidationError as error:
        faults = [_explain(fault, model, source, origin) for fault in error.errors()]
        raise UserError("\n".join(dict.fromkeys(faults))) from None


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value


def _enter(place: Any, key: str, override: str) -> Any:
    if isinstance(place, list):
        return place[_index(place, key, override)]
    if place.get(key) is None:
        place[key] = {}
    if not isinstance(place[key], dict | list):
        raise UserError(f"'{override}': {key} holds a value and has no fields")
    return place[key]


def _put(place: Any, key: str, value: Any, override: str) -> None:
    place[_index(place, key, override) if isinstance(place, list) else key] = value


def _index(place: list[Any], key: str, override: str) -> int:
    if key.isdigit() and int(key) < len(place):
        return int(key)
    raise UserError(f"'{override}': {key} is not an entry of a list of {len(place)}, 0 the first")


def _explain(fault: Any, model: type[Config], source: "YamlText", origin: str) -> str:
    path = tuple(part for part in fault["loc"] if not _is_tag(part))
    line = source.line_of(path)
    where = f"{origin}:{line}" if line else origin
    name = ".".join(str(part) for part in path) or "recipe"
    if fault["type"] == "extra_forbidden":
        return f"{where}: {name} is not a known key{_nearest(model, fault['loc'])}"
    if fault["type"] == "missing":
        return f"{where}: {name} is missing; add it"
    message = fault["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    got = fault.get("input")
    shown = "" if isinstance(got, dict | list) else f" (got {got!r})"
    return f"{where}: {name}: {message}{shown}"


def _is_tag(part: str | int) -> bool:
    """Tell whether a location part is a union member's name, which no user wrote."""
    return isinstance(part, str) and part.startswith("<")


def _nearest(model: type[Config], loc: tuple[str | int, ...]) -> str:
    known = sorted({name for place in _models_at(model, loc[:-1]) for name in place.model_fields})
    close = difflib.get_close_matches(str(loc[-1]), known, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; known keys: {', '.join(known)}" if known else ""


def _models_at(model: type[BaseModel], loc: tuple[str | int, ...]) -> list[type[BaseModel]]:
    places = [model]
    for part in loc:
        if isinstance(part, int):
            continue
        if _is_tag(part):
            places = [place for place in places if f"<{place.__name__}>" == part] or places
            continue
        places = [
            inner
            for place in places
            if part in place.model_fields
            for inner in _models_in(place.model_fields[part].annotation)
        ]
    return places


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    is_generic = typing.get_origin(annotation) is not None
    if is_generic or isinstance(annotation, types.UnionType):
        for argument in typing.get_args(annotation):
            yield from _models_in(argument)
