"""API keys: who may ask, which models, and how much; kept as hashes, compared in constant time.

    # one caller a line: a name, a key or its hash, and what it may do
    ann:sha256=9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    bob:correct-horse-battery models=chat,base requests_per_minute=60 tokens_per_day=200000

`lodesmith api-key` writes such a line with the hash of a new key, which it shows once. A line may
also hold the key itself, for a file that lives in a store of secrets.

Source: the comparison follows RFC 2104's library function `hmac.compare_digest`, whose time does
not depend on where two digests differ.
"""

import hashlib
import hmac
import ipaddress
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lodesmith.core.errors import UserError

_KEY = re.compile(r"[!-~]{8,512}")  # what fits in a header, and cannot be guessed in a hurry
_HASH = re.compile(r"sha256=([0-9a-f]{64})")
_LIMITS = ("requests_per_minute", "tokens_per_day")


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Whoever holds a key."""

    name: str
    models: frozenset[str] | None = None  # that it may use and see; None: all
    requests_per_minute: int | None = None
    tokens_per_day: int | None = None  # of prompts and answers together


ANYBODY = Caller(name="anybody")
"""Who asks a server without keys."""


@dataclass(frozen=True)
class ApiKeys:
    """Who may ask: a caller for each key's SHA-256."""

    callers: Mapping[bytes, Caller]
    path: Path | None = None  # of the file they came from; what callers use is noted beside it

    @classmethod
    def load(cls, path: Path) -> "ApiKeys":
        """Return the keys of a file; its form stands at the top of this module.

        Raises:
            UserError: the file cannot be read, holds no key, or a line is no key. No message
                shows a key.
        """
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"the API keys in {path} cannot be read: {error}") from None
        callers: dict[bytes, Caller] = {}
        for number, line in enumerate(lines, start=1):
            entry = line.strip()
            if entry and not entry.startswith("#"):
                digest, caller = _read_entry(entry, where=f"{path}:{number}", number=number)
                if digest in callers:
                    raise UserError(f"{path}:{number}: this key stands twice; keep one")
                callers[digest] = caller
        if not callers:
            raise UserError(f"{path} holds no API key; write one a line")
        return cls(callers, path)

    def find_caller(self, key: str) -> Caller | None:
        """Return whose key this is, None if it is nobody's."""
        digest, found = _hash(key), None
        for known, caller in self.callers.items():  # all of them: the time tells nothing
            if hmac.compare_digest(known, digest):
                found = caller
        return found


def make_key(caller: Caller) -> tuple[str, str]:
    """Return a new key for a caller, and the line with its hash for a file of keys."""
    key = secrets.token_urlsafe(32)
    words = [f"{caller.name}:sha256={_hash(key).hex()}"]
    if caller.models is not None:
        words.append(f"models={','.join(sorted(caller.models))}")
    words += [
        f"{name}={getattr(caller, name)}" for name in _LIMITS if getattr(caller, name) is not None
    ]
    return key, " ".join(words)


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


def _read_entry(entry: str, *, where: str, number: int) -> tuple[bytes, Caller]:
    first, *words = entry.split()
    name, colon, key = first.partition(":")
    if not colon:
        name, key = f"key-{number}", first
    hashed = _HASH.fullmatch(key)
    if hashed is None and not _KEY.fullmatch(key):
        raise UserError(
            f"{where}: a key is 8 to 512 printable ASCII characters without spaces; make one with "
            "`lodesmith api-key NAME --file FILE`"
        )
    digest = bytes.fromhex(hashed[1]) if hashed else _hash(key)
    return digest, _read_rights(name, words, where=where)


def _read_rights(name: str, words: list[str], *, where: str) -> Caller:
    models: frozenset[str] | None = None
    limits: dict[str, int] = {}
    for word in words:
        right, _, value = word.partition("=")
        if right == "models" and value:
            models = frozenset(value.split(","))
        elif right in _LIMITS and value.isdecimal() and int(value):
            limits[right] = int(value)
        else:  # the word itself may be half a key, so it is not shown
            raise UserError(
                f"{where}: after a key, which has no spaces, only models=A,B, "
                "requests_per_minute=N and tokens_per_day=N may stand, with N above 0"
            )
    return Caller(
        name=name,
        models=models,
        requests_per_minute=limits.get("requests_per_minute"),
        tokens_per_day=limits.get("tokens_per_day"),
    )


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
