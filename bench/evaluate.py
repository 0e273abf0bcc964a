"""Times each piece of the evaluate stage on a model of a workspace.

    python bench/evaluate.py MODEL [--workspace DIR]

MODEL is a `tune` or `pretrain` artifact. Pieces run one after the other in this process, on
one core.
"""

import argparse
import time
from pathlib import Path

from lodesmith.core.errors import UserError
from lodesmith.evaluate import pieces
from lodesmith.evaluate.config import EvaluateConfig
from lodesmith.evaluate.stage import plan_pieces
from lodesmith.lineage.artifact import Artifact
from lodesmith.lineage.workspace import Workspace


def find_parents(workspace: Workspace, name: str) -> dict[str, Artifact]:
    """Return the artifacts that the evaluate stage would read."""
    model = workspace.find(name)
    kinds = ["prepare", "tokenize", "pretrain"]
    parents = {kind: workspace.find_ancestor(model, kind) for kind in kinds}
    if model.kind == "tune":
        parents["tune"] = model
    elif model.kind != "pretrain":
        raise UserError(f"{model.id} is no model")
    return parents


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--workspace", type=Path, default=Path("lodesmith-workspace"))
    arguments = parser.parse_args()
    evaluate = EvaluateConfig()
    parents = find_parents(Workspace(arguments.workspace), arguments.model)
    total_wall = total_cpu = 0.0
    print(f"{'piece':24}{'wall s':>9}{'cpu s':>9}")
    for name, task in plan_pieces(parents, evaluate).items():
        wall, cpu = time.perf_counter(), time.process_time()
        pieces.run(*task)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        total_wall, total_cpu = total_wall + wall, total_cpu + cpu
        print(f"{name:24}{wall:9.2f}{cpu:9.2f}", flush=True)
    print(f"{'sum':24}{total_wall:9.2f}{total_cpu:9.2f}")


if __name__ == "__main__":
    main()
