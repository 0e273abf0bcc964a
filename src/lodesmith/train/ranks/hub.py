"""The leader's side of a run on several machines: who has joined, and their ranks at arm's length.

The leader is the machine where the command was given. It listens on one address of the cluster's
network; the other machines join with `lodesmith join`. A member that is silent for `LOST_SECONDS`
is dropped, whatever the reason: frozen, switched off, cut off. It comes back by joining again.
"""

import socket
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from lodesmith.core.errors import EngineError
from lodesmith.core.log import say
from lodesmith.core.version import VERSION
from lodesmith.train.job import RankTask
from lodesmith.train.ranks.local_ranks import Look
from lodesmith.train.ranks.watch import Fault
from lodesmith.train.ranks.wire import BEAT_SECONDS, Wire, make_key, split_address


class Member:
    """A machine that has joined; its ranks are looked after there and reported here."""

    def __init__(self, wire: Wire, hello: dict[str, Any]) -> None:
        self.name = str(hello["name"])
        self.address = wire.peer_address
        self.gone = False
        self._wire = wire
        self._tasks: list[RankTask] = []
        self._attempt = ""
        self._look = Look(step=0)
        self._heard = time.monotonic()
        for work in (self._listen, self._beat):
            threading.Thread(target=work, daemon=True).start()

    def start(self, tasks: Sequence[RankTask]) -> None:
        """Start ranks there."""
        self._tasks, self._attempt = list(tasks), str(tasks[0].attempt)
        self._look = Look(step=0)
        self._send({"start": [task.to_json() for task in tasks], "address": self.address})

    def look(self) -> Look:
        """Return what was heard last of its ranks; a fault if it is gone."""
        if not self.gone or self._look.ended:
            return self._look
        silent = time.monotonic() - self._heard
        rank = self._tasks[0].rank
        says = f"rank {rank}'s node {self.name} cannot be reached (silent for {silent:.0f} s)"
        fault = Fault(what="unreachable", rank=rank, says=says, silent_seconds=silent)
        return Look(step=self._look.step, fault=fault)

    def ask_to_stop(self) -> None:
        """Ask its ranks to save and end."""
        self._send({"stop": True})

    def kill(self) -> None:
        """End its ranks at once."""
        self._attempt = ""
        self._send({"kill": True})

    def say_goodbye(self) -> None:
        """Let it go for good."""
        self._send({"goodbye": True})
        self.close()

    def close(self) -> None:
        """Let it go; it may join again."""
        self.gone = True
        self._wire.close()

    def _send(self, message: dict[str, Any]) -> None:
        try:
            self._wire.send(message)
        except OSError:
            self.close()

    def _beat(self) -> None:
        while not self.gone:
            self._send({"beat": True})
            time.sleep(BEAT_SECONDS)

    def _listen(self) -> None:
        try:
            while True:
                message = self._wire.receive()
                self._heard = time.monotonic()
                if "look" in message and message["attempt"] == self._attempt:
                    self._look = read_look(message["look"])
        except (OSError, KeyError, TypeError, ValueError):
            self.close()


class Hub:
    """Listens for machines that join."""

    def __init__(self, address: str, *, key_file: Path) -> None:
        """Listen.

        Args:
            address: HOST:PORT of this machine, on the network that the nodes share.
            key_file: gets the key that members must know.

        Raises:
            UserError: it is no such address.
            EngineError: the address is not this machine's or is in use.
        """
        host, port = split_address(address)
        self.host, self.address, self.key_file = host, address, key_file.absolute()
        self._key = make_key(key_file)
        self._members: list[Member] = []
        self._closed = False
        try:
            self._server = socket.create_server((host, port))
        except OSError as error:
            raise EngineError(f"cannot listen on {address}: {error.strerror}") from None
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def members(self) -> list[Member]:
        """The machines that are here, in the order in which they came."""
        self._members = [member for member in self._members if not member.gone]
        return list(self._members)

    def free_port(self) -> int:
        """Return a port of this machine that nobody listens on, for the ranks to meet at."""
        with socket.create_server((self.host, 0)) as server:
            port: int = server.getsockname()[1]
        return port

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True
        self._server.close()
        for member in self._members:
            member.say_goodbye()

    def _accept(self) -> None:
        while not self._closed:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return  # closed
            threading.Thread(target=self._greet, args=(connection,), daemon=True).start()

    def _greet(self, connection: socket.socket) -> None:
        wire = Wire(connection)
        try:
            hello = wire.shake_hands(self._key, hello={"version": VERSION})
            if hello.get("version") != VERSION:
                raise ConnectionError(f"it has version {hello.get('version')}, this is {VERSION}")
            member = Member(wire, hello)
        except (OSError, KeyError) as error:
            say(f"a node was refused: {error}")
            wire.close()
            return
        say(f"node {member.name} at {member.address} has joined")
        self._members.append(member)


def read_look(data: dict[str, Any]) -> Look:
    """Return a look that came over the wire."""
    fault = None if data["fault"] is None else Fault(**data["fault"])
    return Look(step=data["step"], ended=data["ended"], fault=fault)
