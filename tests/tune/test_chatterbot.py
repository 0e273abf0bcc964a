"""ChatterBot files: what people say in turn, and the odd things that the published corpus holds."""

import pytest

from lodesmith.core.errors import UserError
from lodesmith.tune.conversations.chatterbot import read_chatterbot

NAME = "pypi:chatterbot-corpus/chatterbot_corpus/data/english/talk.yml"


def read(text, name=NAME):
    return read_chatterbot(text.encode(), name=name, source="chats")


def contents(row):
    return [(entry["role"][0], entry["content"]) for entry in row.messages]


def test_turns_alternate_and_a_last_word_of_the_user_is_left_out():
    rows = read("categories: [talk]\nconversations:\n- - Hi\n  - Hello\n  - Bye\n").rows
    assert [contents(row) for row in rows] == [[("u", "Hi"), ("a", "Hello")]]
    assert rows[0].origin == f"{NAME}:3"
    assert rows[0].language == "en"


@pytest.mark.parametrize("category", ["emotion", "Computers"])
def test_lists_of_some_categories_are_one_statement_and_several_answers(category):
    rows = read(f"categories:\n- {category}\nconversations:\n- - Q\n  - A\n  - B\n").rows
    assert [contents(row) for row in rows] == [[("u", "Q"), ("a", "A")], [("u", "Q"), ("a", "B")]]


def test_numbers_and_dates_stay_the_text_that_was_written():
    rows = read("conversations:\n- - When?\n  - 1963\n- - And?\n  - 007\n").rows
    assert [row.messages[1]["content"] for row in rows] == ["1963", "007"]


def test_an_entry_that_is_no_list_is_left_out_and_its_line_is_noted():
    # As in the published english/trivia.yml, where a dash is missing.
    harvest = read("conversations:\n- - A\n  - B\n- a question\n  - '22'\n- - C\n  - D\n")
    assert len(harvest.rows) == 2
    assert harvest.dropped == {"malformed conversation": 1}
    assert harvest.notes == [f"{NAME}:4: left out, not a list of at least two texts"]


def test_the_folder_tells_the_language_and_else_the_script_does():
    text = "conversations:\n- - 你好\n  - 嗨\n"
    assert read(text, "x/chinese/greetings.yml").rows[0].language == "zh"
    assert read(text, "mine/greetings.yml").rows[0].language == "zh"
    assert (
        read("conversations:\n- - Grüß dich\n  - Hallo\n", "mine/a.yml").rows[0].language == "und"
    )


def test_a_file_that_is_not_yaml_is_named_with_its_line():
    with pytest.raises(UserError, match=r"talk\.yml:2: is not YAML"):
        read("conversations:\n\t- - A\n")


def test_yaml_without_conversations_is_refused():
    with pytest.raises(UserError, match="has no list `conversations`"):
        read("name: something else\n")
