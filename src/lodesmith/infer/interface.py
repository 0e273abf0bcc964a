"""All that a server knows of an engine: submit requests, receive their tokens, cancel them.

The server is written against the `Engine` protocol and never sees a tensor, so that another
engine can stand behind it. A request's life, seen from here:

    tickets = engine.submit([request], deliver)   # raises UserError or QueueFullError
    deliver(0, PromptScored(...))                 # only if asked for
    deliver(0, PromptPooled(...))                 # only if asked for
    deliver(0, NewToken(...))                     # once a token
    deliver(0, Finished(...))                     # once, always the last

`deliver` is called on the engine's thread and must return at once. Where whoever listens has to be
woken, which costs more than to be told, `submit` takes `wake` too: it is called after a step's
events have been delivered, once however many requests share it. An answer that shall go on past
the end of a text (`ignore_eos`) has no `stop_ids`; stop strings are found by whoever decodes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lodesmith.core.errors import EngineError, UserError

Ticket = int  # names one submitted request; never used twice by an engine


class QueueFullError(EngineError):
    """As many requests wait as may wait; try again later."""


class PromptTooLongError(UserError):
    """Prompt and answer together do not fit into the model."""


class FinishReason(StrEnum):
    """Why no more tokens come."""

    STOP = "stop"  # the model ended its answer
    LENGTH = "length"  # max_tokens were made
    CANCELLED = "cancelled"  # whoever asked no longer wants it
    ERROR = "error"  # the engine failed


@dataclass(frozen=True, kw_only=True, slots=True)
class Sampling:
    """How a token is chosen from the model's probabilities."""

    temperature: float = 1.0  # 0: always the most probable token
    top_p: float = 1.0  # the fewest most probable tokens that hold this much probability, in (0, 1]
    top_k: int | None = None  # at most this many tokens
    min_p: float = 0.0  # at least this share of the most probable token's probability, in [0, 1]
    presence_penalty: float = 0.0  # off the logit of each token the answer holds
    frequency_penalty: float = 0.0  # the same, times how often it holds it
    repetition_penalty: float = 1.0  # divides the score of each token of prompt and answer; above 0
    logit_bias: Mapping[int, float] = field(default_factory=dict)  # token id -> added to its logit
    seed: int | None = None  # equal seeds, equal answers; None: another answer each time


class TokenGuide(Protocol):
    """Which tokens may come next: the state of one answer in a grammar."""

    def fill_allowed(self, allowed_W: NDArray[np.int32]) -> bool:  # noqa: N803 W words of 32 bits
        """Set bit t of the words for each token t that may come next, clear the others.

        Returns False where any token may come; the words are then not looked at.
        """

    def accept(self, token_id: int) -> None:
        """Go on past a token that was chosen among those allowed."""

    @property
    def is_finished(self) -> bool:
        """Whether the answer is complete: no further token may come."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GenerationRequest:
    """One prompt, and how to go on from it."""

    input_ids: tuple[int, ...]
    max_tokens: int  # 0: only score the prompt
    sampling: Sampling = Sampling()
    stop_ids: frozenset[int] = frozenset()  # any of these ends the answer
    num_top_logprobs: int | None = None  # alternatives for each new token; None: no logprobs at all
    score_prompt: bool = False  # logprobs of the prompt's tokens too
    pool_prompt: bool = False  # the mean of the prompt's last hidden states, an embedding of it
    guide: TokenGuide | None = None  # used up by this request: no two may share one
    adapter: str | None = None  # name of a loaded adapter; None: the model as it is


@dataclass(frozen=True, slots=True)
class TokenLogprobs:
    """How probable the model found a token, before temperature, penalties and bias."""

    token_id: int
    logprob: float
    top: tuple[tuple[int, float], ...]  # the most probable tokens, best first


@dataclass(frozen=True, slots=True)
class PromptScored:
    """The prompt's logprobs, from its second token on."""

    logprobs: tuple[TokenLogprobs, ...]


@dataclass(frozen=True, slots=True)
class PromptPooled:
    """The mean over the prompt's positions of what the last layer says, after the final norm."""

    vector: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class NewToken:
    """One token of the answer; the one that ended it is delivered too."""

    token_id: int
    logprobs: TokenLogprobs | None


@dataclass(frozen=True, slots=True)
class Finished:
    """Nothing more comes."""

    reason: FinishReason
    error: str | None = None
    num_reused_tokens: int = field(default=0, compare=False)  # of the prompt, found in the cache


Event = PromptScored | PromptPooled | NewToken | Finished
Deliver = Callable[[int, Event], None]  # place in the submitted list, what happened
Wake = Callable[[], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineLimits:
    """What an engine can take."""

    max_model_len: int
    vocab_size: int
    max_num_seqs: int
    max_num_queued_seqs: int
    adapters: frozenset[str] = frozenset()  # names that requests may use now


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineStats:
    """What an engine is doing now, and what it has done since it started."""

    num_running: int
    num_waiting: int
    cache_used_fraction: float
    failure: str | None = None  # why it no longer works
    num_preemptions: int = 0  # requests that gave their cache up and were read again
    num_queried_tokens: int = 0  # prompt tokens looked up in the prefix cache
    num_reused_tokens: int = 0  # those of them that were found
    num_computed_tokens: int = 0  # tokens that went through the model
    num_steps: int = 0  # passes through the model


class Engine(Protocol):
    """Turns prompts into tokens, many at a time."""

    @property
    def limits(self) -> EngineLimits:
        """What it can take."""

    def submit(
        self,
        requests: Sequence[GenerationRequest],
        deliver: Deliver,
        *,
        wake: Wake | None = None,
    ) -> list[Ticket]:
        """Queue requests, all or none, and return a ticket for each.

        Args:
            requests: what is asked.
            deliver: told of each event.
            wake: called after the events of a step; None: nobody sleeps.

        Raises:
            UserError: a request is impossible for this model.
            QueueFullError: too many wait already.
            EngineError: the engine has failed or is closed.
        """

    def cancel(self, ticket: Ticket) -> None:
        """Stop a request by the next step; one that has finished is left alone."""

    def load_adapter(self, name: str, folder: Path) -> None:
        """Make a LoRA adapter known under a name, while requests run.

        Args:
            name: what requests call it.
            folder: as PEFT writes it, adapter_config.json and adapter_model.safetensors.

        Raises:
            UserError: the name is taken, the folder is no adapter, or it does not fit the model.
            DamagedArtifactError: a file is torn.
        """

    def unload_adapter(self, name: str) -> None:
        """Forget an adapter; requests that use it already go on to their end.

        Raises:
            UserError: there is none of that name.
        """

    def stats(self) -> EngineStats:
        """Return what it is doing now and has done so far."""

    def close(self) -> None:
        """Cancel what runs and free everything."""


def check_request(request: GenerationRequest, limits: EngineLimits) -> None:
    """Check that a request can be answered at all.

    Raises:
        UserError: the prompt is empty, too long or holds an id that the model does not have; or
            the adapter is not loaded.
    """
    num_prompt, num_all = len(request.input_ids), len(request.input_ids) + request.max_tokens
    if num_prompt == 0:
        raise UserError("the prompt is empty; it must hold at least one token")
    if num_all > limits.max_model_len:
        raise PromptTooLongError(
            f"this model takes {limits.max_model_len} tokens in all; the prompt has {num_prompt} "
            f"and max_tokens is {request.max_tokens}, together {num_all}; shorten one of them"
        )
    used = (*request.input_ids, *request.sampling.logit_bias)
    wrong = next((token for token in used if not 0 <= token < limits.vocab_size), None)
    if wrong is not None:
        raise UserError(explain_token_id(wrong, limits.vocab_size))
    check_adapter(request, limits)


def explain_token_id(wrong: int, vocab_size: int) -> str:
    """Return what to say of an id that the model does not have."""
    return f"{wrong} is no token id; ids go from 0 to {vocab_size - 1}"


def check_adapter(request: GenerationRequest, limits: EngineLimits) -> None:
    """Check that the adapter which a request names is loaded.

    Raises:
        UserError: it is not.
    """
    if request.adapter is not None and request.adapter not in limits.adapters:
        raise UserError(f"no adapter '{request.adapter}' is loaded")
