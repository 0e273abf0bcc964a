import pytest

from lodesmith.core.errors import UserError
from lodesmith.core.yaml_text import parse_scalar, parse_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"), ("yes", "yes"), ("true", True), ("1:30", "1:30"), ("0o17", 15), ("017", 17),
        ("1e-3", 0.001), ("3.", 3.0), ("~", None), ("", None), ("1_000", 1000), ("'5'", "5"),
        ("2026-11-23", "2026-11-23"), ("1.2.3", "1.2.3"), ("-.inf", float("-inf")), ("0x1F", 31),
    ],
)  # fmt: skip
def test_scalars_follow_the_core_schema_of_yaml_1_2(text, value):
    assert parse_scalar(text) == value
    assert type(parse_scalar(text)) is type(value)


def test_lines_of_keys_and_list_entries_are_known():
    parsed = parse_yaml("a:\n  b: 1\nc:\n  - x\n  - d: 2\n", origin="r.yaml")
    assert parsed.data == {"a": {"b": 1}, "c": ["x", {"d": 2}]}
    assert parsed.line_of(("a", "b")) == 2
    assert parsed.line_of(("c", 1, "d")) == 5
    assert parsed.line_of(("a", "absent")) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2\n", "r.yaml:2: the key a stands here and in line 1"),
        ("a: [1\n", "r.yaml:2: cannot be read as YAML"),
        ("a:\n\tb: 1\n", "cannot start any token; indent with spaces, not with tabs"),
        ("a: !!python/object:os.system x\n", "r.yaml:1: the tag"),
        ("a: &x 1\nb: *x\n", "r.yaml:2: .* alias"),
    ],
)
def test_what_is_not_plain_data_is_refused_with_its_line(text, message):
    with pytest.raises(UserError, match=message):
        parse_yaml(text, origin="r.yaml")
