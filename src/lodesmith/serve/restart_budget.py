"""How often something that fails is started again before it is left alone."""

import time
from collections import deque
from collections.abc import Callable

MAX_RESTARTS = 3
_WITHIN_SECONDS = 600.0


class RestartBudget:
    """Allows three restarts in any ten minutes."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._restarts: deque[float] = deque(maxlen=MAX_RESTARTS)

    def take(self) -> bool:
        """Count one more restart and return True; return False where it would be too many."""
        now = self._clock()
        is_full = len(self._restarts) == MAX_RESTARTS
        if is_full and now - self._restarts[0] < _WITHIN_SECONDS:
            return False
        self._restarts.append(now)
        return True
