"""What `lodesmith evaluate MODEL --tasks ...` knows: for any model, on any text or benchmark."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lodesmith.core.errors import UserError
from lodesmith.core.log import Progress, show_progress
from lodesmith.core.seal import granted_key
from lodesmith.evaluate.benchmarks.arithmetic import ARITHMETIC, NUM_ITEMS, make_sums
from lodesmith.evaluate.benchmarks.choice import score_choice
from lodesmith.evaluate.benchmarks.choice_task import ChoiceTask
from lodesmith.evaluate.benchmarks.items import Item, read_items
from lodesmith.evaluate.benchmarks.task_file import (
    GROUP_REFERENCES,
    GROUPS,
    Scoring,
    TaskFile,
    read_task,
)
from lodesmith.evaluate.benchmarks.written import WrittenTask, score_answers, score_code
from lodesmith.evaluate.results.series import BY_EXAMPLES, OVER_TRAINING, Scores, add_series
from lodesmith.evaluate.scoring.scoring import Dtype, Subject
from lodesmith.evaluate.tasks.line import find_line
from lodesmith.evaluate.tasks.text_tasks import TEXT_TASKS, Texts, load_texts
from lodesmith.lineage.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Asking:
    """How tasks are asked."""

    data: Path | None = None  # folder of the benchmarks' files
    num_fewshot: int = 0  # worked examples in front of each question
    also_fewshot: tuple[int, ...] = ()  # other numbers of them, which stand as `by_num_fewshot`
    seed: int = 0  # decides which
    scoring: Scoring | None = None  # None: as the task file says
    limit: int | None = None  # documents or questions of a task at most
    allow_code: bool = False  # run programs that a model wrote
    dtype: Dtype = "float32"  # float64 leaves no rounding that other tools could differ by
    with_line: bool = False  # what the model was made from is asked too, as `over_training`


_OTHERS = (*TEXT_TASKS, "arithmetic")


def evaluate_model(
    name: str,
    *,
    tasks: Sequence[str],
    workspace: Path,
    documents: Path | None = None,
    asking: Asking | None = None,
    tokenizer: Path | None = None,
) -> Scores:
    """Return the scores of a model by task; by language too where the task is any text.

    Args:
        name: artifact id, Hugging Face folder, GGUF file, PEFT folder, or a run's checkpoints.
        tasks: names of tasks or groups, or paths of task files.
        workspace: folder in which the id is looked up.
        documents: text to score; None: what was held out when an artifact's corpus was tokenized.
        asking: data and manner.
        tokenizer: folder with the tokenizer of checkpoints.

    Raises:
        UserError: an unknown task or model, no data or text, or a row that cannot be understood.
    """
    asked = asking or Asking()
    files = _find_tasks(tasks)
    space = Workspace(workspace)
    line = find_line(name, space, with_past=asked.with_line, tokenizer=tokenizer)
    subject = line[-1].load(space, dtype=asked.dtype)
    texts: Texts = {}
    if any(file is None for file in files.values()):
        _refuse_examples(files, [asked.num_fewshot, *asked.also_fewshot])
        texts = load_texts(name, workspace=space, documents=documents)
    exam = _Exam(tasks, files, texts, asked)
    scores = exam.score(subject)
    if asked.also_fewshot:
        add_series(scores, BY_EXAMPLES, exam.score_by_examples(subject, scores))
    if asked.with_line:
        found = [exam.score(model.load(space, dtype=asked.dtype)) for model in line[:-1]] + [scores]
        facts = [{"model": model.name, "step": model.step} for model in line]
        add_series(scores, OVER_TRAINING, list(zip(facts, found, strict=True)))
    return scores


@dataclass(frozen=True, slots=True)
class _Exam:
    """What every model of a line is asked."""

    tasks: Sequence[str]  # as they were named, groups among them
    files: Mapping[str, TaskFile | None]  # None for a task on any text
    texts: Texts
    asked: Asking

    def score(self, subject: Subject, *, num_fewshot: int | None = None) -> Scores:
        """Return the scores of a model; None asks with the wanted number of worked examples."""
        number = self.asked.num_fewshot if num_fewshot is None else num_fewshot
        asked = replace(self.asked, num_fewshot=number)
        scores: Scores = {}
        for task, file in self.files.items():
            unit = "tokens" if file is None or file.kind == "choice" else "answers"
            with show_progress(task.replace("_", " "), total=None, unit=unit) as progress:
                if file is None:
                    run, limit = TEXT_TASKS[task], asked.limit
                    scores[task] = run(subject, self.texts, limit=limit, progress=progress)
                else:
                    scores[Path(task).stem] = run_task(
                        task, file, subject, asked, progress=progress
                    )
        _add_means(scores, self.tasks)
        return scores

    def score_by_examples(
        self, subject: Subject, known: Scores
    ) -> list[tuple[dict[str, Any], Scores]]:
        """Return the scores for each number of worked examples, the smallest first."""
        wanted = self.asked.num_fewshot
        numbers = sorted({wanted, *self.asked.also_fewshot})
        return [
            (
                {"num_fewshot": number},
                known if number == wanted else self.score(subject, num_fewshot=number),
            )
            for number in numbers
        ]


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
    if granted_key() is not None:
        result.pop("samples", None)  # a tenant's questions are shown to nobody
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


def _refuse_examples(files: dict[str, TaskFile | None], numbers: Sequence[int]) -> None:
    if any(numbers):
        plain = ", ".join(task for task, file in files.items() if file is None)
        raise UserError(f"{plain}: no worked examples can be given; leave --num-fewshot 0")


def _find_tasks(tasks: Sequence[str]) -> dict[str, TaskFile | None]:
    """Return the files of all tasks and of the members of all groups.

    Raises:
        UserError: a task is unknown, or two files have one name.
    """
    names = [name for task in tasks for name in GROUPS.get(task, (task,))]
    files = {name: _find_task(name) for name in names}
    by_stem: dict[str, str] = {}
    for name in files:
        other = by_stem.setdefault(Path(name).stem, name)
        if other != name:
            raise UserError(
                f"{other} and {name} would both be told as {Path(name).stem}; rename one"
            )
    return files


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
