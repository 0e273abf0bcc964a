"""Questions with given answers: how a task file's rows become texts with a place for the answer."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lodesmith.core.errors import UserError
from lodesmith.evaluate.benchmarks.items import LABEL, Item
from lodesmith.evaluate.benchmarks.task_file import Scoring, TaskFile

_CONTENT_FREE = ("N/A", "", "[MASK]")  # as in Zhao et al., arXiv:2102.09690


@dataclass(frozen=True, slots=True)
class Question:
    """A text with a place for the answer, and the answers."""

    examples: str  # worked examples before it
    before: str
    after: str
    answers: tuple[tuple[str, ...], ...]  # the words of each label
    right: int


@dataclass(slots=True)
class ChoiceTask:
    """A task file with its labels settled."""

    name: str
    file: TaskFile
    scoring: Scoring
    num_fewshot: int
    seed: int
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def settle_labels(self, examples: Sequence[Item]) -> None:
        """Take the labels of the task file, else those of the examples."""
        if self.file.labels is not None:
            self.labels = self.file.labels
        elif self.file.candidates_field is None:
            found = {_label_of(item, self.file) for item in examples}
            self.labels = {label: (label,) for label in sorted(found)}

    def questions(self, items: Sequence[Item], examples: Sequence[Item]) -> list[Question]:
        """Return a question for each item, behind worked examples drawn by the seed.

        All of a subject stand behind the same ones, but for those that are among them.
        """
        by_subject = _group(examples)
        drawn: dict[str, list[Item]] = {}
        asked = []
        for item in items:
            pool = by_subject.get(item.subject, examples)
            if item.subject not in drawn:
                drawn[item.subject] = self._draw(pool)
            shown = drawn[item.subject]
            if any(example.origin == item.origin for example in shown):
                shown = self._draw([other for other in pool if other.origin != item.origin])
            text = "".join(self._solved(example) + self.file.example_gap for example in shown)
            asked.append(self._question(item, text))
        return asked

    def content_free(self, question: Question, item: Item) -> list[Question]:
        """Return the same question with nothing in it."""
        empty = [
            Item(row=_emptied(item.row, nothing), origin=item.origin, subject=item.subject)
            for nothing in _CONTENT_FREE
        ]
        return [
            Question(question.examples, *self._around(item), question.answers, question.right)
            for item in empty
        ]

    def _draw(self, pool: Sequence[Item]) -> list[Item]:
        if len(pool) < self.num_fewshot:
            raise UserError(
                f"task {self.name}: {self.num_fewshot} worked examples are asked for and its "
                f"files have {len(pool)}; ask for fewer with --num-fewshot"
            )
        drawn = random.Random(self.seed).sample(range(len(pool)), self.num_fewshot)  # noqa: S311
        return [pool[place] for place in drawn]

    def _solved(self, item: Item) -> str:
        question = self._question(item, "")
        return question.before + question.answers[question.right][0] + question.after

    def _question(self, item: Item, examples: str) -> Question:
        answers, right = self._answers(item)
        return Question(examples, *self._around(item), answers, right)

    def _around(self, item: Item) -> tuple[str, str]:
        text = self.file.text
        if self.scoring == "sequence" and self.file.sequence_text is not None:
            text = self.file.sequence_text
        if self.file.blank is None:
            before, _, after = text.partition(LABEL)
            return item.fill(before), item.fill(after)
        before, blank, after = item.fill(text).partition(self.file.blank)
        if not blank:
            raise UserError(f"{item.origin}: has no {self.file.blank} for the answer to stand in")
        return before, after

    def _answers(self, item: Item) -> tuple[tuple[tuple[str, ...], ...], int]:
        if self.file.candidates_field is not None:
            candidates = item.row.get(self.file.candidates_field)
            right = item.row.get(str(self.file.label_field))
            if not _is_place(right, candidates):
                raise UserError(
                    f"{item.origin}: {self.file.label_field} is {right!r}, which is no place in "
                    f"the list {self.file.candidates_field}"
                )
            return tuple((str(candidate),) for candidate in candidates or ()), int(str(right))
        label, known = _label_of(item, self.file), list(self.labels)
        if label not in self.labels:
            raise UserError(
                f"{item.origin}: the label {'' if item.is_sealed else repr(label)} is none that "
                f"the task {self.name} knows "
                f"({', '.join(known[:8])}{', ...' if len(known) > 8 else ''}); mend the row, or "
                "give a task file of your own that lists it"
            )
        return tuple(self.labels.values()), known.index(label)


def _label_of(item: Item, file: TaskFile) -> str:
    value = item.row.get(str(file.label_field))
    if value is None:
        raise UserError(f"{item.origin}: has no {file.label_field}; it is the test set without "
                        "labels, or another task's file")  # fmt: skip
    return str(value)


def _is_place(value: Any, candidates: Any) -> bool:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return is_number and isinstance(candidates, list) and 0 <= value < len(candidates)


def _emptied(value: Any, nothing: str) -> Any:
    if isinstance(value, Mapping):
        return {key: _emptied(inner, nothing) for key, inner in value.items()}
    return nothing


def _group(items: Sequence[Item]) -> dict[str, list[Item]]:
    groups: dict[str, list[Item]] = {}
    for item in items:
        groups.setdefault(item.subject, []).append(item)
    return groups
