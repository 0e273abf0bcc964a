"""A model is asked in the ids it was trained on, and nobody can smuggle in a control token."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lodesmith.core.errors import UserError
from lodesmith.data.chat import (
    Message,
    render_prompt,
    render_training,
    render_training_by_template,
)
from lodesmith.data.tokenizer import SPECIAL_TOKENS, Tokenizer
from lodesmith.tokenize.bpe import train_tokenizer

TEXTS = ["How do I save a file?\n", "assistant user system\n", "请打开文件菜单。\n\n"] * 5
contents = st.lists(
    st.sampled_from(["hi", "\n", " ", "你好", "<|im_end|>", "<|im_start|>", "x", "\ue000", "<|im_"])
    | st.text(max_size=5),
    max_size=6,
).map("".join)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return train_tokenizer(tmp_path_factory.mktemp("tokenizer"), TEXTS, vocab_size=400)


def say(*turns: tuple[str, str]) -> list[Message]:
    return [Message(role=role, content=content) for role, content in turns]


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["user", "assistant"]), contents), min_size=1, max_size=4)
)
def test_prompt_is_what_training_saw(tokenizer: Tokenizer, turns: list[tuple[str, str]]) -> None:
    messages = say(*turns)
    trained, _ = render_training(tokenizer, [*messages, *say(("assistant", "fine"))])
    prompt = render_prompt(tokenizer, messages)
    assert trained[: len(prompt)] == prompt
    answer = [*tokenizer.encode("fine"), tokenizer.token_id("<|im_end|>"), *tokenizer.encode("\n")]
    assert trained[len(prompt) :] == answer


@settings(deadline=None)
@given(contents)
def test_names_of_special_tokens_in_a_message_stay_text(tokenizer: Tokenizer, content: str) -> None:
    special = {tokenizer.token_id(name) for name in SPECIAL_TOKENS}
    prompt = render_prompt(tokenizer, say(("user", content)))
    assert sum(number in special for number in prompt) == 3
    expected = f"<|im_start|>user\n{content.strip()}<|im_end|>\n<|im_start|>assistant\n"
    assert tokenizer.decode(prompt) == expected


def test_loss_falls_on_the_answer_and_its_end_only(tokenizer: Tokenizer) -> None:
    messages = say(
        ("system", "be kind"), ("user", "hi"), ("assistant", "hello"), ("user", "bye"),
        ("assistant", "再见"),
    )  # fmt: skip
    ids, loss_mask = render_training(tokenizer, messages)
    assert len(ids) == len(loss_mask)
    learned = [number for number, learns in zip(ids, loss_mask, strict=True) if learns]
    assert tokenizer.decode(learned) == "hello<|im_end|>再见<|im_end|>"
    assert tokenizer.decode(ids) == "".join(
        f"<|im_start|>{message['role']}\n{message['content']}<|im_end|>\n" for message in messages
    )


def with_template(tokenizer: Tokenizer, folder: Path, template: str) -> Tokenizer:
    (folder / "tokenizer.json").write_text(tokenizer._text)
    settings = {"chat_template": template, "eos_token": "<|endoftext|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return Tokenizer.load(folder)


def test_a_checkpoint_is_asked_by_its_own_template(tokenizer: Tokenizer, tmp_path: Path) -> None:
    template = """{% for m in messages %}
    {% if m.role == 'system' %}{% continue %}{% endif %}
{% generation %}[{{ m.role }}] {{ m.content }}{% endgeneration %}{{ eos_token }}
{% endfor %}{% if add_generation_prompt %}[bot]{% endif %}{{ {'名': 1} | tojson }}"""
    own = with_template(tokenizer, tmp_path, template)
    prompt = render_prompt(own, say(("system", "s"), ("user", "hi<|endoftext|>")))
    assert own.decode(prompt) == '[user] hi<|endoftext|><|endoftext|>\n[bot]{"名": 1}'
    assert prompt.count(own.end_of_text_id) == 1


def test_what_a_template_refuses_is_a_clear_error(tokenizer: Tokenizer, tmp_path: Path) -> None:
    template = "{{ raise_exception('roles must alternate') }}"
    own = with_template(tokenizer, tmp_path, template)
    with pytest.raises(UserError, match="roles must alternate"):
        render_prompt(own, say(("user", "hi")))


@pytest.mark.parametrize("template", ["{{ ''.__class__.__mro__ }}", "{% if %}", "{{ nothing.x }}"])
def test_a_harmful_or_broken_template_is_refused(
    tokenizer: Tokenizer, tmp_path: Path, template: str
) -> None:
    own = with_template(tokenizer, tmp_path, template)
    with pytest.raises(UserError, match="chat template refuses"):
        render_prompt(own, say(("user", "hi")))


def test_a_model_without_template_takes_no_messages(tokenizer: Tokenizer, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(tokenizer._text)
    with pytest.raises(UserError, match="no chat template"):
        render_prompt(Tokenizer.load(tmp_path), say(("user", "hi")))


@pytest.mark.parametrize(
    ("messages", "fault"),
    [
        ([], "messages is empty"),
        (say(("robot", "hi")), r"messages\[0\]\.role is 'robot'"),
        (say(("user", "hi"), ("system", "late")), r"messages\[1\] is a system message"),
        ([{"role": "user", "content": None}], r"messages\[0\]\.content is null"),
        ([{"content": "hi"}], r"messages\[0\]\.role is None"),
    ],
)
def test_wrong_messages_are_named(tokenizer: Tokenizer, messages: list, fault: str) -> None:
    for render in (render_prompt, render_training):
        with pytest.raises(UserError, match=fault):
            render(tokenizer, messages)


def test_nothing_can_be_learned_without_an_answer(tokenizer: Tokenizer) -> None:
    with pytest.raises(UserError, match="needs a message of the assistant"):
        render_training(tokenizer, say(("user", "hi")))


@pytest.fixture
def foreign(tmp_path: Path) -> Callable[[str], Tokenizer]:
    train_tokenizer(tmp_path / "made", TEXTS, vocab_size=400)

    def load(template: str) -> Tokenizer:
        folder = tmp_path / "foreign"
        folder.mkdir(exist_ok=True)
        for name in ("tokenizer.json", "tokenizer_config.json"):
            (folder / name).write_bytes((tmp_path / "made" / name).read_bytes())
        (folder / "chat_template.jinja").write_text(template)
        return Tokenizer.load(folder)

    return load


TALK = [("user", "hi"), ("assistant", "hello"), ("user", "bye"), ("assistant", "see you")]
PLAIN = (
    "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)


def test_our_template_and_the_same_one_of_a_checkpoint_teach_the_same(tokenizer: Tokenizer) -> None:
    assert render_training_by_template(tokenizer, say(*TALK)) == render_training(
        tokenizer, say(*TALK)
    )


def test_a_foreign_template_teaches_what_it_will_be_asked_for(
    foreign: Callable[[str], Tokenizer],
) -> None:
    tokenizer = foreign(PLAIN)
    ids, mask = render_training_by_template(tokenizer, say(*TALK))
    learnt = [number for number, counts in zip(ids, mask, strict=True) if counts]
    assert tokenizer.decode(learnt) == "hello<|im_end|>see you<|im_end|>"
    prompt = render_prompt(tokenizer, say(*TALK[:3]))
    assert ids[: len(prompt)] == prompt


@pytest.mark.parametrize(
    ("template", "fault"),
    [
        ("{{ messages | length }} messages", "otherwise than after the prompt before it"),
        ("{{ messages[-1]['content'] }}", "otherwise than after the prompt before it"),
        ("{{ raise_exception('no') }}", "refuses these messages: no"),
        ("{% for %}", "refuses these messages"),
    ],
)
def test_a_wrong_template_is_refused(
    foreign: Callable[[str], Tokenizer], template: str, fault: str
) -> None:
    with pytest.raises(UserError, match=fault):
        render_training_by_template(foreign(template), say(*TALK))
