"""Sealed files: what a tenant's documents look like on disk to everybody without the tenant's key.

    LDSEAL1\\n | length of the wrapped key | wrapped key | blocks of AES-256-GCM

Each file has a key of its own, wrapped by the tenant's. Each block is bound to its number and to
whether it is the last, so that none can be swapped, repeated or cut off. File keys are derived from
the tenant's key and the content: equal files seal to equal bytes, which keeps artifacts' digests
the same, and shows that two files are equal, but to nobody what they say.

A key is granted to a run by the path of its file, in the environment of the run and of the
processes that it starts; the key itself is never in an argument, a setting or a log.

Source: NIST SP 800-38D for GCM; a key that follows from the content is that of SIV constructions,
Rogaway and Shrimpton 2006.
"""

import hashlib
import hmac
import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lodesmith.core.errors import DamagedArtifactError, UserError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MAGIC = b"LDSEAL1\n"
ENDING = ".sealed"

_KEY_BYTES = 32
_BLOCK_BYTES = 1 << 20
_TAG_BYTES = 16
_NONCE_BYTES = 12
_VARIABLE = "LODESMITH_KEY_FILE"


def make_key(path: Path) -> None:
    """Write a new key into a file that only its owner can read.

    Raises:
        UserError: the file is there already.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise UserError(f"{path} is there already; a key is never written over") from None
    with os.fdopen(handle, "wb") as file:
        file.write(os.urandom(_KEY_BYTES).hex().encode() + b"\n")


def read_key(path: Path) -> bytes:
    """Return the key in a file.

    Raises:
        UserError: it cannot be read, others can read it, or it holds no key.
    """
    try:
        mode = path.stat().st_mode
        text = path.read_text("ascii").strip()
    except OSError as error:
        raise UserError(f"the key file {path} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        text = ""
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise UserError(f"the key file {path} can be read by others; run: chmod 600 {path}")
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise UserError(
            f"the key file {path} holds no key of {_KEY_BYTES} bytes in hexadecimal; "
            f"`lodesmith seal --new-key FILE` makes one"
        )
    return key


@contextmanager
def grant(key_file: Path | None, *, workspace: Path) -> Iterator[None]:
    """Let this process and those it starts open what was sealed with a key.

    Args:
        key_file: None grants nothing.
        workspace: a place where the key must not lie.

    Raises:
        UserError: the key cannot be used, or lies beside what it locks.
    """
    if key_file is None:
        yield
        return
    read_key(key_file)
    if key_file.resolve().is_relative_to(workspace.resolve()):
        raise UserError(f"the key file {key_file} lies in the workspace that it locks; move it out")
    before = os.environ.get(_VARIABLE)
    os.environ[_VARIABLE] = str(key_file.resolve())
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(_VARIABLE, None)
        else:
            os.environ[_VARIABLE] = before


def granted_key() -> bytes | None:
    """Return the key that this run was granted, None if there is none."""
    path = os.environ.get(_VARIABLE)
    return None if path is None else read_key(Path(path))


def protect(data: bytes) -> bytes:
    """Return data as it may be written: sealed where a key is granted."""
    key = granted_key()
    return data if key is None else seal(data, key)


def reveal(data: bytes, *, name: str) -> bytes:
    """Return data that `protect` gave as it was.

    Raises:
        UserError: it is sealed, and no key or another is granted.
        DamagedArtifactError: it was changed or cut short.
    """
    if not data.startswith(MAGIC):
        return data
    key = granted_key()
    if key is None:
        raise UserError(
            f"{name} is sealed; only a run whose recipe names privacy.key_file opens it, and "
            "evaluate with --key-file"
        )
    return unseal(data, key, name=name)


def seal(data: bytes, key: bytes) -> bytes:
    """Return data that only the key opens."""
    cipher = _cipher()
    digest = hashlib.sha256(data).digest()
    file_key = hmac.new(key, b"file key" + digest, hashlib.sha256).digest()
    nonce = hmac.new(key, b"nonce" + digest, hashlib.sha256).digest()[:_NONCE_BYTES]
    wrapped = nonce + cipher(_wrapping_key(key)).encrypt(nonce, file_key, MAGIC)
    blocks = [data[at : at + _BLOCK_BYTES] for at in range(0, max(len(data), 1), _BLOCK_BYTES)]
    gcm = cipher(file_key)
    sealed = (
        gcm.encrypt(_nonce(number), block, _place(number, number == len(blocks) - 1))
        for number, block in enumerate(blocks)
    )
    return b"".join([MAGIC, struct.pack("<H", len(wrapped)), wrapped, *sealed])


def unseal(data: bytes, key: bytes, *, name: str) -> bytes:
    """Return what was sealed.

    Raises:
        UserError: it was sealed with another key.
        DamagedArtifactError: it was changed or cut short.
    """
    from cryptography.exceptions import InvalidTag

    cipher, start = _cipher(), len(MAGIC) + 2
    end = start + _NONCE_BYTES + _KEY_BYTES + _TAG_BYTES
    wrapped = data[start:end]
    try:
        file_key = cipher(_wrapping_key(key)).decrypt(
            wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], MAGIC
        )
    except (InvalidTag, ValueError):
        raise UserError(f"{name} was sealed with another key than the one granted") from None
    step, body = _BLOCK_BYTES + _TAG_BYTES, data[end:]
    blocks = [body[at : at + step] for at in range(0, max(len(body), 1), step)]
    gcm = cipher(file_key)
    try:
        opened = [
            gcm.decrypt(_nonce(number), block, _place(number, number == len(blocks) - 1))
            for number, block in enumerate(blocks)
        ]
    except (InvalidTag, ValueError):
        raise DamagedArtifactError(
            f"{name} was changed or cut short after it was sealed; fetch or seal it again"
        ) from None
    return b"".join(opened)


def _wrapping_key(key: bytes) -> bytes:
    return hmac.new(key, b"wrapping key", hashlib.sha256).digest()


def _nonce(number: int) -> bytes:
    return struct.pack("<Q4x", number)  # each file key seals one file


def _place(number: int, is_last: bool) -> bytes:
    return struct.pack("<Q?", number, is_last)


def _cipher() -> "type[AESGCM]":
    """Return the cipher's class; it is loaded only when something is sealed."""
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError:
        raise UserError(
            "sealed files need the package cryptography; run: pip install 'lodesmith[privacy]'"
        ) from None
    return AESGCM
