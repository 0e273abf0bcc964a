"""Text to token ids and back, for our own tokenizers and any Hugging Face `tokenizer.json`.

Our own are encoded by tiktoken, others by the `tokenizers` library, with the same ids (see
`byte_level`). Names of special tokens inside a text are ordinary text unless the caller asks for
them: what a user types can never become a control token by accident.
"""

import codecs
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from lodesmith.core.errors import UserError
from lodesmith.data.byte_level import SPLIT_PATTERN, quick_ranks, token_bytes
from lodesmith.data.tokenizer_settings import TokenizerSettings, read_tokenizer_settings

if TYPE_CHECKING:
    import numpy.typing as npt
    import tiktoken
    import tokenizers

END_OF_TEXT = "<|endoftext|>"
MESSAGE_START = "<|im_start|>"
MESSAGE_END = "<|im_end|>"
SPECIAL_TOKENS = (END_OF_TEXT, MESSAGE_START, MESSAGE_END)

_LONG_SPACE = re.compile(r"\s{100000}")  # tiktoken's pattern engine panics on ten times as much


@dataclass(frozen=True)
class Tokenizer:
    """A tokenizer and what its folder says about ends of text and chat."""

    digest: str  # SHA-256 of tokenizer.json
    settings: TokenizerSettings  # what the files beside it say
    _text: str = field(repr=False)  # tokenizer.json

    @classmethod
    def load(cls, folder: Path) -> "Tokenizer":
        """Return the tokenizer of a folder with tokenizer.json and, if any, tokenizer_config.json.

        Raises:
            UserError: a file is missing or not what its name says.
        """
        path = folder / "tokenizer.json"
        if not path.is_file():
            raise UserError(
                f"{folder} has no tokenizer.json; a model folder needs one (a model with only "
                "tokenizer.model can be converted by loading and saving it with transformers)"
            )
        data = path.read_bytes()
        try:
            tokenizer = cls(
                digest=hashlib.sha256(data).hexdigest(),
                settings=read_tokenizer_settings(folder),
                _text=data.decode(),
            )
            _ = tokenizer._engine
        except UserError:
            raise
        except Exception as error:  # noqa: BLE001 the library raises nothing narrower
            raise UserError(
                f"{path} is not a tokenizer.json that can be read ({error}); fetch it again"
            ) from None
        return tokenizer

    def encode(self, text: str, *, allow_special: bool = False) -> list[int]:
        """Return the ids of a text; nothing is added before or behind it.

        Args:
            text: any text.
            allow_special: read names of special tokens inside the text as these tokens.
        """
        quick = self._tiktoken
        if quick is None or _LONG_SPACE.search(text):
            engine = self._engine if allow_special else self._engine_without_special
            return engine.encode(text, add_special_tokens=False).ids
        if allow_special:
            return quick.encode(text, allowed_special="all")
        return quick.encode_ordinary(text)

    def encode_array(self, text: str) -> "npt.NDArray[np.integer[Any]]":
        """Return the ids of a text as an array; names of special tokens are ordinary text."""
        quick = self._tiktoken
        if quick is None or _LONG_SPACE.search(text):
            return np.array(self.encode(text), np.int64)
        ids: npt.NDArray[np.uint32] = quick.encode_to_numpy(text, disallowed_special=())
        return ids

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of each text; names of special tokens are ordinary text."""
        if self._tiktoken is not None:
            return [self.encode(text) for text in texts]
        encodings = self._engine_without_special.encode_batch(list(texts), add_special_tokens=False)
        return [encoding.ids for encoding in encodings]

    def decode(self, ids: Sequence[int], *, skip_special: bool = False) -> str:
        """Return the text of ids; bytes that are no UTF-8 become U+FFFD, unknown ids nothing."""
        if self.token_bytes is None:
            return self._engine.decode(list(ids), skip_special_tokens=skip_special)
        decoder = IncrementalDecoder(self, skip_special=skip_special)
        return decoder.push(ids) + decoder.finish()

    def token_id(self, token: str) -> int | None:
        """Return the id of a token such as "<|endoftext|>", None if there is none."""
        return self._engine.token_to_id(token)

    @cached_property
    def vocab_size(self) -> int:
        """The highest id plus one."""
        return max(self._engine.get_vocab(with_added_tokens=True).values()) + 1

    @cached_property
    def vocabulary(self) -> str:
        """SHA-256 of the tokens and their ids, however the file is laid out.

        Tokens that were added to it later are left out: a model may get such and stay the same.
        """
        tokens = sorted(self._engine.get_vocab(with_added_tokens=False).items())
        return hashlib.sha256(json.dumps(tokens).encode()).hexdigest()

    @cached_property
    def end_of_text_id(self) -> int:
        """The id that stands between documents: <|endoftext|>, else the first end-of-text id.

        Raises:
            UserError: the tokenizer has neither.
        """
        found = self.token_id(END_OF_TEXT)
        if found is None and not self.eos_ids:
            raise UserError(f"the tokenizer has neither {END_OF_TEXT} nor an eos_token")
        return self.eos_ids[0] if found is None else found

    @cached_property
    def eos_ids(self) -> tuple[int, ...]:
        """The ids at which an answer ends, the most binding first."""
        ends = [self.token_id(end) if isinstance(end, str) else end for end in self.settings.ends]
        return tuple(dict.fromkeys(end for end in ends if end is not None))

    @property
    def chat_template(self) -> str | None:
        """The Jinja template that writes messages; None for a model that does not chat."""
        return self.settings.chat_template

    @property
    def has_chat_template(self) -> bool:
        """Whether the tokenizer's folder says how messages are written."""
        return self.chat_template is not None

    @cached_property
    def prefix_ids(self) -> tuple[int, ...]:
        """Ids which the model expects before any text, such as Llama's <|begin_of_text|>."""
        plain = self._engine.encode("a", add_special_tokens=False).ids
        full: list[int] = self._engine.encode("a", add_special_tokens=True).ids
        starts = [at for at in range(len(full)) if full[at : at + len(plain)] == plain]
        return tuple(full[: starts[0]]) if starts else ()

    @cached_property
    def special_ids(self) -> dict[str, int]:
        """The ids of the special tokens by their names."""
        added = self._engine.get_added_tokens_decoder()
        return {token.content: number for number, token in added.items() if token.special}

    @cached_property
    def token_bytes(self) -> list[bytes] | None:
        """The bytes of each id; None if the tokenizer is not byte-level."""
        kind = self._data.get("decoder") or {}
        if kind.get("type") != "ByteLevel":
            return None
        pieces = [b""] * self.vocab_size
        for token, number in self._engine.get_vocab(with_added_tokens=False).items():
            pieces[number] = token_bytes(token)
        for number, added in self._engine.get_added_tokens_decoder().items():
            pieces[number] = added.content.encode()
        return pieces

    @cached_property
    def _data(self) -> dict[str, Any]:
        return json.loads(self._text)  # type: ignore[no-any-return]

    @cached_property
    def _engine(self) -> "tokenizers.Tokenizer":
        return self._make_engine()

    @cached_property
    def _engine_without_special(self) -> "tokenizers.Tokenizer":
        engine = self._make_engine()
        engine.encode_special_tokens = True  # their names are encoded like any other text
        return engine

    def _make_engine(self) -> "tokenizers.Tokenizer":
        from tokenizers import Tokenizer as Engine

        engine = Engine.from_str(self._text)
        engine.no_truncation()
        engine.no_padding()
        return engine

    @cached_property
    def _tiktoken(self) -> "tiktoken.Encoding | None":
        ranks = quick_ranks(self._data)
        if ranks is None:
            return None
        import tiktoken

        return tiktoken.Encoding(
            self.digest, pat_str=SPLIT_PATTERN, mergeable_ranks=ranks,
            special_tokens=self.special_ids,
        )  # fmt: skip


class _Stream(Protocol):
    def push(self, ids: Sequence[int]) -> str: ...
    def finish(self) -> str: ...


class IncrementalDecoder:
    """Turns ids that arrive one by one into text, never showing half a character."""

    def __init__(self, tokenizer: Tokenizer, *, skip_special: bool = False) -> None:
        stream = _ByteStream if tokenizer.token_bytes is not None else _EngineStream
        self._stream: _Stream = stream(tokenizer, skip_special)

    def push(self, ids: Sequence[int]) -> str:
        """Return the text that these ids complete, which may be empty."""
        return self._stream.push(ids)

    def finish(self) -> str:
        """Return what is left when no more ids come: U+FFFD for a character cut in the middle."""
        return self._stream.finish()


class _ByteStream:
    def __init__(self, tokenizer: Tokenizer, skip_special: bool) -> None:
        self._pieces = tokenizer.token_bytes or []
        self._skipped = set(tokenizer.special_ids.values()) if skip_special else set()
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, ids: Sequence[int]) -> str:
        known = len(self._pieces)
        pieces = [self._pieces[i] for i in ids if i < known and i not in self._skipped]
        return self._utf8.decode(b"".join(pieces))

    def finish(self) -> str:
        return self._utf8.decode(b"", final=True)


class _EngineStream:
    def __init__(self, tokenizer: Tokenizer, skip_special: bool) -> None:
        from tokenizers.decoders import DecodeStream

        self._tokenizer, self._skip_special = tokenizer, skip_special
        self._steps = DecodeStream(skip_special_tokens=skip_special)
        self._ids: list[int] = []
        self._shown = ""

    def push(self, ids: Sequence[int]) -> str:
        engine = self._tokenizer._engine
        known = [number for number in ids if engine.id_to_token(number) is not None]
        new = "".join(self._steps.step(engine, number) or "" for number in known)
        self._ids.extend(known)
        self._shown += new
        return new

    def finish(self) -> str:
        whole = self._tokenizer.decode(self._ids, skip_special=self._skip_special)
        return whole[len(self._shown) :]
