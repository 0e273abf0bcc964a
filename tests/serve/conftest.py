"""A tiny random model, and servers of it."""

from types import SimpleNamespace

import pytest
from tiny_server import TOOL_TEMPLATE, LocalServer, write_model_folder

from lodesmith.core.storage import read_json, write_json
from lodesmith.infer.load import load_folder
from lodesmith.serve.access.keys import ApiKeys


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory):
    return write_model_folder(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="session")
def loaded(model_folder):
    return load_folder(model_folder, name="tiny")


@pytest.fixture(scope="session")
def tool_folder(tmp_path_factory):
    """Return the folder of a model whose chat template tells of tools."""
    folder = write_model_folder(tmp_path_factory.mktemp("tools") / "model", max_length=2048)
    settings = folder / "tokenizer_config.json"
    write_json(settings, {**read_json(settings), "chat_template": TOOL_TEMPLATE})
    return folder


@pytest.fixture(scope="session")
def tool_server(tool_folder):
    with LocalServer(load_folder(tool_folder, name="tiny")) as server:
        yield server


@pytest.fixture(scope="session")
def server(loaded):
    with LocalServer(loaded) as server:
        yield server


@pytest.fixture
def start_server(loaded):
    """Return a function that starts a server of its own for one test."""
    running = []

    def start(**options):
        running.append(LocalServer(**{"loaded": loaded, **options}).__enter__())
        return running[-1]

    yield start
    for each in running:
        each.__exit__()


@pytest.fixture
def keys(tmp_path):
    path = tmp_path / "keys"
    path.write_text("# who may ask\nann:correct-horse-battery\nanother-long-key\n")
    return SimpleNamespace(path=path, loaded=ApiKeys.load(path))
