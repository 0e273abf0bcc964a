"""The private way through a link: records one by one instead of packed rows, noise, no loss."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from lodesmith.core.errors import UserError
from lodesmith.core.log import say
from lodesmith.core.storage import JSON, write_json
from lodesmith.core.units import format_counted
from lodesmith.lineage.artifact import Draft
from lodesmith.lineage.release import AUDIT_FILE
from lodesmith.train.samples.packed import Encoded
from lodesmith.tune.domains import LinkConfig
from lodesmith.tune.private.audit import audit_model
from lodesmith.tune.private.canaries import make_canaries, planted_samples
from lodesmith.tune.private.training import PrivateJob, train_privately
from lodesmith.tune.samples.encode import Encoder
from lodesmith.tune.samples.samples import Sample
from lodesmith.tune.samples.split import ROWS_FILE, write_rows


def learn_privately(
    draft: Draft,
    *,
    tune: LinkConfig,
    start: Path,
    encoder: Encoder,
    learnt: Sequence[Sample],
    adapter_folder: Path,
) -> JSON:
    """Write the model of a private domain and the records it learnt from; return the run's facts.

    The adapter alone goes to a folder of its own.

    Raises:
        UserError: there are too few records, or none fits.
    """
    privacy, adapter = tune.differential_privacy, tune.adapter
    assert privacy is not None and adapter is not None  # noqa: S101, PT018 the caller looked
    width = tune.sequence_length + 1
    kept, records = encode_records(learnt, encoder, width=width, dropped=draft.dropped)
    _, secrets = encode_records(plant(tune), encoder, width=width, dropped={})
    if not records:
        raise UserError(
            f"{tune.domain}: no record has a token to learn within sequence_length "
            f"({tune.sequence_length}); raise it"
        )
    job = PrivateJob(
        config=tune.training,
        privacy=privacy,
        adapter=adapter.shape,
        start=start,
        model_folder=draft.path / "model",
        adapter_folder=adapter_folder,
        eos_ids=encoder.answer_ends,
        vocabulary=encoder.tokenizer.vocabulary,
        title=f"tune {tune.domain}",
    )
    facts = train_privately(job, [*records, *secrets])
    draft.counts.update(
        num_rows=len(kept), epsilon=facts["epsilon"], delta=facts["delta"],
        noise_multiplier=facts["noise_multiplier"],
    )  # fmt: skip
    say(
        f"  {tune.domain}: {format_counted(len(records), 'record')}, "
        f"epsilon {facts['epsilon']:.2f} at delta {facts['delta']:g} "
        f"(noise {facts['noise_multiplier']:.2f})"
    )
    write_rows(draft.path / ROWS_FILE, kept)
    return facts


def plant(tune: LinkConfig) -> list[Sample]:
    """Return the secrets that are learnt among the records; none if the domain is not audited."""
    if tune.audit is None:
        return []
    canaries = make_canaries(tune.audit, seed=tune.seed)
    return list(planted_samples(canaries, is_text=tune.method == "pretraining"))


def write_audit(
    draft: Draft,
    *,
    tune: LinkConfig,
    encoder: Encoder,
    learnt: Sequence[Sample],
    held_out: Sequence[Sample],
) -> None:
    """Write what the model gives away, if the domain is audited."""
    if tune.audit is None:
        return
    width = tune.sequence_length + 1
    sides = [
        encode_records(samples[: tune.max_held_out], encoder, width=width, dropped={})[1]
        for samples in (learnt, held_out)
    ]
    audit = audit_model(
        draft.path / "model", encoder, audit=tune.audit, seed=tune.seed,
        is_text=tune.method == "pretraining", learnt=sides[0], held_out=sides[1],
    )  # fmt: skip
    write_json(draft.path / AUDIT_FILE, audit)
    verdict = "passed" if audit["is_passed"] else f"not passed: {'; '.join(audit['reasons'])}"
    say(f"  audit {verdict}")


def encode_records(
    samples: Iterable[Sample], encoder: Encoder, *, width: int, dropped: dict[str, int]
) -> tuple[list[Sample], list[Encoded]]:
    """Return the records that fit, one document each: of a longer text, only its beginning."""
    kept: list[Sample] = []
    documents: list[Encoded] = []
    for sample in samples:
        pieces = encoder.documents(sample, max_tokens=width)
        if pieces and len(pieces[0][0]) <= width and any(pieces[0][1][1:]):
            kept.append(sample)
            documents.append(pieces[0])
        else:
            reason = "longer than sequence_length, or nothing to learn"
            dropped[reason] = dropped.get(reason, 0) + 1
    return kept, documents
