"""The HTML page of a chain: what each domain gained, what it cost the others, and what is said now.

It holds no training text but a few held-out questions with their answers, which a link of sealed
records does not keep.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lodesmith.core import charts
from lodesmith.core.storage import JSON, read_json, write_text
from lodesmith.core.templates import open_templates
from lodesmith.core.version import VERSION
from lodesmith.lineage.artifact import Artifact
from lodesmith.lineage.workspace import Workspace
from lodesmith.pipeline.report.read_model import Curve, read_curve
from lodesmith.tune.measures.matrix import MATRIX_FILE, forgotten

_FOLDER = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class DomainScore:
    """Bits per byte of a domain's held-out text."""

    name: str
    base: float | None
    parent: float | None
    child: float
    is_forgotten: bool  # by more than the limit

    @property
    def change(self) -> float | None:
        """By what share the bits rose over the parent's."""
        return None if not self.parent else self.child / self.parent - 1


@dataclass(frozen=True, kw_only=True)
class LinkFacts:
    """One domain of a chain."""

    id: str
    domain: str
    settings: dict[str, Any]
    counts: dict[str, Any]
    dropped: dict[str, int]
    scores: list[DomainScore]
    curve: Curve | None  # none where records are private
    preferences: JSON | None
    audit: JSON | None
    answers: list[dict[str, str]]

    @property
    def own(self) -> DomainScore | None:
        """The score on the link's own domain."""
        return next((score for score in self.scores if score.name == self.domain), None)


def write_chain_page(workspace: Workspace, *, recipe_name: str, last: Artifact) -> Path:
    """Write the page of the chain that ends with a link, and return its path.

    Raises:
        DamagedArtifactError: a file that a receipt names is not there.
    """
    links = [_read_link(link) for link in _links(last, workspace)]
    path = workspace.reports / f"{recipe_name}-chain.html"
    page = (
        open_templates(_FOLDER)
        .get_template("chain.html.j2")
        .render(links=links, recipe_name=recipe_name, version=VERSION, charts=charts)
    )
    write_text(path, page)
    return path


def _links(last: Artifact, workspace: Workspace) -> list[Artifact]:
    """Return the links of a chain, the first one first."""
    found = [last]
    while "tune" in found[-1].receipt.parents:
        parent = workspace.open_parent(found[-1], "tune")
        if not (parent.path / MATRIX_FILE).exists():
            break  # the chat stage of a recipe, with which the chain began
        found.append(parent)
    return found[::-1]


def _read_link(link: Artifact) -> LinkFacts:
    settings = link.receipt.config["tune"]
    answers = _read(link, "answers.json")
    has_steps = (link.path / "metrics.jsonl").exists()
    return LinkFacts(
        id=link.id,
        domain=settings["domain"],
        settings=settings,
        counts=link.receipt.counts,
        dropped=link.receipt.dropped,
        scores=list(_scores(read_json(link.file(MATRIX_FILE)), settings)),
        curve=read_curve(link) if has_steps else None,
        preferences=_read(link, "preferences.json"),
        audit=_read(link, "audit.json"),
        answers=answers["answers"] if answers else [],
    )


def _scores(matrix: JSON, settings: dict[str, Any]) -> Iterator[DomainScore]:
    limit = settings["forgetting_limit"]
    rises = forgotten(matrix, domain=settings["domain"])
    for name, bits in matrix["child"].items():
        yield DomainScore(
            name=name,
            base=matrix["base"].get(name),
            parent=matrix["parent"].get(name),
            child=bits,
            is_forgotten=limit is not None and rises.get(name, 0.0) > limit,
        )


def _read(link: Artifact, name: str) -> JSON | None:
    return read_json(link.path / name) if (link.path / name).exists() else None
