"""A first recipe for one's own files: what they are, and sizes that two cores train in minutes.

The shape and the rates are the quickstart's, which were tried; only vocabulary and steps follow the
amount of text. Whoever wants more changes a recipe that runs, instead of writing one.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lodesmith.acquire.pages.patterns import matches_any
from lodesmith.acquire.source_base import ARCHIVE_PATTERNS, HTML_PATTERNS, PAGE_PATTERNS, make_name
from lodesmith.core.errors import UserError
from lodesmith.core.units import format_counted
from lodesmith.data.entries import JSON_ENDINGS
from lodesmith.data.rows import ROW_FAULTS, unpack
from lodesmith.tune.samples.samples import holds_chats

# Of a file's bytes, how much clean text there is; pages as in the quickstart's packages.
_HTML_SHARE, _TEXT_SHARE = 0.12, 1.0
_ARCHIVE_SHARE, _PACKED_ARCHIVE_SHARE = 0.1, 0.4
_TABLE_SHARES = {".parquet": 2.0, ".gz": 3.0, ".zst": 3.0}
_PEEK_BYTES = 1 << 20

_STEP_TOKENS = 8 * 256
_BYTES_PER_TOKEN = 3.5  # of the quickstart's text and vocabulary
_EPOCHS = 1.5  # as in the quickstart
_STEP_SECONDS = 0.16  # the quickstart's, on two cores
_MIN_STEPS, _MAX_STEPS = 200, 3000


@dataclass(kw_only=True)
class Holdings:
    """What files hold, by kind."""

    folders: list[str] = field(default_factory=list)  # that hold pages
    archives: list[str] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    chats: list[str] = field(default_factory=list)
    num_pages: int = 0
    num_others: int = 0
    text_bytes: float = 0.0  # a guess

    def tell(self) -> str:
        """Return one line on what was found."""
        counts = {
            ("page", "pages"): self.num_pages,
            ("archive", "archives"): len(self.archives),
            ("table", "tables"): len(self.tables),
            ("file of chats", "files of chats"): len(self.chats),
            ("file of another kind, left out", "files of other kinds, left out"): self.num_others,
        }
        return ", ".join(format_counted(n, one, more) for (one, more), n in counts.items() if n)


def survey(entries: Sequence[Path]) -> Holdings:
    """Return what files and folders hold; of a table only the first row is looked at.

    Raises:
        UserError: an entry does not exist, or nothing can be learnt from.
    """
    found = Holdings()
    for entry in entries:
        if not entry.exists():
            raise UserError(f"there is no file or folder {entry}")
        before = found.num_pages
        for file in _list(entry):
            _sort_in(found, file)
        if found.num_pages > before:
            found.folders.append(str(entry))
    if not (found.folders or found.archives or found.tables):
        raise UserError(
            f"no pages, archives or tables of texts in {', '.join(map(str, entries))} "
            f"({found.tell() or 'empty'}); docs/how-to/own-pages.md says what is taken"
        )
    return found


def write_first_recipe(found: Holdings) -> str:
    """Return a recipe's text for what was found."""
    tokens = found.text_bytes / _BYTES_PER_TOKEN
    steps = min(_MAX_STEPS, max(_MIN_STEPS, int(_EPOCHS * tokens / _STEP_TOKENS)))
    vocab_size = 1024 if found.text_bytes < 1e6 else 4096 if found.text_bytes < 30e6 else 8192
    minutes = max(1, round(steps * _STEP_SECONDS / 60))
    return _RECIPE.format(
        found=found.tell(),
        megabytes=found.text_bytes / 1e6,
        minutes=minutes,
        sources="\n".join(_sources(found)),
        vocab_size=vocab_size,
        held_out_fraction=0.1 if found.text_bytes < 1e6 else 0.035,
        steps=steps,
        tune=_TUNE.format(files=_quote(found.chats)) if found.chats else "",
    )


def _list(entry: Path) -> Iterator[Path]:
    files = sorted(entry.rglob("*")) if entry.is_dir() else [entry]
    return (file for file in files if file.is_file())


def _sort_in(found: Holdings, file: Path) -> None:
    suffix, size = file.suffix.lower(), file.stat().st_size
    if matches_any(file.name, PAGE_PATTERNS):
        is_html = matches_any(file.name.lower(), HTML_PATTERNS)
        found.num_pages += 1
        found.text_bytes += (_HTML_SHARE if is_html else _TEXT_SHARE) * size
    elif matches_any(file.name, ARCHIVE_PATTERNS):
        is_plain = suffix in (".warc", ".arc")
        found.archives.append(str(file))
        found.text_bytes += (_ARCHIVE_SHARE if is_plain else _PACKED_ARCHIVE_SHARE) * size
    elif suffix == ".parquet":
        found.tables.append(str(file))
        found.text_bytes += _TABLE_SHARES[suffix] * size
    elif file.name.endswith(JSON_ENDINGS):
        fields = _peek(file)
        if holds_chats(fields):
            found.chats.append(str(file))
        elif "text" in fields:
            found.tables.append(str(file))
            found.text_bytes += _TABLE_SHARES.get(suffix, 1.0) * size
        else:
            found.num_others += 1
    else:
        found.num_others += 1


def _peek(file: Path) -> set[str]:
    """Return the fields of the first record of JSON lines; none where there is no such."""
    try:
        with file.open("rb") as packed, unpack(packed, file.suffix) as plain:
            row = json.loads(plain.readline(_PEEK_BYTES))
    except (ValueError, *ROW_FAULTS):
        return set()
    return set(row) if isinstance(row, dict) else set()


def _sources(found: Holdings) -> Iterator[str]:
    taken: list[str] = []
    for kind, entries in (
        *(("files", [folder]) for folder in found.folders),
        ("warc", found.archives),
        ("dataset", found.tables),
    ):
        if entries:
            origin = Path(entries[0]).absolute().name if kind == "files" else kind
            taken.append(_new_name(make_name(origin) or kind, taken))
            yield f"    - {kind}: {_quote(entries)}\n      name: {_quote([taken[-1]])[1:-1]}"


def _new_name(name: str, taken: Sequence[str]) -> str:
    """Return a name, numbered where it is taken."""
    numbered = (f"{name}-{number}" for number in range(2, len(taken) + 3))
    return next(each for each in (name, *numbered) if each not in taken)


def _quote(values: Sequence[str]) -> str:
    """Return a list as YAML, which JSON is; what cannot be printed is escaped."""
    printable = all(value.isprintable() for value in values)
    return json.dumps(values, ensure_ascii=not printable)


_RECIPE = """\
# From {found}: about {megabytes:.1f} MB of clean text.
# Pretraining takes about {minutes} min on two cores. docs/recipe.md lists every field.

acquire:
  sources:    # add to each: licence: CC-BY-4.0, or whatever it is; models carry it on
{sources}

prepare: {{}}

tokenize:
  vocab_size: {vocab_size}
  held_out_fraction: {held_out_fraction}

model:
  hidden_size: 192
  intermediate_size: 512
  num_hidden_layers: 4
  num_attention_heads: 3
  num_key_value_heads: 1
  head_dim: 64
  max_position_embeddings: 512

pretrain:
  max_steps: {steps}
  global_batch_size: 8
  micro_batch_size: 4
  sequence_length: 256
  learning_rate: 0.03
  embedding_learning_rate: 0.008
  warmup_steps: 20
  decay_fraction: 0.7
{tune}"""

_TUNE = """
tune:
  - domain: chats
    files: {files}
    max_steps: 120
    global_batch_size: 8
    micro_batch_size: 4
    sequence_length: 256
"""
