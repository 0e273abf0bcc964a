"""One request inside the engine: what it has so far, and where its events go.

Shapes: D hidden.
"""

# ruff: noqa: N806, N815 shape suffixes are the house's names for tensors

from dataclasses import dataclass, field

from torch import Tensor

from lodesmith.infer.blocks import BlockKey
from lodesmith.infer.interface import (
    Deliver,
    Event,
    Finished,
    FinishReason,
    GenerationRequest,
    NewToken,
    PromptPooled,
    PromptScored,
    Ticket,
    TokenLogprobs,
    Wake,
)
from lodesmith.infer.sampling import Sampler


@dataclass(frozen=True, slots=True)
class Listener:
    """Whoever asked, and who must be woken once the step is over."""

    place: int  # in the list that was submitted
    deliver: Deliver
    wake: Wake | None
    to_wake: dict[Wake, None]  # the engine's, in the order in which they were told

    def tell(self, event: Event) -> None:
        """Hand an event over."""
        self.deliver(self.place, event)
        if self.wake is not None:
            self.to_wake[self.wake] = None


@dataclass(eq=False)  # two equal requests are still two
class Sequence:
    """A request on its way."""

    ticket: Ticket
    request: GenerationRequest
    listener: Listener
    sampler: Sampler
    tokens: list[int]  # of the prompt and the answer
    blocks: list[int] = field(default_factory=list)  # of the cache, in the order of the tokens
    block_keys: list[BlockKey] = field(default_factory=list)  # of full ones, see blocks.key_of
    num_computed: int = 0  # tokens whose keys and values are in the blocks
    num_reused: int | None = None  # tokens that were there when it started; None: not started yet
    prompt_logprobs: list[TokenLogprobs] = field(default_factory=list)
    num_pooled: int = 0  # prompt tokens in the sum
    prompt_sum_D: Tensor | None = None
    adapter: object | None = None  # as the runner takes it
    adapter_key: str | None = None  # names it in keys of blocks: never twice the same
    is_prompt_told: bool = False  # what was asked about the prompt has been delivered

    @property
    def num_left(self) -> int:
        """Tokens that must go through the model before a new one can be chosen."""
        return len(self.tokens) - self.num_computed

    @property
    def num_answered(self) -> int:
        """Tokens of the answer."""
        return len(self.tokens) - len(self.request.input_ids)

    @property
    def must_read_all(self) -> bool:
        """Whether every token of the prompt has yet to be looked at."""
        asked = self.request.score_prompt or self.request.pool_prompt
        return asked and not self.is_prompt_told

    def send(self, event: Event) -> None:
        """Hand an event to whoever asked."""
        self.listener.tell(event)

    def tell_about_prompt(self) -> None:
        """Deliver what was asked about the prompt, which has been read whole."""
        if self.request.score_prompt:
            self.send(PromptScored(tuple(self.prompt_logprobs)))
        if self.prompt_sum_D is not None:
            mean_D = self.prompt_sum_D / len(self.request.input_ids)
            self.send(PromptPooled(mean_D.cpu().numpy()))
        self.is_prompt_told = True

    def take(self, token_id: int, logprobs: TokenLogprobs | None) -> FinishReason | None:
        """Add a token to the answer; return why that ends it, None if it goes on."""
        self.tokens.append(token_id)
        self.send(NewToken(token_id, logprobs))
        if token_id in self.request.stop_ids or self.sampler.is_finished:
            return FinishReason.STOP
        return FinishReason.LENGTH if self.num_answered >= self.request.max_tokens else None

    def finish(self, reason: FinishReason, error: str | None = None) -> None:
        """Send the last event."""
        self.send(Finished(reason, error, num_reused_tokens=self.num_reused or 0))
