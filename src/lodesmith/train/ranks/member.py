"""`lodesmith join`: lends this machine to a run, and lets go of it when the leader is gone.

The ranks that the leader asks for run below this process and are looked after here, exactly as on
the leader's own machine; only the result of each look travels. When the leader has been silent for
`LOST_SECONDS` the ranks are ended, so that a part of the run that was cut off does not go on by
itself, and this machine tries to join again.
"""

import os
import socket
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from lodesmith.core.errors import EngineError, LodesmithError, UserError
from lodesmith.core.log import say
from lodesmith.core.units import format_seconds
from lodesmith.core.version import VERSION
from lodesmith.parallel.memory_folder import open_memory_folder
from lodesmith.train.job import RankTask
from lodesmith.train.ranks.local_ranks import LocalRanks, Look
from lodesmith.train.ranks.standby import Starter
from lodesmith.train.ranks.watch import Fault
from lodesmith.train.ranks.wire import Wire, WrongKeyError, read_key, split_address

_LOOK_SECONDS = 0.2
_RETRY_SECONDS = 1.0
_WRONG_KEY_SECONDS = 10.0  # all nodes may start at once: the key may be of the run before


def join_run(address: str, *, key_file: Path, patience_seconds: float = 600.0) -> None:
    """Serve the run of a leader until it ends, joining again after each cut.

    Args:
        address: HOST:PORT of the leader.
        key_file: that the leader has written.
        patience_seconds: for how long a leader that cannot be reached is tried again.

    Raises:
        UserError: the address is no such address.
        EngineError: the leader could not be reached or had written no key for that long, or has
            another key or version.
    """
    with open_memory_folder() as memory, Starter() as starter:
        _join_again(split_address(address), key_file, patience_seconds, memory, starter)


def _join_again(
    address: tuple[str, int],
    key_file: Path,
    patience_seconds: float,
    memory: Path | None,
    starter: Starter,
) -> None:
    where = f"{address[0]}:{address[1]}"
    say(f"joining the run at {where}; it is tried for {format_seconds(patience_seconds)}")
    deadline = time.monotonic() + patience_seconds
    said = ""
    has_joined = False  # after that, a leader that is started again may write another key
    while True:
        try:
            wire = _connect(address, key_file)
        except (OSError, UserError) as error:
            now = time.monotonic()
            if isinstance(error, WrongKeyError) and not has_joined:
                deadline = min(deadline, now + _WRONG_KEY_SECONDS)
            if now > deadline:
                raise EngineError(
                    f"the leader at {where} cannot be joined ({error}); is it running, and does "
                    f"{key_file} lie on a disk that both share?"
                ) from None
            if str(error) != said:
                said = str(error)
                say(f"  not yet: {said}")
            time.sleep(_RETRY_SECONDS)
            continue
        has_joined = True
        say(f"joined the run at {where}")
        if _Service(wire, memory, starter).serve():
            say("the run is over")
            return
        say(f"the leader at {where} is gone; trying to join again")
        deadline = time.monotonic() + patience_seconds


def _connect(address: tuple[str, int], key_file: Path) -> Wire:
    key = read_key(key_file)
    wire = Wire(socket.create_connection(address, timeout=5.0))
    try:
        _greet(wire, key)
    except BaseException:
        wire.close()
        raise
    return wire


def _greet(wire: Wire, key: bytes) -> None:
    hello = wire.shake_hands(key, hello={"name": socket.gethostname(), "version": VERSION})
    if hello.get("version") != VERSION:
        raise EngineError(
            f"the leader at {wire.peer_address} has version {hello.get('version')} and this "
            f"machine {VERSION}; install the same on both"
        )


class _Service:
    """What is done for a leader over one connection."""

    def __init__(self, wire: Wire, memory: Path | None, starter: Starter) -> None:
        self._wire, self._memory, self._starter = wire, memory, starter
        self._ranks: LocalRanks | None = None
        self._attempt = ""
        self._refused: Look | None = None  # what is said of ranks that could not be started
        self._lock = threading.Lock()  # of the two above
        self._open = True

    def serve(self) -> bool:
        """Do what the leader asks for; return whether it said goodbye, not just vanished."""
        looks = threading.Thread(target=self._report, daemon=True)
        looks.start()
        try:
            while True:
                message = self._wire.receive()
                if "goodbye" in message:
                    return True
                self._obey(message)
        except OSError:
            return False
        finally:
            self._open = False
            self._end_ranks()
            looks.join()
            self._wire.close()

    def _obey(self, message: dict[str, Any]) -> None:
        if "start" in message:
            self._end_ranks()
            tasks = [
                replace(RankTask.from_json(task), parent_pid=os.getpid(), memory=self._memory)
                for task in message["start"]
            ]
            with self._lock:
                self._attempt, self._refused = str(tasks[0].attempt), None
                try:
                    self._ranks = LocalRanks(
                        tasks, starter=self._starter, address=message["address"]
                    )
                except LodesmithError as error:
                    fault = Fault(what="failed", rank=tasks[0].rank, says=str(error))
                    self._refused = Look(step=0, fault=fault)
        elif "stop" in message and self._ranks is not None:
            self._ranks.ask_to_stop()
        elif "kill" in message:
            self._end_ranks()

    def _end_ranks(self) -> None:
        with self._lock:
            if self._ranks is not None:
                self._ranks.kill()
            self._ranks = None

    def _report(self) -> None:
        """Tell the leader how the ranks are; that is also this side's sign of life."""
        while self._open:
            message: dict[str, Any] = {"beat": True}
            with self._lock:
                look = self._refused if self._ranks is None else self._ranks.look()
                if look is not None:
                    message = {"look": asdict(look), "attempt": self._attempt}
            try:
                self._wire.send(message)
            except OSError:
                return  # the leader's silence is noticed where it is listened to
            time.sleep(_LOOK_SECONDS)
