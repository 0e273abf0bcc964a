"""The HTML page of a run: one file that needs nothing else, in light and dark, on paper too.

`page.html.j2` holds the page, `core/style.css` its looks. Everything that came from outside (page
text, names of packages, answers) is escaped by the template engine; only `charts` makes markup.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lodesmith.core import charts
from lodesmith.core.storage import write_text
from lodesmith.core.templates import open_templates
from lodesmith.core.units import format_bytes, format_count, format_seconds
from lodesmith.core.version import VERSION
from lodesmith.lineage.artifact import Artifact
from lodesmith.lineage.workspace import Workspace
from lodesmith.pipeline.report.facts import Facts, gather_facts
from lodesmith.pipeline.report.verdicts import list_verdicts, say_stage
from lodesmith.pipeline.report.words import (
    LANGUAGES,
    LICENCE_UNKNOWN,
    format_quantity,
    name_baseline,
    spell,
)

_FOLDER = Path(__file__).parent


def write_report(
    workspace: Workspace, *, recipe_name: str, artifacts: Mapping[str, Artifact]
) -> Path:
    """Write the page of a run to the workspace and return its path.

    Args:
        workspace: where it goes: `reports/<recipe>.html`, replaced at once or not at all.
        recipe_name: shown in the heading.
        artifacts: by kind; stages that are not there are named as missing.

    Raises:
        DamagedArtifactError: a file that its receipt names is not there.
    """
    path = workspace.reports / f"{recipe_name}.html"
    write_text(path, render_page(gather_facts(artifacts), recipe_name=recipe_name))
    return path


def render_page(facts: Facts, *, recipe_name: str) -> str:
    """Return the page as HTML text."""
    environment = open_templates(_FOLDER)
    environment.filters.update(
        count=format_count, size=format_bytes, duration=format_seconds, spell=spell,
        quantity=format_quantity,
        baseline=name_baseline, pretty=_pretty, percent=_percent,
    )  # fmt: skip
    template = environment.get_template("page.html.j2")
    return template.render(
        facts=facts,
        recipe_name=recipe_name,
        version=VERSION,
        verdicts=list_verdicts(facts),
        say_stage=say_stage,
        languages=LANGUAGES,
        licence_unknown=LICENCE_UNKNOWN,
        charts=charts,
        most_bits=_most_bits(facts),
    )


def _most_bits(facts: Facts) -> float:
    """Return the largest bits per byte shown, which fills a whole bar."""
    return max(
        (bits for found in facts.bits_per_byte
         for bits in (*found.models.values(), *found.baselines.values())),
        default=1.0,
    )  # fmt: skip


def _pretty(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def _percent(share: float, digits: int = 0) -> str:
    return f"{share:.{digits}%}"
