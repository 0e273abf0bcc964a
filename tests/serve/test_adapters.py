"""Adapters that come and go while the server runs."""

import copy

import pytest
import torch

from lodesmith.infer.config import EngineConfig
from lodesmith.model.adapter_shape import AdapterShape
from lodesmith.model.lora import (
    add_adapter,
    load_adapter,
    merge_adapter,
    save_adapter,
    take_adapter,
)
from lodesmith.serve.adapters import AdapterShelf
from lodesmith.serve.keys import ApiKeys, Caller, make_key
from lodesmith.serve.service import Service

LOAD, UNLOAD = "/v1/load_lora_adapter", "/v1/unload_lora_adapter"


@pytest.fixture(scope="module")
def adapters(loaded, tmp_path_factory):
    folder = tmp_path_factory.mktemp("adapters")
    decoder = copy.deepcopy(loaded.decoder)
    shape = AdapterShape(rank=2, alpha=8.0, targets=("q_proj", "v_proj"))
    add_adapter(decoder, shape, seed=1)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name, weight in decoder.named_parameters():
            if "lora_B" in name:
                weight.copy_(torch.randn(weight.shape, generator=generator))
    save_adapter(folder / "clinic", take_adapter(decoder, shape))
    (folder / "torn").mkdir()
    (folder / "torn" / "adapter_config.json").write_text('{"peft_ty')
    return folder


def start_service(name, model):
    engine = model.start_engine(EngineConfig(num_threads=1))
    return Service(name=name, tokenizer=model.tokenizer, engine=engine, created=1)


@pytest.fixture
def shelf(adapters, loaded):
    started = []

    def start(name, model):
        started.append(start_service(name, model))
        return started[-1]

    yield AdapterShelf(adapters, loaded, start)
    for service in started:
        service.engine.close()


def ask(server, model, **options):
    body = {"model": model, "prompt": "abc", "max_tokens": 12, "temperature": 0}
    return server.post("/v1/completions", body, **options)


def test_an_adapter_answers_as_the_merged_model_and_the_base_as_before(
    start_server, shelf, loaded, adapters
):
    server = start_server(shelf=shelf)
    before = ask(server, "tiny").json()["choices"]
    assert ask(server, "clinic").status_code == 404
    answer = server.post(LOAD, {"lora_name": "clinic", "lora_path": "clinic"})
    assert answer.status_code == 200
    assert [card["id"] for card in server.get("/v1/models").json()["data"]] == ["tiny", "clinic"]
    merged = copy.deepcopy(loaded.decoder)
    merge_adapter(merged, load_adapter(adapters / "clinic"))
    ids = list(loaded.tokenizer.encode("abc"))
    with torch.inference_mode():
        for _ in range(12):
            ids.append(int(merged(torch.tensor([ids]))[0, -1].argmax()))
    said = ask(server, "clinic").json()["choices"][0]["text"]
    assert said == loaded.tokenizer.decode(ids[3:])
    assert said != before[0]["text"]
    assert ask(server, "tiny").json()["choices"] == before
    assert server.post(UNLOAD, {"lora_name": "clinic"}).status_code == 200
    assert ask(server, "clinic").status_code == 404
    assert ask(server, "tiny").json()["choices"] == before


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"lora_name": "a", "lora_path": "../"}, 404, "no adapter"),
        ({"lora_name": "a", "lora_path": "/etc"}, 404, "no adapter"),
        ({"lora_name": "a", "lora_path": "nowhere"}, 404, "no adapter"),
        ({"lora_name": "a", "lora_path": "torn"}, 400, "torn"),
        ({"lora_name": "tiny", "lora_path": "clinic"}, 400, "served already"),
        ({"lora_name": "two words", "lora_path": "clinic"}, 400, "pattern"),
    ],
)
def test_what_is_no_adapter_of_the_folder_is_refused(start_server, shelf, body, status, message):
    response = start_server(shelf=shelf).post(LOAD, body)
    assert response.status_code == status
    assert message in response.json()["error"]["message"]


def test_only_own_adapters_can_be_taken_away(start_server, shelf):
    assert start_server(shelf=shelf).post(UNLOAD, {"lora_name": "tiny"}).status_code == 404


def test_a_tenant_changes_nothing_and_without_a_folder_there_are_no_such_routes(
    start_server, shelf, tmp_path
):
    key, line = make_key(Caller(name="ann", models=frozenset({"tiny"})))
    (tmp_path / "keys").write_text(line)
    server = start_server(shelf=shelf, keys=ApiKeys.load(tmp_path / "keys"))
    headers = {"Authorization": f"Bearer {key}"}
    refused = server.post(LOAD, {"lora_name": "a", "lora_path": "clinic"}, headers=headers)
    assert (refused.status_code, refused.json()["error"]["type"]) == (403, "permission_error")
    assert start_server().post(LOAD, {"lora_name": "a", "lora_path": "clinic"}).status_code == 404
