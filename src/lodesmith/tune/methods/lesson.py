"""What a domain's method makes of its samples: rows to train on, and the objective they are for."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lodesmith.core.errors import UserError
from lodesmith.core.shards import Markers
from lodesmith.data.chat import Message
from lodesmith.train.samples.packed import (
    Encoded,
    Group,
    PackedSamples,
    fill_rows,
    pack_documents,
    pack_groups,
    write_packed,
)
from lodesmith.tune.domains import DomainConfig
from lodesmith.tune.methods.reference import score_rows
from lodesmith.tune.samples.encode import Encoder
from lodesmith.tune.samples.samples import Sample
from lodesmith.tune.samples.split import EarlierDomain

FORMS = {
    "pretraining": ("text",),
    "sft": ("chat", "rated", "question"),
    "dpo": ("pair",),
    "reward": ("pair",),
    "kto": ("rated",),
    "grpo": ("question",),
    "rloo": ("question",),
}
"""The forms of samples that each method learns from."""

OBJECTIVES = {"dpo": "pair-preference", "reward": "pair-preference", "kto": "rated-answers",
              "grpo": "clipped-tokens", "rloo": "clipped-answers"}  # fmt: skip


@dataclass(kw_only=True)
class Lesson:
    """Rows to train on, and of what they were made."""

    packed: PackedSamples
    kept: list[Sample]
    replayed: list[Sample] = field(default_factory=list)
    objective: str = "next-token"
    settings: dict[str, float] = field(default_factory=dict)

    @property
    def row_fill(self) -> float:
        """Share of the rows' tokens that are no padding."""
        return float((self.packed.segment_ids > 0).mean())


def check_forms(samples: Iterable[Sample], domain: DomainConfig) -> Iterable[Sample]:
    """Yield samples, each of a form that the domain's method can learn from.

    Raises:
        UserError: naming the first that is of another form.
    """
    known = FORMS[domain.method]
    for sample in samples:
        if sample.form not in known:
            fitting = [name for name, forms in FORMS.items() if sample.form in forms]
            raise UserError(
                f"{sample.origin}: is a {sample.form}, which method {domain.method} does not learn "
                f"from; set method to {' or '.join(fitting)}, or leave the file out"
            )
        yield sample


def plan_text_lesson(
    samples: Iterable[Sample],
    earlier: Sequence[EarlierDomain],
    *,
    domain: DomainConfig,
    encoder: Encoder,
    dropped: dict[str, int],
    planted: Sequence[Sample] = (),
) -> Lesson:
    """Return the lesson of pretraining or sft, with a share of earlier domains.

    Args:
        samples: records of the domain.
        earlier: domains of which some is learnt again.
        domain: its settings.
        encoder: makes documents of samples.
        dropped: counts of samples that do not fit are added here.
        planted: learnt among the others, and kept in no file: what an audit asks for.

    Raises:
        UserError: nothing is to be learnt.
    """
    width = domain.sequence_length + 1

    def encode(sample: Sample) -> list[Encoded]:
        return encoder.documents(sample, max_tokens=width)

    kept, groups = _encode(samples, encode, width=width, dropped=dropped, domain=domain)
    documents = [document for group in groups for document in group]
    num_tokens = sum(len(ids) for ids, _ in documents)
    wanted = round(num_tokens * domain.replay_fraction / (1 - domain.replay_fraction))
    secrets = [document for sample in planted for document in encode(sample)]
    replayed, again = _replay(earlier, encode, wanted=wanted, width=width)
    packed = pack_documents(
        [*documents, *secrets, *again],
        sequence_length=domain.sequence_length,
        padding_id=encoder.tokenizer.end_of_text_id,
    )
    return Lesson(packed=packed, kept=kept, replayed=replayed)


def plan_preference_lesson(
    samples: Iterable[Sample],
    *,
    domain: DomainConfig,
    encoder: Encoder,
    start: Path,
    scratch: Path,
    dropped: dict[str, int],
) -> Lesson:
    """Return the lesson of dpo, kto or reward; all but the last ask the first model for reference.

    Raises:
        UserError: nothing is to be learnt.
    """
    width = domain.sequence_length + 1
    listed = list(samples)
    kept, groups = _encode(
        listed, answer_groups(listed, domain=domain, encoder=encoder), width=width,
        dropped=dropped, domain=domain, whole=True,
    )  # fmt: skip
    rows, packed = pack_answers(groups, domain=domain, encoder=encoder)
    num_pairs = max(map(len, rows))
    reference = np.zeros((len(rows), num_pairs, 2), np.float32)
    if domain.method != "reward":
        write_packed(scratch / "unreferenced", packed)
        sums = score_rows(start, scratch / "unreferenced", num_segments=2 * num_pairs,
                          markers=Markers(scratch / "reference"))  # fmt: skip
        reference = sums.reshape(reference.shape)
    marks = np.zeros((len(rows), num_pairs), np.float32)
    for number, row in enumerate(rows):
        marks[number, : len(row)] = [-1.0 if kept[place].label is False else 1.0 for place in row]
    name = "label" if domain.method == "kto" else "weight"
    extra: dict[str, npt.NDArray[np.float32]] = {"reference": reference, name: marks}
    return Lesson(
        packed=PackedSamples(packed.input_ids, packed.loss_mask, packed.segment_ids, extra),
        kept=kept,
        objective=OBJECTIVES[domain.method],
        settings={"beta": 1.0 if domain.method == "reward" else domain.beta},
    )


def pack_answers(
    groups: Sequence[Group], *, domain: DomainConfig, encoder: Encoder
) -> tuple[list[list[int]], PackedSamples]:
    """Return which groups of answers lie in which row, and the rows."""
    rows = pack_groups(groups, sequence_length=domain.sequence_length)
    packed = fill_rows(
        [[document for number in row for document in groups[number]] for row in rows],
        sequence_length=domain.sequence_length,
        padding_id=encoder.tokenizer.end_of_text_id,
    )
    return rows, packed


def plan_questions(
    samples: Iterable[Sample],
    *,
    domain: DomainConfig,
    encoder: Encoder,
    dropped: dict[str, int],
) -> Lesson:
    """Return the lesson of grpo or rloo: questions; rows are made of the model's own answers.

    Raises:
        UserError: no question leaves room for an answer.
    """
    assert domain.rewards is not None  # noqa: S101 the config demands it
    width = domain.sequence_length + 1 - domain.rewards.max_answer_tokens

    def encode(sample: Sample) -> list[Encoded]:
        ids = encoder.prompt(sample.messages[:-1])
        return [(ids, [True] * len(ids))]

    kept, groups = _encode(samples, encode, width=width, dropped=dropped, domain=domain)
    packed = pack_documents(
        [group[0] for group in groups],
        sequence_length=domain.sequence_length,
        padding_id=encoder.tokenizer.end_of_text_id,
    )
    settings = {"clip": domain.rewards.clip}
    return Lesson(packed=packed, kept=kept, objective=OBJECTIVES[domain.method], settings=settings)


def answer_groups(
    samples: Sequence[Sample], *, domain: DomainConfig, encoder: Encoder
) -> Callable[[Sample], Group]:
    """Return what makes the two answers of a sample that an objective compares.

    They are the better and the worse one, or a rated one and that to another question.
    """
    rated = [sample for sample in samples if sample.form == "rated"]
    others = dict(zip((id(sample) for sample in rated), [*rated[1:], *rated[:1]], strict=True))

    def encode(sample: Sample) -> Group:
        if sample.chosen is not None and sample.rejected is not None:
            answers = [sample.chosen, sample.rejected]
            asked = sample.messages
        else:
            asked = sample.messages[:-1]
            answers = [one.messages[-1]["content"] for one in (sample, others[id(sample)])]
        pair = [encoder.chat((*asked, _answer(text))) for text in answers]
        if domain.method == "reward":
            return [with_verdict(document, encoder) for document in pair]
        return [_last_answer(document) for document in pair]

    return encode


def with_verdict(document: Encoded, encoder: Encoder) -> Encoded:
    """Return a conversation with the token whose probability is its score."""
    ids, _ = document
    return [*ids, encoder.tokenizer.end_of_text_id], [False] * len(ids) + [True]


def _last_answer(document: Encoded) -> Encoded:
    """Return a conversation of which only the last answer is learnt."""
    ids, mask = document
    end = max(place + 1 for place, learnt in enumerate(mask) if learnt)
    start = end
    while start and mask[start - 1]:
        start -= 1
    return ids, [start <= place < end for place in range(len(ids))]


def _answer(text: str) -> Message:
    return {"role": "assistant", "content": text}


def _encode(
    samples: Iterable[Sample],
    encode: Callable[[Sample], Group],
    *,
    width: int,
    dropped: dict[str, int],
    domain: DomainConfig,
    whole: bool = False,
) -> tuple[list[Sample], list[Group]]:
    """Return the samples that fit, and their documents; others are counted by reason.

    Args:
        samples: of a form that `encode` knows.
        encode: makes documents of one.
        width: tokens of a row.
        dropped: counts are added here.
        domain: for the message if nothing is left.
        whole: the documents of a sample must share a row.
    """
    kept: list[Sample] = []
    groups: list[Group] = []
    reasons: Counter[str] = Counter()
    for sample in samples:
        group = encode(sample)
        sizes = [len(ids) for ids, _ in group]
        if (sum(sizes) if whole else max(sizes, default=0)) > width:
            reasons["longer than sequence_length"] += 1
        elif _says_nothing(sample) or not any(any(mask[1:]) for _, mask in group):
            reasons["nothing to learn"] += 1
        else:
            kept.append(sample)
            groups.append(group)
    dropped.update({reason: reasons[reason] for reason in sorted(reasons)})
    if not kept and not reasons:
        raise UserError(
            f"{domain.domain}: its files hold no record to learn from, once some are held out; "
            "give files with more"
        )
    if not kept:
        raise UserError(
            f"{domain.domain}: no record has a token to learn within sequence_length "
            f"({domain.sequence_length}); raise it, or check that the assistant says something"
        )
    return kept, groups


def _says_nothing(sample: Sample) -> bool:
    """Tell whether all that could be learnt of a conversation is that an answer ends."""
    return sample.form == "chat" and not any(
        message["content"].strip() for message in sample.messages if message["role"] == "assistant"
    )


def _replay(
    earlier: Sequence[EarlierDomain],
    encode: Callable[[Sample], Sequence[Encoded]],
    *,
    wanted: int,
    width: int,
) -> tuple[list[Sample], list[Encoded]]:
    """Return samples of earlier domains, an equal share of `wanted` tokens from each."""
    chosen: list[Sample] = []
    documents: list[Encoded] = []
    for domain in earlier:
        left = wanted // len(earlier)
        for sample in domain.learnt_at_random():
            if left <= 0:
                break
            pieces = encode(sample)
            if all(len(ids) <= width for ids, _ in pieces):
                chosen.append(sample)
                documents.extend(pieces)
                left -= sum(len(ids) for ids, _ in pieces)
    return chosen, documents
