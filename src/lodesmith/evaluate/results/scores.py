"""From the pieces' findings to `scores.json`: bits per byte side by side, and who beats whom."""

from collections.abc import Mapping, Sequence
from typing import Any

from lodesmith.core.storage import JSON

BASELINES = ("xz", "byte_5gram", "character_5gram", "token_5gram")
_DIGITS = 6


def combine(
    findings: Mapping[str, JSON], *, languages: Sequence[str], models: Sequence[str]
) -> JSON:
    """Return the content of `scores.json`; it is the base model that is held against the baselines.

    Args:
        findings: what each piece returned, by its name.
        languages: in the order wanted.
        models: "base" and, if there is one, "tuned".
    """
    bits = {language: _bits(findings, language, models) for language in languages}
    return {
        "bits_per_byte": bits,
        "next_sentence": {language: _choices(findings, language, models) for language in languages},
        "beats_baselines": {
            language: {name: bits[language]["base"] < bits[language][name] for name in BASELINES}
            for language in languages
        },
        **_benchmarks(findings, models),
    }


def _benchmarks(findings: Mapping[str, JSON], models: Sequence[str]) -> dict[str, Any]:
    """Return each benchmark's scores by model; nothing where the recipe asks for none."""
    found: dict[str, dict[str, JSON]] = {}
    for model in models:
        for name, score in findings.items():
            if name.startswith("benchmark-") and name.endswith(f"-{model}"):
                task = name.removeprefix("benchmark-").removesuffix(f"-{model}")
                found.setdefault(task, {})[model] = score
    return {"benchmarks": found} if found else {}


def _bits(findings: Mapping[str, JSON], language: str, models: Sequence[str]) -> dict[str, Any]:
    by_model = {model: findings[f"bits_per_byte-{model}"][language] for model in models}
    size = {key: by_model["base"][key] for key in ("num_documents", "num_bytes", "num_tokens")}
    growth = findings[f"xz-{language}-with"] - findings[f"xz-{language}-without"]
    baseline_bits = {"xz": 8 * growth, **findings[f"ngram-{language}"]}
    return {
        **size,
        **{model: found["bits_per_byte"] for model, found in by_model.items()},
        **{name: round(baseline_bits[name] / size["num_bytes"], _DIGITS) for name in BASELINES},
    }


def _choices(findings: Mapping[str, JSON], language: str, models: Sequence[str]) -> dict[str, Any]:
    """Return the last model's result, and the base's beside it where another was made of it."""
    last = models[-1]
    result: dict[str, Any] = {"model": last, **findings[f"next_sentence-{last}"][language]}
    if last != "base":
        base = findings["next_sentence-base"][language]
        result["base"] = {"acc": base["acc"], "ci95": base["ci95"]}
    return result
