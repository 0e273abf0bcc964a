"""Answers in the shape of POST /v1/completions, whole and as a stream, with the prompt if asked.

Evaluation harnesses score given text by `echo` and `logprobs` together: the prompt's tokens come
first in all four lists, and the very first has no logprob.

Source: OpenAI API reference, "The completion object"; lm-evaluation-harness, `local-completions`.
"""

from collections.abc import Sequence
from typing import Any

from lodesmith.data.tokenizer import IncrementalDecoder, Tokenizer
from lodesmith.infer.interface import TokenLogprobs
from lodesmith.serve.answers.answers import Choice, Piece
from lodesmith.serve.api.token_names import TokenNames

Scored = tuple[int, int, TokenLogprobs | None]  # offset, token id, logprobs if it has any


class CompletionFormat:
    """Builds the JSON of one completion request."""

    object_whole, object_chunk, id_prefix = "text_completion", "text_completion", "cmpl"

    def __init__(
        self,
        names: TokenNames,
        tokenizer: Tokenizer,
        choices: Sequence[Choice],
        *,
        with_logprobs: bool,
        echo: bool,
    ) -> None:
        self._names, self._with_logprobs = names, with_logprobs
        self._choices, self._tokenizer, self._echo = choices, tokenizer, echo
        self._echoed: dict[int, int] = {}  # choice -> characters of its prompt, once sent

    def whole(self, pieces: Sequence[Piece]) -> dict[str, Any]:
        """Return a finished choice from its pieces."""
        tokens = [token for piece in pieces for token in piece.tokens]
        text = "".join(piece.text for piece in pieces)
        return self.chunk(Piece(pieces[0].index, text, tokens, pieces[-1].finish_reason))

    def first(self, index: int) -> dict[str, Any] | None:
        """Return nothing: a stream of completions opens with its first text."""
        del index
        return None

    def chunk(self, piece: Piece) -> dict[str, Any]:
        """Return the choice of the chunk that carries a piece."""
        text = ""
        scored: list[Scored] = []
        if self._echo and piece.index not in self._echoed:
            text, scored = self._read_prompt(self._choices[piece.index])
            self._echoed[piece.index] = len(text)
        before = self._echoed.get(piece.index, 0)
        scored += [
            (before + token.offset, token.logprobs.token_id, token.logprobs)
            for token in piece.tokens
        ]
        return {
            "index": piece.index,
            "text": text + piece.text,
            "logprobs": self._logprobs(scored) if self._with_logprobs else None,
            "finish_reason": piece.finish_reason,
        }

    def _read_prompt(self, choice: Choice) -> tuple[str, list[Scored]]:
        """Return the prompt's text, and its tokens with their offsets and logprobs."""
        decoder = IncrementalDecoder(self._tokenizer)
        text = ""
        scored: list[Scored] = []
        logprobs = (None, *choice.prompt_logprobs) if choice.prompt_logprobs else None
        for position, token_id in enumerate(choice.request.input_ids):
            scored.append((len(text), token_id, logprobs[position] if logprobs else None))
            text += decoder.push([token_id])
        return text + decoder.finish(), scored

    def _logprobs(self, scored: Sequence[Scored]) -> dict[str, Any]:
        return {
            "tokens": [self._names.name_of(token_id) for _, token_id, _ in scored],
            "token_logprobs": [item.logprob if item else None for _, _, item in scored],
            "top_logprobs": [self._top(item) for _, _, item in scored],
            "text_offset": [offset for offset, _, _ in scored],
        }

    def _top(self, item: TokenLogprobs | None) -> dict[str, float] | None:
        if item is None:
            return None
        return {self._names.name_of(token_id): logprob for token_id, logprob in item.top}
