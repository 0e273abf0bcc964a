"""What is measured of a model: its bits per byte, and its choice of the next sentence."""

from collections.abc import Sequence
from math import log
from typing import Any

from lodesmith.core.log import show_progress
from lodesmith.data.documents import Document
from lodesmith.data.tokenizer import Tokenizer
from lodesmith.evaluate.intervals import wilson_interval
from lodesmith.evaluate.likelihood import Row, log_likelihoods, slide_windows
from lodesmith.evaluate.sentences import NUM_CHOICES, Question, ask_questions
from lodesmith.model.decoder import Decoder

_DIGITS = 6  # of a score: rounding of sums in another order must not show


def score_bits_per_byte(
    model: Decoder, tokenizer: Tokenizer, documents: Sequence[Document], *, window: int
) -> dict[str, Any]:
    """Return the bits that the model needs for each UTF-8 byte of the documents' text.

    Every token of every document is scored once, each document by itself behind `<|endoftext|>`.
    Bits per byte, unlike perplexity, can be compared between tokenizers and with file packers.
    """
    texts = [document.text for document in documents]
    num_bytes = sum(len(text.encode()) for text in texts)
    rows = [
        row
        for ids in tokenizer.encode_batch(texts)
        for row in slide_windows([*_start(tokenizer), *ids], window=window)
    ]
    num_tokens = sum(row.num_scored for row in rows)
    with show_progress("score text", total=num_tokens, unit="tokens") as progress:
        nats = -sum(log_likelihoods(model, rows, progress=progress))
    return {
        "num_documents": len(texts),
        "num_bytes": num_bytes,
        "num_tokens": num_tokens,
        "bits_per_byte": round(nats / log(2) / max(num_bytes, 1), _DIGITS),
    }


def score_next_sentence(
    model: Decoder,
    tokenizer: Tokenizer,
    documents: Sequence[Document],
    *,
    window: int,
    context_tokens: int,
    num_items: int,
    seed: int,
) -> dict[str, Any]:
    """Return how often the true next sentence is likelier, per byte, than three others.

    Source: the length normalisation is that of `acc_norm` of lm-evaluation-harness, with bytes.
    """
    questions = ask_questions(documents, num_items=num_items, seed=seed)
    rows = [
        row
        for question in questions
        for row in _rows_of(question, tokenizer, window=window, context_tokens=context_tokens)
    ]
    total = sum(row.num_scored for row in rows)
    with show_progress("choose next sentences", total=total, unit="tokens") as progress:
        scores = log_likelihoods(model, rows, progress=progress)
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


def _start(tokenizer: Tokenizer) -> tuple[int, ...]:
    """Return what stands before a text: the end of the one before, unless the model has a sign."""
    return tokenizer.prefix_ids or (tokenizer.end_of_text_id,)


def _rows_of(
    question: Question, tokenizer: Tokenizer, *, window: int, context_tokens: int
) -> list[Row]:
    context = [*_start(tokenizer), *tokenizer.encode(question.context)][-context_tokens:]
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
