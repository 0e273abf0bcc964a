"""A raw page before any text is taken out of it, and what became of a record that is dropped."""

import hashlib
from dataclasses import dataclass
from typing import Any

from lodesmith.core.errors import LodesmithError
from lodesmith.data.documents import Document

UNKNOWN_LANGUAGE = "und"  # ISO 639-2: undetermined


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """One input record: bytes, and what its container says of them."""

    source: str  # where the record is: path, or path#offset in an archive
    url: str
    payload: bytes
    content_type: str = ""  # lower case, without parameters; "" where nobody says
    charset: str = ""  # as the container says, "" where it does not
    corpus: str = ""  # name of the recipe's source
    language: str = UNKNOWN_LANGUAGE  # as the container says; the language step finds its own
    damage: str = ""  # what is wrong with the payload, of which a part could be saved
    unread_bytes: int = 0  # of a record that could not be read, or is too large to be

    @property
    def num_bytes(self) -> int:
        """Size of the record, read or not."""
        return len(self.payload) + self.unread_bytes

    @property
    def id(self) -> str:
        """16 hex digits that stand for the page's address and bytes."""
        digest = hashlib.sha256(self.url.encode("utf-8", "surrogatepass") + b"\0")
        digest.update(self.payload)
        return digest.hexdigest()[:16]

    def document(self, text: str = "") -> Document:
        """Return a document of this page."""
        return Document(
            id=self.id,
            source=self.source,
            url=self.url,
            language=self.language,
            text=text,
            corpus=self.corpus,
            measures={"damage": self.damage} if self.damage else {},
        )


@dataclass(frozen=True, slots=True)
class Drop:
    """Why a step leaves a document out."""

    reason: str  # the same words for all documents dropped by one rule
    value: Any = None  # what was measured
    limit: Any = None  # the threshold that the value failed

    @property
    def text(self) -> str:
        """The reason with the measured value and its limit, for people."""
        if self.value is None:
            return self.reason
        limit = "" if self.limit is None else f", limit {self.limit}"
        return f"{self.reason} ({self.value}{limit})"


def blame_record(error: Exception) -> str:
    """Return why a record is left out that a step raised this error on.

    Raises:
        OSError: the same, where the disk is at fault and no record.
        LodesmithError: the same, where the settings or an engine are.
    """
    if isinstance(error, OSError | LodesmithError):
        raise error
    if isinstance(error, MemoryError):
        return "record takes too much memory"
    return f"record makes a step fail ({type(error).__name__})"
