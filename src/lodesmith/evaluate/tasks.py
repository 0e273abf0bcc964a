"""The tasks that `lodesmith evaluate MODEL --tasks ...` knows, for any model on any text."""

import difflib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from lodesmith.core.errors import UserError
from lodesmith.core.log import Progress, show_progress
from lodesmith.data.documents import Document, read_documents
from lodesmith.data.tokenizer import Tokenizer
from lodesmith.evaluate.config import EvaluateConfig, trained_window
from lodesmith.evaluate.held_out import HELD_OUT_FILE, group_by_language, read_document_file
from lodesmith.evaluate.scoring import Subject, score_bits_per_byte, score_next_sentence
from lodesmith.lineage.models import find_model_folder
from lodesmith.lineage.workspace import Workspace
from lodesmith.model.checkpoint import load_decoder

Texts = dict[str, list[Document]]  # by language

_MAX_WINDOW_TOKENS = 2048  # of a model made elsewhere; longer windows change the score little


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


Task = Callable[..., dict[str, Any]]

TASKS: dict[str, Task] = {"bits_per_byte": bits_per_byte, "next_sentence": next_sentence}


def evaluate_model(
    name: str,
    *,
    tasks: Sequence[str],
    workspace: Path,
    num_fewshot: int = 0,
    limit: int | None = None,
    documents: Path | None = None,
) -> dict[str, Any]:
    """Return the scores of a model by task and language.

    Args:
        name: artifact id or Hugging Face folder.
        tasks: names out of `TASKS`.
        workspace: folder in which the id is looked up.
        num_fewshot: worked examples in front of each question; the tasks so far take none.
        limit: documents or questions per task and language, at most.
        documents: text to score; None: what was held out when an artifact's corpus was tokenized.

    Raises:
        UserError: an unknown task or model, worked examples asked for, or no text to score.
    """
    chosen = {task: _find_task(task) for task in tasks}
    if num_fewshot:
        raise UserError(
            f"{', '.join(tasks)}: no worked examples can be given; leave --num-fewshot 0"
        )
    subject, texts = _load(name, workspace=Workspace(workspace), documents=documents)
    scores = {}
    for task, run in chosen.items():
        with show_progress(task.replace("_", " "), total=None, unit="tokens") as progress:
            scores[task] = run(subject, texts, limit=limit, progress=progress)
    return scores


def _find_task(name: str) -> Task:
    if name in TASKS:
        return TASKS[name]
    close = difflib.get_close_matches(name, TASKS, n=1, cutoff=0.4)
    hint = f"did you mean {close[0]}?" if close else f"known tasks: {', '.join(TASKS)}"
    raise UserError(f"there is no task {name!r}; {hint}")


def _load(name: str, *, workspace: Workspace, documents: Path | None) -> tuple[Subject, Texts]:
    folder = find_model_folder(name, workspace)
    is_folder = folder == Path(name)
    if documents is not None:
        found = read_document_file(documents)
    elif is_folder:
        raise UserError(f"{name} is a folder of weights, with no held-out text of its own; give "
                        "--documents FILE.jsonl or FILE.txt")  # fmt: skip
    else:
        tokenize = workspace.find_ancestor(workspace.find(name), "tokenize")
        found = list(read_documents(tokenize.file(HELD_OUT_FILE)))
    model = load_decoder(folder).to("cuda" if torch.cuda.is_available() else "cpu").eval()
    window = min(model.config.max_position_embeddings, _MAX_WINDOW_TOKENS)
    if not is_folder:
        pretrain = workspace.find_ancestor(workspace.find(name), "pretrain")
        window = trained_window(pretrain.receipt.config)
    subject = Subject(model=model, tokenizer=Tokenizer.load(folder), window=window)
    return subject, group_by_language(found)
