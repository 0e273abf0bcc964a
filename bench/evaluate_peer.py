"""Scores one benchmark here and with lm-evaluation-harness: equal metrics, and questions a second.

    python bench/evaluate_peer.py MODEL --data fewclue --peer PEER/bin/python [--task tnews]

MODEL is a Hugging Face folder. All get the same questions, words and model on one thread; seconds
are CPU-seconds of the process that scores, without loading and importing. The harness computes the
model itself (`hf`, fp32 and fp64) and asks our server (`local-completions`). What is apart in fp32
is set beside what fp32 itself is apart from fp64, for ours and for the harness.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lodesmith.evaluate.benchmarks.choice_task import ChoiceTask
from lodesmith.evaluate.benchmarks.items import read_items
from lodesmith.evaluate.benchmarks.task_file import read_task

_OURS = """
import json, sys, time
from pathlib import Path
import torch
torch.set_num_threads(1)
from lodesmith.evaluate.benchmarks.pairs import Pair, encode_pairs
from lodesmith.evaluate.likelihood import log_likelihoods
from lodesmith.evaluate.line import load_subject
from lodesmith.lineage.workspace import Workspace
folder, rows, answer, dtype = sys.argv[1:]
subject = load_subject(folder, workspace=Workspace(Path("none")))
subject.model.to(getattr(torch, dtype))
pairs = [Pair(row["context"], word) for row in json.load(open(rows)) for word in row["choices"]]
started = time.process_time()
values = log_likelihoods(subject.model, encode_pairs(subject, pairs))
json.dump([time.process_time() - started, values], open(answer, "w"))
"""

_PEER = """
import json, sys, time
import torch
torch.set_num_threads(1)
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
folder, rows, answer, dtype, batch = sys.argv[1:]
size = int(batch)
model = HFLM(pretrained=folder, dtype=dtype, device="cpu", batch_size=size, max_length=2048)
"""

_CLIENT = """
import json, sys, time
from lm_eval.api.instance import Instance
from lm_eval.models.openai_completions import LocalCompletionsAPI
folder, rows, answer, address = sys.argv[1:]
model = LocalCompletionsAPI(
    base_url=address + "/v1/completions", model=folder.rstrip("/").rpartition("/")[2],
    tokenizer=folder, tokenizer_backend="huggingface", max_length=2048,
)
"""

_SCORE = """
pairs = [(row["context"], word) for row in json.load(open(rows)) for word in row["choices"]]
requests = [
    Instance(request_type="loglikelihood", doc={}, arguments=pair, idx=place)
    for place, pair in enumerate(pairs)
]
started = time.process_time()
values = [value for value, _ in model.loglikelihood(requests, disable_tqdm=True)]
json.dump([time.process_time() - started, values], open(answer, "w"))
"""
_START_SECONDS = 120


def main() -> None:
    parser = argparse.ArgumentParser(description="Compares scores with lm-evaluation-harness.")
    parser.add_argument("model", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--peer", required=True, help="a Python that has lm_eval")
    parser.add_argument("--task", default="tnews")
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--num-fewshot", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        rows = Path(name) / "rows.json"
        questions = _questions(arguments)
        rows.write_text(json.dumps(questions))
        model = str(arguments.model)
        ours, exact = (
            _run(sys.executable, _OURS, [model, str(rows)], dtype)
            for dtype in ("float32", "float64")
        )
        print(f"{arguments.task}: {len(questions)} questions, "
              f"{sum(len(row['choices']) for row in questions)} answers")  # fmt: skip
        _tell("ours", ours, questions, ours, exact)
        for dtype, batch in (("float32", 1), ("float32", 16), ("float64", 1)):
            theirs = _run(arguments.peer, _PEER + _SCORE, [model, str(rows)], dtype, str(batch))
            _tell(f"hf, {dtype}, batches of {batch}", theirs, questions, ours, exact)
        with _serve(model) as address:
            theirs = _run(arguments.peer, _CLIENT + _SCORE, [model, str(rows)], address)
        _tell("through our server", theirs, questions, ours, exact)


@contextmanager
def _serve(model: str) -> Iterator[str]:
    """Run our server on a free port, and yield its address once it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    server = subprocess.Popen(
        [sys.executable, "-m", "lodesmith", "serve", model, "--port", str(port)],
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            with suppress(OSError), urllib.request.urlopen(f"{address}/health"):
                break
            time.sleep(0.2)
        yield address
    finally:
        server.terminate()
        server.wait()


def _questions(arguments: argparse.Namespace) -> list[dict[str, object]]:
    file = read_task(arguments.task)
    items = read_items(arguments.data, file.items, task=arguments.task)[: arguments.limit]
    examples = read_items(arguments.data, file.examples, task=arguments.task)
    task = ChoiceTask(arguments.task, file, "label", arguments.num_fewshot, 0)
    task.settle_labels(examples)
    return [
        {
            "context": question.examples + question.before,
            "choices": [words[0] for words in question.answers],
            "right": question.right,
        }
        for question in task.questions(items, examples)
    ]


def _run(python: str, script: str, arguments: list[str], *more: str) -> tuple[float, list[float]]:
    answer = Path(arguments[1]).with_suffix(".answer")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    command = [python, "-c", script, *arguments, str(answer), *more]
    subprocess.run(command, check=True, env=environment, stderr=subprocess.DEVNULL)
    seconds, values = json.loads(answer.read_text())
    return seconds, values


def _tell(
    name: str,
    found: tuple[float, list[float]],
    questions: list[dict[str, object]],
    ours: tuple[float, list[float]],
    exact: tuple[float, list[float]],
) -> None:
    seconds, values = found
    metrics, others = _metrics(values, questions), _metrics(ours[1], questions)
    apart, rounded = (
        max(abs(one - other) for one, other in zip(values, others[1], strict=True))
        for others in (ours, exact)
    )
    gap = max(abs(one - other) for one, other in zip(metrics, others, strict=True))
    print(
        f"  {name:26} {len(questions) / seconds:8.2f} questions a CPU-second  acc "
        f"{metrics[0]:.6f} acc_norm {metrics[1]:.6f}  apart from ours: metrics {gap:.1e}, "
        f"log-likelihoods {apart:.1e}, from ours in fp64 {rounded:.1e}; "
        f"ours is {seconds / ours[0]:.2f} times as fast"
    )


def _metrics(values: list[float], questions: list[dict[str, object]]) -> tuple[float, float]:
    right, normalised, place = 0, 0, 0
    for question in questions:
        choices = question["choices"]
        scores = values[place : place + len(choices)]
        place += len(choices)
        right += scores.index(max(scores)) == question["right"]
        shares = [score / len(word) for score, word in zip(scores, choices, strict=True)]
        normalised += shares.index(max(shares)) == question["right"]
    return right / len(questions), normalised / len(questions)


if __name__ == "__main__":
    main()
