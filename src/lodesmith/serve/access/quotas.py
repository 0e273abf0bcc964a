"""How much each caller has asked for, and when it may ask again.

Requests are limited by a bucket that fills evenly and holds a minute's worth: a burst is fine, a
flood is not. Tokens are counted by the day (UTC), prompt and answer together, once an answer has
ended; so the last request of a day may go over its bound, and the next one is refused.

Tokens are noted in a file beside the keys, so that a server that is started again goes on counting;
the bucket of requests begins full.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from lodesmith.serve.access.keys import ApiKeys, Caller
from lodesmith.serve.access.usage import UsageFile
from lodesmith.serve.api.faults import ApiError

_DAY_SECONDS = 86_400


@dataclass
class _Bucket:
    requests_left: float
    filled_at: float  # monotonic, s


class Quotas:
    """The accounts of all callers; used from one thread."""

    def __init__(
        self,
        *,
        usage: UsageFile | None = None,
        clock: Callable[[], float] = time.monotonic,
        calendar: Callable[[], float] = time.time,
    ) -> None:
        """Go on from what a file says has been used today.

        Args:
            usage: where tokens are noted; None: nowhere.
            clock: seconds that never go back.
            calendar: seconds since 1970, UTC.
        """
        self._usage, self._clock, self._calendar = usage, clock, calendar
        self._day = self._today
        self._used = Counter() if usage is None else usage.read(self._day)
        self._buckets: dict[str, _Bucket] = {}

    def check(self, caller: Caller) -> None:
        """Count one request.

        Raises:
            ApiError: 429, with the seconds after which it may be sent again.
        """
        self._turn_day()
        if caller.tokens_per_day is not None and self._used[caller.name] >= caller.tokens_per_day:
            raise ApiError(
                429,
                f"the {caller.tokens_per_day:,} tokens of today are used up",
                code="insufficient_quota",
                retry_after_seconds=_DAY_SECONDS - int(self._calendar()) % _DAY_SECONDS,
            )
        if caller.requests_per_minute is not None:
            self._take_request(caller.name, caller.requests_per_minute)

    def add_tokens(self, caller: Caller, num_tokens: int) -> None:
        """Count the tokens of an answer that has ended."""
        self._turn_day()
        self._used[caller.name] += num_tokens
        if self._usage is not None:
            self._usage.add(self._day, caller.name, num_tokens)

    @property
    def _today(self) -> int:
        return int(self._calendar()) // _DAY_SECONDS

    def _turn_day(self) -> None:
        if self._day != self._today:
            self._day = self._today
            self._used = Counter() if self._usage is None else self._usage.read(self._day)

    def _take_request(self, name: str, per_minute: int) -> None:
        now = self._clock()
        bucket = self._buckets.setdefault(name, _Bucket(float(per_minute), now))
        filled = (now - bucket.filled_at) * per_minute / 60
        bucket.requests_left = min(float(per_minute), bucket.requests_left + filled)
        bucket.filled_at = now
        if bucket.requests_left < 1:
            raise ApiError(
                429,
                f"more than {per_minute} requests a minute",
                code="rate_limit_exceeded",
                retry_after_seconds=1 + int((1 - bucket.requests_left) * 60 / per_minute),
            )
        bucket.requests_left -= 1


def quotas_of(keys: ApiKeys | None) -> Quotas:
    """Return the accounts of those who hold keys, with what they have used today."""
    path = None if keys is None else keys.path
    return Quotas(usage=None if path is None else UsageFile(path))
