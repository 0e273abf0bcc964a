"""The family tree of an artifact, up to the packages and down to the models."""

from dataclasses import dataclass
from typing import Any

from lodesmith.core.units import format_counted
from lodesmith.lineage.artifact import Artifact, open_artifact
from lodesmith.lineage.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Ancestor:
    """An artifact and all that it was made from."""

    id: str
    kind: str
    digest: str  # SHA-256 of the content, as the child's receipt or its own states it
    is_missing: bool  # no longer in the workspace, so nothing beyond it is known
    sources: list[dict[str, Any]]  # raw data it fetched: origin, version, licence
    parents: list["Ancestor"]


@dataclass(frozen=True, kw_only=True)
class Descendant:
    """An artifact and all that was made from it."""

    id: str
    kind: str
    children: list["Descendant"]


@dataclass(frozen=True, kw_only=True)
class ArtifactTrace:
    """An artifact's lineage in both directions."""

    origin: Ancestor  # the artifact itself, its ancestors below it
    reached: list[Descendant]  # made from it directly, what came of these below them


def trace_artifact(workspace: Workspace, artifact: Artifact) -> ArtifactTrace:
    """Return all ancestors of an artifact, down to packages and licences, and its descendants."""
    children = children_by_parent(workspace.list_artifacts())
    return ArtifactTrace(
        origin=_ancestor(workspace, artifact), reached=_descendants(children, artifact.id)
    )


def children_by_parent(artifacts: list[Artifact]) -> dict[str, list[Artifact]]:
    """Return by artifact id the artifacts that were made from it directly, oldest first."""
    children: dict[str, list[Artifact]] = {}
    for artifact in artifacts:
        for parent in artifact.receipt.parents.values():
            children.setdefault(parent.id, []).append(artifact)
    return children


def format_artifact_trace(trace: ArtifactTrace) -> str:
    """Return the tree as people read it; what stands in it twice is drawn once."""
    drawn: set[str] = set()
    lines = [trace.origin.id, "made from"]
    lines += _draw(_ancestor_branches(trace.origin, drawn)) or ["  nothing: it fetched raw data"]
    lines.append("went into")
    drawn.clear()
    lines += _draw(_descendant_branches(trace.reached, drawn)) or ["  nothing yet"]
    return "\n".join(lines)


def describe_source(source: dict[str, Any]) -> str:
    """Return one line on raw data: origin, version, licence, number of pages."""
    words = [str(source.get("origin") or source.get("name")), str(source.get("version") or "")]
    licence = source.get("licence") or "licence not stated"
    count = source.get("num_records")
    pages = f", {format_counted(count, 'record')}" if isinstance(count, int) else ""
    return f"{' '.join(word for word in words if word)} ({licence}{pages})"


def _ancestor(workspace: Workspace, artifact: Artifact) -> Ancestor:
    parents = []
    for kind, entry in artifact.receipt.parents.items():
        folder = workspace.artifacts / entry.id
        if folder.exists():
            parents.append(_ancestor(workspace, open_artifact(folder)))
        else:
            gone = Ancestor(
                id=entry.id, kind=kind, digest=entry.digest, is_missing=True, sources=[], parents=[]
            )
            parents.append(gone)
    return Ancestor(
        id=artifact.id,
        kind=artifact.kind,
        digest=artifact.receipt.digest,
        is_missing=False,
        sources=artifact.receipt.sources,
        parents=parents,
    )


def _descendants(children: dict[str, list[Artifact]], artifact_id: str) -> list[Descendant]:
    return [
        Descendant(id=child.id, kind=child.kind, children=_descendants(children, child.id))
        for child in children.get(artifact_id, [])
    ]


@dataclass(frozen=True)
class _Branch:
    label: str
    branches: list["_Branch"]


def _ancestor_branches(node: Ancestor, drawn: set[str]) -> list[_Branch]:
    raw = [] if node.parents else node.sources  # what has parents only repeats their sources
    sources = [_Branch(describe_source(source), []) for source in raw]
    nearest_first = sorted(node.parents, key=_depth, reverse=True)
    parents = []
    for parent in nearest_first:
        if parent.id in drawn:
            parents.append(_Branch(f"{parent.id} (see above)", []))
            continue
        drawn.add(parent.id)
        label = f"{parent.id} (no longer in the workspace)" if parent.is_missing else parent.id
        parents.append(_Branch(label, _ancestor_branches(parent, drawn)))
    return sources + parents


def _depth(node: Ancestor) -> int:
    return 1 + max((_depth(parent) for parent in node.parents), default=0)


def _descendant_branches(nodes: list[Descendant], drawn: set[str]) -> list[_Branch]:
    branches = []
    for node in nodes:
        if node.id in drawn:
            branches.append(_Branch(f"{node.id} (see above)", []))
            continue
        drawn.add(node.id)
        branches.append(_Branch(node.id, _descendant_branches(node.children, drawn)))
    return branches


def _draw(branches: list[_Branch], indent: str = "") -> list[str]:
    lines = []
    for number, branch in enumerate(branches, start=1):
        is_last = number == len(branches)
        lines.append(f"{indent}{'└── ' if is_last else '├── '}{branch.label}")
        lines += _draw(branch.branches, indent + ("    " if is_last else "│   "))
    return lines
