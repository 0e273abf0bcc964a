"""What is measured of a model: its bits per byte, and its choice of the next sentence."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import log
from pathlib import Path
from typing import Any, Literal

import torch

from lodesmith.core.log import Progress
from lodesmith.data.documents import Document
from lodesmith.data.tokenizer import Tokenizer
from lodesmith.evaluate.held_out.sentences import NUM_CHOICES, Question, ask_questions
from lodesmith.evaluate.intervals import wilson_interval
from lodesmith.evaluate.scoring.likelihood import Scorer, log_likelihoods, open_scorer
from lodesmith.evaluate.scoring.rows import Row, slide_windows
from lodesmith.infer.native_runner import is_computable
from lodesmith.infer.weights import StoredWeights, Weights
from lodesmith.model.checkpoint import load_decoder
from lodesmith.model.decoder import Decoder

Dtype = Literal["float32", "float64"]

_DIGITS = 6  # of a score: rounding of sums in another order must not show


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A model that is measured."""

    model: Weights
    tokenizer: Tokenizer
    window: int  # tokens that it sees at once
    folder: Path = Path()  # where it came from

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return self.folder.name

    @cached_property
    def scorer(self) -> Scorer:
        """Says how likely tokens are; made of the model as it is when it is first asked for."""
        return open_scorer(self.model, window=self.window)


def score_bits_per_byte(
    subject: Subject, documents: Sequence[Document], *, progress: Progress | None = None
) -> dict[str, Any]:
    """Return the bits that the model needs for each UTF-8 byte of the documents' text.

    Every token of every document is scored once, each document by itself behind `<|endoftext|>`.
    Bits per byte, unlike perplexity, can be compared between tokenizers and with file packers.
    """
    texts = [document.text for document in documents]
    num_bytes = sum(len(text.encode()) for text in texts)
    rows = [
        row
        for ids in subject.tokenizer.encode_batch(texts)
        for row in slide_windows([*start_of_text(subject.tokenizer), *ids], window=subject.window)
    ]
    nats = -sum(log_likelihoods(subject.scorer, rows, progress=progress))
    return {
        "num_documents": len(texts),
        "num_bytes": num_bytes,
        "num_tokens": sum(row.num_scored for row in rows),
        "bits_per_byte": round(nats / log(2) / max(num_bytes, 1), _DIGITS),
    }


def score_next_sentence(
    subject: Subject,
    documents: Sequence[Document],
    *,
    context_tokens: int,
    num_items: int,
    seed: int,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Return how often the true next sentence is likelier, per byte, than three others.

    Source: the length normalisation is that of `acc_norm` of lm-evaluation-harness, with bytes.
    """
    questions = ask_questions(documents, num_items=num_items, seed=seed)
    rows = [
        row
        for question in questions
        for row in _rows_of(question, subject, context_tokens=context_tokens)
    ]
    scores = log_likelihoods(subject.scorer, rows, progress=progress)
    num_right = sum(
        _is_right(question, scores, number) for number, question in enumerate(questions)
    )
    low, high = wilson_interval(num_right, len(questions))
    return {
        "num_items": len(questions),
        "acc": round(num_right / max(len(questions), 1), _DIGITS),
        "ci95": [round(low, _DIGITS), round(high, _DIGITS)],
        "chance": 1 / NUM_CHOICES,
    }


def open_weights(folder: Path, *, dtype: Dtype = "float32") -> Weights:
    """Return the model of a folder where it is computed fastest.

    Args:
        folder: of the model.
        dtype: the numbers that it computes in.

    Raises:
        UserError: the folder holds no model that can be computed here.
        DamagedArtifactError: a file is torn.
    """
    stored = StoredWeights.of(folder)
    if dtype == "float32" and not torch.cuda.is_available() and is_computable(stored):
        return stored
    return place(load_decoder(folder), dtype=dtype)


def place(decoder: Decoder, *, dtype: Dtype) -> Decoder:
    """Return a decoder on the GPU if there is one, computing in these numbers."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return decoder.to(device=device, dtype=getattr(torch, dtype))


def start_of_text(tokenizer: Tokenizer) -> tuple[int, ...]:
    """Return what stands before a text: the end of the one before, unless the model has a sign."""
    return tokenizer.prefix_ids or (tokenizer.end_of_text_id,)


def _rows_of(question: Question, subject: Subject, *, context_tokens: int) -> list[Row]:
    tokenizer, window = subject.tokenizer, subject.window
    context = [*start_of_text(tokenizer), *tokenizer.encode(question.context)][-context_tokens:]
    rows = []
    for choice in question.choices:
        ids = tokenizer.encode(choice)[:window]
        before = context[-(window + 1 - len(ids)) :]
        rows.append(Row(input_ids=[*before, *ids], first=len(before)))
    return rows


def _is_right(question: Question, scores: Sequence[float], number: int) -> bool:
    """Tell whether the first choice, the true one, is ahead of all others (a tie is an error)."""
    first = number * NUM_CHOICES
    per_byte = [
        score / len(choice.encode())
        for score, choice in zip(scores[first : first + NUM_CHOICES], question.choices, strict=True)
    ]
    return per_byte[0] > max(per_byte[1:])
