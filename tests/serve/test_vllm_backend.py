"""vLLM behind our address. It cannot be installed on every machine, so a stand-in takes its place:
a program called `vllm` with vLLM's options, whose answers are those of our own server."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import httpx
import psutil
import pytest
import uvicorn

from lodesmith.core.errors import EngineError
from lodesmith.infer.config import EngineConfig
from lodesmith.serve.keys import ApiKeys, Caller, make_key
from lodesmith.serve.listen import bind, url_of
from lodesmith.serve.vllm_process import VllmCommand, VllmProcess
from lodesmith.serve.vllm_proxy import create_proxy

STAND_IN = """#!{python}
import argparse, os, sys
from pathlib import Path
parser = argparse.ArgumentParser()
parser.add_argument("verb"), parser.add_argument("folder", type=Path)
parser.add_argument("--host"), parser.add_argument("--port", type=int)
parser.add_argument("--served-model-name"), parser.add_argument("--max-num-seqs", type=int)
parser.add_argument("--max-model-len", type=int), parser.add_argument("--generation-config")
options = parser.parse_args()
assert os.environ["VLLM_NO_USAGE_STATS"] == os.environ["HF_HUB_OFFLINE"] == "1"
assert options.verb == "serve"
Path({note!r}).write_text(str(os.getpid()))
from lodesmith.infer.config import EngineConfig
from lodesmith.serve.server import ServerSettings, serve
engine = EngineConfig(max_num_seqs=options.max_num_seqs, max_model_len=options.max_model_len)
serve({{options.served_model_name: options.folder}}, host=options.host, port=options.port,
      settings=ServerSettings(engine=engine))
"""
CHAT = "/v1/chat/completions"


def chat(**fields):
    messages = [{"role": "user", "content": "hi"}]
    return {"model": "tiny", "messages": messages, "max_tokens": 5, "temperature": 0, **fields}


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Put a stand-in on the PATH; return the file that tells its process id."""
    note, program = tmp_path / "pid", tmp_path / "bin" / "vllm"
    program.parent.mkdir()
    program.write_text(STAND_IN.format(python=sys.executable, note=str(note)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return note


@contextlib.contextmanager
def proxy_before(vllm, *, keys=None):
    app = create_proxy(vllm, name="tiny", keys=keys, request_seconds=60)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    with bind("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        while not server.started:
            time.sleep(0.01)
        with httpx.Client(base_url=url_of(listener), trust_env=False, timeout=60) as client:
            yield client
        server.should_exit = True
        thread.join()


@pytest.mark.slow
@pytest.mark.dist
@pytest.mark.chaos
def test_answers_pass_through_keys_count_and_a_killed_vllm_comes_back(
    stand_in, model_folder, tmp_path, server
):
    (key, line), (small, small_line) = (
        make_key(Caller(name="ann")), make_key(Caller(name="bob", tokens_per_day=10)),
    )  # fmt: skip
    (tmp_path / "keys").write_text(f"{line}\n{small_line}\n")
    command = VllmCommand(
        folder=model_folder, name="tiny", engine=EngineConfig(max_num_seqs=3, max_model_len=200)
    )
    keys = ApiKeys.load(tmp_path / "keys")
    with VllmProcess(command) as vllm, proxy_before(vllm, keys=keys) as client:
        assert client.post(CHAT, json=chat()).status_code == 401
        client.headers["Authorization"] = f"Bearer {key}"
        whole = client.post(CHAT, json=chat()).json()
        assert whole["choices"] == server.post(CHAT, chat()).json()["choices"]
        assert client.get("/v1/models").json()["data"][0]["max_model_len"] == 200
        assert client.get("/v1/models/tiny").json() == client.get("/v1/models").json()["data"][0]
        assert client.get("/v1/models/other").json()["error"]["code"] == "model_not_found"
        assert "vllm:num_requests_running" in client.get("/metrics").text
        assert client.post(CHAT, json=chat(temperature=9)).status_code == 400
        check_streams(client, whole)
        check_quota(client, small)
        os.kill(int(stand_in.read_text()), signal.SIGKILL)
        statuses = ask_until_answered(client)
        assert set(statuses) <= {200, 503}
        assert client.post(CHAT, json=chat()).json()["choices"] == whole["choices"]
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{vllm.url}/health", trust_env=False)


def test_a_client_that_goes_away_frees_its_place_in_vllm(start_server):
    server = start_server(step_seconds=0.1)
    vllm = SimpleNamespace(url=server.url, failure=None)
    with proxy_before(vllm) as client:
        body = json.dumps(chat(max_tokens=200, ignore_eos=True))
        head = f"POST {CHAT} HTTP/1.1\r\nHost: here\r\nContent-Length: {len(body)}\r\n\r\n"
        with socket.create_connection((client.base_url.host, client.base_url.port)) as leaving:
            leaving.sendall(f"{head}{body}".encode())
            server.wait_for(lambda stats: stats.num_running == 1)
        server.wait_for(lambda stats: stats.num_running == 0)
        assert server.engine.stats().num_steps < 200  # whole, it takes 20 s


def test_vllm_calls_tools_where_the_template_tells_of_them(tool_folder, model_folder):
    def words(folder):
        return VllmCommand(folder=folder, name="tiny", engine=EngineConfig()).words(1)

    assert words(tool_folder)[-3:] == ["--enable-auto-tool-choice", "--tool-call-parser", "hermes"]
    assert "--tool-call-parser" not in words(model_folder)


def check_streams(client, whole):
    plain = client.post(CHAT, json=chat(stream=True)).text
    assert "total_tokens" not in plain
    assert plain.rstrip().endswith("data: [DONE]")
    asked = client.post(CHAT, json=chat(stream=True, stream_options={"include_usage": True})).text
    assert f'"total_tokens":{whole["usage"]["total_tokens"]}' in asked


def check_quota(client, key):
    """The tokens of a stream are counted though the caller did not ask for its usage."""
    headers = {"Authorization": f"Bearer {key}"}
    assert client.post(CHAT, json=chat(stream=True), headers=headers).status_code == 200
    refused = client.post(CHAT, json=chat(), headers=headers)
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "insufficient_quota")


def ask_until_answered(client):
    statuses, deadline = [], time.monotonic() + 120
    while not statuses or statuses[-1] != 200:
        assert time.monotonic() < deadline
        statuses.append(client.post(CHAT, json=chat()).status_code)
        time.sleep(0.1)
    return statuses


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that it is alone")
def test_a_killed_server_leaves_no_vllm_behind(tmp_path, monkeypatch, model_folder):
    program = tmp_path / "vllm"
    program.write_text("#!/bin/sh\necho $$\nexec sleep 600\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    code = (
        "import sys, time; from pathlib import Path\n"
        "from lodesmith.infer.config import EngineConfig\n"
        "from lodesmith.serve.vllm_process import VllmCommand, VllmProcess\n"
        "VllmProcess(VllmCommand(folder=Path(sys.argv[1]), name='a', engine=EngineConfig()))\n"
        "time.sleep(600)"
    )
    server = subprocess.Popen(
        [sys.executable, "-c", code, str(model_folder)], stdout=subprocess.PIPE, text=True
    )
    vllm = psutil.Process(int(server.stdout.readline()))
    server.kill()
    server.wait()
    server.stdout.close()
    _, alive = psutil.wait_procs([vllm], timeout=60)
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


def test_a_vllm_that_is_not_here_or_does_not_start_is_named(tmp_path, monkeypatch, model_folder):
    command = VllmCommand(folder=model_folder, name="tiny", engine=EngineConfig())
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineError, match="pip install vllm"):
        VllmProcess(command)
    program = tmp_path / "vllm"
    program.write_text("#!/bin/sh\nexit 7\n")
    program.chmod(0o755)
    with pytest.raises(EngineError, match="exit code 7"), VllmProcess(command):
        pass


def test_the_command_line_refuses_what_vllm_does_not_do_here(model_folder):
    done = subprocess.run(
        [sys.executable, "-m", "lodesmith", "serve", str(model_folder), "--backend", "vllm",
         "--also", f"b={model_folder}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "serves one model" in done.stderr
