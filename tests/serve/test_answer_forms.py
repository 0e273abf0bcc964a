"""Answers held to a form: JSON, JSON of a schema, and schemas that cannot be enforced."""

import json
import threading

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodesmith.core.errors import UserError
from lodesmith.serve.api.guides import Grammars, json_rule, schema_grammar
from lodesmith.serve.api.json_schema import find_unenforced

CHAT = "/v1/chat/completions"
PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 6},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "likes": {"type": "array", "items": {"enum": ["tea", "茶"]}, "maxItems": 2},
        "of": {"anyOf": [{"type": "boolean"}, {"type": "null"}]},
    },
    "required": ["name", "age", "likes", "of"],
    "additionalProperties": False,
}


def ask(server, schema, **fields):
    body = {
        "model": "tiny", "messages": [{"role": "user", "content": "who?"}], "max_tokens": 180,
        "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}},
        **fields,
    }  # fmt: skip
    return server.post(CHAT, body)


def walk(grammars, schema, draw):
    """Return the bytes of an answer whose tokens are drawn among those allowed."""
    [guide], said = grammars.guides(grammars.checked(schema_grammar(schema)), 1), bytearray()
    ends = grammars.tokenizer.eos_ids
    while not guide.is_finished and len(said) < 300:
        words = np.zeros(-(-grammars.vocab_size // 32), np.int32)
        assert guide.fill_allowed(words)
        allowed = np.flatnonzero(np.unpackbits(words.view(np.uint8), bitorder="little"))
        token_id = int(draw(allowed))
        guide.accept(token_id)
        assert guide.failure is None
        if token_id in ends:
            break
        said.append(token_id)
    return bytes(said)


@given(seed=st.integers(0, 2**32 - 1))
def test_whatever_tokens_are_drawn_the_answer_fits_its_schema(loaded, seed):
    grammars = Grammars(loaded.tokenizer, 300)
    said = walk(grammars, PERSON, np.random.default_rng(seed).choice)
    jsonschema.validate(json.loads(said), PERSON)


@pytest.mark.parametrize("temperature", [0.0, 2.0])
def test_a_random_model_answers_in_json_of_the_schema(server, temperature):
    for seed in range(3):
        answer = ask(server, PERSON, temperature=temperature, seed=seed).json()
        choice = answer["choices"][0]
        assert choice["finish_reason"] == "stop"
        jsonschema.validate(json.loads(choice["message"]["content"]), PERSON)


def test_choices_of_one_request_each_follow_the_grammar_from_its_beginning(server):
    answer = ask(server, {"enum": ["yes", "no"]}, n=4, temperature=1.5, seed=1).json()
    said = [json.loads(choice["message"]["content"]) for choice in answer["choices"]]
    assert set(said) <= {"yes", "no"}
    assert len(said) == 4


def test_a_json_object_is_made_from_its_first_letter(server):
    body = {
        "model": "tiny", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 20,
        "response_format": {"type": "json_object"}, "seed": 5,
    }  # fmt: skip
    content = server.post(CHAT, body).json()["choices"][0]["message"]["content"]
    assert content.lstrip()[0] == "{"


def test_a_form_ends_by_itself_so_ignore_eos_is_refused(server):
    response = ask(server, PERSON, ignore_eos=True)
    assert response.status_code == 400
    assert "ignore_eos" in response.json()["error"]["message"]


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "uniqueItems": True},
        {"not": {"type": "string"}},
        {"if": {"type": "string"}, "then": {"minLength": 2}},
        {"type": "object", "propertyNames": {"maxLength": 2}},
        {"type": "object", "unevaluatedProperties": False},
        {"type": "string", "contentEncoding": "base64"},
        {"type": "string", "format": "colour"},
        {"oneOf": [{"type": "string"}, {"maxLength": 3}]},
        {"type": "strin"},
        {"$ref": "#/$defs/nowhere"},
        {"x-guidance": {"lenient": True}, "not": {}},
        {"properties": {"a": {"items": {"minimum_": 3}}}},
    ],
)
def test_what_cannot_be_enforced_is_refused_not_dropped(server, schema):
    response = ask(server, schema)
    assert response.status_code == 400
    error = response.json()["error"]
    assert error["param"] == "response_format"
    assert "cannot be enforced" in error["message"]


def test_names_of_properties_are_not_taken_for_keywords():
    schema = {"properties": {"colour": {"type": "string"}}, "$defs": {"kind": True}}
    assert list(find_unenforced(schema)) == []
    assert json_rule(schema).startswith("%json ")
    with pytest.raises(UserError, match="#/anyOf/1/colour"):
        json_rule({"anyOf": [{}, {"colour": 1}]})


def test_ignore_eos_goes_on_to_the_last_token(server):
    end = 256 + 2  # <|im_end|>
    for ignore_eos, reason in ((False, "stop"), (True, "length")):
        body = {
            "model": "tiny", "prompt": "a", "max_tokens": 5, "logit_bias": {str(end): 100},
            "temperature": 0, "ignore_eos": ignore_eos,
        }  # fmt: skip
        choice = server.post("/v1/completions", body).json()["choices"][0]
        assert choice["finish_reason"] == reason


def test_each_choice_is_held_to_its_form_by_itself(server):
    answer = ask(server, PERSON, n=3, seed=4, temperature=1.0).json()
    said = [choice["message"]["content"] for choice in answer["choices"]]
    for text, choice in zip(said, answer["choices"], strict=True):
        assert choice["finish_reason"] == "stop"
        jsonschema.validate(json.loads(text), PERSON)
    assert len(set(said)) == 3
    alone = ask(server, PERSON, seed=4, temperature=1.0).json()
    assert alone["choices"][0]["message"]["content"] == said[0]


def test_a_form_is_compiled_while_others_are_answered(server, monkeypatch):
    checked, threads = Grammars.checked, []

    def note(self, lark):
        threads.append(threading.current_thread().name)
        return checked(self, lark)

    monkeypatch.setattr(Grammars, "checked", note)
    assert ask(server, {"enum": ["a"]}).status_code == 200
    assert [name.partition("_")[0] for name in threads] == ["asyncio"]  # not the loop's own
