"""The stage `evaluate`: what the models of a recipe are worth, beside what is simpler.

`scores.json` holds, by language, the bits per byte of the base and the tuned model and of each
baseline on the same held-out text, the share of next sentences found, and whether the base model
beats each baseline. The pieces run side by side, each once, also over a kill.
"""

from collections.abc import Mapping
from typing import Any

from lodesmith.core.log import show_progress
from lodesmith.core.process import count_free_cores
from lodesmith.core.shards import map_shards
from lodesmith.core.storage import JSON, write_json
from lodesmith.evaluate import pieces
from lodesmith.evaluate.benchmarks.task_file import GROUPS
from lodesmith.evaluate.config import EvaluateConfig, trained_window
from lodesmith.evaluate.held_out.held_out import read_held_out
from lodesmith.evaluate.results.scores import combine
from lodesmith.lineage.artifact import Artifact, Draft

SCORES_FILE = "scores.json"
_MODELS = {"base": "pretrain", "tuned": "tune"}  # name in the scores -> kind; the last made last


def make(draft: Draft, *, parents: Mapping[str, Artifact], evaluate: EvaluateConfig) -> None:
    """Write `scores.json`.

    Args:
        draft: the artifact in the making.
        parents: prepare, tokenize, pretrain and, if the recipe has it, tune.
        evaluate: the recipe's section.

    Raises:
        UserError: a language has no held-out document.
    """
    held_out = read_held_out(parents["tokenize"].path, evaluate.languages)
    tasks = plan_pieces(parents, evaluate)
    num_workers = evaluate.num_workers or count_free_cores()
    with show_progress("evaluate", total=len(tasks), unit="measurements") as progress:
        found = map_shards(
            pieces.run, tasks, markers=draft.markers, num_workers=num_workers, progress=progress
        )
    findings: dict[str, JSON] = dict(zip(tasks, found, strict=True))
    scores = combine(findings, languages=evaluate.languages, models=models_in(parents))
    write_json(draft.path / SCORES_FILE, scores)
    draft.counts["num_documents"] = sum(len(documents) for documents in held_out.values())


def models_in(parents: Mapping[str, Artifact]) -> list[str]:
    """Return the names of the models that there are, the last made last."""
    return [name for name, kind in _MODELS.items() if kind in parents]


def plan_pieces(
    parents: Mapping[str, Artifact], evaluate: EvaluateConfig
) -> dict[str, tuple[Any, ...]]:
    """Return the name and arguments of each measurement under its own name, the longest first."""
    prepare, tokenize = str(parents["prepare"].path), str(parents["tokenize"].path)
    window = evaluate.window_tokens or trained_window(parents["pretrain"].receipt.config)
    tasks: dict[str, tuple[Any, ...]] = {}
    for measure in ("bits_per_byte", "next_sentence"):
        for name in models_in(parents):
            folder = str(parents[_MODELS[name]].file("model"))
            tasks[f"{measure}-{name}"] = (measure, folder, tokenize, window, evaluate)
    for task in (name for known in evaluate.benchmarks for name in GROUPS.get(known, (known,))):
        for name in models_in(parents):
            folder = str(parents[_MODELS[name]].file("model"))
            tasks[f"benchmark-{task}-{name}"] = ("benchmark", folder, window, task, evaluate)
    for language in evaluate.languages:
        tasks[f"xz-{language}-with"] = ("xz", prepare, tokenize, language, True)
        tasks[f"xz-{language}-without"] = ("xz", prepare, tokenize, language, False)
        tasks[f"ngram-{language}"] = ("ngram", prepare, tokenize, language)
    return tasks
