"""The recipe's fields for editors (JSON Schema) and for readers (Markdown), from its types.

`python -m lodesmith.pipeline.schema docs` writes both; a test holds them to the code.
"""

import ast
import inspect
import sys
import textwrap
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

from lodesmith.core.config import Config
from lodesmith.core.storage import JSON, write_json, write_text
from lodesmith.pipeline.recipe import Recipe

_INTRODUCTION = """\
# Recipe reference

Made from the types by `python -m lodesmith.pipeline.schema docs`; do not edit by hand. Editors
complete a recipe that begins with `# yaml-language-server: $schema=PATH/recipe.schema.json`.

Every section is optional; a stage whose section is left out is not run. On the command line
`section.field=value` lays a setting over the recipe.
"""


def recipe_schema() -> JSON:
    """Return the JSON Schema of a recipe."""
    schema = Recipe.model_json_schema()
    schema["title"] = "Lodesmith recipe"
    models = {model.__name__: model for model in _models_in(Recipe)}
    for name, definition in (("Recipe", schema), *schema["$defs"].items()):
        if name in models:
            _describe(definition, models[name])
    return schema


def _models_in(kind: Any) -> Iterator[type[Config]]:
    """Yield the configs that a type speaks of, those in its fields included."""
    if isinstance(kind, type) and issubclass(kind, Config):
        yield kind
        for field in kind.model_fields.values():
            yield from _models_in(field.annotation)
    for part in get_args(kind):
        yield from _models_in(part)


def _describe(definition: JSON, model: type[Config]) -> None:
    """Add the text below each field in the source; read here, since no command needs it."""
    texts: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if issubclass(base, Config):
            texts |= dict(_read_texts(base))
    fields = definition.get("properties", {})
    for name in fields.keys() & texts.keys():
        fields[name] = dict(sorted({**fields[name], "description": texts[name]}.items()))


def _read_texts(model: type[Config]) -> Iterator[tuple[str, str]]:
    """Yield each field of a class with the string that follows it."""
    body = ast.parse(textwrap.dedent(inspect.getsource(model))).body[0]
    assert isinstance(body, ast.ClassDef)  # noqa: S101 the source of a class is one
    for field, text in pairwise(body.body):
        match field, text:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(value))),
            ):
                yield name, inspect.cleandoc(value)


def recipe_reference() -> str:
    """Return the reference of all recipe fields as Markdown."""
    schema = recipe_schema()
    lines = [_INTRODUCTION]
    for section, field in schema["properties"].items():
        reference = _first_reference(field)
        lines += [f"## `{section}:`", "", field.get("description", ""), ""]
        lines += _describe_fields(schema["$defs"][reference])
    others = sorted(
        set(schema["$defs"]) - {_first_reference(f) for f in schema["properties"].values()}
    )
    for name in others:
        if "properties" in schema["$defs"][name]:
            lines += [
                f"## Entries of type {name}",
                "",
                schema["$defs"][name].get("description", ""),
                "",
            ]
            lines += _describe_fields(schema["$defs"][name])
    return "\n".join(lines).rstrip() + "\n"


def _describe_fields(definition: JSON) -> Iterator[str]:
    required = set(definition.get("required", ()))
    yield "| field | type | default | what |"
    yield "|---|---|---|---|"
    for name, field in definition.get("properties", {}).items():
        default = "required" if name in required else f"`{_show(field.get('default'))}`"
        text = " ".join(str(field.get("description", "")).split()).replace("|", "\\|")
        yield f"| `{name}` | {_type_of(field)} | {default} | {text} |"
    yield ""


def _type_of(field: JSON) -> str:
    for key in ("anyOf", "oneOf"):
        if key in field:
            names = [_type_of(option) for option in field[key]]
            return " or ".join(name for name in names if name != "null") or "null"
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"])
    if "const" in field:
        return f"`{field['const']}`"
    if "$ref" in field:
        return str(field["$ref"]).rsplit("/", 1)[1]
    if field.get("type") == "array":
        return f"list of {_type_of(field.get('items', {}))}"
    return f"{field.get('type', 'any')}{_bounds(field)}"


def _bounds(field: JSON) -> str:
    signs = {"exclusiveMinimum": ">", "minimum": "≥", "exclusiveMaximum": "<", "maximum": "≤"}
    bounds = [f"{sign} {field[key]}" for key, sign in signs.items() if key in field]
    return f" {', '.join(bounds)}" if bounds else ""


def _show(value: Any) -> str:
    if isinstance(value, dict):
        return "see its own table"
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "none"}[value]
    return str(value)


def _first_reference(field: JSON) -> str:
    """Return the type of a section; of a section with two forms, the first."""
    options = [inner for option in field.get("anyOf", [field])
               for inner in option.get("oneOf", [option])]  # fmt: skip
    return next(str(o["$ref"]).rsplit("/", 1)[1] for o in options if "$ref" in o)


def write_reference(folder: Path) -> None:
    """Write recipe.schema.json and recipe.md into a folder."""
    write_json(folder / "recipe.schema.json", recipe_schema())
    write_text(folder / "recipe.md", recipe_reference())


if __name__ == "__main__":
    write_reference(Path(sys.argv[1]))
