"""Questions that a model answers in free text: exact match of what counts of it, or a test run."""

import queue
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lodesmith.core.errors import EngineError, UserError
from lodesmith.core.log import Progress
from lodesmith.evaluate.benchmarks.code_child import run_code
from lodesmith.evaluate.benchmarks.items import Item
from lodesmith.evaluate.benchmarks.task_file import TaskFile
from lodesmith.evaluate.intervals import describe_share
from lodesmith.evaluate.scoring.scoring import Subject, start_of_text
from lodesmith.infer.interface import (
    Engine,
    Event,
    Finished,
    FinishReason,
    GenerationRequest,
    NewToken,
    Sampling,
)
from lodesmith.infer.load import LoadedModel
from lodesmith.infer.text import AnswerText

_NUM_SAMPLES = 6
_SAMPLE_CHARS = 160
_CODE_SECONDS = 10


@dataclass(frozen=True, slots=True)
class WrittenTask:
    """A task file, and how it is asked."""

    name: str
    file: TaskFile
    num_fewshot: int
    seed: int

    def prompts(self, items: Sequence[Item], examples: Sequence[Item]) -> list[str]:
        """Return the text of each question behind worked examples, never behind itself."""
        prompts = []
        for item in items:
            others = [other for other in examples if other.origin != item.origin]
            prompts.append(self._examples(others) + item.fill(self.file.text))
        return prompts

    def _examples(self, pool: Sequence[Item]) -> str:
        if len(pool) < self.num_fewshot:
            raise UserError(
                f"task {self.name}: {self.num_fewshot} worked examples are asked for and its "
                f"files have {len(pool)}; ask for fewer with --num-fewshot"
            )
        drawn = random.Random(self.seed).sample(range(len(pool)), self.num_fewshot)  # noqa: S311
        return "".join(
            f"{item.fill(self.file.text)} {item.fill('{' + str(self.file.answer_field) + '}')}"
            f"{self.file.example_gap}"
            for item in (pool[place] for place in drawn)
        )


def score_answers(
    task: WrittenTask,
    subject: Subject,
    items: Sequence[Item],
    examples: Sequence[Item],
    *,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Return how often the model's answer says the same as the written one."""
    prompts = task.prompts(items, examples)
    answers = write_answers(subject, prompts, task.file, progress=progress)
    pattern = re.compile(task.file.answer_pattern)
    field = "{" + str(task.file.answer_field) + "}"
    wanted = [what_counts(item.fill(field), pattern) for item in items]
    found = [what_counts(answer, pattern) for answer in answers]
    num_right = sum(one == other for one, other in zip(found, wanted, strict=True))
    return {
        "title": task.file.title,
        "num_fewshot": task.num_fewshot,
        **describe_share("exact_match", num_right, len(items)),
        "samples": _samples(prompts, answers, wanted),
    }


def score_code(
    task: WrittenTask,
    subject: Subject,
    items: Sequence[Item],
    *,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Return how often the program that the model writes passes its tests, at the first try.

    Raises:
        EngineError: this machine cannot lock a program in.
    """
    prompts = [item.fill(task.file.text) for item in items]
    answers = write_answers(subject, prompts, task.file, progress=progress)
    verdicts = [
        run_code(_program(task.file, item, prompt + answer), seconds=_CODE_SECONDS)
        for item, prompt, answer in zip(items, prompts, answers, strict=True)
    ]
    return {
        "title": task.file.title,
        "num_fewshot": 0,
        **describe_share("pass_at_1", sum(verdict == "passed" for verdict in verdicts), len(items)),
        "samples": _samples(prompts, answers, verdicts),
    }


def _program(file: TaskFile, item: Item, solution: str) -> str:
    tests = item.fill("{" + str(file.test_field) + "}")
    entry = item.fill("{" + file.entry_field + "}") if file.entry_field else ""
    return f"{solution}\n\n{tests}\n" + (f"check({entry})\n" if entry else "")


def write_answers(
    subject: Subject, prompts: Sequence[str], file: TaskFile, *, progress: Progress | None = None
) -> list[str]:
    """Return the model's most probable answer to each prompt."""
    model = LoadedModel(subject.name, subject.folder, subject.model, subject.tokenizer)
    requests = [
        GenerationRequest(
            input_ids=_prompt_ids(subject, prompt, file.max_tokens),
            max_tokens=min(file.max_tokens, subject.window - 1),
            sampling=Sampling(temperature=0.0),
            stop_ids=frozenset(subject.tokenizer.eos_ids),
        )
        for prompt in prompts
    ]
    answers: list[str] = []
    with model.start_engine() as engine:
        size = engine.limits.max_num_seqs
        for start in range(0, len(requests), size):
            some = requests[start : start + size]
            answers += _answer(engine, subject, some, file.stop)
            if progress is not None:
                progress.advance(len(some))
    return answers


def _prompt_ids(subject: Subject, prompt: str, max_tokens: int) -> tuple[int, ...]:
    """Return a prompt's ids, cut from the left so that the answer has room too."""
    ids = [*start_of_text(subject.tokenizer), *subject.tokenizer.encode(prompt)]
    return tuple(ids[-max(1, subject.window - max_tokens) :])


def _answer(
    engine: Engine, subject: Subject, requests: Sequence[GenerationRequest], stop: Sequence[str]
) -> list[str]:
    events: queue.SimpleQueue[tuple[int, Event]] = queue.SimpleQueue()
    texts = [AnswerText(subject.tokenizer, stop=stop) for _ in requests]
    pieces: list[list[str]] = [[] for _ in requests]
    tickets = engine.submit(requests, lambda place, event: events.put((place, event)))
    num_open = len(requests)
    while num_open:
        place, event = events.get()
        if isinstance(event, Finished):
            num_open -= 1
            if event.reason is FinishReason.ERROR:
                raise EngineError(event.error or "the engine has failed")
        elif isinstance(event, NewToken) and not texts[place].stopped:
            if event.token_id not in requests[place].stop_ids:
                pieces[place].append(texts[place].push(event.token_id))
            if texts[place].stopped:
                engine.cancel(tickets[place])
    return [
        "".join(part) + ("" if text.stopped else text.finish())
        for part, text in zip(pieces, texts, strict=True)
    ]


def what_counts(answer: str, pattern: re.Pattern[str]) -> str:
    """Return the last match, as a number is compared: without commas, signs of money and a dot."""
    found = pattern.findall(answer)
    return found[-1].replace(",", "").replace("$", "").rstrip(".").strip() if found else ""


def _samples(
    prompts: Sequence[str], answers: Sequence[str], wanted: Sequence[str]
) -> list[dict[str, Any]]:
    return [
        {"text": prompt[-_SAMPLE_CHARS:], "chosen": answer[-_SAMPLE_CHARS:], "right": right}
        for prompt, answer, right in zip(prompts[:_NUM_SAMPLES], answers, wanted, strict=False)
    ]
