"""Text of an answer as it arrives, and stop strings in it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodesmith.data.byte_level import byte_letters, pre_tokenizer
from lodesmith.data.tokenizer import Tokenizer
from lodesmith.data.tokenizer_settings import TokenizerSettings
from lodesmith.infer.text import AnswerText


def make_byte_tokenizer():
    """Return a tokenizer with one token a byte, so that most tokens are half a character."""
    letters = {letter: byte for byte, letter in enumerate(byte_letters())}
    data = {
        "version": "1.0", "added_tokens": [], "normalizer": None, "post_processor": None,
        "pre_tokenizer": pre_tokenizer(),
        "decoder": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True,
                    "use_regex": False},
        "model": {"type": "BPE", "vocab": letters, "merges": []},
    }  # fmt: skip
    settings = TokenizerSettings(ends=(), special_texts={}, chat_template=None)
    return Tokenizer(digest="bytes", settings=settings, _text=json.dumps(data))


TOKENIZER = make_byte_tokenizer()
LETTERS = st.text(alphabet="ab路\n", max_size=30)


@given(text=LETTERS, stop=st.lists(st.text(alphabet="ab路\n", min_size=1, max_size=4), max_size=3))
def test_shown_text_is_all_text_before_the_first_stop_string(text, stop):
    answer, shown = AnswerText(TOKENIZER, stop=stop), ""
    for token_id in TOKENIZER.encode(text):
        shown += answer.push(token_id)
        assert text.startswith(shown), "nothing that was shown is ever taken back"
        if answer.stopped:
            break
    shown += answer.finish()
    ends = [text.find(string) for string in stop if string in text]
    assert answer.stopped == bool(ends)
    if not ends:
        assert shown == text
    else:
        # Tokens are read up to the first that completes a stop string; of those that it
        # completes, the one that begins first cuts.
        first_end = min(text.find(string) + len(string) for string in stop if string in text)
        seen = text[:first_end]
        assert shown == seen[: min(seen.find(string) for string in stop if string in seen)]


@pytest.mark.parametrize("cut", [1, 2])
def test_half_a_character_is_shown_only_as_a_replacement_at_the_end(cut):
    answer = AnswerText(TOKENIZER)
    ids = TOKENIZER.encode("a路")[: 1 + cut]
    assert [answer.push(token_id) for token_id in ids] == ["a", *[""] * cut]
    assert answer.finish() == "\ufffd"


def test_text_that_only_looks_like_a_stop_string_is_shown_late_but_whole():
    answer = AnswerText(TOKENIZER, stop=["END"])
    assert [answer.push(token_id) for token_id in TOKENIZER.encode("an ENd")] == [
        "a", "n", " ", "", "", "ENd",
    ]  # fmt: skip
