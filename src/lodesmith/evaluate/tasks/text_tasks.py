"""Tasks on any text, by language: bits per byte, and the choice of the next sentence."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from lodesmith.core.errors import UserError
from lodesmith.core.log import Progress
from lodesmith.data.documents import Document, read_documents
from lodesmith.evaluate.config import EvaluateConfig
from lodesmith.evaluate.held_out.held_out import (
    HELD_OUT_FILE,
    group_by_language,
    read_document_file,
)
from lodesmith.evaluate.scoring.scoring import Subject, score_bits_per_byte, score_next_sentence
from lodesmith.evaluate.tasks.line import made_from
from lodesmith.lineage.workspace import Workspace

Texts = dict[str, list[Document]]  # by language


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


def load_texts(name: str, *, workspace: Workspace, documents: Path | None) -> Texts:
    """Return the documents of a file, or those held out when a model's corpus was tokenized.

    Raises:
        UserError: there are none.
    """
    if documents is not None:
        return group_by_language(read_document_file(documents))
    tokenize = made_from(name, "tokenize", workspace)
    if tokenize is None:
        raise UserError(
            f"{name} was not trained here from the start, so that no text was held out for it; "
            "give --documents FILE.jsonl or FILE.txt"
        )
    return group_by_language(list(read_documents(tokenize.file(HELD_OUT_FILE))))
