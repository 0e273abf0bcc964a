"""A model is found by whatever names it: an artifact, a folder, a GGUF file, an adapter."""

import json
import shutil

import pytest
import torch
from tests.support.tiny_model import write_model
from typer.testing import CliRunner

import lodesmith
import lodesmith.cli.main
from lodesmith.cli.app import app
from lodesmith.core.errors import UserError
from lodesmith.lineage.workspace import Workspace
from lodesmith.model.adapter_shape import AdapterShape
from lodesmith.model.checkpoint import load_decoder
from lodesmith.model.gguf_write import export_gguf
from lodesmith.model.locate import locate_model
from lodesmith.model.lora import add_adapter, save_adapter, take_adapter


@pytest.fixture
def model(tmp_path):
    return write_model(tmp_path / "model")


@pytest.fixture
def file(tmp_path, model):
    (tmp_path / "files").mkdir()
    export_gguf(model, tmp_path / "files" / "model.gguf")
    return tmp_path / "files" / "model.gguf"


@pytest.fixture
def space(tmp_path):
    return Workspace(tmp_path / "space")


def test_a_gguf_file_and_the_folder_that_it_lies_in_are_the_same_model(space, model, file, capsys):
    found = locate_model(str(file), space)
    assert found.is_relative_to(space.cache)
    assert "unpacking" in capsys.readouterr().err
    assert locate_model(str(file.parent), space) == found
    assert "unpacking" not in capsys.readouterr().err
    ids = torch.arange(12)[None]
    with torch.inference_mode():
        assert torch.equal(load_decoder(found)(ids), load_decoder(model)(ids))
    assert locate_model(str(model), space) == model


def test_a_gguf_file_is_evaluated_loaded_and_exported_as_it_is(tmp_path, space, model, file):
    scores = []
    for name in (model, file):
        found = CliRunner().invoke(
            app, ["evaluate", str(name), "--tasks", "arithmetic", "--limit", "2", "--json",
                  "--workspace", str(space.root)],
        )  # fmt: skip
        assert found.exit_code == 0, found.exception
        scores.append(json.loads(found.stdout)["arithmetic"])
    assert scores[0] == scores[1]
    loaded = [lodesmith.load_model(str(name), workspace=space) for name in (model, file)]
    said = [one.generate("What is a liver?", max_tokens=4) for one in loaded]
    assert said[0] == said[1]
    command = ["export", str(file), "-o", str(tmp_path / "out"), "--workspace", str(space.root)]
    assert CliRunner().invoke(app, command).exit_code == 0
    assert (tmp_path / "out" / "model.safetensors").is_file()


def test_which_of_several_files_is_meant_must_be_said(space, file):
    shutil.copyfile(file, file.parent / "other.gguf")
    with pytest.raises(UserError, match=r"holds 2 GGUF files \(model.gguf, other.gguf\); give the"):
        locate_model(str(file.parent), space)


def test_a_file_that_is_not_there_is_no_artifact_either(space):
    with pytest.raises(UserError, match=r"nothing.gguf is not there; give the path"):
        locate_model("nothing.gguf", space)


def test_an_adapter_is_merged_into_the_base_that_it_names(tmp_path, space, model):
    shape = AdapterShape(2, 4.0, ("q_proj",))
    decoder = load_decoder(model)
    add_adapter(decoder, shape, seed=1)
    with torch.no_grad():
        for name, weight in decoder.named_parameters():
            if name.endswith("lora_B"):
                weight.fill_(0.1)
    save_adapter(tmp_path / "adapter", take_adapter(decoder, shape))
    settings = tmp_path / "adapter" / "adapter_config.json"
    named = {**json.loads(settings.read_text()), "base_model_name_or_path": str(model)}
    settings.write_text(json.dumps(named))
    ids = torch.arange(12)[None]
    with torch.inference_mode():
        merged = load_decoder(locate_model(str(tmp_path / "adapter"), space))
        torch.testing.assert_close(merged(ids), decoder(ids), rtol=1e-5, atol=1e-6)
