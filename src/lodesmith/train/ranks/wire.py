"""Lines of JSON between the machines of a run, and how each side proves that it knows the key.

The key lies in a file of the run that all its machines can read, and never travels: each side
answers the other's random challenge with an HMAC. Nothing is encrypted; the lines say which ranks
to start and how they are, on the network that gradients take anyway.
"""

import hmac
import json
import secrets
import socket
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from lodesmith.core.errors import UserError
from lodesmith.core.storage import write_text

Message = dict[str, Any]

BEAT_SECONDS = 0.5  # between two lines of either side
LOST_SECONDS = 6.0  # of silence: so a cut cable is noticed within 10 s, a short congestion is not
_MOST_BYTES = 1 << 24  # of a line: more is no message of ours
_HANDSHAKE_SECONDS = 10.0


class WrongKeyError(ConnectionError):
    """The other side does not know the key that this one was given."""


class Wire:
    """One connection: lines in, lines out."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._reader = connection.makefile("rb")
        self._lock = threading.Lock()
        connection.settimeout(_HANDSHAKE_SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @property
    def peer_address(self) -> str:
        """The other machine's address."""
        return str(self._socket.getpeername()[0])

    def send(self, message: Message) -> None:
        """Send a line; OSError if the other side is gone or takes nothing for too long."""
        with self._lock:
            self._socket.sendall(json.dumps(message).encode() + b"\n")

    def receive(self) -> Message:
        """Return the next line.

        Raises:
            OSError: the other side is gone or silent for too long, or this is no message of ours.
        """
        line = self._reader.readline(_MOST_BYTES)
        if not line.endswith(b"\n"):
            raise ConnectionError("the connection is closed")
        try:
            message = json.loads(line)
        except ValueError as error:
            raise ConnectionError(f"not a message: {error}") from None
        if not isinstance(message, dict):
            raise ConnectionError("not a message")
        return message

    def shake_hands(self, key: bytes, *, hello: Message) -> Message:
        """Return the other side's hello once both have shown that they know the key.

        Raises:
            WrongKeyError: it does not.
            OSError: it is gone, or silent.
        """
        own = secrets.token_hex(16)
        self.send({"challenge": own})
        other = str(self.receive().get("challenge"))
        if other == own:
            raise ConnectionError("an echo of ourselves")
        self.send({"answer": _answer(key, other), **hello})
        message = self.receive()
        if not hmac.compare_digest(str(message.get("answer")), _answer(key, own)):
            raise WrongKeyError("the other side does not know the run's key")
        self._socket.settimeout(LOST_SECONDS)
        return message

    def close(self) -> None:
        """End the connection, also for a thread that waits in `receive`."""
        with suppress(OSError):  # it has ended already
            self._socket.shutdown(socket.SHUT_RDWR)
        self._reader.close()
        self._socket.close()


def make_key(path: Path) -> bytes:
    """Return a fresh key, written where only this user can read it."""
    key = secrets.token_hex(32)
    write_text(path, key)
    path.chmod(0o600)
    return key.encode()


def read_key(path: Path) -> bytes:
    """Return a run's key.

    Raises:
        UserError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(
            f"the run's key {path} cannot be read ({error.strerror}); the leader writes it when it "
            "starts, on a disk that all nodes must share, and says where it lies"
        ) from None


def split_address(address: str) -> tuple[str, int]:
    """Return host and port of `HOST:PORT`.

    Raises:
        UserError: it is no such address.

    >>> split_address("10.0.0.1:29400")
    ('10.0.0.1', 29400)
    """
    host, _, port = address.rpartition(":")
    if not host or not (port.isascii() and port.isdigit()) or int(port) > 65_535:
        raise UserError(f"{address!r} is not of the form HOST:PORT, as in 10.0.0.1:29400")
    return host, int(port)


def _answer(key: bytes, challenge: str) -> str:
    return hmac.new(key, challenge.encode(), "sha256").hexdigest()
