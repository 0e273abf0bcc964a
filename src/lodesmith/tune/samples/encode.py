"""Samples as token ids and loss masks, by the template that the model will be asked in."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from lodesmith.core.errors import UserError
from lodesmith.data.chat import (
    CHAT_TEMPLATE,
    Message,
    render_prompt,
    render_training,
    render_training_by_template,
)
from lodesmith.data.tokenizer import MESSAGE_END, Tokenizer
from lodesmith.train.samples.packed import Encoded
from lodesmith.tune.samples.samples import Sample

Template = Literal["own", "checkpoint"]


@dataclass(frozen=True)
class Encoder:
    """Turns samples into documents for one tokenizer and template."""

    tokenizer: Tokenizer
    template: Template

    def chat(self, messages: tuple[Message, ...]) -> Encoded:
        """Return a conversation: what the assistant says is learnt."""
        if self.template == "own":
            return render_training(self.tokenizer, messages)
        return render_training_by_template(self.tokenizer, messages)

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        """Return the ids that ask for the next answer, as `chat` writes them."""
        if self.template == "checkpoint":
            return render_prompt(self.tokenizer, messages)
        asked: Message = {"role": "assistant", "content": ""}
        ids, mask = render_training(self.tokenizer, [*messages, asked])
        return list(ids[: mask.index(True, len(ids) - 1 - mask[::-1].index(True))])

    def text(self, text: str, *, max_tokens: int) -> Iterator[Encoded]:
        """Yield a text in pieces of at most `max_tokens`; all but a piece's first token is learnt.

        The text ends with the end-of-text token; a last piece of one token is left out.
        """
        tokenizer = self.tokenizer
        ids = [*tokenizer.prefix_ids, *tokenizer.encode(text), tokenizer.end_of_text_id]
        for start in range(0, len(ids), max_tokens):
            piece = ids[start : start + max_tokens]
            if len(piece) > 1:
                yield piece, [False] + [True] * (len(piece) - 1)

    def documents(self, sample: Sample, *, max_tokens: int) -> list[Encoded]:
        """Return a sample as documents: a text in pieces, anything else as one conversation.

        Raises:
            UserError: naming the sample's file and line: the template cannot write it.
        """
        if sample.text is not None:
            return list(self.text(sample.text, max_tokens=max_tokens))
        messages = sample.messages
        if sample.chosen is not None:
            messages = (*messages, {"role": "assistant", "content": sample.chosen})
        try:
            return [self.chat(messages)]
        except UserError as error:
            raise UserError(f"{sample.origin}: {error}") from None

    @property
    def answer_ends(self) -> tuple[int, ...]:
        """The ids at which an answer ends: that of a message first, then those of a text."""
        known = self.tokenizer.token_id(MESSAGE_END) if self.template == "own" else None
        first = () if known is None else (known,)
        return tuple(dict.fromkeys((*first, *self.tokenizer.eos_ids)))


def choose_encoder(tokenizer: Tokenizer, template: Template | None) -> Encoder:
    """Return the encoder of a domain: with the checkpoint's template where none is asked for.

    Raises:
        UserError: the checkpoint's is asked for, but it has none.
    """
    has_one = tokenizer.has_chat_template
    if template == "checkpoint" and not has_one:
        raise UserError(
            "template is checkpoint, but the model that is started from has no chat template; "
            "set template: own"
        )
    is_ours = tokenizer.chat_template == CHAT_TEMPLATE
    if template == "own" or is_ours or not has_one:
        return Encoder(tokenizer, "own")
    return Encoder(tokenizer, "checkpoint")
