"""Scores of questions with given answers: the answer whose words the model finds likeliest.

Two ways to ask a language model: how likely are a label's words behind the text before them, and
how likely is the whole text with them in it. Labels may have several words, whose probabilities are
averaged. A label that the model likes whatever the question is held back by what it gives to
inputs without content: scores are multiplied by W = diag(1 / p_cf).

Source: Zhao et al., arXiv:2102.09690, section 5 (calibration); Wu et al., Yuan 1.0,
arXiv:2110.04725, section 4.2 (both ways, and expansion of labels); labels' likelihood for each of
their characters is lm-evaluation-harness's `acc_norm`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import exp, inf, log
from typing import Any

from lodesmith.core.log import Progress
from lodesmith.evaluate.benchmarks.choice_task import ChoiceTask, Question
from lodesmith.evaluate.benchmarks.items import Item
from lodesmith.evaluate.benchmarks.pairs import Pair, encode_pairs
from lodesmith.evaluate.intervals import describe_share, reliability
from lodesmith.evaluate.scoring.likelihood import log_likelihoods
from lodesmith.evaluate.scoring.scoring import Subject

_NUM_SAMPLES = 6
_SAMPLE_CHARS = 160


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
    tried = _shortlist(task, subject, items, examples, progress)
    scores = _score(task, subject, asked, tried, progress)
    prior = _priors(empty, scores[len(questions) :])
    plain = [_best(score) for score in scores[: len(questions)]]
    result = {
        "title": task.file.title,
        "scoring": task.scoring,
        "num_fewshot": task.num_fewshot,
        "chance": sum(1 / len(question.answers) for question in questions) / len(questions),
        **_share("acc", plain, questions),
    }
    counted = scores[: len(questions)]
    if prior:
        counted = [
            [s - p for s, p in zip(score, prior[question.examples], strict=True)]
            for score, question in zip(scores, questions, strict=False)
        ]
        result.update(_share("acc_calibrated", [_best(score) for score in counted], questions))
    if task.scoring == "label" and all(
        len(words) == 1 for question in questions for words in question.answers
    ):
        normalised = [
            _best([s / len(w[0]) for s, w in zip(score, question.answers, strict=True)])
            for score, question in zip(scores, questions, strict=False)
        ]
        result.update(_share("acc_norm", normalised, questions))
    result["reliability"] = _reliability(counted, questions)
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


def _shortlist(
    task: ChoiceTask,
    subject: Subject,
    items: Sequence[Item],
    examples: Sequence[Item],
    progress: Progress | None,
) -> list[list[int]]:
    """Return, for each question, the labels whose whole text is scored; none where all are."""
    length = task.file.shortlist
    if task.scoring != "sequence" or task.file.sequence_text is None or length is None:
        return []
    by_label = replace(task, scoring="label")
    scores = _score(by_label, subject, by_label.questions(items, examples), [], progress)
    return [sorted(range(len(score)), key=lambda at: -score[at])[:length] for score in scores]


def _score(
    task: ChoiceTask,
    subject: Subject,
    questions: Sequence[Question],
    tried: Sequence[Sequence[int]],
    progress: Progress | None,
) -> list[list[float]]:
    """Return the log of the mean probability of each answer's words; of one not tried, -inf."""
    answers = [
        (number, answer)
        for number, question in enumerate(questions)
        for answer in (tried[number] if number < len(tried) else range(len(question.answers)))
    ]
    pairs = [
        _pair(task, questions[number], word, number)
        for number, answer in answers
        for word in questions[number].answers[answer]
    ]
    values = iter(log_likelihoods(subject.scorer, encode_pairs(subject, pairs), progress=progress))
    scores = [[-inf] * len(question.answers) for question in questions]
    for number, answer in answers:
        words = questions[number].answers[answer]
        scores[number][answer] = _log_mean([next(values) for _ in words])
    return scores


def _pair(task: ChoiceTask, question: Question, word: str, number: int) -> Pair:
    """Return what is scored of an answer: itself behind the text, or the whole text with it."""
    asked = question.examples + question.before
    if task.scoring == "label":
        return Pair(asked, word, asked, number)
    return Pair(question.examples, question.before + word + question.after, asked, number)


def _log_mean(values: Sequence[float]) -> float:
    highest = max(values)
    return highest + log(sum(exp(value - highest) for value in values) / len(values))


def _softmax(scores: Sequence[float]) -> list[float]:
    highest = max(scores)
    shares = [exp(score - highest) for score in scores]
    return [share / sum(shares) for share in shares]


def _best(scores: Sequence[float]) -> int:
    return max(range(len(scores)), key=scores.__getitem__)


def _reliability(
    scores: Sequence[Sequence[float]], questions: Sequence[Question]
) -> dict[str, Any]:
    shares = [max(_softmax(score)) for score in scores]
    pairs = zip(scores, questions, strict=True)
    return reliability(shares, [_best(score) == question.right for score, question in pairs])


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
