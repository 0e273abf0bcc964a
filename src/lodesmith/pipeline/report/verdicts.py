"""The few lines that say how a run came out, for the head of the page and of the summary."""

from dataclasses import dataclass

from lodesmith.core.units import format_bytes, format_count, format_seconds
from lodesmith.pipeline.report.facts import Facts, StageFacts
from lodesmith.pipeline.report.read_results import BitsPerByte
from lodesmith.pipeline.report.words import name_baseline, name_language, phrase

# Which counts of a receipt tell most of what a stage made; else its first two.
_HEADLINES = {
    "prepare": ("num_documents", "text_bytes"),
    "tokenize": ("num_train_tokens", "vocab_size"),
    "pretrain": ("num_parameters", "num_steps"),
    "tune": ("num_rows", "num_steps"),
}
_MOST_HEADLINE_COUNTS = 2


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One finding: a label, a value, and what to hold it against."""

    label: str
    value: str
    note: str = ""
    is_good: bool | None = None  # None where there is no better or worse


def list_verdicts(facts: Facts) -> list[Verdict]:
    """Return the findings of a run, as far as its stages went."""
    verdicts = [*_data_verdicts(facts), *_model_verdicts(facts)]
    verdicts.extend(_bits_verdict(found) for found in facts.bits_per_byte)
    longest = max(facts.stages, key=lambda stage: stage.seconds, default=None)
    hungriest = max(facts.stages, key=lambda stage: stage.peak_memory_bytes, default=None)
    if longest and hungriest:
        verdicts.append(
            Verdict(label="time", value=format_seconds(facts.seconds),
                    note=f"longest: {longest.kind}, {format_seconds(longest.seconds)}")
        )  # fmt: skip
        verdicts.append(
            Verdict(label="peak memory", value=format_bytes(facts.peak_memory_bytes),
                    note=f"in {hungriest.kind}")
        )  # fmt: skip
    return verdicts


def say_stage(stage: StageFacts) -> list[str]:
    """Return what a stage made, as one or two short phrases."""
    best = [name for name in _HEADLINES.get(stage.kind, ()) if name in stage.counts]
    names = (best or list(stage.counts))[:_MOST_HEADLINE_COUNTS]
    shown = [phrase(name, stage.counts[name]) for name in names]
    return shown or [f"{format_bytes(stage.num_bytes)} on disk"]


def _data_verdicts(facts: Facts) -> list[Verdict]:
    funnel = facts.funnel
    if funnel is None:
        return []
    return [
        Verdict(
            label="documents",
            value=f"{funnel.documents_out:,}",
            note=f"kept of {funnel.documents_in:,} ({format_bytes(funnel.bytes_in)} in, "
            f"{format_bytes(funnel.bytes_out)} of text out)",
        )
    ]


def _model_verdicts(facts: Facts) -> list[Verdict]:
    if facts.model is None:
        return []
    curve = facts.curves[0]
    note = f"trained on {format_count(curve.tokens_seen)} tokens"
    if curve.losses:
        note += f", loss {curve.first_loss:.2f} to {curve.last_loss:.2f}"
    return [Verdict(label="parameters", value=format_count(facts.model.num_parameters), note=note)]


def _bits_verdict(found: BitsPerByte) -> Verdict:
    base = found.models.get("base")
    best = found.best_baseline
    note = ""
    if best and base is not None:
        relation = "beats" if found.base_wins else "does not beat"
        note = f"{relation} the best baseline, {best[1]:.3f} ({name_baseline(best[0])})"
    return Verdict(
        label=f"bits per byte, {name_language(found.language)}",
        value="-" if base is None else f"{base:.3f}",
        note=note,
        is_good=found.base_wins if best else None,
    )
