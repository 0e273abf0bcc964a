"""Questions with given answers: the answer whose words the model finds likeliest.

Two ways to ask a language model: how likely are a label's words behind the text before them, and
how likely is the whole text with them in it. Labels may have several words, whose probabilities are
averaged. A label that the model likes whatever the question is held back by what it gives to
inputs without content: scores are multiplied by W = diag(1 / p_cf).

Source: Zhao et al., arXiv:2102.09690, section 5 (calibration); Wu et al., Yuan 1.0,
arXiv:2110.04725, section 4.2 (both ways, and expansion of labels); labels' likelihood for each of
their characters is lm-evaluation-harness's `acc_norm`.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import exp, log
from typing import Any

from lodesmith.core.errors import UserError
from lodesmith.core.log import Progress
from lodesmith.evaluate.benchmarks.items import LABEL, Item
from lodesmith.evaluate.benchmarks.task_file import Scoring, TaskFile
from lodesmith.evaluate.intervals import describe_share
from lodesmith.evaluate.likelihood import log_likelihoods
from lodesmith.evaluate.rows import Row
from lodesmith.evaluate.scoring import Subject, start_of_text

_CONTENT_FREE = ("N/A", "", "[MASK]")  # as in Zhao et al.
_NUM_SAMPLES = 6
_SAMPLE_CHARS = 160


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
        """Return a question for each item, behind worked examples drawn by the seed."""
        shown: dict[str, str] = {}
        by_subject = _group(examples)
        asked = []
        for item in items:
            pool = by_subject.get(item.subject, examples)
            if item.subject not in shown:
                shown[item.subject] = self._examples(pool)
            asked.append(self._question(item, shown[item.subject]))
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

    def _examples(self, pool: Sequence[Item]) -> str:
        if not self.num_fewshot:
            return ""
        if len(pool) < self.num_fewshot:
            raise UserError(
                f"task {self.name}: {self.num_fewshot} worked examples are asked for and its "
                f"files have {len(pool)}; ask for fewer with --num-fewshot"
            )
        drawn = random.Random(self.seed).sample(range(len(pool)), self.num_fewshot)  # noqa: S311
        return "".join(self._solved(pool[place]) + self.file.example_gap for place in drawn)

    def _solved(self, item: Item) -> str:
        question = self._question(item, "")
        return question.before + question.answers[question.right][0] + question.after

    def _question(self, item: Item, examples: str) -> Question:
        answers, right = self._answers(item)
        return Question(examples, *self._around(item), answers, right)

    def _around(self, item: Item) -> tuple[str, str]:
        text = self.file.text
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
                f"{item.origin}: the label {label!r} is none that the task {self.name} knows "
                f"({', '.join(known[:8])}{', ...' if len(known) > 8 else ''}); mend the row, or "
                "give a task file of your own that lists it"
            )
        return tuple(self.labels.values()), known.index(label)


def score_choice(
    task: ChoiceTask,
    subject: Subject,
    items: Sequence[Item],
    examples: Sequence[Item],
    *,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Return how often the right answer is found, plainly and calibrated."""
    task.settle_labels(examples)
    questions = task.questions(items, examples)
    empty = _empty_questions(task, questions, items)
    asked = [*questions, *(question for group in empty.values() for question in group)]
    found = _likelihoods(task, subject, asked, progress)
    scores = [_by_label(question, found[place]) for place, question in enumerate(asked)]
    prior = _priors(empty, scores[len(questions) :])
    plain = [_best(score) for score in scores[: len(questions)]]
    result = {
        "title": task.file.title,
        "scoring": task.scoring,
        "num_fewshot": task.num_fewshot,
        "chance": sum(1 / len(question.answers) for question in questions) / len(questions),
        **_share("acc", plain, questions),
    }
    if prior:
        calibrated = [
            _best([s - p for s, p in zip(score, prior[question.examples], strict=True)])
            for score, question in zip(scores, questions, strict=False)
        ]
        result.update(_share("acc_calibrated", calibrated, questions))
    if task.scoring == "label" and all(
        len(words) == 1 for question in questions for words in question.answers
    ):
        normalised = [
            _best([s / len(w[0]) for s, w in zip(score, question.answers, strict=True)])
            for score, question in zip(scores, questions, strict=False)
        ]
        result.update(_share("acc_norm", normalised, questions))
    result["samples"] = _samples(questions, plain)
    return result


def _empty_questions(
    task: ChoiceTask, questions: Sequence[Question], items: Sequence[Item]
) -> dict[str, list[Question]]:
    """Return inputs without content for each set of worked examples; none for own candidates."""
    if task.file.candidates_field is not None:
        return {}
    firsts: dict[str, list[Question]] = {}
    for question, item in zip(questions, items, strict=True):
        if question.examples not in firsts:
            firsts[question.examples] = task.content_free(question, item)
    return firsts


def _priors(
    empty: Mapping[str, Sequence[Question]], scores: Sequence[Sequence[float]]
) -> dict[str, list[float]]:
    """Return log p_cf of each label, by the worked examples in front of it."""
    priors, place = {}, 0
    for examples, group in empty.items():
        shares = [_softmax(score) for score in scores[place : place + len(group)]]
        priors[examples] = [log(max(sum(p) / len(p), 1e-12)) for p in zip(*shares, strict=True)]
        place += len(group)
    return priors


def _likelihoods(
    task: ChoiceTask, subject: Subject, questions: Sequence[Question], progress: Progress | None
) -> list[list[list[float]]]:
    """Return the log-likelihood of every word of every answer of every question."""
    pairs = [
        (question.examples + question.before, word)
        if task.scoring == "label"
        else (question.examples, question.before + word + question.after)
        for question in questions
        for words in question.answers
        for word in words
    ]
    values = iter(log_likelihoods(subject.model, encode_pairs(subject, pairs), progress=progress))
    return [[[next(values) for _ in words] for words in question.answers] for question in questions]


def encode_pairs(subject: Subject, pairs: Sequence[tuple[str, str]]) -> list[Row]:
    """Return a row for each text and what is scored behind it.

    Both are encoded as one text, spaces between them with the second, as lm-evaluation-harness
    does, and cut from the left where the model's window is shorter.
    """
    moved = [_move_spaces(*pair) for pair in pairs]
    tokenizer = subject.tokenizer
    contexts = list(dict.fromkeys(context for context, _ in moved))
    lengths = {
        context: len(ids)
        for context, ids in zip(contexts, tokenizer.encode_batch(contexts), strict=True)
    }
    wholes = tokenizer.encode_batch([context + scored for context, scored in moved])
    rows = []
    for (context, _), ids in zip(moved, wholes, strict=True):
        first = min(lengths[context], len(ids))
        if not first:
            start = list(start_of_text(tokenizer))
            ids, first = [*start, *ids], len(start)  # noqa: PLW2901
        cut = max(0, min(len(ids) - subject.window - 1, first - 1))
        kept = ids[cut : cut + subject.window + 1]
        rows.append(Row(input_ids=kept, first=min(first - cut, len(kept))))
    return rows


def _move_spaces(context: str, scored: str) -> tuple[str, str]:
    num_spaces = len(context) - len(context.rstrip())
    if not num_spaces:
        return context, scored
    return context[:-num_spaces], context[-num_spaces:] + scored


def _by_label(question: Question, found: Sequence[Sequence[float]]) -> list[float]:
    """Return the log of the mean probability of each label's words."""
    del question
    return [_log_mean(words) for words in found]


def _log_mean(values: Sequence[float]) -> float:
    highest = max(values)
    return highest + log(sum(exp(value - highest) for value in values) / len(values))


def _softmax(scores: Sequence[float]) -> list[float]:
    highest = max(scores)
    shares = [exp(score - highest) for score in scores]
    return [share / sum(shares) for share in shares]


def _best(scores: Sequence[float]) -> int:
    return max(range(len(scores)), key=scores.__getitem__)


def _share(name: str, chosen: Sequence[int], questions: Sequence[Question]) -> dict[str, Any]:
    right = sum(
        answer == question.right for answer, question in zip(chosen, questions, strict=True)
    )
    return describe_share(name, right, len(questions))


def _samples(questions: Sequence[Question], chosen: Sequence[int]) -> list[dict[str, Any]]:
    return [
        {
            "text": f"{question.before}___{question.after}"[-_SAMPLE_CHARS:],
            "chosen": question.answers[answer][0],
            "right": question.answers[question.right][0],
        }
        for question, answer in zip(questions[:_NUM_SAMPLES], chosen, strict=False)
    ]


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
