"""What each link of a chain gained and forgot: bits per byte of three models on every domain.

The models are the chain's base, the link's parent and the link itself; the texts are what each
domain held out. Of a chat only what the assistant says is scored. Bits per byte do not depend on
the tokenizer, and a rise by a share means that so many more bits are needed to write the domain.
"""

from collections.abc import Mapping

from lodesmith.core.errors import UserError
from lodesmith.core.storage import JSON

MATRIX_FILE = "matrix.json"
MODELS = ("base", "parent", "child")


def compare(
    base: Mapping[str, float], parent: Mapping[str, float], child: Mapping[str, float]
) -> JSON:
    """Return the matrix as JSON: model -> domain -> bits per byte."""
    scores = dict(zip(MODELS, (base, parent, child), strict=True))
    return {model: {name: round(value, 6) for name, value in scores[model].items()}
            for model in MODELS}  # fmt: skip


def forgotten(matrix: JSON, *, domain: str) -> dict[str, float]:
    """Return by what share bits per byte rose over the parent's, on each domain but a link's own.

    >>> matrix = {"parent": {"a": 2.0, "b": 3.0}, "child": {"a": 2.1, "b": 2.0}}
    >>> forgotten(matrix, domain="b")
    {'a': 0.05}
    """
    return {
        name: round(matrix["child"][name] / before - 1, 6)
        for name, before in matrix["parent"].items()
        if name != domain and before > 0
    }


def check_forgetting(matrix: JSON, *, domain: str, limit: float | None, artifact: str) -> None:
    """Stop a chain whose last link forgot too much.

    Raises:
        UserError: naming the domain that suffered most, by how much, and what can be done.
    """
    rises = forgotten(matrix, domain=domain)
    if limit is None or not rises:
        return
    worst = max(rises, key=lambda name: rises[name])
    if rises[worst] > limit:
        raise UserError(
            f"the chain stops at {domain}: on {worst} the model went from "
            f"{matrix['parent'][worst]:.4f} to {matrix['child'][worst]:.4f} bits per byte, "
            f"{rises[worst]:+.1%}, and forgetting_limit is {limit:.1%}; raise replay_fraction, "
            f"lower learning_rate or max_steps, or raise the limit (the model is kept: {artifact})"
        )


def matrix_lines(matrix: JSON) -> list[str]:
    """Return the matrix as the lines of a table for people."""
    domains = list(matrix["child"])
    widths = [max(len(name), 8) for name in domains]
    lines = ["bits per byte  " + "  ".join(map(str.rjust, domains, widths))]
    for model in MODELS:
        cells = map(str.rjust, (_shown(matrix[model].get(name)) for name in domains), widths)
        lines.append(f"{model:<13}  " + "  ".join(cells))
    return lines


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
