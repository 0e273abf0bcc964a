"""How much each caller has asked for, and when it may ask again.

Requests are limited by a bucket that fills evenly and holds a minute's worth: a burst is fine, a
flood is not. Tokens are counted by the day (UTC), prompt and answer together, once an answer has
ended; so the last request of a day may go over its bound, and the next one is refused.

The counts live in this process: a server that is started again begins a new day.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from lodesmith.serve.faults import ApiError
from lodesmith.serve.keys import Caller

_DAY_SECONDS = 86_400


@dataclass
class _Account:
    requests_left: float
    filled_at: float  # monotonic, s
    day: int = 0  # since 1970
    tokens_today: int = 0


class Quotas:
    """The accounts of all callers; used from one thread."""

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        calendar: Callable[[], float] = time.time,
    ) -> None:
        self._clock, self._calendar = clock, calendar
        self._accounts: dict[str, _Account] = {}

    def check(self, caller: Caller) -> None:
        """Count one request.

        Raises:
            ApiError: 429, with the seconds after which it may be sent again.
        """
        account = self._account(caller)
        if caller.tokens_per_day is not None and account.tokens_today >= caller.tokens_per_day:
            raise ApiError(
                429,
                f"the {caller.tokens_per_day:,} tokens of today are used up",
                code="insufficient_quota",
                retry_after_seconds=_DAY_SECONDS - int(self._calendar()) % _DAY_SECONDS,
            )
        if caller.requests_per_minute is not None:
            self._take_request(account, caller.requests_per_minute)

    def add_tokens(self, caller: Caller, num_tokens: int) -> None:
        """Count the tokens of an answer that has ended."""
        self._account(caller).tokens_today += num_tokens

    def _account(self, caller: Caller) -> _Account:
        account = self._accounts.get(caller.name)
        if account is None:
            account = _Account(float(caller.requests_per_minute or 0), self._clock())
            self._accounts[caller.name] = account
        today = int(self._calendar()) // _DAY_SECONDS
        if account.day != today:
            account.day, account.tokens_today = today, 0
        return account

    def _take_request(self, account: _Account, per_minute: int) -> None:
        now = self._clock()
        filled = (now - account.filled_at) * per_minute / 60
        account.requests_left = min(float(per_minute), account.requests_left + filled)
        account.filled_at = now
        if account.requests_left < 1:
            raise ApiError(
                429,
                f"more than {per_minute} requests a minute",
                code="rate_limit_exceeded",
                retry_after_seconds=1 + int((1 - account.requests_left) * 60 / per_minute),
            )
        account.requests_left -= 1
