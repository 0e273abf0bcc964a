"""Clients that people use, as they are, against a server of this process."""

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest


def need(module, package):
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"needs {package}: pip install {package}")


@pytest.fixture
def no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.mark.slow
def test_schemathesis_finds_no_answer_that_the_openapi_description_does_not_promise(
    server, tmp_path, no_proxy
):
    need("schemathesis", "schemathesis")
    command = Path(sys.executable).parent / "st"
    done = subprocess.run(
        [
            command, "run", f"{server.url}/openapi.json", "--max-examples", "25", "--seed", "1",
            "--phases", "coverage,fuzzing", "--request-timeout", "60",
            # Rules between two fields (give prompt or messages) cannot be said in OpenAPI.
            "--exclude-checks", "positive_data_acceptance", "--no-color",
        ],
        capture_output=True, text=True, check=False, cwd=tmp_path, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.slow
def test_langchain_talks_streams_and_calls_tools(tool_server, no_proxy):
    need("langchain_openai", "langchain-openai")
    from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
    from langchain_openai import ChatOpenAI

    model = ChatOpenAI(
        base_url=f"{tool_server.url}/v1", api_key="none", model="tiny", max_tokens=120, seed=3,
        temperature=1.0, max_retries=0,
    )  # fmt: skip
    question = [SystemMessage("be brief"), HumanMessage("hi")]
    answer = model.invoke(question)
    assert answer.usage_metadata["output_tokens"] > 0
    streamed = "".join(chunk.content for chunk in model.stream(question))
    assert streamed == answer.content

    def add(a: Literal[1, 2]) -> int:
        """Add."""
        return a

    called = model.bind_tools([add], tool_choice="add").invoke(question)
    [call] = called.tool_calls
    assert call["name"] == "add"
    assert call["args"]["a"] in (1, 2)
    history = [*question, called, ToolMessage("3", tool_call_id=call["id"])]
    assert model.bind_tools([add]).invoke(history).response_metadata["finish_reason"]

    schema = {
        "title": "Colour", "type": "object", "properties": {"name": {"enum": ["red", "blue"]}},
        "required": ["name"], "additionalProperties": False,
    }  # fmt: skip
    bound = model.with_structured_output(schema, method="json_schema")
    assert bound.invoke(question)["name"] in ("red", "blue")


@pytest.mark.slow
def test_lm_eval_scores_the_server_as_it_scores_the_weights(
    tool_server, tool_folder, tmp_path, monkeypatch
):
    need("lm_eval", "'lm-eval[api]'")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    rows = [
        {"q": f"{a}+{b}=", "choices": [str(a + b), str(a + b + 1)], "label": 0}
        for a in range(4)
        for b in range(4)
    ]
    (tmp_path / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "sums.yaml").write_text(
        "task: sums\ndataset_path: json\ndataset_kwargs:\n  data_files:\n"
        f"    test: {tmp_path}/sums.jsonl\ntest_split: test\noutput_type: multiple_choice\n"
        'doc_to_text: "{{q}}"\ndoc_to_choice: "{{choices}}"\ndoc_to_target: label\n'
        "metric_list:\n  - metric: acc\n  - metric: acc_norm\n"
    )
    folder = tmp_path / "hf"
    shutil.copytree(tool_folder, folder)
    by_server = run_lm_eval(
        tmp_path, "server", "local-completions",
        f"model=tiny,base_url={tool_server.url}/v1/completions,tokenizer={folder},"
        "tokenized_requests=True,num_concurrent=2,max_length=256",
    )  # fmt: skip
    by_weights = run_lm_eval(
        tmp_path, "weights", "hf", f"pretrained={folder},dtype=float32,max_length=256"
    )
    assert by_server["acc,none"] == by_weights["acc,none"]
    assert by_server["acc_norm,none"] == by_weights["acc_norm,none"]


def run_lm_eval(folder, name, kind, arguments):
    """Return the scores of a task, and check that each answer's likelihood is there."""
    done = subprocess.run(
        [sys.executable, "-m", "lm_eval", "--model", kind, "--model_args", arguments,
         "--tasks", "sums", "--include_path", str(folder), "--device", "cpu",
         "--batch_size", "4", "--output_path", str(folder / name)],
        capture_output=True, text=True, check=False, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    [results] = (folder / name).rglob("results_*.json")
    return json.loads(results.read_text())["results"]["sums"]
