"""The independent pieces of the evaluate stage, each run in a process of its own, once.

Every piece reads its inputs from finished artifacts and returns JSON data. Torch computes on one
thread here, so that a sum has the same order, and a score the same digits, on any number of cores.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lodesmith.core.storage import JSON
from lodesmith.evaluate.config import EvaluateConfig
from lodesmith.evaluate.held_out.baselines import (
    byte_5gram_bits,
    character_5gram_bits,
    token_5gram_bits,
    xz_bytes,
)
from lodesmith.evaluate.held_out.held_out import read_held_out, read_split, read_token_split

if TYPE_CHECKING:
    from lodesmith.evaluate.scoring.scoring import Subject


def model_bits_per_byte(model: str, tokenize: str, window: int, evaluate: EvaluateConfig) -> JSON:
    """Return the bits per byte of a model, by language."""
    from lodesmith.evaluate.scoring.scoring import score_bits_per_byte

    subject = _load(Path(model), window)
    return {
        language: score_bits_per_byte(subject, documents)
        for language, documents in read_held_out(Path(tokenize), evaluate.languages).items()
    }


def model_next_sentence(model: str, tokenize: str, window: int, evaluate: EvaluateConfig) -> JSON:
    """Return the next-sentence accuracy of a model, by language."""
    from lodesmith.evaluate.scoring.scoring import score_next_sentence

    subject = _load(Path(model), window)
    return {
        language: score_next_sentence(
            subject,
            documents,
            context_tokens=evaluate.context_tokens,
            num_items=evaluate.num_items,
            seed=evaluate.seed,
        )
        for language, documents in read_held_out(Path(tokenize), evaluate.languages).items()
    }


def model_benchmark(model: str, window: int, task: str, evaluate: EvaluateConfig) -> JSON:
    """Return the scores of a benchmark."""
    from lodesmith.evaluate.benchmarks.task_file import read_task
    from lodesmith.evaluate.tasks.tasks import Asking, run_task

    asking = Asking(
        data=Path(evaluate.data or ""), num_fewshot=evaluate.num_fewshot, seed=evaluate.seed
    )
    return run_task(task, read_task(task), _load(Path(model), window), asking)


def ngram_bits(prepare: str, tokenize: str, language: str) -> JSON:
    """Return the bits of a language's held-out text under each n-gram model."""
    split = read_split(Path(prepare), Path(tokenize), language=language)
    tokens = read_token_split(Path(tokenize), training=split.training, held_out=split.held_out)
    texts = split.training_texts, split.held_out_texts
    return {
        "byte_5gram": byte_5gram_bits(*texts),
        "character_5gram": character_5gram_bits(*texts),
        "token_5gram": token_5gram_bits(
            tokens.training, tokens.held_out, vocab_size=tokens.vocab_size
        ),
    }


def xz_size(prepare: str, tokenize: str, language: str, with_held_out: bool) -> JSON:
    """Return the packed size of a language's training text, with or without the held-out text."""
    split = read_split(Path(prepare), Path(tokenize), language=language)
    return xz_bytes([*split.training_texts, *(split.held_out_texts if with_held_out else [])])


def _load(folder: Path, window: int) -> "Subject":
    import torch

    from lodesmith.evaluate.scoring.scoring import Subject, open_weights
    from lodesmith.model.vocabulary import load_tokenizer

    torch.set_num_threads(1)
    model = open_weights(folder)
    return Subject(model=model, tokenizer=load_tokenizer(folder), window=window, folder=folder)


PIECES: dict[str, Callable[..., JSON]] = {
    "bits_per_byte": model_bits_per_byte,
    "next_sentence": model_next_sentence,
    "benchmark": model_benchmark,
    "ngram": ngram_bits,
    "xz": xz_size,
}


def run(name: str, *arguments: Any) -> JSON:
    """Return what a piece finds."""
    return PIECES[name](*arguments)
