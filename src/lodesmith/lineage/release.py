"""Whether a model may leave the workspace: not if an audit on its way found that it leaks.

The audit is made with the model (`tune`, settings `audit` of a domain) and lies in its artifact.
"""

from pathlib import Path
from typing import Any

from lodesmith.core.errors import UserError
from lodesmith.core.storage import read_json
from lodesmith.lineage.receipt import RECEIPT_NAME, read_receipt

AUDIT_FILE = "audit.json"


def check_release(model_folder: Path) -> None:
    """Let a model pass, or say what it gives away.

    A folder that is part of no artifact passes: it has left already.

    Raises:
        UserError: its audit, or that of a model that it was made from, broke the recipe's limits.
    """
    artifact = model_folder.resolve().parent
    while (artifact / RECEIPT_NAME).is_file():
        receipt = read_receipt(artifact)
        if receipt.config.get(receipt.kind, {}).get("audit") is not None:
            _check_audit(artifact.name, read_json(artifact / AUDIT_FILE))
        parent = next(
            (receipt.parents[k] for k in ("tune", "pretrain") if k in receipt.parents), None
        )
        if parent is None:
            return
        artifact = artifact.parent / parent.id


def _check_audit(name: str, audit: dict[str, Any]) -> None:
    if not audit["is_passed"]:
        raise UserError(
            f"{name} gives away what it learnt and is not let out: {'; '.join(audit['reasons'])}. "
            "Learn with differential_privacy, for fewer steps, or from records that repeat less"
        )
