"""When a silent rank counts as lost: soon enough to lose little, never because it is only slow.

Three kinds of fault are told apart by what stands still. A process that has ended is lost at once.
One whose `alive` stands still is frozen. One that is alive but whose `beats` stand still waits for
something that does not come; how long that is no fault depends on how long its steps take.

Silence is added up look by look, and one look adds at most `_MOST_PER_LOOK`: when the supervisor
itself was stopped (Ctrl-Z, a suspended machine) or a clock jumped, nobody has been silent for that
long.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from lodesmith.train.loop.pulse import Phase, Sign

FROZEN_SECONDS = 6.0  # a thread that only counts was never seen to miss one second here
_BUSY_FROZEN_SECONDS = 60.0  # while starting, loading or saving, one call may hold Python's lock
_STARTING_SECONDS = 600.0  # importing torch from a cold network disk
_LEAST_STALL_SECONDS = 30.0
_STALL_GAPS = 10.0  # times the longest gap between two beats lately
_BUSY_STALL_SECONDS = 1800.0  # loading, compiling, saving: alive is enough
_GAPS_KEPT = 64
_MOST_PER_LOOK = 1.0

What = Literal["killed", "failed", "frozen", "stalled", "unreachable"]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Why an attempt is over before its end."""

    what: What
    rank: int
    says: str  # what happened, as a half sentence: "rank 1 was killed by signal 9"
    silent_seconds: float = 0.0  # for how long there was no sign before it was noticed
    log: str = ""  # the end of the rank's log


@dataclass
class _Watched:
    """What is remembered of one rank."""

    sign: Sign
    frozen_seconds: float = 0.0
    stalled_seconds: float = 0.0
    gaps: deque[float] = field(default_factory=lambda: deque(maxlen=_GAPS_KEPT))


class Watcher:
    """Looks at the signs of ranks again and again, and tells which rank is lost."""

    def __init__(self) -> None:
        self._ranks: dict[int, _Watched] = {}
        self._looked: float | None = None

    def look(self, signs: Mapping[int, Sign], *, now: float) -> Fault | None:
        """Return the fault that the signs show, if they show one.

        Args:
            signs: by rank, of the ranks that have not ended.
            now: a monotonic clock, s.
        """
        passed = 0.0 if self._looked is None else min(max(now - self._looked, 0.0), _MOST_PER_LOOK)
        self._looked = now
        for rank, sign in signs.items():
            self._note(rank, sign, passed)
        # A frozen rank makes its peers stall, so it is looked for first; of several, the longest.
        return self._frozen() or self._stalled()

    def _note(self, rank: int, sign: Sign, passed: float) -> None:
        watched = self._ranks.setdefault(rank, _Watched(sign))
        before, watched.sign = watched.sign, sign
        watched.frozen_seconds += passed
        watched.stalled_seconds += passed
        if sign.alive != before.alive:
            watched.frozen_seconds = 0.0
        if sign.beats != before.beats:
            if sign.phase == before.phase == Phase.TRAINING:
                watched.gaps.append(watched.stalled_seconds)
            watched.stalled_seconds = 0.0

    def _frozen(self) -> Fault | None:
        silent = {
            rank: watched.frozen_seconds
            for rank, watched in self._ranks.items()
            if watched.frozen_seconds > _frozen_limit(watched.sign)
        }
        return _longest("frozen", "gives no sign of life", silent)

    def _stalled(self) -> Fault | None:
        silent = {
            rank: watched.stalled_seconds
            for rank, watched in self._ranks.items()
            if watched.stalled_seconds > _stall_limit(watched)
        }
        return _longest("stalled", "is alive but does not get on", silent)


def _frozen_limit(sign: Sign) -> float:
    if sign.phase == Phase.TRAINING or sign.halted:
        return FROZEN_SECONDS
    return _STARTING_SECONDS if sign.phase == Phase.STARTING else _BUSY_FROZEN_SECONDS


def _stall_limit(watched: _Watched) -> float:
    if watched.sign.phase != Phase.TRAINING or not watched.gaps:
        return _BUSY_STALL_SECONDS
    return max(_LEAST_STALL_SECONDS, _STALL_GAPS * max(watched.gaps))


def _longest(what: What, says: str, silent: Mapping[int, float]) -> Fault | None:
    if not silent:
        return None
    rank = max(silent, key=lambda rank: silent[rank])
    seconds = silent[rank]
    text = f"rank {rank} {says} (for {seconds:.0f} s)"
    return Fault(what=what, rank=rank, says=text, silent_seconds=seconds)
