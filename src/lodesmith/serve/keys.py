"""API keys: read from a file, kept as hashes, compared in constant time.

Source: the comparison follows RFC 2104's library function `hmac.compare_digest`, whose time does
not depend on where two digests differ.
"""

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lodesmith.core.errors import UserError

_KEY = re.compile(r"[!-~]{8,512}")  # what fits in a header, and cannot be guessed in a hurry


@dataclass(frozen=True)
class ApiKeys:
    """Who may ask: a name for each key's SHA-256."""

    names: Mapping[bytes, str]

    @classmethod
    def load(cls, path: Path) -> "ApiKeys":
        """Return the keys of a file: one `key` or `name:key` a line; # begins a comment line.

        Raises:
            UserError: the file cannot be read, holds no key, or a line is no key. No message
                shows a key.
        """
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"the API keys in {path} cannot be read: {error}") from None
        names: dict[bytes, str] = {}
        for number, line in enumerate(lines, start=1):
            entry = line.strip()
            if entry and not entry.startswith("#"):
                digest, name = _read_entry(entry, where=f"{path}:{number}", number=number)
                if digest in names:
                    raise UserError(f"{path}:{number}: this key stands twice; keep one")
                names[digest] = name
        if not names:
            raise UserError(f"{path} holds no API key; write one a line")
        return cls(names)

    def find_name(self, key: str) -> str | None:
        """Return whose key this is, None if it is nobody's."""
        digest, found = _hash(key), None
        for known, name in self.names.items():  # all of them: the time tells nothing
            if hmac.compare_digest(known, digest):
                found = name
        return found


def check_binding(host: str, keys: ApiKeys | None) -> None:
    """Refuse to listen beyond this machine without keys.

    Raises:
        UserError: it would.
    """
    if keys is None and not is_loopback(host):
        raise UserError(
            f"listening on {host} lets others on the network use the model; give --api-keys FILE "
            "(one key a line), or listen on 127.0.0.1"
        )


def is_loopback(host: str) -> bool:
    """Tell whether an address can be reached from this machine alone.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False  # a name may stand for any address


def _read_entry(entry: str, *, where: str, number: int) -> tuple[bytes, str]:
    name, colon, key = entry.partition(":")
    if not colon:
        name, key = f"key-{number}", entry
    if not _KEY.fullmatch(key):
        raise UserError(
            f"{where}: a key is 8 to 512 printable ASCII characters without spaces; make one with "
            "`python -c 'import secrets; print(secrets.token_urlsafe(32))'`"
        )
    return _hash(key), name.strip()


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
