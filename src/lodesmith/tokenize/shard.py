"""One shard of documents: how much text each side has, and its tokens and index once encoded.

A shard is read from disk each time it is needed and leaves nothing in memory, so a corpus may be
of any size; its parts are joined in the order of the shards.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lodesmith.core.storage import JSON
from lodesmith.data.documents import Document, read_documents, write_documents
from lodesmith.data.split import is_held_out
from lodesmith.data.tokenizer import Tokenizer
from lodesmith.data.tokens import write_token_set
from lodesmith.lineage.text_index import build_text_index

SIDES = ("train", "held_out")
HELD_OUT_FILE = "held_out.jsonl.zst"
INDEX_FOLDER = "text-index"
_INDEX_BYTES = 256 << 20  # of text in one index that is built in memory


@dataclass(frozen=True, slots=True)
class Shard:
    """A file of documents and the folder of what is made of it."""

    documents: Path
    held_out_fraction: float
    parts: Path

    def of(self, side: str) -> Iterator[Document]:
        """Yield the documents of one side, in order."""
        for document in read_documents(self.documents):
            if self._side(document) == side:
                yield document

    def sides(self) -> Iterator[tuple[str, Document]]:
        """Yield all documents with their sides."""
        for document in read_documents(self.documents):
            yield self._side(document), document

    def _side(self, document: Document) -> str:
        name = document.url or document.id
        held_out = is_held_out(name, held_out_fraction=self.held_out_fraction)
        return "held_out" if held_out else "train"


def measure_shard(shard: Shard) -> JSON:
    """Return the number of documents and of bytes of text on each side.

    And of the training side `corpora`: (corpus, number of documents) for each run of documents.
    """
    sizes: JSON = {side: {"documents": 0, "bytes": 0} for side in SIDES}
    runs: list[tuple[str, int]] = []
    for side, document in shard.sides():
        sizes[side]["documents"] += 1
        sizes[side]["bytes"] += len(document.text.encode())
        if side == "train":
            again = bool(runs) and runs[-1][0] == document.corpus
            before = runs.pop()[1] if again else 0
            runs.append((document.corpus, before + 1))
    return {**sizes, "corpora": runs}


def encode_shard(shard: Shard, tokenizer_folder: Path) -> JSON:
    """Write the token sets of both sides, the held-out documents and the index of the others."""
    tokenizer = Tokenizer.load(tokenizer_folder)
    for side in SIDES:
        write_token_set(
            shard.parts / side,
            ((document.id, tokenizer.encode_array(document.text)) for document in shard.of(side)),
            vocab_size=tokenizer.vocab_size,
            tokenizer_digest=tokenizer.digest,
            separator_id=tokenizer.end_of_text_id,
        )
    write_documents(shard.parts / HELD_OUT_FILE, shard.of("held_out"))
    texts = (document.text for document in shard.of("train"))
    num_indexes = 0
    for number, batch in enumerate(_in_batches(texts)):
        build_text_index(shard.parts / INDEX_FOLDER / f"{number:05d}", batch)
        num_indexes = number + 1
    return {"num_indexes": num_indexes}


def _in_batches(texts: Iterator[str]) -> Iterator[Iterator[str]]:
    """Yield iterators over runs of texts that an index in memory can take; use each up in turn."""
    for first in texts:
        yield _run(first, texts)


def _run(first: str, texts: Iterator[str]) -> Iterator[str]:
    yield first
    size = len(first)
    while size < _INDEX_BYTES and (text := next(texts, None)) is not None:
        yield text
        size += len(text)
