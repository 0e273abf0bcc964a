"""Models for Python users: `lodesmith.load_model("tune-3f2a").generate("...")`."""

import contextlib
import queue
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from lodesmith.core.errors import EngineError
from lodesmith.data.chat import Message, render_prompt
from lodesmith.data.tokenizer import Tokenizer
from lodesmith.infer.config import EngineConfig
from lodesmith.infer.engine import LocalEngine
from lodesmith.infer.interface import (
    Engine,
    Event,
    Finished,
    FinishReason,
    GenerationRequest,
    NewToken,
    Sampling,
)
from lodesmith.infer.text import AnswerText
from lodesmith.infer.weights import StoredWeights, Weights
from lodesmith.lineage.workspace import Workspace
from lodesmith.model.checkpoint import load_decoder
from lodesmith.model.decoder import Decoder
from lodesmith.model.locate import locate_model
from lodesmith.model.vocabulary import load_tokenizer

Prompt = str | Sequence[Message] | Sequence[Mapping[str, str]]
"""A text to go on from, or messages ({"role": ..., "content": ...}) to answer."""


@dataclass(frozen=True)
class LoadedModel:
    """A model whose weights are in memory, or are read when an engine starts."""

    name: str
    folder: Path
    weights: Weights
    tokenizer: Tokenizer

    @property
    def decoder(self) -> Decoder:
        """The model in PyTorch, read now if it is not in memory."""
        return self.weights if isinstance(self.weights, Decoder) else load_decoder(self.folder)

    def start_engine(self, config: EngineConfig | None = None) -> LocalEngine:
        """Return a running engine over this model; close it, or use it in a `with` block.

        Raises:
            UserError: the limits do not fit the model, or its folder has changed.
            DamagedArtifactError: one of its files is torn.
        """
        return LocalEngine(self.weights, config=config)

    def encode_prompt(self, prompt: Prompt) -> tuple[int, ...]:
        """Return the ids that the model is asked with.

        Raises:
            UserError: the messages are wrong, or the model takes none.
        """
        if isinstance(prompt, str):
            return (*self.tokenizer.prefix_ids, *self.tokenizer.encode(prompt))
        messages = cast("Sequence[Message]", prompt)
        return tuple(render_prompt(self.tokenizer, messages))

    def generate(
        self,
        prompt: Prompt,
        *,
        max_tokens: int = 128,
        sampling: Sampling | None = None,
        stop: Sequence[str] = (),
    ) -> str:
        """Return the model's answer, or how it goes on from a text.

        Args:
            prompt: a text, or messages.
            max_tokens: tokens of the answer at most.
            sampling: how tokens are chosen; None: always the most probable one.
            stop: any of these strings ends the answer and is not part of it.

        Raises:
            UserError: the prompt is wrong or too long for the model.
        """
        with self.start_engine() as engine:
            pieces = self.stream(
                engine, prompt, max_tokens=max_tokens, sampling=sampling, stop=stop
            )
            return "".join(pieces)

    def stream(
        self,
        engine: Engine,
        prompt: Prompt,
        *,
        max_tokens: int,
        sampling: Sampling | None = None,
        stop: Sequence[str] = (),
    ) -> Generator[str, None, None]:
        """Yield the answer's text as it is made; closing the iterator cancels the request."""
        request = GenerationRequest(
            input_ids=self.encode_prompt(prompt),
            max_tokens=max_tokens,
            sampling=sampling or Sampling(temperature=0.0),
            stop_ids=frozenset(self.tokenizer.eos_ids),
        )
        answer = AnswerText(self.tokenizer, stop=stop)
        with contextlib.closing(_tokens(engine, request)) as tokens:
            for token_id in tokens:
                yield answer.push(token_id)
                if answer.stopped:
                    return
        yield answer.finish()


def load_model(
    name: str, *, workspace: Path | str | Workspace = "./lodesmith-workspace"
) -> LoadedModel:
    """Return a model, loaded in fp32.

    Args:
        name: an artifact's id or its beginning, a Hugging Face folder (Llama or Qwen3), a GGUF
            file, or a PEFT folder that names its base.
        workspace: where artifacts are looked up.

    Raises:
        UserError: there is no such model, or it is of a kind that cannot be computed here.
        DamagedArtifactError: one of its files is torn.
    """
    space = workspace if isinstance(workspace, Workspace) else Workspace(Path(workspace))
    folder = locate_model(name, space)
    return load_folder(folder, name=Path(name).name)


def load_folder(folder: Path, *, name: str) -> LoadedModel:
    """Return the model of a folder, under the name that it shall have."""
    tokenizer = load_tokenizer(folder)
    return LoadedModel(name=name, folder=folder, weights=load_decoder(folder), tokenizer=tokenizer)


def open_folder(folder: Path, *, name: str) -> LoadedModel:
    """Return the model of a folder without its weights, which each engine reads for itself.

    Raises:
        UserError: the folder holds no model that can be computed here.
        DamagedArtifactError: one of its small files is torn.
    """
    tokenizer = load_tokenizer(folder)
    return LoadedModel(
        name=name, folder=folder, weights=StoredWeights.of(folder), tokenizer=tokenizer
    )


def _tokens(engine: Engine, request: GenerationRequest) -> Generator[int, None, None]:
    """Yield an answer's tokens without the one that ended it."""
    events: queue.SimpleQueue[Event] = queue.SimpleQueue()
    [ticket] = engine.submit([request], lambda _, event: events.put(event))
    try:
        while True:
            event = events.get()
            if isinstance(event, Finished):
                if event.reason is FinishReason.ERROR:
                    raise EngineError(event.error or "the engine has failed")
                return
            if isinstance(event, NewToken) and event.token_id not in request.stop_ids:
                yield event.token_id
    finally:
        engine.cancel(ticket)
