"""An engine that is started again when it fails.

Whoever was being answered when an engine failed is told so, with status 500; the next request
starts a new engine and is answered as if nothing had been. That takes seconds: whoever must not
wait for it submits on another thread once `stats` tells of a failure. An engine that fails again
and again is left alone: then every request gets 503 with the reason, and /health says it to whoever
watches.
"""

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from lodesmith.core.errors import EngineError, LodesmithError
from lodesmith.core.log import warn
from lodesmith.infer.interface import (
    Deliver,
    Engine,
    EngineLimits,
    EngineStats,
    GenerationRequest,
    Ticket,
    Wake,
)
from lodesmith.serve.restart_budget import RestartBudget

_TICKETS = 1 << 40  # more than one engine ever gives out


class KeptEngine:
    """An `Engine` over engines of one kind, one after the other."""

    def __init__(
        self, start: Callable[[], Engine], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._start, self._budget = start, RestartBudget(clock=clock)
        self._current = 0, start()  # engines that have failed, and the one after them
        self._adapters: dict[str, Path] = {}
        self._changing = threading.Lock()

    def __enter__(self) -> "KeptEngine":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def _engine(self) -> Engine:
        return self._current[1]

    @property
    def limits(self) -> EngineLimits:
        """What it can take."""
        return self._engine.limits

    def submit(
        self,
        requests: Sequence[GenerationRequest],
        deliver: Deliver,
        *,
        wake: Wake | None = None,
    ) -> list[Ticket]:
        """Queue requests, on a new engine if this one has failed.

        Raises:
            UserError: a request is impossible for this model.
            QueueFullError: too many wait already.
            EngineError: the engine has failed too often, or is closed.
        """
        with self._changing:
            failure = self._engine.stats().failure
            if failure is not None and self._budget.take():
                self._restart(failure)
            tickets = self._engine.submit(requests, deliver, wake=wake)
            return [self._current[0] * _TICKETS + ticket for ticket in tickets]

    def _restart(self, failure: str) -> None:
        """Put a new engine in the place of the failed one.

        Raises:
            EngineError: it could not be started; the failed one stays.
        """
        warn(f"starting the engine again: {failure}")
        self._engine.close()
        try:
            self._current = self._current[0] + 1, self._start_with_adapters()
        except LodesmithError as error:  # the model's folder may have gone or changed
            warn(f"the engine did not start: {error}")
            raise EngineError(f"{failure}, and could not be started again") from None

    def _start_with_adapters(self) -> Engine:
        engine = self._start()
        try:
            for name, folder in self._adapters.items():
                engine.load_adapter(name, folder)
        except LodesmithError:
            engine.close()
            raise
        return engine

    def cancel(self, ticket: Ticket) -> None:
        """Stop a request; one of an engine that has failed has ended already."""
        generation, number = divmod(ticket, _TICKETS)
        present, engine = self._current
        if generation == present:
            engine.cancel(number)

    def load_adapter(self, name: str, folder: Path) -> None:
        """Make an adapter known; an engine that is started again gets it too."""
        with self._changing:
            self._engine.load_adapter(name, folder)
            self._adapters[name] = folder

    def unload_adapter(self, name: str) -> None:
        """Forget an adapter."""
        with self._changing:
            self._engine.unload_adapter(name)
            self._adapters.pop(name, None)

    def stats(self) -> EngineStats:
        """Return what the present engine is doing."""
        return self._engine.stats()

    def close(self) -> None:
        """Cancel what runs and free everything."""
        self._engine.close()
