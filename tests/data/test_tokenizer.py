"""Encoding is exact, special tokens are never read by accident, and streams show whole letters."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lodesmith.core.errors import UserError
from lodesmith.data.byte_level import quick_ranks
from lodesmith.data.tokenizer import SPECIAL_TOKENS, IncrementalDecoder, Tokenizer
from lodesmith.tokenize.bpe import train_tokenizer

TEXTS = [
    "The quick brown fox jumps over the lazy dog; it's 12345 o'clock. They're here!\n\n",
    "打开“文件”菜单，选择“另存为”。单击“确定”按钮，完成 2024 年的设置。\n",
    "def place(self, sample: int) -> tuple[int, int]:\n    return divmod(sample, 10)\n",
    "naïve café Ünïcödé 😀😀 \u200d 日本語 한국어 العربية\t\r\n   end",
] * 4
any_text = st.text(max_size=200) | st.lists(
    st.sampled_from([*TEXTS[:4], *SPECIAL_TOKENS, " ", "\n", "'S", "的", "1", "\u3000"]), max_size=8
).map("".join)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return train_tokenizer(tmp_path_factory.mktemp("tokenizer"), TEXTS, vocab_size=600)


@pytest.fixture(scope="module")
def foreign(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    """The same tokenizer in another's shape, so that the `tokenizers` library encodes it."""
    folder = tmp_path_factory.mktemp("foreign")
    data = json.loads(tokenizer._text)
    data["normalizer"] = {"type": "Sequence", "normalizers": []}
    (folder / "tokenizer.json").write_text(json.dumps(data))
    return Tokenizer.load(folder)


@settings(deadline=None)
@given(any_text)
def test_any_text_comes_back_exactly(tokenizer: Tokenizer, text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text)) == text


@settings(deadline=None)
@given(any_text)
def test_tiktoken_and_tokenizers_give_the_same_ids(
    tokenizer: Tokenizer, foreign: Tokenizer, text: str
) -> None:
    assert tokenizer._tiktoken is not None
    assert foreign._tiktoken is None
    assert tokenizer.encode(text) == foreign.encode(text)
    assert tokenizer.encode(text, allow_special=True) == foreign.encode(text, allow_special=True)
    assert tokenizer.encode_batch([text, "x"]) == foreign.encode_batch([text, "x"])


def test_names_of_special_tokens_are_plain_text_unless_asked(tokenizer: Tokenizer) -> None:
    special = {tokenizer.token_id(name) for name in SPECIAL_TOKENS}
    text = "a<|im_end|>b<|endoftext|>"
    assert not special & set(tokenizer.encode(text))
    assert not special & set(tokenizer.encode_batch([text])[0])
    parsed = tokenizer.encode(text, allow_special=True)
    assert [number for number in parsed if number in special] == [
        tokenizer.token_id("<|im_end|>"),
        tokenizer.token_id("<|endoftext|>"),
    ]


def test_special_tokens_are_the_last_ids(tokenizer: Tokenizer) -> None:
    size = tokenizer.vocab_size
    assert [tokenizer.token_id(name) for name in SPECIAL_TOKENS] == [size - 3, size - 2, size - 1]
    assert tokenizer.end_of_text_id == size - 3
    assert tokenizer.eos_ids == (size - 3,)
    assert tokenizer.token_id("<|no such|>") is None


@settings(deadline=None)
@given(any_text, st.data())
def test_stream_never_shows_half_a_letter(
    tokenizer: Tokenizer, foreign: Tokenizer, text: str, data: st.DataObject
) -> None:
    decoder = IncrementalDecoder(tokenizer)
    shown = ""
    for number in tokenizer.encode(text):
        shown += decoder.push([number])
        assert text.startswith(shown)
    assert shown + decoder.finish() == text


def test_bytes_cut_inside_a_letter_become_the_replacement_sign(tokenizer: Tokenizer) -> None:
    first_byte = [tokenizer.encode("é")[0]] if len(tokenizer.encode("é")) > 1 else None
    ids = first_byte or [
        number for number in range(256) if tokenizer.token_bytes[number] == b"\xc3"
    ]
    decoder = IncrementalDecoder(tokenizer)
    assert decoder.push(ids) == ""
    assert decoder.finish() == "\ufffd"
    assert tokenizer.decode(ids) == "\ufffd"


def test_ids_beyond_the_vocabulary_decode_to_nothing(tokenizer: Tokenizer) -> None:
    ids = [*tokenizer.encode("a"), tokenizer.vocab_size + 5, *tokenizer.encode("b")]
    assert tokenizer.decode(ids) == "ab"


def test_special_tokens_can_be_left_out_of_the_text(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode("yes<|im_end|>", allow_special=True)
    assert tokenizer.decode(ids) == "yes<|im_end|>"
    assert tokenizer.decode(ids, skip_special=True) == "yes"


def test_a_million_spaces_are_encoded(tokenizer: Tokenizer) -> None:
    text = "a" + " " * 1_000_000 + "b"
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_ends_of_an_answer_come_from_generation_config_first(
    tokenizer: Tokenizer, tmp_path: Path
) -> None:
    (tmp_path / "tokenizer.json").write_text(tokenizer._text)
    (tmp_path / "generation_config.json").write_text('{"eos_token_id": [7, 9]}')
    settings = {"eos_token": {"content": "<|endoftext|>"}, "chat_template": "from settings"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    loaded = Tokenizer.load(tmp_path)
    assert loaded.eos_ids == (7, 9, tokenizer.end_of_text_id)
    assert loaded.chat_template == "from settings"
    (tmp_path / "chat_template.jinja").write_text("from its own file")
    assert Tokenizer.load(tmp_path).chat_template == "from its own file"


def test_merges_that_tiktoken_would_read_otherwise_take_the_slow_way(tokenizer: Tokenizer) -> None:
    data = json.loads(tokenizer._text)
    assert quick_ranks(data) is not None
    vocab, merges = data["model"]["vocab"], data["model"]["merges"]
    kept = {token: number for token, number in vocab.items() if number < 256}
    # "ab" and "bc" come first, so "a"+"bc" is never reached from the bytes of "abc"
    data["model"]["vocab"] = {**kept, "ab": 256, "bc": 257, "abc": 258}
    data["model"]["merges"] = [["a", "b"], ["b", "c"], ["a", "bc"]]
    assert quick_ranks(data) is None
    data["model"]["vocab"], data["model"]["merges"] = vocab, merges[::-1]
    assert quick_ranks(data) is None


def test_prefix_of_a_foreign_model_is_found(tokenizer: Tokenizer, tmp_path: Path) -> None:
    data = json.loads(tokenizer._text)
    end = tokenizer.end_of_text_id
    begin, text = (
        {"SpecialToken": {"id": "B", "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}},
    )
    data["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [begin, text],
        "pair": [text, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"B": {"id": "B", "ids": [end], "tokens": ["<|endoftext|>"]}},
    }
    (tmp_path / "tokenizer.json").write_text(json.dumps(data))
    loaded = Tokenizer.load(tmp_path)
    assert loaded.prefix_ids == (end,)
    assert tokenizer.prefix_ids == ()
    assert loaded.encode("a") == tokenizer.encode("a")


@pytest.mark.parametrize("text", ["", "{", '{"model": 3}', "[]"])
def test_a_broken_tokenizer_file_is_a_clear_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "tokenizer.json").write_text(text)
    with pytest.raises(UserError, match=r"tokenizer\.json"):
        Tokenizer.load(tmp_path)


def test_a_folder_without_tokenizer_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has no tokenizer\.json"):
        Tokenizer.load(tmp_path)
