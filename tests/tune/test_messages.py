"""Conversations in OpenAI's form: whoever gives them in a wrong order learns where."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodesmith.core.errors import UserError
from lodesmith.tune.samples.messages import read_messages


def message(role):
    return {"role": role, "content": f"a word of the {role}"}


def file_of(*conversations):
    lines = (json.dumps({"messages": [message(role) for role in roles]}) for roles in conversations)
    return "\n".join(lines).encode()


def read(payload):
    return read_messages(payload, name="chats.jsonl", source="chats")


def test_lines_and_a_list_hold_the_same_rows():
    lines = file_of(["user", "assistant"], ["system", "user", "assistant", "user", "assistant"])
    listed = b"[" + lines.replace(b"\n", b",") + b"]"
    assert [row.messages for row in read(lines).rows] == [row.messages for row in read(listed).rows]
    assert [row.origin for row in read(lines).rows] == ["chats.jsonl:1", "chats.jsonl:2"]
    assert [row.origin for row in read(listed).rows] == ["chats.jsonl:1", "chats.jsonl:1"]


@pytest.mark.parametrize(
    ("roles", "fault"),
    [
        (["assistant"], r"messages\[0\] is the assistant's, after nothing"),
        (["user", "user", "assistant"], r"messages\[1\] is the user's, after user"),
        (["user", "assistant", "assistant"], r"messages\[2\] is the assistant's, after assistant"),
        (["user", "assistant", "user"], "the last message is the user's"),
        (["user", "system", "assistant"], "system message; it can only come first"),
        (["user", "robot"], r"messages\[1\]\.role is 'robot'"),
        (["system"], "the last message is the system's"),
        ([], "messages is empty"),
    ],
)
def test_a_fault_of_the_order_names_file_and_line(roles, fault):
    with pytest.raises(UserError, match=rf"chats\.jsonl:2: .*{fault}"):
        read(file_of(["user", "assistant"], roles))


def test_what_is_no_conversation_is_named():
    with pytest.raises(UserError, match=r"chats\.jsonl:1: is not JSON"):
        read(b"{'messages'}\n{}")
    with pytest.raises(UserError, match=r"chats\.jsonl:2: the file is cut off in the middle"):
        read(file_of(["user", "assistant"]) + b'\n{"messages": [{"role": "us')
    with pytest.raises(UserError, match=r'chats\.jsonl:3: has no "messages"'):
        read(file_of(["user", "assistant"]) + b'\n\n{"text": "x"}')
    with pytest.raises(UserError, match="is not UTF-8"):
        read(b'{"messages": "\xff"}')


@given(turns=st.integers(1, 5), system=st.booleans(), tools=st.integers(0, 2))
def test_any_talk_in_turns_is_taken_as_it_is(turns, system, tools):
    answer = ["assistant", *["tool"] * tools, "assistant"] if tools else ["assistant"]
    roles = ["system"] * system + ["user", *answer] * turns
    (row,) = read(file_of(roles)).rows
    assert [entry["role"] for entry in row.messages] == roles


def test_a_language_that_is_given_is_kept():
    payload = b'{"language": "de", "messages": [' + json.dumps(message("user")).encode()
    payload += b"," + json.dumps(message("assistant")).encode() + b"]}"
    assert read(payload).rows[0].language == "de"
