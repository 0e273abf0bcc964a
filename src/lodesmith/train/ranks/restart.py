"""How often a run is started again after a fault, and with how many ranks."""

from collections.abc import Sequence

from lodesmith.core.errors import EngineError
from lodesmith.core.units import format_counted
from lodesmith.train.ranks.watch import Fault

_MOST_WITHOUT_PROGRESS = 3
_TWO_IN_VAIN = 2


class Restarts:
    """Allows restarts as long as the run gets on between them."""

    def __init__(self, *, title: str) -> None:
        self._title = title
        self._furthest = 0  # step that any attempt has reached
        self._in_vain = 0

    @property
    def lost_places(self) -> int:
        """Ranks to do without: one after two starts in vain, because two may be too many here."""
        return int(self._in_vain >= _TWO_IN_VAIN)

    def allow(self, fault: Fault, *, step: int) -> None:
        """Return if the run may be started again.

        Args:
            fault: what ended the last attempt.
            step: how far that attempt came.

        Raises:
            EngineError: the last attempts have not got further than those before.
        """
        self._in_vain = 0 if step > self._furthest else self._in_vain + 1
        self._furthest = max(self._furthest, step)
        if self._in_vain < _MOST_WITHOUT_PROGRESS:
            return
        log = f" The end of its log:\n{fault.log}" if fault.log else ""
        raise EngineError(
            f"{self._title}: {fault.says}; {self._in_vain} starts in a row have come no further "
            f"than step {self._furthest}: mend the cause and run the same command again to go on "
            f"from the last checkpoint.{log}"
        )


def choose_size(sizes: Sequence[int], *, available: int) -> int:
    """Return the most ranks that can train together on what is left.

    Args:
        sizes: numbers of ranks that the layout can be cut down to.
        available: ranks for which there is a healthy place.

    Raises:
        EngineError: not even the smallest fits.

    >>> choose_size([1, 2, 4, 8], available=7)
    4
    """
    fitting = [size for size in sizes if size <= available]
    if not fitting:
        raise EngineError(
            f"room for {format_counted(available, 'rank')} is left, and the smallest "
            f"layout wants {min(sizes)}; bring a node back and run the same command again"
        )
    return max(fitting)
