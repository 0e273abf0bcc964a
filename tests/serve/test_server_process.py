"""The server as a process: signals, ports, and the stage that asks it questions."""

import json
import queue
import signal
import subprocess
import sys
from types import SimpleNamespace

import httpx
import psutil
import pytest
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from lodesmith.cli.main import run_app
from lodesmith.core.errors import EngineError, UserError
from lodesmith.infer.config import EngineConfig
from lodesmith.infer.interface import GenerationRequest, NewToken, Sampling
from lodesmith.lineage.artifact import Draft
from lodesmith.serve import site
from lodesmith.serve.access.listen import bind
from lodesmith.serve.background import background_server
from lodesmith.serve.config import Question, ServeConfig
from lodesmith.serve.server import ServerSettings, serve
from lodesmith.serve.stage import make, model_to_ask

SERVE = "from lodesmith.serve.server import serve; from pathlib import Path; import sys; \
serve({'tiny': Path(sys.argv[1])}, port=0)"


def start_foreground(*command):
    """Return a server process and its address."""
    process = subprocess.Popen([sys.executable, *command], stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if line.startswith("listening on "):
            return process, line.split()[2]
    raise AssertionError("the server did not say where it listens")


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
def test_a_signal_lets_running_requests_finish_and_exits_with_zero(model_folder, number):
    process, url = start_foreground("-c", SERVE, str(model_folder))
    body = {"model": "tiny", "prompt": "a", "max_tokens": 200, "logit_bias": {"97": 100}}
    with (
        httpx.Client(trust_env=False, timeout=60) as client,
        client.stream("POST", f"{url}/completions", json={**body, "stream": True}) as response,
    ):
        lines = response.iter_lines()
        next(lines)
        process.send_signal(number)
        assert list(lines)[-2] == "data: [DONE]"
    assert process.wait(timeout=60) == 0
    process.stderr.close()


def test_the_options_round_the_weights_and_bound_requests(model_folder, loaded):
    process, url = start_foreground(
        "-m", "lodesmith", "serve", str(model_folder), "--port", "0", "--quantization", "int4",
        "--max-model-len", "64", "--max-num-seqs", "2", "--threads", "1",
    )  # fmt: skip
    body = {"prompt": [1, 2, 3], "max_tokens": 8, "temperature": 0, "logprobs": 1}
    answer = httpx.post(f"{url}/completions", json={"model": model_folder.name, **body},
                        trust_env=False, timeout=60)  # fmt: skip
    [card] = httpx.get(f"{url}/models", trust_env=False, timeout=60).json()["data"]
    process.terminate()
    assert process.wait(timeout=60) == 0
    process.stderr.close()
    assert card["max_model_len"] == 64
    served = answer.json()["choices"][0]["logprobs"]["token_logprobs"]
    by_form = {}
    for form in (None, "int4"):
        with loaded.start_engine(EngineConfig(quantization=form)) as engine:
            by_form[form] = ask(engine, input_ids=(1, 2, 3), max_tokens=8)
    assert served == by_form["int4"]
    assert served != by_form[None]


def ask(engine, *, input_ids, max_tokens):
    """Return the log-probabilities of the most probable answer."""
    events = queue.SimpleQueue()
    request = GenerationRequest(
        input_ids=input_ids, max_tokens=max_tokens, sampling=Sampling(temperature=0),
        num_top_logprobs=1,
    )  # fmt: skip
    engine.submit([request], lambda _, event: events.put(event))
    logprobs = []
    while isinstance(event := events.get(timeout=60), NewToken):
        logprobs.append(event.logprobs.logprob)
    return logprobs


def test_an_unknown_way_to_round_is_refused(model_folder, capsys, monkeypatch):
    monkeypatch.setattr(
        sys, "argv", ["lodesmith", "serve", str(model_folder), "--quantization", "int3"]
    )
    assert run_app() == 2
    assert "--quantization is int8 or int4, not int3" in capsys.readouterr().err


def test_headers_are_bounded_whatever_parser_is_installed(monkeypatch):
    used = []
    monkeypatch.setattr(uvicorn.Server, "run", lambda self, sockets: used.append(self.config))
    with bind("127.0.0.1", 0) as listener:
        site._run(FastAPI(), listener)
    used[0].load()
    assert used[0].http_protocol_class is H11Protocol


def test_a_taken_port_is_named_before_the_model_is_loaded(tmp_path):
    with bind("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(UserError, match=f"port {port} on 127.0.0.1 is in use.*--port 0"):
            serve({"tiny": tmp_path / "no model here"}, port=port)


def test_listening_elsewhere_without_keys_is_refused_before_anything_is_bound(tmp_path):
    with pytest.raises(UserError, match="--api-keys"):
        serve({"tiny": tmp_path}, host="0.0.0.0", port=0)


def test_a_folder_of_adapters_that_is_not_there_is_named(model_folder, tmp_path):
    settings = ServerSettings(adapters=tmp_path / "none")
    with pytest.raises(UserError, match=r"no folder .*none for adapters"):
        serve({"tiny": model_folder}, port=0, settings=settings)


def test_a_folder_that_is_no_model_ends_the_child_with_a_clear_error(tmp_path, capfd):
    with (
        pytest.raises(EngineError, match="exit code 2 before it answered"),
        background_server(tmp_path, name="tiny"),
    ):
        pass
    assert "error: " in capfd.readouterr().err


def test_the_child_ends_with_its_parent_even_by_kill(model_folder):
    code = (
        "import sys, time; from pathlib import Path\n"
        "from lodesmith.serve.background import background_server\n"
        "with background_server(Path(sys.argv[1]), name='tiny') as url:\n"
        "    print(url, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(model_folder)], stdout=subprocess.PIPE, text=True
    )
    url = parent.stdout.readline().strip()
    [child] = psutil.Process(parent.pid).children()
    assert httpx.get(f"{url}/health", trust_env=False).status_code == 200
    parent.kill()
    parent.wait()
    parent.stdout.close()
    _, alive = psutil.wait_procs([child], timeout=60)
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


def test_the_stage_writes_what_the_model_says_the_same_in_each_process(
    tmp_path, model_folder, loaded, capfd
):
    model = SimpleNamespace(id="tune-0123456789ab", file=lambda name: model_folder)
    questions = (
        Question(language="zh", question="怎样打印？"),
        Question(language="en", question="How do I print?"),
    )
    settings = ServeConfig(questions=questions, max_tokens=16, temperature=0.9, seed=4)
    draft = Draft(path=tmp_path)
    make(draft, parents={"tune": model}, serve=settings)
    answers = json.loads((tmp_path / "answers.json").read_text(encoding="utf-8"))
    for question, answer in zip(questions, answers, strict=True):
        messages = [{"role": "user", "content": question.question}]
        sampling = Sampling(temperature=0.9, seed=4)
        said = loaded.generate(messages, max_tokens=16, sampling=sampling)
        assert answer == {
            "language": question.language,
            "question": question.question,
            "answer": said,
            "finish_reason": "length",
            "num_tokens": 16,
        }
    assert draft.counts == {"num_questions": 2, "num_tokens": 32}
    printed = capfd.readouterr().err
    assert "How do I print?" in printed
    assert "tune-0123456789ab listens on http://127.0.0.1:" in printed


def test_the_tuned_model_is_asked_if_there_is_one():
    assert model_to_ask({"pretrain": "small talk", "tune": "chat"}) == "chat"
    assert model_to_ask({"pretrain": "small talk"}) == "small talk"


def test_a_model_is_started_without_the_compiler_of_pytorch(model_folder):
    code = (
        "import sys; from pathlib import Path; from lodesmith.infer.load import load_folder\n"
        "loaded = load_folder(Path(sys.argv[1]), name='tiny')\n"
        "print(loaded.generate('a', max_tokens=2) and 'torch._dynamo' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(model_folder)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


def test_config_and_stage_need_no_torch_and_the_port_does_not_change_the_artifact():
    code = (
        "import sys, lodesmith.serve.config, lodesmith.infer.config; print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
    assert ServeConfig(port=8000, max_num_seqs=2).identity() == ServeConfig().identity()
    assert ServeConfig(seed=1).identity() != ServeConfig().identity()
