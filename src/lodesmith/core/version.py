"""The package's version, where every room may read it and the build finds it."""

import hashlib
from pathlib import Path

VERSION = "0.1.0"

# What ranks compute with; a change elsewhere cannot make them differ.
_ROOMS_OF_TRAINING = ("data", "model", "parallel", "train")


def code_digest() -> str:
    """Return the version and a hash of the code that ranks compute with.

    A checkout that was edited on one machine only has the version of the others.
    """
    package = Path(__file__).parent.parent
    digest = hashlib.sha256()
    for room in _ROOMS_OF_TRAINING:
        for path in sorted((package / room).rglob("*.py")):
            digest.update(str(path.relative_to(package)).encode() + path.read_bytes())
    return f"{VERSION}+{digest.hexdigest()[:12]}"
