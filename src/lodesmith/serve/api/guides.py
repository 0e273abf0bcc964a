"""Answers held to a grammar: JSON, JSON of a schema, calls of tools.

Before each token the grammar says which tokens may come next, so that an answer is right by
construction. Grammars are compiled by llguidance, which knows nothing of a model but the bytes of
its tokens.

Source: llguidance documentation, "Syntax" (Lark grammars with %json).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import llguidance
import numpy as np
from numpy.typing import NDArray

from lodesmith.core.errors import UserError
from lodesmith.data.tokenizer import Tokenizer
from lodesmith.serve.api.json_schema import find_unenforced

_SPACING = {"whitespace_flexible": False, "item_separator": ", ?", "key_separator": ": ?"}
"""One space at most: where any white space may stand, a model may go on with it for ever. Versions
before 1.9, of which vLLM brings one, pass over `whitespace_pattern`."""

ANY_OBJECT: Mapping[str, Any] = {"type": "object"}


class GrammarGuide:
    """One answer on its way through a grammar: a `TokenGuide` of the engine.

    It never raises: one client's grammar must not stop the engine for the others. Where the
    compiler gives up, the answer ends and `failure` says why.
    """

    def __init__(self, matcher: llguidance.LLMatcher) -> None:
        self._matcher = matcher

    @property
    def failure(self) -> str | None:
        """Why the grammar could not be followed, if so, in a line."""
        return self._matcher.get_error().partition("\n")[0] if self._matcher.is_error() else None

    def fill_allowed(self, allowed_W: NDArray[np.int32]) -> bool:  # noqa: N803 shape suffix
        """Set the bits of the tokens that may come next."""
        if self._matcher.is_error():
            return False
        self._matcher.unsafe_compute_mask_ptr(allowed_W.ctypes.data, allowed_W.nbytes)
        return not self._matcher.is_error()

    def accept(self, token_id: int) -> None:
        """Go on past a token."""
        self._matcher.consume_token(token_id)

    @property
    def is_finished(self) -> bool:
        """Whether no further token may come."""
        return self._matcher.is_stopped()


@dataclass(frozen=True)
class Grammars:
    """Makes guides for one model."""

    tokenizer: Tokenizer
    vocab_size: int  # of the model, which may have more ids than the tokenizer

    def checked(self, lark: str) -> str:
        """Return a Lark grammar that this model can follow.

        Raises:
            UserError: it cannot be compiled; the message is the compiler's.
        """
        grammar: str = llguidance.LLMatcher.grammar_from_lark(lark)
        failed, messages = llguidance.LLMatcher.validate_grammar_with_warnings(
            grammar, self._ll_tokenizer
        )
        if failed:
            raise UserError(f"the schema cannot be enforced: {' '.join(messages[0].split())}")
        [guide] = self.guides(grammar, 1)
        guide.fill_allowed(np.zeros(-(-self.vocab_size // 32), np.int32))
        if guide.failure is not None:  # as of a schema that means itself
            raise UserError("the schema cannot be enforced: no answer fits it")
        return grammar

    def guides(self, grammar: str, count: int) -> list[GrammarGuide]:
        """Return guides at the beginning of as many answers; the grammar is compiled once."""
        first = llguidance.LLMatcher(self._ll_tokenizer, grammar, log_level=0)
        others = [first.deep_copy() for _ in range(count - 1)]
        return [GrammarGuide(matcher) for matcher in (first, *others)]

    @cached_property
    def _ll_tokenizer(self) -> llguidance.LLTokenizer:
        if not self.tokenizer.eos_ids:
            raise UserError("this model has no token that ends an answer, so no grammar can be met")
        wrapper = llguidance.TokenizerWrapper(_TokenTable(self.tokenizer, self.vocab_size))
        return llguidance.LLTokenizer(wrapper, eos_token=sorted(self.tokenizer.eos_ids))


def schema_grammar(schema: Mapping[str, Any]) -> str:
    """Return the Lark grammar of JSON of a schema.

    Raises:
        UserError: a keyword of it cannot be enforced.
    """
    return f"start: {json_rule(schema)}\n"


def json_rule(schema: Mapping[str, Any]) -> str:
    """Return the part of a Lark grammar that stands for JSON of a schema.

    Raises:
        UserError: a keyword of it cannot be enforced.
    """
    unenforced = list(find_unenforced(schema))
    if unenforced:
        raise UserError(
            f"the schema cannot be enforced: unknown keywords at {', '.join(unenforced)}"
        )
    whole = {**schema, "x-guidance": _SPACING}
    return f"%json {json.dumps(whole, ensure_ascii=False)}"


class _TokenTable:
    """A tokenizer as llguidance wants to see one: the bytes of each id."""

    def __init__(self, tokenizer: Tokenizer, vocab_size: int) -> None:
        known = tokenizer.token_bytes
        if known is None:
            raise UserError(
                "this model's tokenizer is not byte-level, so its answers cannot be held to a "
                "grammar; leave response_format and tool_choice out"
            )
        self.tokens = [*known[:vocab_size], *[b""] * (vocab_size - len(known))]
        self.special_token_ids = sorted(
            {number for number in tokenizer.special_ids.values() if number < vocab_size}
            | {number for number, data in enumerate(self.tokens) if not data}
        )
        self.eos_token_id = min(tokenizer.eos_ids)
        self.bos_token_id = None
        self._tokenizer = tokenizer

    def __call__(self, text: str | bytes) -> list[int]:
        """Return the ids of a text."""
        return self._tokenizer.encode(text if isinstance(text, str) else text.decode())
