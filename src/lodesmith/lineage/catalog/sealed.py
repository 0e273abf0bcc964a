"""Small objects of a catalog: JSON that carries its format and a checksum of itself."""

import json
import zlib
from typing import Any

from lodesmith.core.errors import DamagedArtifactError

FORMAT = 2


def damaged(what: str) -> DamagedArtifactError:
    """Return the error for a fault of the catalog's files."""
    return DamagedArtifactError(
        f"{what}; rebuild the catalog from the artifacts (`lodesmith catalog --rebuild`)"
    )


def seal(content: dict[str, Any]) -> bytes:
    """Return JSON with a checksum of itself."""
    text = json.dumps({"format": FORMAT, **content}, ensure_ascii=False, separators=(",", ":"))
    return f"{zlib.crc32(text.encode()):08x} {text}\n".encode()


def unseal(data: bytes | None, where: str) -> dict[str, Any]:
    """Return what was sealed.

    Raises:
        DamagedArtifactError: it is missing, torn, or of another version.
    """
    if data is None:
        raise damaged(f"the catalog has lost {where}")
    if data[:8] != b"%08x" % zlib.crc32(data[9:-1]):
        raise damaged(f"{where} is torn")
    content: dict[str, Any] = json.loads(data[9:])
    if (version := content.pop("format", None)) != FORMAT:
        raise damaged(f"{where} has format {version}, this version reads {FORMAT}")
    return content
