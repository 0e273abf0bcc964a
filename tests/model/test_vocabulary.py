"""A tokenizer of another model is noticed, though it has as many tokens."""

import json
from pathlib import Path

import pytest
import tokenizers
from tests.support.tiny_model import write_model
from typer.testing import CliRunner

import lodesmith.cli.main  # noqa: F401 adds the commands
from lodesmith.cli.app import app
from lodesmith.core.errors import UserError
from lodesmith.data.tokenizer import Tokenizer
from lodesmith.model.checkpoint import load_decoder, save_decoder
from lodesmith.model.export import export_model
from lodesmith.model.vocabulary import load_tokenizer
from lodesmith.tokenize.bpe import train_tokenizer


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = write_model(tmp_path_factory.mktemp("model"), vocab_size=275)
    own = Tokenizer.load(folder)
    save_decoder(folder, load_decoder(folder), eos_ids=own.eos_ids, vocabulary=own.vocabulary)
    return folder


@pytest.fixture
def mixed(model, tmp_path):
    """The model with the tokenizer of another one, of the same size."""
    folder = tmp_path / "mixed"
    train_tokenizer(folder, ["another text, with other words in it\n" * 3] * 9, vocab_size=275)
    assert Tokenizer.load(folder).vocab_size == load_tokenizer(model).vocab_size
    for name in ("config.json", "generation_config.json", "model.safetensors"):
        (folder / name).write_bytes((model / name).read_bytes())
    (tmp_path / "text.txt").write_text("a text to score")
    return folder


@pytest.mark.parametrize(
    "command",
    [
        "evaluate MODEL --tasks bits_per_byte --documents text.txt",
        "export MODEL -o out",
        "export MODEL -o out.gguf --format gguf",
        "chat MODEL",
    ],
)
def test_commands_refuse_it_and_leave_nothing(mixed, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    found = CliRunner().invoke(app, command.replace("MODEL", str(mixed)).split(), input="hi\n")
    assert isinstance(found.exception, UserError)
    assert "the tokenizer is another model's: its tokens are not those" in str(found.exception)
    assert not list(tmp_path.glob("out*"))


def test_another_programs_export_refuses_it_too(mixed, tmp_path):
    with pytest.raises(UserError, match="the tokenizer is another model's"):
        export_model(mixed, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_model_of_the_right_tokenizer_says_so_wherever_it_is_exported(model, tmp_path):
    found = CliRunner().invoke(app, ["export", str(model), "-o", str(tmp_path / "out")])
    assert found.exit_code == 0, found.output
    stated = json.loads((tmp_path / "out" / "config.json").read_text())["vocabulary_sha256"]
    assert stated == load_tokenizer(tmp_path / "out").vocabulary


def test_the_layout_of_the_file_and_added_tokens_change_nothing(model, tmp_path):
    folder = write_model(tmp_path, vocab_size=275)
    (folder / "config.json").write_bytes((model / "config.json").read_bytes())
    own = load_tokenizer(folder).vocabulary
    engine = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    engine.save(str(folder / "tokenizer.json"), pretty=True)
    assert load_tokenizer(folder).vocabulary == own
    tokens = Tokenizer.load(folder).vocab_size
    engine.add_special_tokens(["<|call|>"])
    engine.save(str(folder / "tokenizer.json"))
    assert Tokenizer.load(folder).vocab_size == tokens + 1
    assert Tokenizer.load(folder).vocabulary == own
    with pytest.raises(UserError, match=f"has {tokens + 1} tokens but the model only {tokens}"):
        load_tokenizer(folder)


def test_a_model_made_elsewhere_is_taken_at_its_word(mixed):
    path = Path(mixed) / "config.json"
    settings = json.loads(path.read_text())
    del settings["vocabulary_sha256"]
    path.write_text(json.dumps(settings))
    assert load_tokenizer(mixed).digest == Tokenizer.load(mixed).digest
