"""A trained tokenizer is the same every time, exact, and opens in transformers."""

import json
import random
import tempfile
from pathlib import Path

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st
from library_tokenizer import train_with_the_library

from lodesmith.core.errors import UserError
from lodesmith.data.byte_level import SPLIT_PATTERN
from lodesmith.data.chat import render_prompt
from lodesmith.data.tokenizer import Tokenizer
from lodesmith.native.bpe import MergeLearner
from lodesmith.tokenize.bpe import MIN_VOCAB_SIZE, train_tokenizer

WORDS = [
    "insert",
    "frame",
    "table 12345",
    "文档",
    "设置",
    "电子表格",
    "it's",
    "\n",
    "the",
    "  page",
]


def make_texts(seed: int = 3) -> list[str]:
    chance = random.Random(seed)
    return [" ".join(chance.choices(WORDS, k=60)) for _ in range(60)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    train_tokenizer(folder, make_texts(), vocab_size=310)
    return folder


def test_the_same_text_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    for attempt in range(3):
        train_tokenizer(tmp_path / str(attempt), iter(make_texts()), vocab_size=310)
        for name in ("tokenizer.json", "tokenizer_config.json"):
            assert (tmp_path / str(attempt) / name).read_bytes() == (folder / name).read_bytes()


def test_the_vocabulary_has_the_size_asked_for(folder: Path) -> None:
    tokenizer = Tokenizer.load(folder)
    assert tokenizer.vocab_size == 310
    assert tokenizer._tiktoken is not None  # the quick way is open to our own tokenizers


def test_very_little_text_gives_fewer_ids_and_still_encodes_anything(tmp_path: Path) -> None:
    tokenizer = train_tokenizer(tmp_path, ["ab ab"], vocab_size=5000)
    assert MIN_VOCAB_SIZE < tokenizer.vocab_size < 300
    assert tokenizer.decode(tokenizer.encode("任何 text \x00")) == "任何 text \x00"


def test_no_text_at_all_leaves_the_bytes(tmp_path: Path) -> None:
    tokenizer = train_tokenizer(tmp_path, [], vocab_size=300)
    assert tokenizer.vocab_size == MIN_VOCAB_SIZE
    assert tokenizer.decode(tokenizer.encode("é")) == "é"


def test_no_token_holds_more_than_three_digits(folder: Path) -> None:
    pieces = Tokenizer.load(folder).token_bytes
    assert pieces is not None
    assert b"123" in pieces
    assert not any(sum(byte in b"0123456789" for byte in piece) > 3 for piece in pieces)


def test_a_vocabulary_without_room_for_bytes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="at least 259"):
        train_tokenizer(tmp_path, ["a"], vocab_size=258)


def test_transformers_reads_it_and_agrees(folder: Path) -> None:
    transformers = pytest.importorskip("transformers")
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    ours = Tokenizer.load(folder)
    for text in [*make_texts()[:5], "完全 new TEXT: 9876543 \t\r\n\u3000😀"]:
        assert theirs.encode(text) == ours.encode(text)
        assert theirs.decode(theirs.encode(text)) == text
    assert theirs.eos_token_id == ours.end_of_text_id
    assert len(theirs) == ours.vocab_size
    messages = [{"role": "user", "content": " hello "}, {"role": "assistant", "content": "您好"},
                {"role": "user", "content": "\n再见"}]  # fmt: skip
    prompt = theirs.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
    assert prompt == render_prompt(ours, messages)


def test_the_file_is_plain_json_with_special_tokens_last(folder: Path) -> None:
    data = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    assert [token["id"] for token in data["added_tokens"]] == [307, 308, 309]
    assert len(data["model"]["merges"]) == 307 - 256


# What Unicode has added of late, each library classes by the year of its own tables.
ASSIGNED = st.characters(exclude_categories=("Cn", "Cs"))


@settings(max_examples=40)
@given(
    st.lists(
        st.one_of(
            st.text(ASSIGNED, max_size=60),
            st.text(alphabet="aab c'sS\n\r\t ，。的了12３Ⅷé\u0301\u00a0\u2028", max_size=80),
            st.lists(st.sampled_from(WORDS), max_size=30).map("".join),
        ),
        max_size=12,
    )
)
def test_the_kernel_learns_what_the_library_learns(texts: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        train_tokenizer(Path(folder), texts, vocab_size=400)
        ours = Path(folder, "tokenizer.json").read_text(encoding="utf-8")
    assert ours == train_with_the_library(texts, 400)


@settings(max_examples=200)
@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_the_kernel_cuts_text_as_the_pattern_says(text: str) -> None:
    with MergeLearner() as learner:
        assert learner.split(text) == [word.encode() for word in regex.findall(SPLIT_PATTERN, text)]
