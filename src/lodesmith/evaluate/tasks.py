"""What `lodesmith evaluate MODEL --tasks ...` knows: for any model, on any text or benchmark."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from lodesmith.core.errors import UserError
from lodesmith.core.log import Progress, show_progress
from lodesmith.data.documents import Document, read_documents
from lodesmith.data.tokenizer import Tokenizer
from lodesmith.evaluate.benchmarks.arithmetic import ARITHMETIC, NUM_ITEMS, make_sums
from lodesmith.evaluate.benchmarks.choice import ChoiceTask, score_choice
from lodesmith.evaluate.benchmarks.items import Item, read_items
from lodesmith.evaluate.benchmarks.task_file import (
    GROUP_REFERENCES,
    GROUPS,
    Scoring,
    TaskFile,
    read_task,
)
from lodesmith.evaluate.benchmarks.written import WrittenTask, score_answers, score_code
from lodesmith.evaluate.config import EvaluateConfig, trained_window
from lodesmith.evaluate.held_out import HELD_OUT_FILE, group_by_language, read_document_file
from lodesmith.evaluate.scoring import Subject, score_bits_per_byte, score_next_sentence
from lodesmith.lineage.artifact import Artifact
from lodesmith.lineage.workspace import Workspace
from lodesmith.model.checkpoint import load_decoder
from lodesmith.model.locate import locate_model

Texts = dict[str, list[Document]]  # by language

_MAX_WINDOW_TOKENS = 2048  # of a model made elsewhere; longer windows change the score little
_METRICS = ("acc_calibrated", "acc", "exact_match", "pass_at_1")  # the first that there is counts


@dataclass(frozen=True, kw_only=True)
class Asking:
    """How tasks are asked."""

    data: Path | None = None  # folder of the benchmarks' files
    num_fewshot: int = 0  # worked examples in front of each question
    seed: int = 0  # decides which
    scoring: Scoring | None = None  # None: as the task file says
    limit: int | None = None  # documents or questions of a task at most
    allow_code: bool = False  # run programs that a model wrote


def bits_per_byte(
    subject: Subject, texts: Texts, *, limit: int | None, progress: Progress
) -> dict[str, Any]:
    """Return, by language, the bits that a byte of text takes; at most `limit` documents each."""
    return {
        language: score_bits_per_byte(subject, documents[:limit], progress=progress)
        for language, documents in texts.items()
    }


def next_sentence(
    subject: Subject, texts: Texts, *, limit: int | None, progress: Progress
) -> dict[str, Any]:
    """Return, by language, how often the next sentence is found; at most `limit` questions."""
    settings = EvaluateConfig()
    return {
        language: score_next_sentence(
            subject,
            documents,
            context_tokens=settings.context_tokens,
            num_items=limit or settings.num_items,
            seed=settings.seed,
            progress=progress,
        )
        for language, documents in texts.items()
    }


TextTask = Callable[..., dict[str, Any]]

TEXT_TASKS: dict[str, TextTask] = {"bits_per_byte": bits_per_byte, "next_sentence": next_sentence}
_OTHERS = (*TEXT_TASKS, "arithmetic")


def evaluate_model(
    name: str,
    *,
    tasks: Sequence[str],
    workspace: Path,
    documents: Path | None = None,
    asking: Asking | None = None,
) -> dict[str, Any]:
    """Return the scores of a model by task; by language too where the task is any text.

    Args:
        name: artifact id, Hugging Face folder, GGUF file or PEFT folder.
        tasks: names of tasks or groups, or paths of task files.
        workspace: folder in which the id is looked up.
        documents: text to score; None: what was held out when an artifact's corpus was tokenized.
        asking: data and manner.

    Raises:
        UserError: an unknown task or model, no data or text, or a row that cannot be understood.
    """
    asked = asking or Asking()
    files = {task: _find_task(task) for task in _expand(tasks)}
    space = Workspace(workspace)
    subject = load_subject(name, workspace=space)
    texts = None
    if any(file is None for file in files.values()):
        _refuse_examples(files, asked)
        texts = _load_texts(name, workspace=space, documents=documents)
    scores: dict[str, Any] = {}
    for task, file in files.items():
        with show_progress(task.replace("_", " "), total=None, unit="tokens") as progress:
            if file is None:
                run = TEXT_TASKS[task]
                scores[task] = run(subject, texts, limit=asked.limit, progress=progress)
            else:
                scores[Path(task).stem] = run_task(task, file, subject, asked, progress=progress)
    _add_means(scores, tasks)
    return scores


def run_task(
    name: str,
    file: TaskFile,
    subject: Subject,
    asking: Asking,
    *,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Return the scores of one benchmark.

    Raises:
        UserError: its data is missing, or a row cannot be understood.
    """
    items, examples = _read(name, file, asking)
    items = items[: asking.limit]
    if file.kind == "choice":
        task = ChoiceTask(
            name, file, asking.scoring or file.scoring, asking.num_fewshot, asking.seed
        )
        result = score_choice(task, subject, items, examples, progress=progress)
    else:
        written = WrittenTask(name, file, asking.num_fewshot, asking.seed)
        if file.kind == "answer":
            result = score_answers(written, subject, items, examples, progress=progress)
        else:
            _check_code(name, asking)
            result = score_code(written, subject, items, progress=progress)
    if items and file.items:
        result["split"] = items[0].origin.rpartition(":")[0]
    return result


def _read(name: str, file: TaskFile, asking: Asking) -> tuple[list[Item], list[Item]]:
    if file is ARITHMETIC:
        return make_sums(asking.limit or NUM_ITEMS, seed=asking.seed)
    if asking.data is None:
        raise UserError(
            f"the task {name} reads {file.items[0]}; give the folder of its data with --data DIR"
        )
    if not asking.data.is_dir():
        raise UserError(f"--data {asking.data} is not a folder; it holds {file.items[0]}")
    items = read_items(asking.data, file.items, task=name)
    needs_examples = asking.num_fewshot or (file.kind == "choice" and file.labels is None)
    if not needs_examples or (file.candidates_field and not asking.num_fewshot):
        return items, []
    return items, read_items(asking.data, file.examples, task=name)


def _check_code(name: str, asking: Asking) -> None:
    if not asking.allow_code:
        raise UserError(
            f"the task {name} runs programs that the model writes, in a locked child process; "
            "say --allow-code if that is wanted"
        )


def _refuse_examples(files: dict[str, TaskFile | None], asking: Asking) -> None:
    if asking.num_fewshot:
        plain = ", ".join(task for task, file in files.items() if file is None)
        raise UserError(f"{plain}: no worked examples can be given; leave --num-fewshot 0")


def _expand(tasks: Sequence[str]) -> list[str]:
    names = [name for task in tasks for name in GROUPS.get(task, (task,))]
    return list(dict.fromkeys(names))


def _find_task(name: str) -> TaskFile | None:
    """Return a benchmark's file, None for a task on any text."""
    if name in TEXT_TASKS:
        return None
    return ARITHMETIC if name == "arithmetic" else read_task(name, others=_OTHERS)


def _add_means(scores: dict[str, Any], tasks: Sequence[str]) -> None:
    """Add the mean of each group that was asked for, beside what was published."""
    for group in [task for task in tasks if task in GROUPS]:
        members = [scores[name] for name in GROUPS[group]]
        metrics = ("acc", "acc_calibrated")
        means = {
            metric: round(sum(m.get(metric, m["acc"]) for m in members) / len(members), 6)
            for metric in metrics
        }
        scores[group] = {
            "title": f"mean of {len(members)} tasks",
            **means,
            "chance": round(sum(m["chance"] for m in members) / len(members), 6),
            "references": GROUP_REFERENCES.get(group, {}),
        }


def main_metric(score: dict[str, Any]) -> str | None:
    """Return the name of the number that stands for a benchmark's score."""
    return next((metric for metric in _METRICS if metric in score), None)


def load_subject(name: str, *, workspace: Workspace) -> Subject:
    """Return a model by its id, folder or file, ready to be measured."""
    folder = locate_model(name, workspace)
    model = load_decoder(folder).to("cuda" if torch.cuda.is_available() else "cpu").eval()
    window = min(model.config.max_position_embeddings, _MAX_WINDOW_TOKENS)
    pretrain = _made_from(name, "pretrain", workspace)
    if pretrain is not None:
        window = trained_window(pretrain.receipt.config)
    return Subject(model=model, tokenizer=Tokenizer.load(folder), window=window, folder=folder)


def _made_from(name: str, kind: str, workspace: Workspace) -> Artifact | None:
    """Return what a model of the workspace was made from; None if it came, or began, elsewhere."""
    if Path(name).exists():
        return None
    return workspace.look_for_ancestor(workspace.find(name), kind)


def _load_texts(name: str, *, workspace: Workspace, documents: Path | None) -> Texts:
    if documents is not None:
        return group_by_language(read_document_file(documents))
    tokenize = _made_from(name, "tokenize", workspace)
    if tokenize is None:
        raise UserError(
            f"{name} was not trained here from the start, so that no text was held out for it; "
            "give --documents FILE.jsonl or FILE.txt"
        )
    found = list(read_documents(tokenize.file(HELD_OUT_FILE)))
    return group_by_language(found)
