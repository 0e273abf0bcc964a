"""A conversation in the terminal, with the engine in the same process.

`/reset` forgets what was said, `/exit` or the end of input ends it, Ctrl-C stops an answer. With
piped input the prompt sign is left out, so that the output is the answers alone.
"""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import torch

from lodesmith.core.errors import UserError
from lodesmith.core.log import say
from lodesmith.data.chat import Message
from lodesmith.infer.interface import Engine, PromptTooLongError, Sampling
from lodesmith.infer.load import LoadedModel, open_folder

PROMPT_SIGN = "> "


def chat_with_folder(folder: Path, *, max_tokens: int, temperature: float) -> None:
    """Talk to the model of a folder, held and computed as a server does it.

    Raises:
        UserError: the folder holds no model that can be computed here, or one that does not chat.
        DamagedArtifactError: one of its files is torn.
    """
    torch.set_num_threads(1)  # its threads would spin where ours compute
    loaded = open_folder(folder, name=folder.name)
    chat(loaded, max_tokens=max_tokens, temperature=temperature)


def chat(
    loaded: LoadedModel,
    *,
    max_tokens: int = 200,
    temperature: float = 0.7,
    seed: int | None = None,
    source: TextIO | None = None,
    output: TextIO | None = None,
) -> None:
    """Talk to a model until the input ends.

    Args:
        loaded: the model.
        max_tokens: of one answer.
        temperature: 0: always the most probable token.
        seed: for the same answers each time; None: other ones.
        source: where lines are read; None: standard input.
        output: where answers are written; None: standard output.

    Raises:
        UserError: the model has no chat template.
    """
    source, output = source or sys.stdin, output or sys.stdout
    if not loaded.tokenizer.has_chat_template:
        raise UserError(
            f"{loaded.name} has no chat template, so it cannot hold a conversation; "
            "use a model that was tuned for chat"
        )
    sampling = Sampling(temperature=temperature, seed=seed)
    with loaded.start_engine() as engine:
        talk = _Conversation(loaded, engine, sampling, max_tokens=max_tokens, output=output)
        for line in _read_lines(source, output):
            if line == "/exit":
                return
            if line == "/reset":
                talk.messages.clear()
                say("(forgotten)")
            elif line:
                talk.answer(line)


class _Conversation:
    def __init__(
        self,
        loaded: LoadedModel,
        engine: Engine,
        sampling: Sampling,
        *,
        max_tokens: int,
        output: TextIO,
    ) -> None:
        self.messages: list[Message] = []
        self._loaded, self._engine, self._sampling = loaded, engine, sampling
        self._max_tokens, self._output = max_tokens, output

    def answer(self, line: str) -> None:
        """Answer one line; an interrupted answer is remembered as far as it was shown."""
        self.messages.append({"role": "user", "content": line})
        try:
            self._stream()
        except PromptTooLongError as error:
            self.messages.pop()
            say(f"{error}; /reset begins anew")

    def _stream(self) -> None:
        pieces = self._loaded.stream(
            self._engine, self.messages, max_tokens=self._max_tokens, sampling=self._sampling
        )
        shown = ""
        with contextlib.closing(pieces), contextlib.suppress(KeyboardInterrupt):
            for piece in pieces:
                shown += piece
                self._write(piece)
        self._write("\n")
        self.messages.append({"role": "assistant", "content": shown})

    def _write(self, text: str) -> None:
        self._output.write(text)
        self._output.flush()


def _read_lines(source: TextIO, output: TextIO) -> Iterator[str]:
    """Yield what is typed; Ctrl-C at the prompt, like the end of input, ends it."""
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            if source.isatty():
                output.write(PROMPT_SIGN)
                output.flush()
            line = source.readline()
            if not line:
                return
            yield line.strip()
