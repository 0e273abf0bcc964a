"""Whatever stands in a file of records, it is a value or one kind of error."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodesmith.data.json_record import decode_record, load_record

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8
)


@given(values, st.booleans())
def test_what_json_can_say_is_read(value, escaped):
    text = json.dumps(value, ensure_ascii=escaped)
    assert load_record(f" {text}\r\n") == value
    assert decode_record(f"[{text}]", 1) == (value, 1 + len(text))


@given(st.text(alphabet='[]{}",:\\ud8ntrue0123456789.eE- ', max_size=40))
def test_anything_else_is_a_fault_of_one_kind(text):
    try:
        value = load_record(text)
    except json.JSONDecodeError:
        return
    json.dumps(value, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"text": "a \\ud83d"}', "half a character"),
        ('{"\\udc00": 1}', "half a character"),
        pytest.param("[" * 100_000, "nested too deeply", id="deep"),
        pytest.param("9" * 5_000, "too many digits", id="long"),
        ("{} {}", "Extra data"),
        ('{"text": "cut', "Unterminated string"),
    ],
)
def test_faults_are_named(text, fault):
    with pytest.raises(json.JSONDecodeError, match=fault):
        load_record(text)


def test_a_whole_character_of_two_halves_is_read():
    assert load_record('"\\ud83d\\ude00"') == "😀"
