"""Scores one benchmark here and with lm-evaluation-harness: equal metrics, and questions a second.

    python bench/evaluate_peer.py MODEL --data fewclue --peer PEER/bin/python [--task tnews]

MODEL is a Hugging Face folder. All get the same questions, words and model on one thread; seconds
are CPU-seconds of the process that scores, without loading and importing. The harness computes the
model itself (`hf`) and asks our server (`local-completions`). The metrics are the shares right, the
bits per byte of the right answers, and (`hf` only) those of whole texts. Each row is compared with
ours in the same numbers, fp32 or fp64 (`evaluate --dtype`), and with ours in fp64: in fp64 what is
left apart are the two programs, in fp32 mostly what fp32 itself is apart from fp64.
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
from math import log
from pathlib import Path

from lodesmith.data.tokenizer import Tokenizer
from lodesmith.evaluate.benchmarks.choice_task import ChoiceTask
from lodesmith.evaluate.benchmarks.items import read_items
from lodesmith.evaluate.benchmarks.task_file import read_task
from lodesmith.evaluate.scoring.scoring import start_of_text

_OURS = """
import json, sys, time
from pathlib import Path
import torch
torch.set_num_threads(1)
from lodesmith.evaluate.benchmarks.pairs import Pair, encode_pairs
from lodesmith.data.documents import Document
from lodesmith.evaluate.scoring.likelihood import log_likelihoods
from lodesmith.evaluate.scoring.scoring import Subject, open_weights, score_bits_per_byte
from lodesmith.data.tokenizer import Tokenizer
folder, rows, answer, dtype = sys.argv[1:]
folder = Path(folder)
model = open_weights(folder, dtype=dtype)
subject = Subject(model=model, tokenizer=Tokenizer.load(folder), window=2048, folder=folder)
scorer = subject.scorer
pairs = [Pair(row["context"], word) for row in json.load(open(rows)) for word in row["choices"]]
started = time.process_time()
values = log_likelihoods(scorer, encode_pairs(subject, pairs))
seconds = time.process_time() - started
texts = [
    Document(id=str(place), source="", url="", language="zh", text=row["context"])
    for place, row in enumerate(json.load(open(rows)))
]
bits = score_bits_per_byte(subject, texts)["bits_per_byte"]
json.dump([seconds, values, bits], open(answer, "w"))
"""

_PEER = """
import json, math, sys, time
import torch
torch.set_num_threads(1)
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
folder, rows, answer, dtype, batch, first = sys.argv[1:]
model = HFLM(
    pretrained=folder, dtype=dtype, device="cpu", batch_size=int(batch), max_length=2048,
    prefix_token_id=int(first),
)
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
seconds = time.process_time() - started
"""
_ROLL = """
texts = [row["context"] for row in json.load(open(rows))]
asked = [
    Instance(request_type="loglikelihood_rolling", doc={}, arguments=(text,), idx=place)
    for place, text in enumerate(texts)
]
nats = -sum(model.loglikelihood_rolling(asked, disable_tqdm=True))
bits = nats / math.log(2) / sum(len(text.encode()) for text in texts)
json.dump([seconds, values, bits], open(answer, "w"))
"""
_NO_ROLL = """
json.dump([seconds, values, None], open(answer, "w"))
"""
_START_SECONDS = 120

Found = tuple[float, list[float], float | None]  # CPU-seconds, log-likelihoods, bits per byte


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
        _tell("ours, float32", ours, questions, ours, exact)
        _tell("ours, float64", exact, questions, exact, exact)
        for dtype, batch in (("float32", 1), ("float32", 16), ("float64", 1)):
            script, first = _PEER + _SCORE + _ROLL, str(_first_token(arguments.model))
            more = (dtype, str(batch), first)
            theirs = _run(arguments.peer, script, [model, str(rows)], *more)
            same = ours if dtype == "float32" else exact
            _tell(f"hf, {dtype}, batches of {batch}", theirs, questions, same, exact)
        with _serve(model) as address:
            theirs = _run(arguments.peer, _CLIENT + _SCORE + _NO_ROLL, [model, str(rows)], address)
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


def _first_token(folder: Path) -> int:
    """Return what stands before a text of its own."""
    return start_of_text(Tokenizer.load(folder))[-1]


def _run(python: str, script: str, arguments: list[str], *more: str) -> Found:
    answer = Path(arguments[1]).with_suffix(".answer")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    command = [python, "-c", script, *arguments, str(answer), *more]
    subprocess.run(command, check=True, env=environment, stderr=subprocess.DEVNULL)
    seconds, values, bits = json.loads(answer.read_text())
    return seconds, values, bits


def _tell(
    name: str,
    found: Found,
    questions: list[dict[str, object]],
    ours: Found,
    exact: Found,
) -> None:
    seconds, values, bits = found
    metrics, others = _metrics(values, questions), _metrics(ours[1], questions)
    if bits is not None:
        metrics, others = (*metrics, bits), (*others, ours[2])
    apart, rounded = (
        max(abs(one - other) for one, other in zip(values, others[1], strict=True))
        for others in (ours, exact)
    )
    gap = max(abs(one - other) for one, other in zip(metrics, others, strict=True))
    shown = ", ".join(f"{value:.9f}" for value in metrics)
    print(
        f"  {name:26} {len(questions) / seconds:8.2f} questions a CPU-second  metrics {shown}"
        f"  apart from ours: metrics {gap:.1e}, "
        f"log-likelihoods {apart:.1e}, from ours in fp64 {rounded:.1e}; "
        f"ours is {seconds / ours[0]:.2f} times as fast"
    )


def _metrics(values: list[float], questions: list[dict[str, object]]) -> tuple[float, ...]:
    """Return the shares right, plain and per character, and bits per byte of the right answers."""
    right, normalised, place, nats, size = 0, 0, 0, 0.0, 0
    for question in questions:
        choices = question["choices"]
        scores = values[place : place + len(choices)]
        place += len(choices)
        right += scores.index(max(scores)) == question["right"]
        shares = [score / len(word) for score, word in zip(scores, choices, strict=True)]
        normalised += shares.index(max(shares)) == question["right"]
        nats -= scores[question["right"]]
        size += len(choices[question["right"]].encode())
    return right / len(questions), normalised / len(questions), nats / log(2) / size


if __name__ == "__main__":
    main()
