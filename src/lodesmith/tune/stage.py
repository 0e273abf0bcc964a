"""The stage `tune`: supervised fine-tuning of the base model on conversations.

model/             the tuned model, a Hugging Face folder
chat.jsonl.zst     the conversations that it learnt from, one a line
training.json      facts of the run
metrics.jsonl      one line a step (an observation)
run.jsonl          what happened to the run (an observation)
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import zstandard

from lodesmith.core.errors import UserError
from lodesmith.core.log import say
from lodesmith.core.storage import read_json, replace_file, write_bytes, write_json
from lodesmith.core.units import format_counted
from lodesmith.data.chat import render_training
from lodesmith.data.tokenizer import MESSAGE_END, Tokenizer
from lodesmith.lineage.artifact import Artifact, Draft
from lodesmith.train.job import PackedData, TrainingJob
from lodesmith.train.ranks.launch import observations_of, run_training
from lodesmith.train.samples.packed import pack_documents, write_packed
from lodesmith.tune.config import TuneConfig
from lodesmith.tune.conversations.harvest import harvest_rows, read_sources
from lodesmith.tune.samples.rows import HELP_ORIGIN, Harvest, Row

ROWS_FILE = "chat.jsonl.zst"
_METRICS_FILE = "metrics.jsonl"


def make(draft: Draft, *, parents: Mapping[str, Artifact], tune: TuneConfig) -> None:
    """Write the tuned model and what it learnt from.

    Args:
        draft: the artifact in the making.
        parents: acquire, prepare, tokenize and pretrain.
        tune: the recipe's section.

    Raises:
        UserError: a chat file cannot be understood, nothing is left to learn, or the sequences are
            longer than the model may read.
    """
    _check_length(parents["pretrain"], tune)
    tokenizer_folder = parents["tokenize"].file("tokenizer")
    tokenizer = Tokenizer.load(tokenizer_folder)
    harvest = harvest_rows(
        parents["acquire"].path,
        prepare=parents["prepare"].path,
        tokenize=parents["tokenize"].path,
        tune=tune,
    )
    packed = draft.scratch / "packed"
    num_samples = _pack(harvest, tokenizer, tune=tune, folder=packed)
    write_rows(draft.path / ROWS_FILE, harvest.rows)
    say(
        f"  {format_counted(len(harvest.rows), 'conversation')} in "
        f"{format_counted(num_samples, 'row')} of {tune.sequence_length}"
    )
    job = TrainingJob(
        config=tune.training,
        start=parents["pretrain"].file("model"),
        data=PackedData(packed),
        scratch=draft.scratch / "training",
        model_folder=draft.path / "model",
        metrics_file=draft.path / _METRICS_FILE,
        eos_ids=_answer_ends(tokenizer),
        vocabulary=tokenizer.vocabulary,
        title="tune",
    )
    facts = run_training(job)
    for file in sorted(tokenizer_folder.iterdir()):
        write_bytes(job.model_folder / file.name, file.read_bytes())
    write_json(draft.path / "training.json", facts)
    draft.observations |= observations_of(job)
    _describe(draft, harvest, acquire=parents["acquire"].path, num_samples=num_samples)


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write conversations as zstd-compressed JSON lines, whole or not at all."""
    text = "".join(row.to_json() + "\n" for row in rows)
    with replace_file(path) as file:
        file.write(zstandard.ZstdCompressor(level=3).compress(text.encode()))


def _check_length(pretrain: Artifact, tune: TuneConfig) -> None:
    limit = read_json(pretrain.file("model/config.json"))["max_position_embeddings"]
    if tune.sequence_length > limit:
        raise UserError(
            f"tune.sequence_length ({tune.sequence_length}) is above the base model's "
            f"max_position_embeddings ({limit}); lower it"
        )


def _answer_ends(tokenizer: Tokenizer) -> tuple[int, ...]:
    """Return the ids at which an answer ends: that of a message first, then those of a text."""
    message_end = tokenizer.token_id(MESSAGE_END)
    known = () if message_end is None else (message_end,)
    return tuple(dict.fromkeys((*known, *tokenizer.eos_ids)))


def _pack(harvest: Harvest, tokenizer: Tokenizer, *, tune: TuneConfig, folder: Path) -> int:
    """Write the conversations that fit as training samples; return how many samples they fill.

    Those that do not fit, or in which nothing is to be learnt, are dropped from the harvest.
    """
    kept: list[Row] = []
    encoded: list[tuple[list[int], list[bool]]] = []
    for row in harvest.rows:
        ids, loss_mask = render_training(tokenizer, row.messages)
        if len(ids) > tune.sequence_length + 1:
            harvest.drop("longer than sequence_length")
        elif not all(message["content"].strip() for message in row.messages):
            harvest.drop("empty message")
        else:
            kept.append(row)
            encoded.append((ids, loss_mask))
    harvest.rows[:] = kept
    if not kept:
        raise UserError(
            f"no conversation fits into tune.sequence_length ({tune.sequence_length}); raise it"
        )
    order = sorted(range(len(kept)), key=lambda number: _draw(tune.seed, number))
    samples = pack_documents(
        [encoded[number] for number in order],
        sequence_length=tune.sequence_length,
        padding_id=tokenizer.end_of_text_id,
    )
    write_packed(folder, samples)
    return len(samples.input_ids)


def _draw(seed: int, number: int) -> bytes:
    """Return bytes that sort rows in an order that any machine finds: sources are well mixed."""
    return hashlib.sha256(f"{seed}/{number}".encode()).digest()


def _describe(draft: Draft, harvest: Harvest, *, acquire: Path, num_samples: int) -> None:
    """Put counts, sources and notes into the receipt."""
    by_origin = Counter(f"{row.source} ({row.language})" for row in harvest.rows)
    draft.counts.update(num_rows=len(harvest.rows), num_samples=num_samples)
    draft.counts.update({f"num_rows of {name}": by_origin[name] for name in sorted(by_origin)})
    draft.dropped.update({reason: harvest.dropped[reason] for reason in sorted(harvest.dropped)})
    draft.notes.extend(harvest.notes)
    used = {row.source for row in harvest.rows}
    draft.sources.extend(
        source
        for source in read_sources(acquire)
        if source["name"] in used or (source["use"] == "pages" and HELP_ORIGIN in used)
    )
