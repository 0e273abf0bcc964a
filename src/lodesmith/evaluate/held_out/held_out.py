"""The texts that evaluation reads: what the model was trained on, and what was kept from it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lodesmith.core.errors import UserError
from lodesmith.data.documents import Document, parse_document, read_documents, read_folder
from lodesmith.data.entries import JSON_ENDINGS, plain_name, read_entries, read_text
from lodesmith.data.tokens import TokenSet
from lodesmith.evaluate.held_out.ngram import Numbers

HELD_OUT_FILE = "held_out.jsonl.zst"


@dataclass(frozen=True, slots=True)
class Split:
    """The documents of one language on both sides, in stored order."""

    training: list[Document]
    held_out: list[Document]

    @property
    def training_texts(self) -> list[str]:
        """What the model saw."""
        return [document.text for document in self.training]

    @property
    def held_out_texts(self) -> list[str]:
        """What it did not see."""
        return [document.text for document in self.held_out]


@dataclass(frozen=True, slots=True)
class TokenSplit:
    """The token ids of the documents of one language on both sides, without separators."""

    training: list[Numbers]
    held_out: list[Numbers]
    vocab_size: int


def read_split(prepare: Path, tokenize: Path, *, language: str) -> Split:
    """Return the documents of a language that the model saw and those that it did not.

    Args:
        prepare: folder of the artifact with all documents.
        tokenize: folder of the artifact with the token sets.
        language: ISO 639-1 code.

    Raises:
        UserError: nothing of that language was trained on, or held out.
    """
    seen = set(TokenSet.open(tokenize / "train").document_ids)
    training = [
        document
        for document in read_folder(prepare)
        if document.language == language and document.id in seen
    ]
    if not training:
        raise UserError(
            f"no training document is of language {language}, so no baseline can learn from it; "
            "take it out of evaluate.languages"
        )
    return Split(training=training, held_out=read_held_out(tokenize, [language])[language])


def read_token_split(
    tokenize: Path, *, training: Sequence[Document], held_out: Sequence[Document]
) -> TokenSplit:
    """Return the stored token ids of documents of both sides."""
    seen, unseen = TokenSet.open(tokenize / "train"), TokenSet.open(tokenize / "held_out")
    return TokenSplit(
        training=[_tokens_of(seen, document) for document in training],
        held_out=[_tokens_of(unseen, document) for document in held_out],
        vocab_size=seen.vocab_size,
    )


def _tokens_of(tokens: TokenSet, document: Document) -> Numbers:
    span = tokens.span_of_document(document.id)
    return tokens.tokens[span.start + 1 : span.stop].astype(np.int64)


def read_held_out(tokenize: Path, languages: Sequence[str]) -> dict[str, list[Document]]:
    """Return the held-out documents of each language.

    Raises:
        UserError: a language has none.
    """
    by_language = group_by_language(read_documents(tokenize / HELD_OUT_FILE))
    for language in languages:
        if language not in by_language:
            raise UserError(
                f"no document of language {language} is held out, only of "
                f"{', '.join(by_language) or 'none'}; change evaluate.languages, or hold out more"
            )
    return {language: by_language[language] for language in languages}


def group_by_language(documents: Iterable[Document]) -> dict[str, list[Document]]:
    """Return the documents of each language, languages in alphabetical order."""
    groups: dict[str, list[Document]] = {}
    for document in documents:
        groups.setdefault(document.language, []).append(document)
    return dict(sorted(groups.items()))


def read_document_file(path: Path) -> list[Document]:
    """Return the documents of a file: JSON records with a `text` each, or one `.txt`.

    A record without `language` counts as language "und". Sealed files are opened where a key is
    granted.

    Raises:
        UserError: the file is missing, of another kind, empty, or a line has no text.
    """
    if not path.is_file():
        raise UserError(f"{path} is not a file; give a .jsonl or .txt file with text to score")
    name = plain_name(path)
    if name.endswith(JSON_ENDINGS):
        documents = [_parse_entry(entry, f"{path}:{line}") for line, entry in read_entries(path)]
    elif name.endswith(".txt"):
        documents = [_bare_document(path.name, {"text": read_text(path)})]
    else:
        raise UserError(
            f"{path} is no kind of text file known here; give {', '.join(JSON_ENDINGS)} or .txt"
        )
    if not any(document.text for document in documents):
        raise UserError(f"{path} holds no text to score")
    return documents


def _parse_entry(entry: Any, place: str) -> Document:
    if not isinstance(entry, dict) or not isinstance(entry.get("text"), str):
        raise UserError(f'{place}: has no "text"; each record needs one, a string')
    return _bare_document(place.rpartition(":")[2], entry)


def _bare_document(name: str, data: Mapping[str, object]) -> Document:
    """Return a document that may lack all but its text."""
    given = {key: value for key, value in data.items() if value is not None}
    defaults = {"id": name, "source": name, "url": "", "language": "und"}
    return parse_document(json.dumps({**defaults, **given}))
