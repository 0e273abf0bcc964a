"""What a task file may say: where items lie, how a question is written, what is right."""

import difflib
from importlib import resources
from pathlib import Path
from typing import Literal

from pydantic import Field

from lodesmith.core.config import Config, validate
from lodesmith.core.errors import UserError
from lodesmith.core.yaml_text import parse_yaml

Scoring = Literal["label", "sequence"]

_FOLDER = resources.files("lodesmith") / "evaluate" / "benchmarks" / "task_files"


class TaskFile(Config):
    """A task. Files are named relative to the folder of data; the first pattern that fits counts.

    A row is a JSON object of a line (.json, .jsonl) or a line of a CSV file with a heading. In
    texts, `{field}` and `{field.inner}` stand for a row's values and `{subject}` for its file.
    """

    title: str
    """What it measures, in a few words."""

    items: tuple[str, ...]
    """Files with the questions, as in `tnews/test_public.json`."""

    examples: tuple[str, ...] = ()
    """Files that worked examples are drawn from, and the labels where the task lists none."""

    text: str
    """Question and answer as one text, `{label}` where a label stands; without it, the question."""

    sequence_text: str | None = None
    """The same with the label before what it is said of, for scoring whole texts; behind it, a
    label is as likely as the whole text with it, and both ways find the same."""

    shortlist: int | None = Field(default=None, gt=1)
    """With `sequence_text`: how many labels are tried, the likeliest behind the text; None: all."""

    labels: dict[str, tuple[str, ...]] | None = None
    """Label in the data -> words that say it, their probabilities averaged; None: each for itself,
    as they stand in the examples."""

    label_field: str | None = None
    """Where a row has its label."""

    candidates_field: str | None = None
    """Where a row lists its own labels; `label_field` then holds the number of the right one."""

    blank: str | None = None
    """What stands in a row's text where the label belongs; takes `{label}`'s place."""

    scoring: Scoring = "label"
    """label: how likely the label is behind the text before it; sequence: how likely the whole text
    with it is."""

    example_gap: str = "\n\n"
    """What stands behind each worked example."""

    answer_field: str | None = None
    """Where a row has its written answer, for questions that the model answers in free text."""

    answer_pattern: str = r"(.+)"
    """Regular expression whose group is what counts of an answer; the last match counts."""

    stop: tuple[str, ...] = ("\n\n",)
    """What ends a written answer."""

    max_tokens: int = Field(default=256, gt=0)
    """Length of a written answer."""

    test_field: str | None = None
    """Where a row has a program that tests the answer, which is a program too."""

    entry_field: str | None = None
    """Where a row names the function under test."""

    references: dict[str, float] = Field(default_factory=dict)
    """Published results to stand beside, in percent."""

    source: str = ""
    """Who published it."""

    @property
    def kind(self) -> Literal["choice", "answer", "code"]:
        """How it is scored."""
        if self.test_field is not None:
            return "code"
        return "choice" if self.label_field is not None else "answer"


GROUPS = {
    "fewclue": (
        "eprstmt", "csldcp", "tnews", "iflytek", "ocnli", "bustm", "chid", "csl", "cluewsc",
    ),
}  # fmt: skip
"""Names that stand for several tasks, whose mean is told too."""

GROUP_REFERENCES = {
    "fewclue": {
        "human": 82.49,
        "zero-shot GPT": 43.36,
        "zero-shot RoBERTa": 44.61,
        "PET": 57.36,
    },
}
"""Means over the test sets, in percent. Source: FewCLUE and ZeroCLUE, arXiv:2107.07498."""


def shipped_tasks() -> list[str]:
    """Return the names of the tasks inside the package."""
    return sorted(item.name[:-5] for item in _FOLDER.iterdir() if item.name.endswith(".yaml"))


def read_task(name: str, *, others: tuple[str, ...] = ()) -> TaskFile:
    """Return a task by its name, or by the path of a file of one's own.

    Raises:
        UserError: there is none, or the file has faults.
    """
    if name.endswith((".yaml", ".yml")):
        try:
            text = Path(name).read_text("utf-8")
        except OSError as error:
            raise UserError(f"{name}: cannot be read: {error.strerror}") from None
        return validate(TaskFile, parse_yaml(text, origin=name), origin=name)
    known = [*others, *GROUPS, *shipped_tasks()]
    if name not in shipped_tasks():
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
        hint = f"did you mean {close[0]}?" if close else f"known tasks: {', '.join(known)}"
        raise UserError(f"there is no task {name!r}; {hint}")
    origin = f"task {name}"
    text = (_FOLDER / f"{name}.yaml").read_text("utf-8")
    return validate(TaskFile, parse_yaml(text, origin=origin), origin=origin)
