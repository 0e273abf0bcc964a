"""Answers in the shape of POST /v1/chat/completions, whole and as a stream.

Source: OpenAI API reference, "The chat completion object" and "The chat completion chunk object".
"""

from collections.abc import Sequence
from typing import Any

from lodesmith.infer.interface import TokenLogprobs
from lodesmith.serve.answers.answers import Piece, ShownToken
from lodesmith.serve.api.token_names import TokenNames
from lodesmith.serve.api.tools import CallDelta, ToolReader


class ChatFormat:
    """Builds the JSON of one chat request."""

    object_whole, object_chunk, id_prefix = "chat.completion", "chat.completion.chunk", "chatcmpl"

    def __init__(self, names: TokenNames, *, with_logprobs: bool, with_tools: bool) -> None:
        self._names, self._with_logprobs = names, with_logprobs
        self._with_tools = with_tools
        self._readers: dict[int, ToolReader] = {}

    def whole(self, pieces: Sequence[Piece]) -> dict[str, Any]:
        """Return a finished choice from its pieces."""
        tokens = [token for piece in pieces for token in piece.tokens]
        text = "".join(piece.text for piece in pieces)
        finished = Piece(pieces[0].index, text, tokens, pieces[-1].finish_reason)
        said, calls = self._read(finished)
        message: dict[str, Any] = {"role": "assistant", "content": said or None, "refusal": None}
        if calls:
            message["tool_calls"] = [call.as_json(whole=True) for call in calls]
        else:
            message["content"] = said
        return {
            "index": finished.index,
            "message": message,
            "logprobs": self._logprobs(tokens),
            "finish_reason": self._reason(finished),
        }

    def first(self, index: int) -> dict[str, Any] | None:
        """Return the choice of the chunk that opens a choice's stream."""
        delta = {"role": "assistant", "content": ""}
        return {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}

    def chunk(self, piece: Piece) -> dict[str, Any]:
        """Return the choice of the chunk that carries a piece."""
        said, calls = self._read(piece)
        delta: dict[str, Any] = {}
        if said or not (piece.finish_reason or calls):
            delta["content"] = said
        if calls:
            delta["tool_calls"] = [call.as_json() for call in calls]
        return {
            "index": piece.index,
            "delta": delta,
            "logprobs": self._logprobs(piece.tokens) if piece.tokens else None,
            "finish_reason": self._reason(piece),
        }

    def _read(self, piece: Piece) -> tuple[str, list[CallDelta]]:
        """Return what a piece says, and what it calls."""
        if not self._with_tools:
            return piece.text, []
        reader = self._readers.setdefault(piece.index, ToolReader())
        said, calls = reader.push(piece.text)
        return (said + reader.finish() if piece.finish_reason else said), calls

    def _reason(self, piece: Piece) -> str | None:
        reader = self._readers.get(piece.index)
        called = reader is not None and reader.num_calls > 0
        return "tool_calls" if called and piece.finish_reason == "stop" else piece.finish_reason

    def _logprobs(self, tokens: Sequence[ShownToken]) -> dict[str, Any] | None:
        if not self._with_logprobs:
            return None
        return {"content": [self._token(token.logprobs) for token in tokens], "refusal": None}

    def _token(self, scored: TokenLogprobs) -> dict[str, Any]:
        top = [self._entry(token_id, logprob) for token_id, logprob in scored.top]
        return {**self._entry(scored.token_id, scored.logprob), "top_logprobs": top}

    def _entry(self, token_id: int, logprob: float) -> dict[str, Any]:
        name, data = self._names.name_of(token_id), self._names.bytes_of(token_id)
        return {"token": name, "logprob": logprob, "bytes": list(data)}
