"""YAML 1.2 in, plain data and the line of every key out.

PyYAML reads YAML 1.1, where `no` is false and `1:30` is ninety; the loader here keeps the core
schema of YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema): null, true/false, integers,
floats, and everything else is text. Anchors, tags and repeated keys are refused: a recipe is data.
"""

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from lodesmith.core.errors import UserError

Path = tuple[str | int, ...]

_PREFIX = "tag:yaml.org,2002:"
_SCALAR_TAGS = {f"{_PREFIX}{kind}" for kind in ("null", "bool", "int", "float", "str")}


@dataclass(frozen=True)
class YamlText:
    """A parsed YAML text that remembers where each value stood."""

    data: Any
    lines: dict[Path, int] = field(default_factory=dict)  # key path -> line, counted from 1

    def line_of(self, path: Path) -> int | None:
        """Return the line of a key path, or of its nearest ancestor that stands in the text."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path)


class _CoreSchemaLoader(yaml.SafeLoader):
    """A safe loader that resolves scalars by YAML 1.2's core schema."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Refuse aliases: one of them can stand for a billion values."""
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            problem = "an alias is not allowed; write the value again"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=mark)
        return super().compose_node(parent, index)


_CoreSchemaLoader.yaml_implicit_resolvers = {}  # of its own, not those of YAML 1.1
for _tag, _pattern, _first in (
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("int", r"^(?:[-+]?[0-9][0-9_]*|0o[0-7]+|0x[0-9a-fA-F]+)$", list("-+0123456789")),
    (
        "float",
        r"^(?:[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf)|\.(?:nan|NaN))$",
        list("-+0123456789."),
    ),
):
    _CoreSchemaLoader.add_implicit_resolver(f"{_PREFIX}{_tag}", re.compile(_pattern), _first)


def parse_yaml(text: str, *, origin: str) -> YamlText:
    """Return the data of a YAML text and the line of each of its keys.

    Args:
        text: the whole document.
        origin: the file's name, for messages.

    Raises:
        UserError: the text is not YAML, repeats a key, or uses an anchor or a tag.
    """
    try:
        node = yaml.compose(text, Loader=_CoreSchemaLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{origin}:{mark.line + 1}" if mark else origin
        problem = getattr(error, "problem", None) or "not YAML"
        if "'\\t'" in problem:
            problem += "; indent with spaces, not with tabs"
        raise UserError(f"{where}: cannot be read as YAML: {problem}") from None
    lines: dict[Path, int] = {}
    data = None if node is None else _Reader(origin, lines).read(node, ())
    return YamlText(data=data, lines=lines)


def parse_scalar(text: str) -> Any:
    """Return one value written on the command line, by the same rules as in a file.

    >>> parse_scalar("3e-4"), parse_scalar("no"), parse_scalar("[1, 2]")
    (0.0003, 'no', [1, 2])
    """
    return parse_yaml(text, origin="command line").data


@dataclass(frozen=True)
class _Reader:
    origin: str
    lines: dict[Path, int]

    def read(self, node: yaml.Node, path: Path) -> Any:
        if isinstance(node, yaml.MappingNode):
            return self._read_mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._read_item(item, (*path, index)) for index, item in enumerate(node.value)]
        if node.tag not in _SCALAR_TAGS:
            line = node.start_mark.line + 1
            raise UserError(f"{self.origin}:{line}: the tag {node.tag} is not allowed; remove it")
        return _scalar(node)

    def _read_item(self, node: yaml.Node, path: Path) -> Any:
        self.lines[path] = node.start_mark.line + 1
        return self.read(node, path)

    def _read_mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key, line = str(key_node.value), key_node.start_mark.line + 1
            if key in result:
                first = self.lines[(*path, key)]
                raise UserError(
                    f"{self.origin}:{line}: the key {key} stands here and in line {first}; keep one"
                )
            self.lines[(*path, key)] = line
            result[key] = self.read(value_node, (*path, key))
        return result


def _scalar(node: yaml.Node) -> Any:
    kind, text = node.tag.rsplit(":", 1)[1], str(node.value)
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() == "true"
    if kind == "int":
        digits = text.replace("_", "")
        return int(digits, 0) if digits[:2] in ("0o", "0x") else int(digits)
    if kind == "float":
        return float(text.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text
