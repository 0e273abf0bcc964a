"""Adapters that come and go while the server runs."""

import copy

import pytest
import torch

from lodesmith.model.adapter_shape import AdapterShape
from lodesmith.model.lora import (
    add_adapter,
    load_adapter,
    merge_adapter,
    save_adapter,
    take_adapter,
)
from lodesmith.serve.access.keys import ApiKeys, Caller, make_key

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


def ask(server, model, **options):
    body = {"model": model, "prompt": "abc", "max_tokens": 12, "temperature": 0}
    return server.post("/v1/completions", body, **options)


def test_an_adapter_answers_as_the_merged_model_and_the_base_as_before(
    start_server, loaded, adapters
):
    server = start_server(adapters=adapters)
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
def test_what_is_no_adapter_of_the_folder_is_refused(start_server, adapters, body, status, message):
    response = start_server(adapters=adapters).post(LOAD, body)
    assert response.status_code == status
    assert message in response.json()["error"]["message"]


def test_only_own_adapters_can_be_taken_away(start_server, adapters):
    assert start_server(adapters=adapters).post(UNLOAD, {"lora_name": "tiny"}).status_code == 404


def test_a_tenant_changes_nothing_and_without_a_folder_there_are_no_such_routes(
    start_server, adapters, tmp_path
):
    key, line = make_key(Caller(name="ann", models=frozenset({"tiny"})))
    (tmp_path / "keys").write_text(line)
    server = start_server(adapters=adapters, keys=ApiKeys.load(tmp_path / "keys"))
    headers = {"Authorization": f"Bearer {key}"}
    refused = server.post(LOAD, {"lora_name": "a", "lora_path": "clinic"}, headers=headers)
    assert (refused.status_code, refused.json()["error"]["type"]) == (403, "permission_error")
    assert start_server().post(LOAD, {"lora_name": "a", "lora_path": "clinic"}).status_code == 404


def test_a_new_engine_knows_the_adapters_of_the_one_that_failed(start_server, adapters):
    server = start_server(adapters=adapters, kept=True)
    server.post(LOAD, {"lora_name": "clinic", "lora_path": "clinic"})
    before = ask(server, "clinic").json()["choices"]
    server.engine._engine._step = lambda: (_ for _ in ()).throw(RuntimeError("broken"))
    assert ask(server, "tiny").status_code == 500
    assert ask(server, "clinic").json()["choices"] == before
