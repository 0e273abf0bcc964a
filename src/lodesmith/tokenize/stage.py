"""The stage: documents in; a tokenizer, token sets of both sides and an index of the text out."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from lodesmith.core.errors import UserError
from lodesmith.core.log import Progress, show_progress
from lodesmith.core.process import count_free_cores
from lodesmith.core.shards import map_shards
from lodesmith.core.storage import JSON
from lodesmith.data.corpora import write_corpora
from lodesmith.data.documents import SHARD_PATTERN, Document, read_documents, write_documents
from lodesmith.data.tokenizer import Tokenizer
from lodesmith.data.tokens import TokenSet, join_token_sets
from lodesmith.lineage.artifact import Artifact, Draft
from lodesmith.lineage.text_index import join_text_indexes
from lodesmith.tokenize.bpe import train_tokenizer
from lodesmith.tokenize.config import TokenizeConfig
from lodesmith.tokenize.shard import (
    HELD_OUT_FILE,
    INDEX_FOLDER,
    SIDES,
    Shard,
    encode_shard,
    measure_shard,
)

# Below this a second process costs more (it imports for half a CPU-second) than it saves.
_BYTES_PER_WORKER = 16 << 20


def make(draft: Draft, *, parents: Mapping[str, Artifact], tokenize: TokenizeConfig) -> None:
    """Make a tokenizer from the training side and encode both sides.

    Raises:
        UserError: no document is left to train on.
    """
    run = _Run(draft, parents["prepare"].path, tokenize)
    sides = run.measure()
    _check_sides(sides, tokenize)
    once = draft.markers.once
    once("tokenizer", partial(_train, draft.path / "tokenizer", run.shards, tokenize, sides))
    tokenizer = Tokenizer.load(draft.path / "tokenizer")
    encoded = run.encode(sides)
    for side in SIDES:
        once(side, partial(_join_side, draft.path / side, run.shards, tokenizer))
    once("corpora", partial(write_corpora, draft.path / "train", run.corpora))
    once(HELD_OUT_FILE, partial(_join_held_out, draft.path / HELD_OUT_FILE, run.shards))
    once(INDEX_FOLDER, partial(_join_indexes, draft.path / INDEX_FOLDER, run.shards, encoded))
    draft.counts = _count(draft.path, sides, tokenizer)
    if not sides["held_out"]["documents"]:
        draft.notes.append(
            "no document is held out, so nothing can be measured on unseen text; "
            "raise tokenize.held_out_fraction"
        )


class _Run:
    """The shards of the corpus and the two passes over all of them."""

    def __init__(self, draft: Draft, folder: Path, tokenize: TokenizeConfig) -> None:
        self._draft, self._tokenize = draft, tokenize
        self._num_bytes = 0
        self.corpora: list[tuple[str, int]] = []  # runs of the training side's documents
        self.shards = [
            Shard(path, tokenize.held_out_fraction, draft.scratch / path.name.partition(".")[0])
            for path in sorted(folder.glob(SHARD_PATTERN))
        ]

    def measure(self) -> JSON:
        """Return the number of documents and of bytes of text on each side."""
        # Compressed text grows about fourfold.
        self._num_bytes = 4 * sum(shard.documents.stat().st_size for shard in self.shards)
        sizes = self._map("measure", measure_shard, lambda shard: (shard,))
        self.corpora = [(name, count) for size in sizes for name, count in size["corpora"]]
        return {
            side: {name: sum(size[side][name] for size in sizes) for name in ("documents", "bytes")}
            for side in SIDES
        }

    def encode(self, sides: JSON) -> list[JSON]:
        """Encode all shards; return what each has written."""
        self._num_bytes = sum(side["bytes"] for side in sides.values())
        folder = self._draft.path / "tokenizer"
        return self._map("encode", encode_shard, lambda shard: (shard, folder))

    def _map(
        self, name: str, work: Callable[..., JSON], arguments: Callable[[Shard], tuple[Any, ...]]
    ) -> list[JSON]:
        free = self._tokenize.num_workers or count_free_cores()
        with show_progress(f"{name} text", total=len(self.shards), unit="shards") as progress:
            results = map_shards(
                work,
                {f"{name}-{shard.parts.name}": arguments(shard) for shard in self.shards},
                markers=self._draft.markers,
                num_workers=max(1, min(free, self._num_bytes // _BYTES_PER_WORKER)),
                progress=progress,
                engine=self._tokenize.engine,
            )
            return list(results)


def _check_sides(sides: JSON, tokenize: TokenizeConfig) -> None:
    if sides["train"]["documents"] == 0:
        raise UserError(
            f"no document is left to train on ({sides['held_out']['documents']} are held out with "
            f"tokenize.held_out_fraction = {tokenize.held_out_fraction}); give acquire more pages, "
            "or look in the funnel of prepare for the step that dropped them"
        )


def _train(folder: Path, shards: Iterable[Shard], tokenize: TokenizeConfig, sides: JSON) -> JSON:
    share = min(1.0, tokenize.max_training_bytes / max(1, sides["train"]["bytes"]))
    size = sides["train"]["bytes"] * share
    with show_progress("train tokenizer", total=size, unit="bytes") as progress:
        texts = _watch(_sample(shards, share), progress, then="learning merges")
        tokenizer = train_tokenizer(folder, texts, vocab_size=tokenize.vocab_size)
    return {"digest": tokenizer.digest}


def _sample(shards: Iterable[Shard], share: float) -> Iterator[Document]:
    """Yield a share of the training side's documents: those with the least hashes of their ids."""
    limit = share * 2**64
    for shard in shards:
        for document in shard.of("train"):
            digest = hashlib.blake2b(document.id.encode(), digest_size=8).digest()
            if share >= 1 or int.from_bytes(digest, "big") < limit:
                yield document


def _watch(documents: Iterable[Document], progress: Progress, *, then: str) -> Iterator[str]:
    for document in documents:
        yield document.text
        progress.advance(len(document.text.encode()))
    progress.advance(0, note=then)


def _join_side(folder: Path, shards: Iterable[Shard], tokenizer: Tokenizer) -> JSON:
    join_token_sets(
        folder,
        (shard.parts / folder.name for shard in shards),
        vocab_size=tokenizer.vocab_size,
        tokenizer_digest=tokenizer.digest,
        separator_id=tokenizer.end_of_text_id,
    )
    return None


def _join_held_out(path: Path, shards: Iterable[Shard]) -> JSON:
    parts = (shard.parts / HELD_OUT_FILE for shard in shards)
    return write_documents(path, (document for part in parts for document in read_documents(part)))


def _join_indexes(folder: Path, shards: Iterable[Shard], encoded: Iterable[JSON]) -> JSON:
    parts = [
        shard.parts / INDEX_FOLDER / f"{number:05d}"
        for shard, written in zip(shards, encoded, strict=True)
        for number in range(written["num_indexes"])
    ]
    return join_text_indexes(folder, parts)


def _count(folder: Path, sides: JSON, tokenizer: Tokenizer) -> dict[str, Any]:
    counts: dict[str, Any] = {"vocab_size": tokenizer.vocab_size}
    for side in SIDES:
        counts[f"num_{side}_documents"] = sides[side]["documents"]
        counts[f"num_{side}_tokens"] = TokenSet.open(folder / side).num_tokens
        counts[f"{side}_bytes"] = sides[side]["bytes"]
    text_tokens = counts["num_train_tokens"] - counts["num_train_documents"]  # no separators
    counts["bytes_per_token"] = round(counts["train_bytes"] / max(1, text_tokens), 3)
    return counts
