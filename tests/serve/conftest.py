"""A tiny random model, and servers of it."""

from types import SimpleNamespace

import pytest
from tiny_server import LocalServer, write_model_folder

from lodesmith.infer.load import load_folder
from lodesmith.serve.keys import ApiKeys


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory):
    return write_model_folder(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="session")
def loaded(model_folder):
    return load_folder(model_folder, name="tiny")


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
