"""A receipt: what an artifact is, what it was made from and how, and what it cost.

Written as `receipt.json` inside the artifact's folder, last of all files.
"""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lodesmith.core.errors import DamagedArtifactError
from lodesmith.core.storage import hash_json

RECEIPT_NAME = "receipt.json"


class FileEntry(BaseModel):
    """One file of an artifact."""

    model_config = ConfigDict(frozen=True)

    bytes: int
    sha256: str


class ParentEntry(BaseModel):
    """One artifact that was read to make this one."""

    model_config = ConfigDict(frozen=True)

    id: str
    digest: str


class Receipt(BaseModel):
    """What `receipt.json` holds."""

    model_config = ConfigDict(frozen=True)

    id: str
    """kind, a dash, and 12 hex digits of a hash over kind, version, config and parents."""

    kind: str
    """The stage that made it: acquire, prepare, ..."""

    digest: str
    """SHA-256 over the names and hashes of `files`: equal content, equal digest."""

    parents: dict[str, ParentEntry]
    """By kind."""

    config: dict[str, Any]
    """The resolved settings of each recipe section that the stage read."""

    config_digest: str
    """SHA-256 of the settings that can change the content."""

    stage_version: int
    """Raised whenever the same inputs and settings begin to give other bytes."""

    code_version: str
    """Version of the package that made it."""

    files: dict[str, FileEntry]
    """Content, by path below the artifact's folder."""

    observations: dict[str, FileEntry] = Field(default_factory=dict)
    """Files that tell how the run went (rates, times); not part of the digest."""

    counts: dict[str, int | float] = Field(default_factory=dict)
    """What came in and went out, by name (`num_documents`, `text_bytes`, ...)."""

    dropped: dict[str, int] = Field(default_factory=dict)
    """Records left out, by reason."""

    sources: list[dict[str, Any]] = Field(default_factory=list)
    """Where raw data came from: name, origin, version, licence."""

    notes: list[str] = Field(default_factory=list)
    """What a person should know: a fallback taken, a record skipped."""

    started: str
    """UTC, ISO 8601; of the first attempt."""

    finished: str
    """UTC, ISO 8601."""

    num_attempts: int = 1
    """How often the stage was started until it was whole."""

    seconds: float = 0.0
    """Wall time of the last attempt."""

    cpu_seconds: float = 0.0
    """CPU time of the last attempt, children counted."""

    peak_memory_bytes: int = 0
    """Resident memory of the process tree, last attempt."""


def content_digest(files: dict[str, FileEntry]) -> str:
    """Return the SHA-256 that stands for the content of a set of files."""
    return hash_json({name: entry.sha256 for name, entry in files.items()})


def read_receipt(folder: Path) -> Receipt:
    """Return the receipt of an artifact's folder.

    Raises:
        DamagedArtifactError: it is missing, torn or not a receipt.
    """
    path = folder / RECEIPT_NAME
    try:
        return Receipt.model_validate_json(path.read_bytes())
    except OSError as error:
        raise DamagedArtifactError(
            f"{path} cannot be read ({error.strerror}); remove {folder} and run again"
        ) from None
    except (ValidationError, json.JSONDecodeError, UnicodeDecodeError):
        raise DamagedArtifactError(
            f"{path} is torn or not a receipt; remove {folder} and run again"
        ) from None
