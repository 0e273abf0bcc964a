"""vLLM behind our address: the same answers, refusals, keys and faults as of our own engine.

Every test runs over a stand-in (`tests/support/vllm_stand_in.py`), and over a real vLLM where the
environment variable LODESMITH_VLLM names its program, such as /opt/vllm/bin/vllm; that takes some
minutes on a CPU. Version 0.32.0 was the last to pass.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import httpx
import psutil
import pytest
import vllm_stand_in
from tiny_server import TOOL_TEMPLATE, LocalServer, openai_client, write_model_folder

from lodesmith.core.errors import EngineError, UserError
from lodesmith.infer.config import EngineConfig
from lodesmith.infer.load import load_folder
from lodesmith.model.adapter_shape import AdapterShape
from lodesmith.model.lora import add_adapter, save_adapter, take_adapter
from lodesmith.serve.access.keys import Caller, make_key
from lodesmith.serve.api.protocol import StreamOptions
from lodesmith.serve.vllm.command import VllmCommand, read_options
from lodesmith.serve.vllm.process import VllmProcess
from lodesmith.serve.vllm.stream import VllmStream

DONE = "data: [DONE]\n\n"
CHAT, TEXT = "/v1/chat/completions", "/v1/completions"
SECRET = "xylophone-7319"  # in prompts, and never in a log
SCHEMA = {
    "type": "object", "required": ["a", "b"], "additionalProperties": False,
    "properties": {"a": {"type": "integer", "minimum": 0, "maximum": 9},
                   "b": {"enum": ["red", "blue"]}},
}  # fmt: skip
TOOLS = [{"type": "function", "function": {"name": "paint", "parameters": SCHEMA}}]
PAINT = {"type": "function", "function": {"name": "paint"}}

pytestmark = [pytest.mark.slow, pytest.mark.dist]


ASCII = {str(byte): -100.0 for byte in range(128, 256)}  # a part of a character has no text yet


def chat(**fields):
    messages = [{"role": "user", "content": f"hi {SECRET}"}]
    return {"model": "tiny", "messages": messages, "max_tokens": 5, "temperature": 0,
            "logit_bias": ASCII, **fields}  # fmt: skip


def text(**fields):
    return {"model": "tiny", "prompt": "abc", "max_tokens": 8, "temperature": 0,
            "logit_bias": ASCII, **fields}  # fmt: skip


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Return a model of a shape that vLLM's kernels know, and a folder with an adapter of it."""
    place = tmp_path_factory.mktemp("vllm")
    model = write_model_folder(
        place / "tiny", max_length=800, head_dim=32, chat_template=TOOL_TEMPLATE
    )
    decoder, shape = load_folder(model, name="tiny").decoder, AdapterShape(
        rank=8, alpha=64.0, targets=("q_proj", "v_proj")
    )  # fmt: skip
    add_adapter(decoder, shape, seed=1)
    for name, weight in decoder.named_parameters():
        if "lora_B" in name:
            weight.data.fill_(0.5)
    save_adapter(place / "adapters" / "clinic", take_adapter(decoder, shape))
    return SimpleNamespace(model=model, adapters=place / "adapters")


@pytest.fixture(scope="module", params=["stand-in", "real"])
def program(request, tmp_path_factory):
    """Return the folder in which the program `vllm` lies."""
    if request.param == "real":
        real = os.environ.get("LODESMITH_VLLM")
        if real is None:
            pytest.skip("LODESMITH_VLLM does not name the program of a vLLM")
        return Path(real).parent
    return write_program(
        tmp_path_factory.mktemp("bin"), f'exec {sys.executable} {vllm_stand_in.__file__} "$@"'
    )


def write_program(folder, line):
    folder.mkdir(exist_ok=True)
    (folder / "vllm").write_text(f"#!/bin/sh\n{line}\n")
    (folder / "vllm").chmod(0o755)
    return folder


@contextlib.contextmanager
def running(program, folders, place, *options, callers=()):
    """Run `lodesmith serve --backend vllm`; yield how it is reached, with a key for each caller."""
    keys = [make_key(caller) for caller in callers]
    (place / "keys").write_text("".join(f"{line}\n" for _, line in keys))
    process = subprocess.Popen(
        [sys.executable, "-m", "lodesmith", "serve", str(folders.model), "--backend", "vllm",
         "--port", "0", "--max-num-seqs", "3", "--max-model-len", "700",
         "--vllm-options", "--enforce-eager --dtype float32", *options,
         *(["--api-keys", str(place / "keys")] if keys else [])],
        env={**os.environ, "PATH": f"{program}{os.pathsep}{os.environ['PATH']}",
             "VLLM_CPU_KVCACHE_SPACE": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    log, url = [], []
    reader = threading.Thread(target=read_log, args=(process, log, url))
    reader.start()
    try:
        wait_until(lambda: url or process.poll() is not None, seconds=280)
        assert url, "".join(log)
        yield SimpleNamespace(
            url=url[0], process=process, log=log, keys=[key for key, _ in keys],
            post=lambda path, body, **more: ask("POST", url[0], path, json=body, **more),
            get=lambda path, **more: ask("GET", url[0], path, **more),
        )  # fmt: skip
    finally:
        process.terminate()
        code = process.wait(120)
        reader.join()
        process.stdout.close()
    assert code == 0, "".join(log)
    assert SECRET not in "".join(log)


def read_log(process, log, url):
    for line in process.stdout:
        log.append(line)
        if line.startswith("listening on "):
            url.append(line.split()[2].removesuffix("/v1"))


def ask(method, url, path, *, key=None, **more):
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    return httpx.request(
        method, f"{url}{path}", headers=headers, trust_env=False, timeout=120, **more
    )


def wait_until(condition, *, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture(scope="module")
def served(program, folders, tmp_path_factory):
    place = tmp_path_factory.mktemp("served")
    with running(program, folders, place, "--adapters", str(folders.adapters)) as server:
        yield server


@pytest.fixture(scope="module")
def own(folders):
    with LocalServer(load_folder(folders.model, name="tiny")) as server:
        yield server


def events(answer):
    assert answer.status_code == 200
    lines = [line for line in answer.text.split("\n\n") if line]
    assert lines[-1] == "data: [DONE]"
    return [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]


def joined(chunks):
    return "".join(each["choices"][0].get("text", "") for each in chunks if each["choices"])


def test_texts_are_those_of_our_own_engine(served, own):
    for path, body in ((CHAT, chat()), (TEXT, text()), (TEXT, text(prompt=[[97, 98], [99]]))):
        said, expected = served.post(path, body).json(), own.post(path, body).json()
        for one, other in zip(said["choices"], expected["choices"], strict=True):
            for field in ("index", "text", "finish_reason"):
                assert one.get(field) == other.get(field)
            if path == CHAT:
                assert one["message"]["content"] == other["message"]["content"]
        counts = ("prompt_tokens", "completion_tokens", "total_tokens")
        assert [said["usage"][name] for name in counts] == [
            expected["usage"][name] for name in counts
        ]


def test_streams_say_what_the_whole_answer_says(served):
    whole = served.post(TEXT, text()).json()
    plain = events(served.post(TEXT, text(stream=True)))
    assert joined(plain) == whole["choices"][0]["text"]
    assert all("usage" not in each for each in plain)
    asked = events(served.post(TEXT, text(stream=True, stream_options={"include_usage": True})))
    assert asked[-1]["usage"]["total_tokens"] == whole["usage"]["total_tokens"]
    assert all(each["usage"] is None for each in asked[:-1])
    options = {"include_usage": True, "continuous_usage_stats": True}
    counted = events(served.post(TEXT, text(stream=True, stream_options=options)))
    assert all(each["usage"]["total_tokens"] for each in counted)


def test_openais_client_reads_it(served):
    with openai_client(served) as client:
        stream = client.chat.completions.create(**chat(stream=True))
        said = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
        assert said == served.post(CHAT, chat()).json()["choices"][0]["message"]["content"]
        assert [model.id for model in client.models.list()] == ["tiny"]


def test_logprobs_of_prompt_and_answer_are_those_of_our_own_engine(served, own):
    body = text(echo=True, logprobs=2, max_tokens=3)
    one, other = (each.post(TEXT, body).json()["choices"][0]["logprobs"] for each in (served, own))
    assert one["token_logprobs"][0] is None
    assert one["token_logprobs"][1:] == pytest.approx(other["token_logprobs"][1:], abs=1e-3)
    scored = chat(logprobs=True, top_logprobs=2, max_tokens=3)
    one, other = (
        each.post(CHAT, scored).json()["choices"][0]["logprobs"]["content"]
        for each in (served, own)
    )
    assert [token["bytes"] for token in one] == [token["bytes"] for token in other]
    assert [len(token["top_logprobs"]) for token in one] == [2, 2, 2]


def test_a_seed_gives_the_same_text_and_choices_differ(served):
    body = text(seed=7, temperature=1.0, max_tokens=24, n=2, ignore_eos=True)
    first, second = (served.post(TEXT, body).json()["choices"] for _ in range(2))
    assert [each["text"] for each in first] == [each["text"] for each in second]
    assert first[0]["text"] != first[1]["text"]


def test_a_stop_string_ends_the_answer_before_it(served):
    whole = served.post(TEXT, text(max_tokens=40)).json()["choices"][0]["text"]
    stop = whole[5:7]
    cut = served.post(TEXT, text(max_tokens=40, stop=[stop])).json()["choices"][0]
    assert (cut["text"], cut["finish_reason"]) == (whole[: whole.index(stop)], "stop")


@pytest.mark.parametrize(
    ("path", "body", "status", "code", "param"),
    [
        (CHAT, chat(foo=1), 400, "unknown_parameter", "foo"),
        (TEXT, text(temperature=-5), 400, None, "temperature"),
        (TEXT, text(guided_json={}), 400, "unknown_parameter", "guided_json"),
        (TEXT, text(model="other"), 404, "model_not_found", "model"),
        (TEXT, text(prompt=[97] * 800), 400, "context_length_exceeded", None),
        (TEXT, text(prompt=[10**6]), 400, None, None),
        (TEXT, text(n=100), 400, None, None),
        ("/detokenize", {"model": "tiny", "tokens": [10**6]}, 400, None, "tokens"),
        ("/v1/embeddings", {"model": "tiny", "input": "a"}, 400, None, None),
        (CHAT, chat(response_format={"type": "json_schema", "json_schema": {
            "name": "a", "schema": {**SCHEMA, "colour": 1}}}), 400, None, "response_format"),
        (CHAT, chat(response_format={"type": "json_schema", "json_schema": {
            "name": "a", "schema": {"type": "array", "uniqueItems": True}}}), 400, None, ...),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_in_openais_form(served, path, body, status, code, param):
    answer = served.post(path, body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code), error
    assert error["type"] == "invalid_request_error"
    assert param is ... or (status == 400 and param is None) or error["param"] == param


def test_ids_and_texts_are_those_of_our_own_engine(served, own):
    asked = [{"role": "developer", "content": "Be brief."}, *chat()["messages"]]
    for body in ({"prompt": "abc"}, {"messages": asked}):
        one, other = (each.post("/tokenize", body).json() for each in (served, own))
        assert one["tokens"] == other["tokens"]
    assert served.post("/detokenize", {"tokens": [97, 98]}).json() == {"prompt": "ab"}


def test_answers_are_held_to_a_schema(served):
    form = {"type": "json_schema", "json_schema": {"name": "paint", "schema": SCHEMA}}
    for seed in range(3):
        body = chat(response_format=form, max_tokens=60, temperature=1.0, seed=seed)
        [choice] = served.post(CHAT, body).json()["choices"]
        data = json.loads(choice["message"]["content"])
        assert (choice["finish_reason"], set(data)) == ("stop", {"a", "b"})
        assert 0 <= data["a"] <= 9
        assert data["b"] in ("red", "blue")


@pytest.mark.parametrize("choice", ["required", PAINT])
def test_tools_are_called_with_arguments_that_fit(served, choice):
    body = chat(tools=TOOLS, tool_choice=choice, parallel_tool_calls=False, max_tokens=90)
    answer = served.post(CHAT, body)
    assert answer.status_code == 200, answer.text
    [whole] = answer.json()["choices"]
    [call] = whole["message"]["tool_calls"]
    chunks = events(served.post(CHAT, {**body, "stream": True}))
    deltas = [
        part["function"]
        for chunk in chunks
        for part in chunk["choices"][0]["delta"].get("tool_calls") or []
    ]
    streamed = "".join(part.get("arguments") or "" for part in deltas)
    assert call["function"]["name"] == deltas[0]["name"] == "paint"
    assert json.loads(streamed) == json.loads(call["function"]["arguments"])
    assert set(json.loads(streamed)) == {"a", "b"}


def test_cards_and_metrics_are_named_as_ours_and_tell_no_folder(served, folders, own):
    [card] = served.get("/v1/models").json()["data"]
    assert set(card) == set(own.get("/v1/models").json()["data"][0])
    assert card == served.get("/v1/models/tiny").json()
    assert card["max_model_len"] == 700
    page = served.get("/metrics").text
    assert str(folders.model) not in page
    theirs, ours = (
        {line.split()[2] for line in each.splitlines() if line.startswith("# TYPE")}
        for each in (page, own.get("/metrics").text)
    )
    assert ours <= theirs
    assert all(name.startswith("vllm:") for name in theirs)
    assert served.get("/health").json() == {"status": "ok"}
    assert served.get("/docs").status_code == served.get("/").status_code == 200


def test_an_adapter_is_put_on_and_taken_off(served):
    base = served.post(TEXT, text()).json()["choices"][0]["text"]
    assert served.post(TEXT, text(model="clinic")).status_code == 404
    loaded = served.post("/v1/load_lora_adapter", {"lora_name": "clinic", "lora_path": "clinic"})
    assert loaded.status_code == 200, loaded.text
    tuned = served.post(TEXT, text(model="clinic")).json()["choices"][0]["text"]
    assert tuned != base
    for path in ("../tiny", "/etc", "nowhere"):
        asked = {"lora_name": "other", "lora_path": path}
        assert served.post("/v1/load_lora_adapter", asked).status_code in (400, 404)
    assert served.post("/v1/unload_lora_adapter", {"lora_name": "clinic"}).status_code == 200
    assert served.post(TEXT, text(model="clinic")).status_code == 404


def num_running(served):
    [line] = [
        each for each in served.get("/metrics").text.splitlines()
        if each.startswith("vllm:num_requests_running{")
    ]  # fmt: skip
    return float(line.rpartition(" ")[2])


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_goes_away_frees_its_place(served, stream):
    body = json.dumps(text(max_tokens=600, ignore_eos=True, stream=stream, n=3))
    host, _, port = served.url.removeprefix("http://").partition(":")
    head = f"POST {TEXT} HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
    leaving = [socket.create_connection((host, int(port))) for _ in range(8)]
    for each in leaving:
        each.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        each.close()
    wait_until(lambda: num_running(served) == 0)
    assert served.post(TEXT, text()).status_code == 200


@pytest.mark.chaos
def test_callers_are_told_apart_and_a_killed_vllm_comes_back(program, folders, tmp_path):
    callers = (
        Caller(name="ann"), Caller(name="bob", tokens_per_day=10),
        Caller(name="eve", models=frozenset({"other"})),
    )  # fmt: skip
    adapters = ("--adapters", str(folders.adapters), "--also", f"other={folders.model}")
    with running(program, folders, tmp_path, *adapters, callers=callers) as served:
        ann, bob, eve = served.keys
        check_callers(served, ann, bob, eve)
        answer = served.post(
            "/v1/load_lora_adapter", {"lora_name": "clinic", "lora_path": "clinic"}, key=ann
        )
        assert answer.status_code == 200
        before = [served.post(TEXT, text(model=name), key=ann).json()["choices"][0]["text"]
                  for name in ("tiny", "clinic")]  # fmt: skip
        family = psutil.Process(served.process.pid).children(recursive=True)
        if sys.platform == "linux":  # elsewhere only root may look
            check_connections(family)
        statuses = kill_and_ask(served, family, ann)
        assert set(statuses) <= {200, 503}, statuses
        after = [served.post(TEXT, text(model=name), key=ann).json()["choices"][0]["text"]
                 for name in ("tiny", "clinic")]  # fmt: skip
        assert after == before
        family += psutil.Process(served.process.pid).children(recursive=True)
    assert not still_alive(family)


def check_callers(served, ann, bob, eve):
    assert served.post(TEXT, text()).status_code == 401
    seen = [card["id"] for card in served.get("/v1/models", key=eve).json()["data"]]
    assert seen == ["other"]
    assert served.post(TEXT, text(), key=eve).status_code == 404
    assert 'model_name="tiny"' not in served.get("/metrics", key=eve).text
    assert 'model_name="other"' in served.get("/metrics", key=eve).text
    assert served.post(TEXT, text(model="other"), key=eve).status_code == 200
    with httpx.stream(  # it hangs up, and is charged all the same
        "POST", f"{served.url}{TEXT}", json=text(max_tokens=300, ignore_eos=True, stream=True),
        headers={"Authorization": f"Bearer {bob}"}, trust_env=False, timeout=120,
    ) as answer:  # fmt: skip
        for number, _ in enumerate(answer.iter_lines()):
            if number > 30:
                break
    wait_until(lambda: served.post(TEXT, text(max_tokens=1), key=bob).status_code == 429)
    refused = served.post(TEXT, text(), key=bob)
    assert refused.json()["error"]["code"] == "insufficient_quota"
    assert int(refused.headers["retry-after"]) > 0
    assert served.post(TEXT, text(), key=ann).status_code == 200


def check_connections(family):
    """Nothing goes out of this machine, and nothing listens beyond it."""
    for process in family:
        for each in process.net_connections(kind="inet"):
            for address in (each.laddr, each.raddr):
                assert not address or address.ip in ("127.0.0.1", "::1"), each


def kill_and_ask(served, family, key):
    """Kill the vLLM of the first model; return the statuses of requests until it answers."""
    [vllm] = [
        each for each in family
        if "--served-model-name tiny" in " ".join(each.cmdline())
        and "group_guard" not in " ".join(each.cmdline())
    ]  # fmt: skip
    left = vllm.children(recursive=True)
    vllm.send_signal(signal.SIGKILL)
    statuses, deadline = [], time.monotonic() + 200
    while not statuses or statuses[-1] != 200 or 503 not in statuses:
        assert time.monotonic() < deadline, "".join(served.log)
        answer = served.post(TEXT, text(max_tokens=2), key=key)
        statuses.append(answer.status_code)
        time.sleep(0.02)
    assert left
    assert not still_alive(left)
    return statuses


def still_alive(processes):
    _, alive = psutil.wait_procs(processes, timeout=60)
    return [each for each in alive if each.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.chaos
@pytest.mark.skipif(sys.platform == "win32", reason="there are no process groups")
def test_a_killed_server_leaves_no_vllm_behind(tmp_path, monkeypatch, model_folder):
    program = write_program(tmp_path / "bin", "sleep 600 & echo $$ $!; exec sleep 600")
    monkeypatch.setenv("PATH", f"{program}{os.pathsep}{os.environ['PATH']}")
    code = (
        "import sys, time; from pathlib import Path\n"
        "from lodesmith.infer.config import EngineConfig\n"
        "from lodesmith.serve.vllm.command import VllmCommand\n"
        "from lodesmith.serve.vllm.process import VllmProcess\n"
        "VllmProcess(VllmCommand(folder=Path(sys.argv[1]), name='a', engine=EngineConfig()))\n"
        "time.sleep(600)"
    )
    server = subprocess.Popen(
        [sys.executable, "-c", code, str(model_folder)], stdout=subprocess.PIPE, text=True
    )
    family = [psutil.Process(int(number)) for number in server.stdout.readline().split()]
    server.kill()
    server.wait()
    server.stdout.close()
    assert not still_alive(family)


def test_a_vllm_that_is_not_here_or_does_not_start_is_named(tmp_path, monkeypatch, model_folder):
    command = VllmCommand(folder=model_folder, name="tiny", engine=EngineConfig())
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineError, match="pip install vllm"):
        VllmProcess(command)
    write_program(tmp_path, "exit 7")
    with pytest.raises(EngineError, match="exit code 7"), VllmProcess(command):
        pass


def test_a_vllm_over_another_folder_than_before_is_not_started(tmp_path, monkeypatch):
    program = write_program(tmp_path / "bin", "exec sleep 600")
    monkeypatch.setenv("PATH", f"{program}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(VllmProcess, "_is_healthy", lambda self: True)
    folder = write_model_folder(tmp_path / "model")
    with VllmProcess(VllmCommand(folder=folder, name="a", engine=EngineConfig())) as vllm:
        assert vllm.trouble is None
        settings = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**settings, "rope_theta": 7.0, "b": 1}))
        vllm._process.kill()
        wait_until(lambda: vllm.failure is not None)
        assert "has changed since" in vllm.trouble


def test_a_stream_that_is_hung_up_has_counted_every_choice_once():
    def chunk(index, made, said):
        usage = {"prompt_tokens": 5 + index // 2, "total_tokens": 0, "completion_tokens": made,
                 "details": {"cached": 1}}  # fmt: skip
        data = {"choices": [{"index": index, "text": said}], "usage": usage}
        return f"data: {json.dumps(data, separators=(',', ':'))}\n\n".encode()

    tricky = ',"usage":{"total_tokens":9}'
    parts = [chunk(0, 1, "a"), chunk(0, 4, tricky), chunk(1, 2, "b"), chunk(2, 7, "c")]
    whole = b"".join(parts)

    async def read():
        for place in range(0, len(whole), 7):  # however the network cuts it
            yield whole[place : place + 7]

    async def show():
        return b"".join([part async for part in stream.events()])

    stream = VllmStream(SimpleNamespace(aiter_bytes=read), StreamOptions(), num_choices=2)
    shown = events(SimpleNamespace(status_code=200, text=asyncio.run(show()).decode() + DONE))
    assert [each["choices"][0]["text"] for each in shown] == ["a", tricky, "b", "c"]
    assert all("usage" not in each for each in shown)
    assert stream.num_tokens == (5 + 4 + 2) + (6 + 7)


def test_tools_are_turned_on_where_the_template_tells_of_them(tool_folder, model_folder):
    def words(folder):
        return VllmCommand(folder=folder, name="tiny", engine=EngineConfig()).words(Path("s"))

    assert words(tool_folder)[3:6] == ["--enable-auto-tool-choice", "--tool-call-parser", "hermes"]
    assert "--tool-call-parser" not in words(model_folder)


def test_several_models_share_the_memory_of_a_machine(model_folder):
    command = VllmCommand(folder=model_folder, name="a", engine=EngineConfig(), num_sharing=3)
    assert "0.300" in command.words(Path("s"))


@pytest.mark.parametrize("text", ["--port 9", "--enable-log-requests", "--api_key=abc", '"open'])
def test_options_that_are_set_here_are_refused(text):
    with pytest.raises(UserError, match="--vllm-options"):
        read_options(text)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--backend", "vllm", "--threads", "2"], "are our engine's"),
        (["--vllm-options", "--dtype float32"], "give that too"),
    ],
)
def test_options_of_the_other_engine_are_refused(model_folder, options, message):
    done = subprocess.run(
        [sys.executable, "-m", "lodesmith", "serve", str(model_folder), *options],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())
