"""From a document's tokens to the training steps at which models read them.

The steps are logged nowhere: the order of samples is a permutation that runs backwards, so the
windows that hold the document's tokens give the steps at which they were read.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from lodesmith.core.storage import JSON, read_json
from lodesmith.core.units import format_counted
from lodesmith.data.corpora import mixture_order
from lodesmith.data.documents import read_lines
from lodesmith.data.mixture import Order
from lodesmith.data.order import SampleOrder
from lodesmith.data.skips import SkipList
from lodesmith.data.tokens import TokenSet
from lodesmith.lineage.artifact import Artifact

_SHOWN_STEPS = 12  # of many, in the text for people
_CHAT_ORIGIN = "document "  # how a conversation names the document that it was made of

Children = Mapping[str, list[Artifact]]  # by the parent's id


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One time that a model was trained on a window with tokens of the document."""

    epoch: int  # 0 the first
    step: int  # 1 the first
    window: int


@dataclass(frozen=True, kw_only=True)
class TrainingUse:
    """What one training run did with the document."""

    pretrain: str
    num_steps: int  # of the whole run
    readings: list[Reading]  # by step; empty if the run ended before its turn came
    models: list[str]  # artifacts that were made from this run's model


@dataclass(frozen=True, kw_only=True)
class TokenUse:
    """Where a tokenize artifact keeps the document's tokens."""

    tokenize: str
    side: str  # "train" or "held_out"
    first_token: int  # place of its separator in tokens.bin, counted in tokens
    num_tokens: int  # the separator included
    training: list[TrainingUse]  # always empty on the held-out side


@dataclass(frozen=True, kw_only=True)
class ChatUse:
    """What a tuning run made of the document."""

    tune: str
    num_rows: int  # conversations


def find_token_uses(
    document_ids: Collection[str], prepare: Artifact, children: Children
) -> dict[str, list[TokenUse]]:
    """Return by document where the tokenize artifacts made from `prepare` hold it."""
    uses: dict[str, list[TokenUse]] = {name: [] for name in document_ids}
    for tokenize in _children_of(prepare, "tokenize", children):
        for side in ("train", "held_out"):
            tokens = TokenSet.open(tokenize.file(side))
            runs = _children_of(tokenize, "pretrain", children) if side == "train" else []
            for name in (name for name in document_ids if name in tokens):
                span = tokens.span_of_document(name)
                use = TokenUse(
                    tokenize=tokenize.id,
                    side=side,
                    first_token=span.start,
                    num_tokens=len(span),
                    training=[_training_use(name, tokens, run, children) for run in runs],
                )
                uses[name].append(use)
    return uses


def find_chat_uses(
    document_ids: Collection[str], prepare: Artifact, children: Children
) -> dict[str, list[ChatUse]]:
    """Return by document the tuning runs that made conversations of it."""
    uses: dict[str, list[ChatUse]] = {name: [] for name in document_ids}
    for tune in _children_of(prepare, "tune", children):
        counts = dict.fromkeys(document_ids, 0)
        for line in read_lines(tune.file("chat.jsonl.zst")):
            name = json.loads(line).get("origin", "").removeprefix(_CHAT_ORIGIN)
            if name in counts:
                counts[name] += 1
        for name, count in counts.items():
            if count:
                uses[name].append(ChatUse(tune=tune.id, num_rows=count))
    return uses


def describe_token_use(use: TokenUse) -> Iterator[str]:
    """Yield the lines that tell people where the tokens are and when they were read."""
    side = "held out" if use.side == "held_out" else "for training"
    last = use.first_token + use.num_tokens - 1
    yield f"{use.tokenize}  {side}, tokens {use.first_token:,} to {last:,}"
    for run in use.training:
        yield from (f"  {line}" for line in _describe_run(run))


def _children_of(parent: Artifact, kind: str, children: Children) -> list[Artifact]:
    return [child for child in children.get(parent.id, []) if child.kind == kind]


def _training_use(
    document_id: str, tokens: TokenSet, run: Artifact, children: Children
) -> TrainingUse:
    facts = read_json(run.file("training.json"))
    return TrainingUse(
        pretrain=run.id,
        num_steps=-(-facts["samples_consumed"] // facts["global_batch_size"]),
        readings=find_readings(document_id, tokens, facts),
        models=[child.id for child in _children_of(run, "tune", children)],
    )


def find_readings(document_id: str, tokens: TokenSet, facts: JSON) -> list[Reading]:
    """Return when a run read a document, by step; samples that it passed over were not read.

    Args:
        document_id: of a document in the set.
        tokens: that the run trained on.
        facts: the run's training.json.
    """
    length, batch = facts["sequence_length"], facts["global_batch_size"]
    consumed = facts["samples_consumed"]
    skips = SkipList.from_json(facts.get("samples_skipped", []))
    order: Order = SampleOrder(tokens.num_windows(length), facts["seed"])
    if "mixture" in facts:
        order = mixture_order(tokens, facts["mixture"], sequence_length=length, seed=facts["seed"])
    places = sorted(
        (place, epoch, window)
        for window in tokens.windows_of_document(document_id, length)
        for epoch, sample in order.readings(window, consumed + len(skips))
        if (place := skips.position(sample)) is not None and place < consumed
    )
    return [
        Reading(epoch=epoch, step=place // batch + 1, window=window)
        for place, epoch, window in places
    ]


def _describe_run(run: TrainingUse) -> Iterator[str]:
    steps = list(dict.fromkeys(reading.step for reading in run.readings))
    shown = ", ".join(f"{step:,}" for step in steps[:_SHOWN_STEPS])
    more = f" and {len(steps) - _SHOWN_STEPS:,} more" if len(steps) > _SHOWN_STEPS else ""
    if steps:
        word = "step" if len(steps) == 1 else "steps"
        yield f"{run.pretrain}  read at {word} {shown}{more} of {run.num_steps:,}"
    else:
        whole = format_counted(run.num_steps, "step")
        yield f"{run.pretrain}  never read: {whole} ended before its turn"
    if run.models:
        yield f"  and so part of {', '.join(run.models)}"
