"""One link of a chain: a domain learnt on top of a model, and what that gained and cost.

model/                 the tuned model, a Hugging Face folder
adapter/               with an adapter: what was learnt, as PEFT stores it, and over which weights
chat.jsonl.zst         what was learnt of this domain, one sample a line
replayed.jsonl.zst     what was learnt again of earlier domains, if anything was
held_out.jsonl.zst     what was held out
matrix.json            bits per byte of base, parent and this model on every domain
training.json          facts of the run
metrics.jsonl          one line a step (an observation)
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lodesmith.core.errors import UserError
from lodesmith.core.log import say
from lodesmith.core.storage import JSON, read_json, write_bytes, write_json, write_text
from lodesmith.data.chat import CHAT_TEMPLATE
from lodesmith.data.tokenizer import Tokenizer
from lodesmith.lineage.artifact import Draft
from lodesmith.model.adapter_shape import AdapterShape
from lodesmith.model.checkpoint import TOKENIZER_FILES, read_config
from lodesmith.model.lora import load_adapter, save_adapter, stack_adapters
from lodesmith.train.job import PackedData, TrainingJob
from lodesmith.train.launch import run_training
from lodesmith.train.packed import Encoded, PackedSamples, pack_documents, write_packed
from lodesmith.tune.domains import AdapterConfig, LinkConfig
from lodesmith.tune.encode import Encoder, choose_encoder
from lodesmith.tune.files import list_files
from lodesmith.tune.matrix import MATRIX_FILE, compare, matrix_lines
from lodesmith.tune.samples import Sample, read_samples
from lodesmith.tune.score import score_model
from lodesmith.tune.split import (
    HELD_OUT_FILE,
    REPLAYED_FILE,
    ROWS_FILE,
    EarlierDomain,
    split_samples,
    write_rows,
)

ADAPTER_FOLDER = "adapter"
ADAPTER_BASE_FILE = "base.json"
_METRICS_FILE = "metrics.jsonl"
_TEMPLATE_FILE = "chat_template.jinja"
_LEARNS_FROM = {"pretraining": ("text",), "sft": ("chat", "rated", "question")}


@dataclass(frozen=True, kw_only=True)
class Foundation:
    """What a link is built on."""

    start: Path  # model folder of the parent
    base: Path  # model folder that the chain began with
    earlier: Sequence[EarlierDomain]
    parent_matrix: JSON | None  # of the parent link; None for the first
    stack: Path | None = None  # the parent's adapter, if it is kept beside the weights
    stack_base: str | None = None  # what that adapter stands over
    name: str = ""  # of the parent: an artifact's id, or a foreign model's hash


def make_link(draft: Draft, *, tune: LinkConfig, foundation: Foundation) -> None:
    """Write a link's model and what it was made of.

    Args:
        draft: the artifact in the making.
        tune: the domain.
        foundation: the models and domains before it.

    Raises:
        UserError: a file cannot be understood, nothing is left to learn, or the sequences are
            longer than the model may read.
    """
    _check_model(foundation.start, tune)
    tokenizer = Tokenizer.load(foundation.start)
    encoder = choose_encoder(tokenizer, tune.template)
    samples = _check_forms(read_samples(list_files(tune.files)), tune)
    learnt, held_out, num_twice = split_samples(
        samples, held_out_fraction=tune.held_out_fraction, max_held_out=tune.max_held_out
    )
    draft.dropped.update({"duplicate": num_twice} if num_twice else {})
    packed = _pack(draft, tune, encoder, learnt=learnt, earlier=foundation.earlier)
    write_packed(draft.scratch / "packed", packed)
    write_rows(draft.path / HELD_OUT_FILE, held_out)
    job = TrainingJob(
        config=tune.training,
        start=foundation.start,
        data=PackedData(draft.scratch / "packed"),
        scratch=draft.scratch / "training",
        model_folder=draft.path / "model",
        metrics_file=draft.path / _METRICS_FILE,
        eos_ids=encoder.answer_ends,
        title=f"tune {tune.domain}",
        adapter=_shape(tune.adapter),
        adapter_folder=None if tune.adapter is None else draft.path / ADAPTER_FOLDER,
    )
    facts = run_training(job)
    if tune.adapter is not None:
        _finish_adapter(draft.path / ADAPTER_FOLDER, foundation)
    _write_tokenizer(foundation.start, job.model_folder, encoder)
    write_json(draft.path / "training.json", facts)
    draft.observations.add(_METRICS_FILE)
    draft.counts["num_held_out"] = len(held_out)
    _write_matrix(draft, tune, foundation, encoder, held_out)


def _shape(adapter: AdapterConfig | None) -> AdapterShape | None:
    if adapter is None:
        return None
    return AdapterShape(adapter.rank, adapter.alpha, tuple(adapter.targets))


def _finish_adapter(folder: Path, foundation: Foundation) -> None:
    """Put the adapter on the stack that it was trained over, and note which weights it is for."""
    if foundation.stack is not None and not (folder / ADAPTER_BASE_FILE).exists():
        save_adapter(folder, stack_adapters([load_adapter(foundation.stack), load_adapter(folder)]))
    over = foundation.name if foundation.stack is None else foundation.stack_base
    write_json(folder / ADAPTER_BASE_FILE, {"base": over})


def _check_model(start: Path, tune: LinkConfig) -> None:
    config, tokenizer = read_config(start), Tokenizer.load(start)
    limit = config.max_position_embeddings
    if tune.sequence_length > limit:
        raise UserError(
            f"{tune.domain}: sequence_length ({tune.sequence_length}) is above the model's "
            f"max_position_embeddings ({limit}); lower it"
        )
    if tokenizer.vocab_size > config.vocab_size:
        raise UserError(
            f"{start}: the tokenizer has {tokenizer.vocab_size} tokens but the model only "
            f"{config.vocab_size}: they do not belong together; put the model's own tokenizer there"
        )


def _check_forms(samples: Iterable[Sample], tune: LinkConfig) -> Iterable[Sample]:
    """Yield samples, each of a form that the method can learn from."""
    known = _LEARNS_FROM[tune.method]
    for sample in samples:
        if sample.form not in known:
            fitting = [name for name, forms in _LEARNS_FROM.items() if sample.form in forms]
            raise UserError(
                f"{sample.origin}: is a {sample.form}, which method {tune.method} does not learn "
                f"from; set method to {' or '.join(fitting)}, or leave the file out"
            )
        yield sample


def _pack(
    draft: Draft,
    tune: LinkConfig,
    encoder: Encoder,
    *,
    learnt: list[Sample],
    earlier: Sequence[EarlierDomain],
) -> PackedSamples:
    """Return the training rows, and write what is in them."""
    width = tune.sequence_length + 1
    kept, documents = _encode(learnt, encoder, width=width, dropped=draft.dropped)
    if not any(any(mask[1:]) for _, mask in documents):
        raise UserError(
            f"{tune.domain}: no record has a token to learn within sequence_length "
            f"({tune.sequence_length}); raise it, or check that the assistant says something"
        )
    num_tokens = sum(len(ids) for ids, _ in documents)
    wanted = round(num_tokens * tune.replay_fraction / (1 - tune.replay_fraction))
    replayed, again = _replay(earlier, encoder, wanted=wanted, width=width)
    write_rows(draft.path / ROWS_FILE, kept)
    if replayed:
        write_rows(draft.path / REPLAYED_FILE, replayed)
    packed = pack_documents(
        [*documents, *again],
        sequence_length=tune.sequence_length,
        padding_id=encoder.tokenizer.end_of_text_id,
    )
    fill = float((packed.segment_ids > 0).mean())
    draft.counts.update(
        num_rows=len(kept), num_replayed=len(replayed), num_samples=len(packed.input_ids),
        num_tokens=num_tokens, row_fill=round(fill, 4),
    )  # fmt: skip
    say(
        f"  {tune.domain}: {len(kept):,} records and {len(replayed):,} of earlier domains in "
        f"{len(packed.input_ids):,} rows of {tune.sequence_length}, {fill:.1%} full"
    )
    return packed


def _encode(
    samples: Iterable[Sample], encoder: Encoder, *, width: int, dropped: dict[str, int]
) -> tuple[list[Sample], list[Encoded]]:
    """Return the samples that fit, and their documents; others are counted by reason."""
    kept: list[Sample] = []
    documents: list[Encoded] = []
    reasons: Counter[str] = Counter()
    for sample in samples:
        pieces = encoder.documents(sample, max_tokens=width)
        if any(len(ids) > width for ids, _ in pieces):
            reasons["longer than sequence_length"] += 1
        elif not any(any(mask[1:]) for _, mask in pieces):
            reasons["nothing to learn"] += 1
        else:
            kept.append(sample)
            documents.extend(pieces)
    dropped.update({reason: reasons[reason] for reason in sorted(reasons)})
    return kept, documents


def _replay(
    earlier: Sequence[EarlierDomain], encoder: Encoder, *, wanted: int, width: int
) -> tuple[list[Sample], list[Encoded]]:
    """Return samples of earlier domains, an equal share of `wanted` tokens from each."""
    chosen: list[Sample] = []
    documents: list[Encoded] = []
    for domain in earlier:
        left = wanted // len(earlier)
        for sample in domain.learnt_at_random():
            if left <= 0:
                break
            pieces = encoder.documents(sample, max_tokens=width)
            if all(len(ids) <= width for ids, _ in pieces):
                chosen.append(sample)
                documents.extend(pieces)
                left -= sum(len(ids) for ids, _ in pieces)
    return chosen, documents


def _write_tokenizer(start: Path, folder: Path, encoder: Encoder) -> None:
    for name in TOKENIZER_FILES:
        if (start / name).is_file():
            write_bytes(folder / name, (start / name).read_bytes())
    if encoder.template == "own" and encoder.tokenizer.chat_template != CHAT_TEMPLATE:
        write_text(folder / _TEMPLATE_FILE, CHAT_TEMPLATE)


def _write_matrix(
    draft: Draft,
    tune: LinkConfig,
    foundation: Foundation,
    encoder: Encoder,
    held_out: list[Sample],
) -> None:
    own = {tune.domain: held_out}
    earlier = {domain.name: domain.held_out for domain in foundation.earlier}
    known = foundation.parent_matrix
    if known is None:
        parent = score_model(foundation.start, {**earlier, **own}, encoder)
        base = parent
    else:
        parent = {**known["child"], **score_model(foundation.start, own, encoder)}
        base = {**known["base"], **score_model(foundation.base, own, encoder)}
    child = score_model(draft.path / "model", {**earlier, **own}, encoder)
    matrix = compare(base, parent, child)
    write_json(draft.path / MATRIX_FILE, matrix)
    for line in matrix_lines(matrix):
        say(f"  {line}")


def read_matrix(folder: Path) -> JSON:
    """Return a link's matrix."""
    return read_json(folder / MATRIX_FILE)
