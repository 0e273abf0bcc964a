"""What a route asks first: who is this, what may it use, and may it ask once more now."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic

from fastapi import Request

from lodesmith.serve.access.catalogue import ServedModels, T
from lodesmith.serve.access.guard import CALLER
from lodesmith.serve.access.keys import Caller
from lodesmith.serve.access.listen import REQUEST_SECONDS
from lodesmith.serve.access.quotas import Quotas


@dataclass(frozen=True)
class Front(Generic[T]):
    """The models, and the accounts of who uses them."""

    models: ServedModels[T]
    quotas: Quotas
    request_seconds: float = REQUEST_SECONDS

    def caller(self, request: Request) -> Caller:
        """Return who sent a request."""
        caller: Caller = request.scope[CALLER]
        return caller

    def admit(self, request: Request, name: str) -> T:
        """Return the model that a request means, and count the request.

        Raises:
            ApiError: the caller may not use it (404), or has asked too much (429).
        """
        caller = self.caller(request)
        service = self.models.find(name, caller)
        self.quotas.check(caller)
        return service

    def charge(self, request: Request, num_prompt_tokens: int) -> Callable[[int], None]:
        """Return what is to be told the number of tokens made once an answer has ended."""
        caller = self.caller(request)
        return lambda num_made: self.quotas.add_tokens(caller, num_prompt_tokens + num_made)
