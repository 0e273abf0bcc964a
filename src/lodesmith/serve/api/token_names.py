"""How a single token is written in JSON, where half a character has no text.

A token whose bytes are no whole UTF-8 characters is written `bytes:\\xe4\\xb8`, so that two
different tokens never share a name.

Source: the form is that of OpenAI's completions API (legacy `logprobs`).
"""

from lodesmith.data.tokenizer import Tokenizer


class TokenNames:
    """Names and bytes of a tokenizer's tokens."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._bytes = tokenizer.token_bytes

    def bytes_of(self, token_id: int) -> bytes:
        """Return a token's bytes; none for an id that the tokenizer does not know."""
        if self._bytes is None:
            return self._tokenizer.decode([token_id]).encode()
        return self._bytes[token_id] if token_id < len(self._bytes) else b""

    def name_of(self, token_id: int) -> str:
        """Return a token's text, or its bytes written out where they are no text."""
        data = self.bytes_of(token_id)
        try:
            return data.decode() or f"token:{token_id}"
        except UnicodeDecodeError:
            return "bytes:" + "".join(f"\\x{byte:02x}" for byte in data)
