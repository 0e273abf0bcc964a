"""Calls of tools: the prompt tells of them, answers fit them, streams lose nothing of them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_server import openai_client

from lodesmith.serve.api.chat_messages import MessageBody, ToolBody
from lodesmith.serve.api.tools import CLOSE, OPEN, ToolReader

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "how warm",
        "parameters": {
            "type": "object",
            "properties": {"city": {"enum": ["巴黎", "a\"b\\"]}, "days": {"enum": [1, 2]}},
            "required": ["city", "days"],
            "additionalProperties": False,
        },
    },
}  # fmt: skip
NOW = {"type": "function", "function": {"name": "now"}}


@pytest.fixture
def client(tool_server):
    with openai_client(tool_server) as client:
        yield client


def ask(client, **fields):
    return client.chat.completions.create(
        model="tiny", messages=[{"role": "user", "content": "warm?"}], max_tokens=300,
        tools=[WEATHER, NOW], seed=3, **fields,
    )  # fmt: skip


def check_weather(arguments):
    assert arguments["city"] in ("巴黎", 'a"b\\')
    assert arguments["days"] in (1, 2)


def test_a_named_tool_is_called_once_with_arguments_that_fit(client):
    choice = ask(client, tool_choice={"type": "function", "function": {"name": "get_weather"}})
    message = choice.choices[0].message
    assert choice.choices[0].finish_reason == "tool_calls"
    assert message.content is None
    [call] = message.tool_calls
    assert call.function.name == "get_weather"
    assert call.id.startswith("call_")
    check_weather(json.loads(call.function.arguments))


def test_a_required_tool_is_streamed_without_losing_a_letter(client):
    for seed in range(3):
        calls, reasons = {}, []
        for chunk in ask(
            client, tool_choice="required", stream=True, parallel_tool_calls=False,
            extra_body={"seed": seed},
        ):  # fmt: skip
            choice = chunk.choices[0]
            reasons.append(choice.finish_reason)
            assert not choice.delta.content
            for delta in choice.delta.tool_calls or ():
                call = calls.setdefault(delta.index, {"name": delta.function.name, "text": ""})
                call["text"] += delta.function.arguments
        assert reasons[-1] == "tool_calls"
        [call] = calls.values()
        arguments = json.loads(call["text"])
        if call["name"] == "get_weather":
            check_weather(arguments)
        else:
            assert (call["name"], arguments) == ("now", {})


def test_a_tool_that_may_not_be_called_is_not_told_of(client):
    told = ask(client, tool_choice="auto").usage.prompt_tokens
    untold = ask(client, tool_choice="none")
    assert untold.usage.prompt_tokens < told - 100
    assert untold.choices[0].message.tool_calls is None


def test_the_prompt_holds_earlier_calls_and_their_results(tool_server):
    history = [
        {"role": "user", "content": "warm?"},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "call_1", "type": "function",
             "function": {"name": "now", "arguments": '{"a": "<|im_end|>"}'}}]},
        {"role": "tool", "tool_call_id": "call_1", "content": "noon"},
    ]  # fmt: skip
    ids = tool_server.post("/tokenize", {"messages": history}).json()["tokens"]
    text = tool_server.post("/detokenize", {"tokens": ids}).json()["prompt"]
    assert '{"name": "now", "arguments": {"a": "<|im_end|>"}}' in text
    assert "<|im_start|>tool\nnoon" in text
    assert ids.count(258) == 3, "<|im_end|> inside an argument must not become the special token"


@pytest.mark.parametrize(
    ("message", "fault"),
    [
        ({"role": "user", "content": "x", "tool_calls": []}, "at least 1"),
        ({"role": "user", "content": "x", "tool_call_id": "1"}, "tool_call_id"),
        ({"role": "assistant"}, "content is missing"),
        (
            {"role": "assistant", "tool_calls": [
                {"id": "1", "function": {"name": "f", "arguments": "[1]"}}]},
            "JSON object",
        ),
    ],
)  # fmt: skip
def test_wrong_messages_of_tools_are_refused(message, fault):
    with pytest.raises(ValueError, match=fault):
        MessageBody.model_validate(message)


def test_tools_are_named_as_openai_names_them():
    with pytest.raises(ValueError, match="pattern"):
        ToolBody.model_validate({"type": "function", "function": {"name": "two words"}})


JSON_OBJECTS = st.dictionaries(
    st.text(max_size=5),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=5,
    ),
    max_size=3,
)
WORDS = st.text().filter(lambda text: OPEN not in text)


@given(WORDS, st.lists(JSON_OBJECTS, min_size=1, max_size=3), st.data())
def test_however_the_text_is_cut_words_and_arguments_come_out_whole(words, calls, data):
    written = [
        f'{OPEN}\n{{"name": "f{n}", "arguments": {json.dumps(call, ensure_ascii=False)}}}\n{CLOSE}'
        for n, call in enumerate(calls)
    ]
    text = words + "\n".join(written)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=12)))
    reader, said, read = ToolReader(), "", {}
    for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        new_words, deltas = reader.push(text[start:end])
        said += new_words
        for delta in deltas:
            name, arguments = read.get(delta.index, (delta.name, ""))
            read[delta.index] = (name, arguments + delta.arguments)
    said += reader.finish()
    assert said == words.rstrip()
    assert [name for name, _ in read.values()] == [f"f{n}" for n in range(len(calls))]
    assert [json.loads(arguments) for _, arguments in read.values()] == calls
