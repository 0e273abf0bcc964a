"""A model's own answers to questions, drawn with the inference engine, with their probabilities."""

import queue
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from lodesmith.core.errors import EngineError
from lodesmith.data.chat import Message
from lodesmith.infer.interface import (
    Event,
    Finished,
    FinishReason,
    GenerationRequest,
    NewToken,
    Sampling,
)
from lodesmith.infer.load import load_folder
from lodesmith.tune.domains import RewardConfig
from lodesmith.tune.samples.encode import Encoder
from lodesmith.tune.samples.samples import Sample

_Events = queue.SimpleQueue[tuple[int, Event]]


@dataclass
class Answer:
    """One answer."""

    messages: tuple[Message, ...]  # the question
    asked: list[int]  # as ids
    ids: list[int] = field(default_factory=list)  # with the token that ended it
    logprobs: list[float] = field(default_factory=list)  # of these, by the model that answered
    text: str = ""


def answer_questions(
    model: Path,
    questions: Sequence[Sample],
    *,
    encoder: Encoder,
    rewards: RewardConfig,
    seed: int,
) -> list[Answer]:
    """Return the answers to each question, beside each other, drawn at temperature 1.

    Args:
        model: folder.
        questions: what is asked is all but the last message.
        encoder: how it is asked.
        rewards: how many answers, and how long.
        seed: of the first; each answer has its own.
    """
    answers = []
    for sample in questions:
        messages = sample.messages[:-1]
        asked = encoder.prompt(messages)
        answers += [Answer(messages, asked) for _ in range(rewards.group_size)]
    samplings = [
        Sampling(temperature=1.0, seed=seed * len(answers) + number)
        for number in range(len(answers))
    ]
    _fill(model, answers, samplings, encoder=encoder, max_tokens=rewards.max_answer_tokens)
    return answers


def likeliest_answers(
    model: Path, questions: Sequence[Sample], *, encoder: Encoder, max_tokens: int
) -> list[str]:
    """Return a model's most probable answer to each question."""
    answers = [
        Answer(sample.messages[:-1], encoder.prompt(sample.messages[:-1])) for sample in questions
    ]
    always = [Sampling(temperature=0.0)] * len(answers)
    _fill(model, answers, always, encoder=encoder, max_tokens=max_tokens)
    return [answer.text for answer in answers]


def _fill(
    model: Path,
    answers: Sequence[Answer],
    samplings: Sequence[Sampling],
    *,
    encoder: Encoder,
    max_tokens: int,
) -> None:
    """Let a model write the answers, beside each other."""
    ends = frozenset(encoder.answer_ends)
    requests = [
        GenerationRequest(
            input_ids=tuple(answer.asked),
            max_tokens=max_tokens,
            sampling=sampling,
            stop_ids=ends,
            num_top_logprobs=0,
        )
        for answer, sampling in zip(answers, samplings, strict=True)
    ]
    with load_folder(model, name=model.name).start_engine() as engine:
        most = engine.limits.max_num_queued_seqs
        for start in range(0, len(requests), most):
            events: _Events = queue.SimpleQueue()
            engine.submit(requests[start : start + most], partial(_put, events))
            _take(events, answers[start : start + most])
    for answer in answers:
        answer.text = encoder.tokenizer.decode(answer.ids, skip_special=True)


def _put(events: "_Events", place: int, event: Event) -> None:
    events.put((place, event))


def _take(events: "_Events", answers: Sequence[Answer]) -> None:
    """Read events until every answer has ended."""
    running = len(answers)
    while running:
        place, event = events.get()
        if isinstance(event, Finished):
            if event.reason is FinishReason.ERROR:
                raise EngineError(event.error or "the engine has failed")
            running -= 1
        elif isinstance(event, NewToken) and event.logprobs is not None:
            answers[place].ids.append(event.token_id)
            answers[place].logprobs.append(event.logprobs.logprob)
