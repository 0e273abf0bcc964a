"""The models that a server has, by the names under which callers may see and use them."""

from collections.abc import Iterator, Sequence
from typing import Generic, Protocol, TypeVar

from lodesmith.serve.access.keys import Caller
from lodesmith.serve.api.faults import ApiError


class Served(Protocol):
    """A model behind the routes, whatever computes it."""

    @property
    def name(self) -> str:
        """What clients call it."""

    @property
    def created(self) -> int:
        """When it was first served, seconds since 1970."""

    @property
    def owned_by(self) -> str:
        """What computes its answers."""

    @property
    def max_model_len(self) -> int:
        """Tokens of prompt and answer together."""

    @property
    def trouble(self) -> str | None:
        """Why it cannot answer now; None if it can."""


T = TypeVar("T", bound=Served)


class ServedModels(Generic[T]):
    """One service for each name."""

    def __init__(self, services: Sequence[T]) -> None:
        self._services = {service.name: service for service in services}

    def visible_to(self, caller: Caller) -> Iterator[T]:
        """Yield what a caller may use."""
        for name, service in self._services.items():
            if caller.models is None or name in caller.models:
                yield service

    def find(self, name: str | None, caller: Caller) -> T:
        """Return the model of a name; without a name, the only one that the caller may use.

        Raises:
            ApiError: there is none that the caller may know of.
        """
        visible = {service.name: service for service in self.visible_to(caller)}
        if name is None and len(visible) == 1:
            return next(iter(visible.values()))
        service = visible.get(name or "")
        if service is None:  # the same answer for a model of somebody else and for none
            served = ", ".join(f"'{each}'" for each in visible) or "nothing to you"
            raise ApiError(
                404,
                f"the model '{name}' is not served here; this server serves {served}",
                param="model",
                code="model_not_found",
            )
        return service

    def has(self, name: str) -> bool:
        """Tell whether a name is taken."""
        return name in self._services

    def add(self, service: T) -> None:
        """Serve one more."""
        self._services[service.name] = service

    def remove(self, name: str) -> None:
        """Serve one less; whoever is being answered is answered."""
        del self._services[name]

    def __iter__(self) -> Iterator[T]:
        return iter(self._services.values())
