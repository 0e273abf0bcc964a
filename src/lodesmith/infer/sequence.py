"""One request inside the engine: what it has so far, and where its events go.

Shapes: D hidden.
"""

# ruff: noqa: N815 shape suffixes are the house's names for tensors

from dataclasses import dataclass, field

from torch import Tensor

from lodesmith.infer.interface import (
    Deliver,
    Event,
    Finished,
    FinishReason,
    GenerationRequest,
    NewToken,
    Ticket,
    TokenLogprobs,
)
from lodesmith.infer.sampling import Sampler


@dataclass(eq=False)  # two equal requests are still two
class Sequence:
    """A request on its way."""

    ticket: Ticket
    request: GenerationRequest
    place: int  # in the list it was submitted with
    deliver: Deliver
    sampler: Sampler
    num_cached: int = 0  # tokens whose keys and values are in the cache
    num_answered: int = 0
    newest: int = -1  # the newest token of the answer; not in the cache yet
    prompt_logprobs: list[TokenLogprobs] = field(default_factory=list)
    prompt_sum_D: Tensor | None = None  # of the last hidden states, where an embedding is asked

    def send(self, event: Event) -> None:
        """Hand an event to whoever asked."""
        self.deliver(self.place, event)

    def take(self, token_id: int, logprobs: TokenLogprobs | None) -> FinishReason | None:
        """Add a token to the answer; return why that ends it, None if it goes on."""
        self.newest = token_id
        self.num_answered += 1
        self.send(NewToken(token_id, logprobs))
        if token_id in self.request.stop_ids or self.sampler.is_finished:
            return FinishReason.STOP
        return FinishReason.LENGTH if self.num_answered >= self.request.max_tokens else None

    def finish(self, reason: FinishReason, error: str | None = None) -> None:
        """Send the last event."""
        self.send(Finished(reason, error))
