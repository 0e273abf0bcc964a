"""Who may ask: hashed keys, models of a tenant, limits a minute and quotas a day."""

import asyncio
import re
from types import SimpleNamespace

import pytest
from fastapi import Request

from lodesmith.core.errors import UserError
from lodesmith.infer.interface import GenerationRequest
from lodesmith.serve.access.keys import ApiKeys, Caller, make_key
from lodesmith.serve.access.quotas import Quotas
from lodesmith.serve.access.usage import UsageFile
from lodesmith.serve.answers.answers import Answers
from lodesmith.serve.answers.completion_format import CompletionFormat
from lodesmith.serve.answers.respond import respond
from lodesmith.serve.answers.service import Service
from lodesmith.serve.api.faults import ApiError
from lodesmith.serve.api.protocol import CompletionBody

CHAT = "/v1/chat/completions"


def chat(model="tiny", **fields):
    return {
        "model": model, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 4, **fields,
    }  # fmt: skip


def write_keys(folder, *callers):
    """Return the loaded file of keys, and the headers of each caller."""
    made = [make_key(caller) for caller in callers]
    path = folder / "keys"
    path.write_text("".join(f"{line}\n" for _, line in made))
    return ApiKeys.load(path), [{"Authorization": f"Bearer {key}"} for key, _ in made]


def test_a_made_key_is_known_by_its_hash_and_stands_nowhere(tmp_path):
    caller = Caller(
        name="ann", models=frozenset({"b", "a"}), requests_per_minute=5, tokens_per_day=9
    )
    key, line = make_key(caller)
    assert key not in line
    assert re.fullmatch(
        r"ann:sha256=[0-9a-f]{64} models=a,b requests_per_minute=5 tokens_per_day=9", line
    )
    (tmp_path / "keys").write_text(line)
    keys = ApiKeys.load(tmp_path / "keys")
    assert keys.find_caller(key) == caller
    assert keys.find_caller(key + "x") is None


@pytest.mark.parametrize("word", ["tokens_per_day=0", "models=", "rate=3", "requests_per_minute=x"])
def test_a_wrong_right_is_named_by_its_line(tmp_path, word):
    (tmp_path / "keys").write_text(f"ann:good-long-key {word}\n")
    with pytest.raises(UserError, match="keys:1: after a key") as caught:
        ApiKeys.load(tmp_path / "keys")
    assert "good-long-key" not in str(caught.value)


def test_a_tenant_sees_and_uses_only_its_models(start_server, tmp_path):
    keys, (ann, bob) = write_keys(
        tmp_path, Caller(name="ann", models=frozenset({"tiny"})),
        Caller(name="bob", models=frozenset({"other"})),
    )  # fmt: skip
    server = start_server(keys=keys, names=("tiny", "other"))
    for headers, own, foreign in ((ann, "tiny", "other"), (bob, "other", "tiny")):
        listed = server.get("/v1/models", headers=headers).json()["data"]
        assert [card["id"] for card in listed] == [own]
        assert server.post(CHAT, chat(own), headers=headers).status_code == 200
        for response in (
            server.post(CHAT, chat(foreign), headers=headers),
            server.post("/v1/embeddings", {"model": foreign, "input": "a"}, headers=headers),
            server.post("/tokenize", {"model": foreign, "prompt": "a"}, headers=headers),
            server.get(f"/v1/models/{foreign}", headers=headers),
        ):
            assert response.status_code == 404
            assert response.json()["error"]["code"] == "model_not_found"
        assert foreign not in server.get("/metrics", headers=headers).text
        unknown = server.post(CHAT, chat("nowhere"), headers=headers).json()["error"]["message"]
        assert foreign not in unknown


def test_more_requests_than_a_minute_allows_get_429_and_others_are_unhurt(start_server, tmp_path):
    keys, (ann, bob) = write_keys(
        tmp_path, Caller(name="ann", requests_per_minute=2), Caller(name="bob")
    )
    server = start_server(keys=keys)
    statuses = [server.post(CHAT, chat(), headers=ann).status_code for _ in range(2)]
    refused = server.post(CHAT, chat(), headers=ann)
    assert statuses == [200, 200]
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "rate_limit_exceeded")
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert server.post(CHAT, chat(), headers=bob).status_code == 200


def test_a_used_up_quota_gets_429_until_tomorrow(start_server, tmp_path):
    keys, (ann,) = write_keys(tmp_path, Caller(name="ann", tokens_per_day=10))
    server = start_server(keys=keys)
    first = server.post(CHAT, chat(stream=False), headers=ann)
    assert first.json()["usage"]["total_tokens"] >= 10
    refused = server.post(CHAT, chat(), headers=ann)
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "insufficient_quota")
    assert int(refused.headers["Retry-After"]) > 0


def test_the_bucket_fills_evenly_and_holds_one_minute():
    now = [0.0]
    quotas = Quotas(clock=lambda: now[0])
    ann = Caller(name="ann", requests_per_minute=6)
    for _ in range(6):
        quotas.check(ann)
    with pytest.raises(ApiError) as caught:
        quotas.check(ann)
    assert caught.value.headers() == {"Retry-After": "11"}
    now[0] = 10.0
    quotas.check(ann)
    now[0] = 10_000.0
    for _ in range(6):
        quotas.check(ann)
    with pytest.raises(ApiError):
        quotas.check(ann)


def test_a_new_day_begins_with_no_tokens():
    today = [86_400.0 * 5 + 100]
    quotas = Quotas(calendar=lambda: today[0])
    ann = Caller(name="ann", tokens_per_day=3)
    quotas.check(ann)
    quotas.add_tokens(ann, 3)
    with pytest.raises(ApiError) as caught:
        quotas.check(ann)
    assert caught.value.headers() == {"Retry-After": str(86_300)}
    today[0] += 86_300
    quotas.check(ann)


def test_a_server_that_starts_again_goes_on_counting(start_server, tmp_path):
    keys, (ann, bob) = write_keys(
        tmp_path, Caller(name="ann", tokens_per_day=10), Caller(name="bob", tokens_per_day=1000)
    )
    server = start_server(keys=keys)
    for headers in (ann, bob):
        assert server.post(CHAT, chat(), headers=headers).status_code == 200
    again = start_server(keys=ApiKeys.load(keys.path))
    refused = again.post(CHAT, chat(), headers=ann)
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "insufficient_quota")
    assert again.post(CHAT, chat(), headers=bob).status_code == 200


def test_tokens_of_a_day_are_counted_whatever_happened_to_the_file(tmp_path):
    today = [86_400.0 * 5 + 100]
    ann, bob = (Caller(name=name, tokens_per_day=100) for name in ("ann", "bob"))

    def start():
        return Quotas(usage=UsageFile(tmp_path / "keys"), calendar=lambda: today[0])

    quotas = start()
    quotas.add_tokens(ann, 60)
    path = tmp_path / "keys.used-1970-01-06"
    assert path.stat().st_mode & 0o777 == 0o600
    with path.open("ab") as file:
        file.write(b"\n\xff\xfe\nann\nann many\nbob 9")  # torn, and no line of ours
    quotas.add_tokens(ann, 40)
    with pytest.raises(ApiError, match="used up"):
        start().check(ann)
    start().check(bob)
    today[0] += 86_400
    (tmp_path / "keys").write_text("stays")
    start().check(ann)
    assert [each.name for each in tmp_path.iterdir()] == ["keys"]


def test_a_folder_that_takes_no_file_is_told_once_and_answers_go_on(tmp_path, capfd):
    ann = Caller(name="ann", tokens_per_day=100)
    quotas = Quotas(usage=UsageFile(tmp_path / "nowhere" / "keys"))
    quotas.add_tokens(ann, 60)
    quotas.add_tokens(ann, 60)
    with pytest.raises(ApiError, match="used up"):
        quotas.check(ann)
    assert capfd.readouterr().err.count("counted in memory only") == 1


def test_an_answer_that_takes_too_long_is_given_up_and_frees_its_place(start_server):
    server = start_server(step_seconds=0.05, request_seconds=0.5)
    body = chat(max_tokens=200, logit_bias={"97": 100})
    late = server.post(CHAT, body)
    assert (late.status_code, late.json()["error"]["code"]) == (504, "timeout")
    server.wait_for(lambda stats: stats.num_running == 0)
    stream = server.post(CHAT, {**body, "stream": True}).text
    assert '"code":"timeout"' in stream
    assert "[DONE]" not in stream
    server.wait_for(lambda stats: stats.num_running == 0)


def test_a_client_that_never_reads_is_given_up_too(start_server):
    import socket

    server = start_server(step_seconds=0.01, request_seconds=1.0)
    host, port = server.url.removeprefix("http://").split(":")
    body = (
        '{"model":"tiny","messages":[{"role":"user","content":"hi"}],"max_tokens":200,'
        '"stream":true,"logprobs":true,"top_logprobs":20,"logit_bias":{"97":100},"n":8}'
    )
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect((host, int(port)))
        client.sendall(
            f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        server.wait_for(lambda stats: stats.num_running > 0)
        server.wait_for(lambda stats: stats.num_running == 0)
    assert server.post(CHAT, chat()).status_code == 200


def test_five_hundred_open_connections_leave_room_for_one_more(start_server):
    import socket

    server = start_server()
    host, port = server.url.removeprefix("http://").split(":")
    idle = [socket.create_connection((host, int(port))) for _ in range(500)]
    try:
        assert server.post(CHAT, chat()).status_code == 200
    finally:
        for connection in idle:
            connection.close()


def test_the_command_makes_keys_that_the_server_knows(tmp_path, capsys, monkeypatch):
    from lodesmith.cli.main import run_app

    path = tmp_path / "keys.txt"
    made = {}
    for name, rights in (("ann", ["--models", "a,b"]), ("bob", ["--tokens-per-day", "7"])):
        monkeypatch.setattr(
            "sys.argv", ["lodesmith", "api-key", name, "--file", str(path), *rights]
        )
        assert run_app() == 0
        made[name] = capsys.readouterr().out.strip()
    keys = ApiKeys.load(path)
    assert keys.find_caller(made["ann"]) == Caller(name="ann", models=frozenset({"a", "b"}))
    assert keys.find_caller(made["bob"]) == Caller(name="bob", tokens_per_day=7)
    assert path.stat().st_mode & 0o777 == 0o600
    assert not any(key in path.read_text() for key in made.values())
    monkeypatch.setattr("sys.argv", ["lodesmith", "api-key", "ann", "--file", str(path)])
    assert run_app() == 2
    assert "has a key of ann already" in capsys.readouterr().err


def test_a_client_that_never_reads_is_charged_once_it_goes(loaded):
    mute = SimpleNamespace(
        submit=lambda *_, wake: [0],
        cancel=lambda _: None,
        stats=lambda: SimpleNamespace(failure=None),
        limits=SimpleNamespace(max_num_queued_seqs=1),
    )

    async def hang_up():
        service = Service(name="tiny", tokenizer=loaded.tokenizer, engine=mute, created=1)
        request = GenerationRequest(input_ids=(1, 2), max_tokens=9)
        answers = await Answers.ask(service, [request], on_end=charged.append)
        body = CompletionBody(model="tiny", prompt=[1, 2], stream=True)
        response = await respond(
            Request({"type": "http"}), answers, CompletionFormat, body=body, num_prompt_tokens=2,
            limit_seconds=60,
        )  # fmt: skip
        await response({"type": "http"}, gone, never_sent)

    async def gone():
        return {"type": "http.disconnect"}

    async def never_sent(message):
        await asyncio.Event().wait()

    charged = []
    asyncio.run(hang_up())
    assert charged == [0]
