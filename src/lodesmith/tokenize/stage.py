"""The stage: documents in; a tokenizer, token sets of both sides and an index of the text out."""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from lodesmith.core.errors import UserError
from lodesmith.core.log import Progress, show_progress
from lodesmith.core.storage import JSON
from lodesmith.data.documents import Document, read_folder, write_documents
from lodesmith.data.split import is_held_out
from lodesmith.data.tokenizer import Tokenizer
from lodesmith.data.tokens import TokenSet, write_token_set
from lodesmith.lineage.artifact import Artifact, Draft
from lodesmith.lineage.text_index import build_text_index
from lodesmith.tokenize.bpe import train_tokenizer
from lodesmith.tokenize.config import TokenizeConfig

HELD_OUT_FILE = "held_out.jsonl.zst"
_BATCH_DOCUMENTS = 256  # encoded at a time


def make(draft: Draft, *, parents: Mapping[str, Artifact], tokenize: TokenizeConfig) -> None:
    """Make a tokenizer from the training side and encode both sides.

    Raises:
        UserError: no document is left to train on.
    """
    once = draft.markers.once
    documents = _Documents(parents["prepare"].path, tokenize.held_out_fraction)
    sides = once("sides", documents.measure)
    _check_sides(sides, tokenize)
    once("tokenizer", partial(_train, draft.path / "tokenizer", documents, tokenize, sides))
    tokenizer = Tokenizer.load(draft.path / "tokenizer")
    for side in ("train", "held_out"):
        once(side, partial(_encode, draft.path / side, documents.of(side), tokenizer, sides[side]))
    once(
        HELD_OUT_FILE, lambda: write_documents(draft.path / HELD_OUT_FILE, documents.of("held_out"))
    )
    once("text-index", partial(_index, draft.path / "text-index", documents, sides["train"]))
    draft.counts = _count(draft.path, sides, tokenizer)
    if not sides["held_out"]["documents"]:
        draft.notes.append(
            "no document is held out, so nothing can be measured on unseen text; "
            "raise tokenize.held_out_fraction"
        )


class _Documents:
    """The documents of both sides, read from disk each time they are needed."""

    def __init__(self, folder: Path, held_out_fraction: float) -> None:
        self._folder, self._held_out_fraction = folder, held_out_fraction

    def of(self, side: str) -> Iterator[Document]:
        for document in read_folder(self._folder):
            if self._side(document) == side:
                yield document

    def measure(self) -> JSON:
        sizes = {side: {"documents": 0, "bytes": 0} for side in ("train", "held_out")}
        for document in read_folder(self._folder):
            size = sizes[self._side(document)]
            size["documents"] += 1
            size["bytes"] += len(document.text.encode())
        return sizes

    def _side(self, document: Document) -> str:
        held_out = is_held_out(
            document.url or document.id, held_out_fraction=self._held_out_fraction
        )
        return "held_out" if held_out else "train"


def _check_sides(sides: JSON, tokenize: TokenizeConfig) -> None:
    if sides["train"]["documents"] == 0:
        raise UserError(
            f"no document is left to train on ({sides['held_out']['documents']} are held out with "
            f"tokenize.held_out_fraction = {tokenize.held_out_fraction}); give acquire more pages, "
            "or look in the funnel of prepare for the step that dropped them"
        )


def _train(folder: Path, documents: _Documents, tokenize: TokenizeConfig, sides: JSON) -> JSON:
    size = sides["train"]["bytes"]
    with show_progress("train tokenizer", total=size, unit="bytes") as progress:
        texts = _watch(documents.of("train"), progress, then="learning merges")
        tokenizer = train_tokenizer(
            folder, (document.text for document in texts), vocab_size=tokenize.vocab_size
        )
    return {"digest": tokenizer.digest}


def _encode(
    folder: Path, documents: Iterable[Document], tokenizer: Tokenizer, size: dict[str, int]
) -> JSON:
    title = f"encode {folder.name.replace('_', '-')}"
    with show_progress(title, total=size["bytes"], unit="bytes") as progress:
        write_token_set(
            folder,
            _encode_each(_watch(documents, progress), tokenizer),
            vocab_size=tokenizer.vocab_size,
            tokenizer_digest=tokenizer.digest,
            separator_id=tokenizer.end_of_text_id,
        )
    return None


def _encode_each(
    documents: Iterator[Document], tokenizer: Tokenizer
) -> Iterator[tuple[str, list[int]]]:
    while batch := list(islice(documents, _BATCH_DOCUMENTS)):
        ids = tokenizer.encode_batch([document.text for document in batch])
        yield from zip((document.id for document in batch), ids, strict=True)


def _index(folder: Path, documents: _Documents, size: dict[str, int]) -> JSON:
    with show_progress("index text", total=size["bytes"], unit="bytes") as progress:
        texts = _watch(documents.of("train"), progress)
        return build_text_index(folder, (document.text for document in texts))


def _watch(
    documents: Iterable[Document], progress: Progress, *, then: str = ""
) -> Iterator[Document]:
    for document in documents:
        yield document
        progress.advance(len(document.text.encode()))
    progress.advance(0, note=then)


def _count(folder: Path, sides: JSON, tokenizer: Tokenizer) -> dict[str, Any]:
    counts: dict[str, Any] = {"vocab_size": tokenizer.vocab_size}
    for side in ("train", "held_out"):
        counts[f"num_{side}_documents"] = sides[side]["documents"]
        counts[f"num_{side}_tokens"] = TokenSet.open(folder / side).num_tokens
        counts[f"{side}_bytes"] = sides[side]["bytes"]
    text_tokens = counts["num_train_tokens"] - counts["num_train_documents"]  # no separators
    counts["bytes_per_token"] = round(counts["train_bytes"] / max(1, text_tokens), 3)
    return counts
