"""Answers in the shape of POST /v1/chat/completions, whole and as a stream.

Source: OpenAI API reference, "The chat completion object" and "The chat completion chunk object".
"""

from collections.abc import Sequence
from typing import Any

from lodesmith.infer.interface import TokenLogprobs
from lodesmith.serve.answers import Piece, ShownToken
from lodesmith.serve.token_names import TokenNames


class ChatFormat:
    """Builds the JSON of one chat request."""

    object_whole, object_chunk, id_prefix = "chat.completion", "chat.completion.chunk", "chatcmpl"

    def __init__(self, names: TokenNames, *, with_logprobs: bool) -> None:
        self._names, self._with_logprobs = names, with_logprobs

    def whole(self, pieces: Sequence[Piece]) -> dict[str, Any]:
        """Return a finished choice from its pieces."""
        text = "".join(piece.text for piece in pieces)
        return {
            "index": pieces[0].index,
            "message": {"role": "assistant", "content": text, "refusal": None},
            "logprobs": self._logprobs([token for piece in pieces for token in piece.tokens]),
            "finish_reason": pieces[-1].finish_reason,
        }

    def first(self, index: int) -> dict[str, Any] | None:
        """Return the choice of the chunk that opens a choice's stream."""
        return self._chunk(index, {"role": "assistant", "content": ""})

    def chunk(self, piece: Piece) -> dict[str, Any]:
        """Return the choice of the chunk that carries a piece."""
        delta = {"content": piece.text} if piece.text or not piece.finish_reason else {}
        return {
            "index": piece.index,
            "delta": delta,
            "logprobs": self._logprobs(piece.tokens) if piece.tokens else None,
            "finish_reason": piece.finish_reason,
        }

    def _chunk(self, index: int, delta: dict[str, Any]) -> dict[str, Any]:
        return {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}

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
