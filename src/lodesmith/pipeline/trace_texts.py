"""From a sentence to the training documents that hold it, exactly as it is written."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lodesmith.core.errors import UserError
from lodesmith.data.tokenizer import Tokenizer
from lodesmith.data.tokens import TokenSet
from lodesmith.lineage.artifact import Artifact
from lodesmith.lineage.text_index import TextIndex
from lodesmith.lineage.workspace import Workspace
from lodesmith.pipeline.trace_chats import ChatMatch, describe_chat
from lodesmith.pipeline.trace_documents import (
    DocumentTrace,
    format_document_trace,
    trace_documents,
)

_CONTEXT_CHARACTERS = 80  # around a match, both sides together


@dataclass(frozen=True, kw_only=True)
class TextMatch:
    """A document that holds the text."""

    document_id: str
    url: str
    start: int  # character of the document at which the first match begins
    before: str  # what stands before and after it, at most 80 characters in all
    after: str
    document: DocumentTrace


@dataclass(frozen=True)
class _Place:
    start: int
    before: str
    after: str


def trace_text(workspace: Workspace, sentence: str, *, limit: int = 10) -> list[TextMatch]:
    """Return the first documents of any training text that hold a sentence, and their ways.

    Raises:
        UserError: the sentence is empty, or nothing in the workspace was made ready for training.
    """
    artifacts = [found for found in workspace.list_artifacts() if found.kind == "tokenize"]
    if not artifacts:
        raise UserError(
            f"there is no training text in {workspace.root} yet; "
            "`lodesmith tokenize RECIPE` makes some"
        )
    places: dict[str, _Place] = {}
    for artifact in artifacts:
        for name, place in _search(artifact, sentence, limit=limit).items():
            places.setdefault(name, place)
    wanted = list(places)[:limit]
    traces = trace_documents(workspace, wanted)
    return [
        TextMatch(
            document_id=name,
            url=traces[name].url,
            start=places[name].start,
            before=places[name].before,
            after=places[name].after,
            document=traces[name],
        )
        for name in wanted
        if name in traces  # unless its prepare artifact was removed
    ]


def format_text_matches(matches: list[TextMatch], chats: Sequence[ChatMatch] = ()) -> str:
    """Return the documents and the records of tuning as people read them."""
    if not matches and not chats:
        return "no training document and no chat holds this text exactly as it is written"
    return "\n\n".join([*map(_describe, matches), *map(describe_chat, chats)])


def _describe(match: TextMatch) -> str:
    context = f"…{match.before}[…]{match.after}…".replace("\n", " ")
    return f"{context}\n{format_document_trace(match.document)}"


def _search(artifact: Artifact, sentence: str, *, limit: int) -> dict[str, _Place]:
    tokens = TokenSet.open(artifact.file("train"))
    fetch = _text_reader(artifact, tokens)
    index = TextIndex.open(artifact.file("text-index"))
    places = {}
    for match in index.find(sentence, fetch=fetch, limit=limit):
        text = fetch(match.document)
        end = match.start + len(sentence)
        half = _CONTEXT_CHARACTERS // 2
        places[tokens.document_ids[match.document]] = _Place(
            start=match.start,
            before=text[max(0, match.start - half) : match.start],
            after=text[end : end + half],
        )
    return places


def _text_reader(artifact: Artifact, tokens: TokenSet) -> Callable[[int], str]:
    """Return what reads a training document by its number: its tokens give its text exactly."""
    tokenizer = Tokenizer.load(artifact.file("tokenizer"))
    tokens.check_tokenizer(tokenizer.digest)

    def read(number: int) -> str:
        start = int(tokens.ends[number - 1]) if number else 0
        return tokenizer.decode(tokens.tokens[start + 1 : tokens.ends[number]].tolist())

    return read
