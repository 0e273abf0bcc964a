"""The terminal summary of a run: at most forty lines, coloured only on a terminal."""

import io
import sys
from collections.abc import Iterator, Mapping

from lodesmith.core.units import format_bytes, format_count, format_counted, format_seconds
from lodesmith.lineage.artifact import Artifact
from lodesmith.pipeline.report.facts import Facts, gather_facts
from lodesmith.pipeline.report.verdicts import list_verdicts, say_stage
from lodesmith.pipeline.report.words import name_language

_MOST_LINES = 40
_MOST_ANSWERS = 2
_ANSWER_CHARACTERS = 160


def summarise(artifacts: Mapping[str, Artifact]) -> str:
    """Return what came of a run, as text for the terminal.

    Args:
        artifacts: by kind; stages that are not there are left out, and named.

    Raises:
        DamagedArtifactError: a file that its receipt names is not there.
    """
    lines = list(_lines(gather_facts(artifacts)))[:_MOST_LINES]
    return _paint(lines) if sys.stdout.isatty() else "\n".join(lines)


def _lines(facts: Facts) -> Iterator[str]:
    verdicts = list_verdicts(facts)
    width = max((len(verdict.label) for verdict in verdicts), default=0)
    for verdict in verdicts:
        yield f"{verdict.label:<{width}}  {verdict.value:>10}  {verdict.note}".rstrip()
    yield ""
    yield "Stage          time    memory  made"
    for stage in facts.stages:
        yield (
            f"{stage.kind:<9} {format_seconds(stage.seconds):>11} "
            f"{format_bytes(stage.peak_memory_bytes):>9}  {', '.join(say_stage(stage))}"
        )
    yield from _score_lines(facts)
    yield from _answer_lines(facts)
    yield from _scale_lines(facts)
    if facts.missing:
        yield ""
        yield f"Not run: {', '.join(facts.missing)}"


def _score_lines(facts: Facts) -> Iterator[str]:
    if facts.next_sentence or facts.benchmarks:
        yield ""
    for found in facts.next_sentence:
        model, share, low, high = found.results[-1]
        yield (
            f"Next sentence among four, {name_language(found.language)}: {share:.0%} "
            f"({low:.0%} to {high:.0%}, chance {found.chance:.0%}; "
            f"{format_counted(found.num_items, 'item')}, {model} model)"
        )
    for benchmark in facts.benchmarks:
        model, share, low, high = benchmark.results[-1]
        yield (
            f"{benchmark.task}, {benchmark.metric}: {share:.1%} ({low:.1%} to {high:.1%}; "
            f"{format_counted(benchmark.num_items, 'question')}, {model} model)"
        )


def _answer_lines(facts: Facts) -> Iterator[str]:
    for answer in facts.answers[:_MOST_ANSWERS]:
        yield ""
        yield f"Q: {_one_line(answer.question)}"
        yield f"A: {_one_line(answer.answer) or '(empty)'}"


def _one_line(text: str) -> str:
    """Return text without line breaks and control characters, which would steer a terminal."""
    flat = "".join(letter if letter.isprintable() else " " for letter in text)
    flat = " ".join(flat.split())
    return flat if len(flat) <= _ANSWER_CHARACTERS else f"{flat[:_ANSWER_CHARACTERS]}..."


def _scale_lines(facts: Facts) -> Iterator[str]:
    scale = facts.scale
    if scale is None:
        return
    yield ""
    yield (
        f"At {scale.factor:,.0f} times the compute: {format_count(scale.num_parameters)} "
        f"parameters, {format_count(scale.tokens)} tokens; "
        + ", ".join(f"{format_seconds(place.seconds)} on {place.name}" for place in scale.places)
    )


def _paint(lines: list[str]) -> str:
    """Return the lines with their first words in bold, as rich paints them."""
    from rich.console import Console
    from rich.text import Text

    buffer = io.StringIO()
    console = Console(file=buffer, force_terminal=True, width=10_000, highlight=False)
    for line in lines:
        text = Text(line)
        if line.startswith(("Stage ", "Q: ", "A: ")):
            text.stylize("bold", 0, len(line) if line.startswith("Stage") else 2)
        if " beats the best baseline" in line:
            text.stylize("green")
        if " does not beat the best baseline" in line:
            text.stylize("yellow")
        console.print(text, soft_wrap=True)
    return buffer.getvalue().rstrip("\n")
