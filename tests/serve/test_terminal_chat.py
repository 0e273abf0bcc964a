"""The conversation in the terminal."""

import io
import itertools
from dataclasses import replace

import pytest

from lodesmith.core.errors import UserError
from lodesmith.data.tokenizer import Tokenizer
from lodesmith.infer.load import open_folder
from lodesmith.infer.weights import StoredWeights
from lodesmith.serve import chat as terminal
from lodesmith.serve.chat import chat


def talk(loaded, text, **settings):
    output = io.StringIO()
    settings = {"max_tokens": 8, "temperature": 0.0, **settings}
    chat(loaded, source=io.StringIO(text), output=output, **settings)
    return output.getvalue()


def answer_to(loaded, *turns):
    roles = itertools.cycle(("user", "assistant"))
    messages = [{"role": role, "content": turn} for role, turn in zip(roles, turns, strict=False)]
    return loaded.generate(messages, max_tokens=8)


def test_answers_build_on_what_was_said_and_the_end_of_input_ends_it(loaded):
    first = answer_to(loaded, "one")
    second = answer_to(loaded, "one", first, "two")
    assert talk(loaded, "one\n\ntwo\n") == f"{first}\n{second}\n"


def test_reset_forgets_and_exit_ends(loaded, capsys):
    first, second = answer_to(loaded, "one"), answer_to(loaded, "two")
    assert talk(loaded, "one\n/reset\ntwo\n/exit\nthree\n") == f"{first}\n{second}\n"
    assert "(forgotten)" in capsys.readouterr().err


def test_a_conversation_that_grew_too_long_says_so_and_goes_on(loaded, capsys):
    text = "one\n" + "x" * 250 + "\n/reset\none\n"
    first = answer_to(loaded, "one")
    assert talk(loaded, text) == f"{first}\n{first}\n"
    assert "/reset begins anew" in capsys.readouterr().err


def test_ctrl_c_stops_the_answer_but_not_the_conversation(loaded):
    class Interrupting(io.StringIO):
        interrupted = False

        def flush(self):
            if not self.interrupted and self.getvalue():
                self.interrupted = True
                raise KeyboardInterrupt

    output = Interrupting()
    source = io.StringIO("one\n/reset\none\n")
    chat(loaded, max_tokens=8, temperature=0.0, source=source, output=output)
    stopped, whole = output.getvalue().split("\n", 1)[0], answer_to(loaded, "one")
    assert whole.startswith(stopped)
    assert len(stopped) < len(whole)
    assert output.getvalue() == f"{stopped}\n{whole}\n"


def test_a_folder_is_held_once_and_pytorch_leaves_the_cores_to_the_engine(
    model_folder, loaded, monkeypatch, capsys
):
    told, opened = [], []
    monkeypatch.setattr(terminal.torch, "set_num_threads", told.append)

    def open_and_note(*args, **options):
        opened.append(open_folder(*args, **options))
        return opened[-1]

    monkeypatch.setattr(terminal, "open_folder", open_and_note)
    monkeypatch.setattr(terminal.sys, "stdin", io.StringIO("one\n"))
    terminal.chat_with_folder(model_folder, max_tokens=8, temperature=0.0)
    assert capsys.readouterr().out == f"{answer_to(loaded, 'one')}\n"
    assert told[0] == 1
    assert isinstance(opened[0].weights, StoredWeights)


def test_a_model_without_chat_template_is_refused(loaded, model_folder, tmp_path):
    (tmp_path / "tokenizer.json").write_bytes((model_folder / "tokenizer.json").read_bytes())
    plain = replace(loaded, tokenizer=Tokenizer.load(tmp_path))
    with pytest.raises(UserError, match="no chat template"):
        talk(plain, "one\n")
