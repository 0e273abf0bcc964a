"""All conversations that a tune stage learns from: the recipe's chat sources and its help pages."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from lodesmith.core.errors import UserError
from lodesmith.core.storage import JSON, read_json
from lodesmith.data.documents import read_folder
from lodesmith.data.tokens import TokenSet
from lodesmith.data.warc import Damage, WarcRecord, read_warc
from lodesmith.tune.config import TuneConfig
from lodesmith.tune.conversations.chatterbot import folder_language, read_chatterbot
from lodesmith.tune.conversations.help_pairs import make_help_pairs
from lodesmith.tune.samples.messages import read_messages
from lodesmith.tune.samples.rows import Harvest, drop_duplicates

_READERS = {
    ".yml": read_chatterbot,
    ".yaml": read_chatterbot,
    ".jsonl": read_messages,
    ".json": read_messages,
}
_PAGE_RECORDS = frozenset({"resource", "response"})  # others tell about the archive, not of it


def harvest_rows(acquire: Path, *, prepare: Path, tokenize: Path, tune: TuneConfig) -> Harvest:
    """Return every conversation once: those of chat sources first, then those of help pages.

    Args:
        acquire: folder of the artifact with the raw sources.
        prepare: folder of the artifact with the clean documents.
        tokenize: folder of the artifact that says which documents were trained on.
        tune: the recipe's section.

    Raises:
        UserError: a chat file cannot be understood, or there is no conversation at all.
    """
    harvest = Harvest()
    for source in read_sources(acquire):
        if source["use"] == "chat":
            harvest.merge(_read_source(acquire / source["file"], source["name"], tune.languages))
    trained_on = set(TokenSet.open(tokenize / "train").document_ids)
    pages = (document for document in read_folder(prepare) if document.id in trained_on)
    harvest.merge(
        make_help_pairs(
            pages,
            languages=tune.languages,
            max_pairs=tune.max_help_pairs,
            max_answer_bytes=tune.max_answer_bytes,
            seed=tune.seed,
        )
    )
    drop_duplicates(harvest)
    if not harvest.rows:
        raise UserError(
            "there is no conversation to tune on: add a source with `use: chat` to acquire, or "
            "raise tune.max_help_pairs where pages have headings"
        )
    return harvest


def read_sources(acquire: Path) -> list[dict[str, Any]]:
    """Return the entries of the acquire artifact's `sources.json`."""
    entries: JSON = read_json(acquire / "sources.json")
    return list(entries)


def _read_source(path: Path, source: str, languages: Sequence[str]) -> Harvest:
    harvest = Harvest()

    def note_damage(damage: Damage) -> None:
        if damage.is_lost:
            harvest.drop(
                "damaged record", note=f"{path.name}#{damage.offset}: left out, {damage.reason}"
            )

    for record in read_warc(path, on_damage=note_damage):
        if record.type in _PAGE_RECORDS:
            harvest.merge(_read_record(record, source, languages))
    return harvest


def _read_record(record: WarcRecord, source: str, languages: Sequence[str]) -> Harvest:
    language = folder_language(record.uri)
    if language is not None and language not in languages:
        skipped = Harvest()
        skipped.drop("file of another language")
        return skipped
    reader = _READERS.get(PurePosixPath(record.uri).suffix.lower())
    if reader is None:
        raise UserError(
            f"{record.uri}: is no chat file ({', '.join(_READERS)}); "
            f"narrow the paths of source {source}"
        )
    return reader(record.payload, name=record.uri, source=source)
