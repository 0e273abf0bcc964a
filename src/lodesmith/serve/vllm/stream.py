"""The stream of a vLLM on its way to a client: what has been used is counted, and said if asked.

vLLM says in every chunk what its choice has used so far. Only so is a client charged that hangs up
before the end.
"""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx

from lodesmith.serve.answers.respond import encode_event
from lodesmith.serve.api.faults import ApiError
from lodesmith.serve.api.protocol import StreamOptions
from lodesmith.serve.vllm.bodies import explain_error, split_usage

_END = b"\n\n"
_ENDED = "vllm ended before the answer was whole; ask again"


@dataclass
class VllmStream:
    """One stream."""

    answer: httpx.Response
    options: StreamOptions
    num_choices: int  # of each prompt
    _used: dict[int, bytes] = field(default_factory=dict)  # choice -> its usage so far, as JSON
    _total: bytes | None = None  # of all choices, once it has been said

    @property
    def num_tokens(self) -> int:
        """Tokens of prompts and answers so far."""
        if self._total is not None:
            return int(json.loads(self._total)["total_tokens"])
        used = {index: json.loads(usage) for index, usage in self._used.items()}
        made = sum(usage.get("completion_tokens", 0) for usage in used.values())
        prompts = {index // self.num_choices: use["prompt_tokens"] for index, use in used.items()}
        return int(made + sum(prompts.values()))

    async def events(self) -> AsyncIterator[bytes]:
        """Yield what the client gets."""
        rest = b""
        try:
            async for data in self.answer.aiter_bytes():
                *events, rest = (rest + data).split(_END)
                shown = b"".join(self._show(event) for event in events)
                if shown:
                    yield shown
        except httpx.TransportError:
            yield encode_event(ApiError(503, _ENDED).body())

    def _show(self, event: bytes) -> bytes:
        """Return an event as the client gets it, and note what it says of usage."""
        if event.startswith(b'data: {"error"'):
            data = json.loads(event.removeprefix(b"data: "))
            status = data["error"].get("code")
            status = status if isinstance(status, int) else 500
            return encode_event(explain_error(status, data, retry_after=None).body())
        bare, usage, index = split_usage(event)
        if usage is None:
            return event + _END
        if index is None:
            self._total = usage
            return event + _END if self.options.include_usage else b""
        self._used[index] = usage
        if not self.options.include_usage:
            return bare + _END
        if self.options.continuous_usage_stats:
            return event + _END
        return event.replace(b',"usage":' + usage, b',"usage":null') + _END
