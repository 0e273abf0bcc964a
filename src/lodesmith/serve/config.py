"""The recipe's `serve` section. Holds no torch and no web framework."""

from typing import ClassVar

from pydantic import Field

from lodesmith.core.config import Config

STAGE_VERSION = 1

DEFAULT_QUESTIONS = (
    ("zh", "怎样在 LibreOffice 中打印文档？"),
    ("en", "How do I print a document in LibreOffice?"),
)


class Question(Config):
    """One question that the served model is asked."""

    language: str = Field(pattern=r"^[a-z]{2,3}$")
    """ISO 639 code, as in zh; only written beside the answer."""

    question: str = Field(min_length=1)
    """What the user says."""


class ServeConfig(Config):
    """Questions that the served model is asked once it is made, and the server's limits."""

    without_effect: ClassVar[frozenset[str]] = frozenset(
        {"port", "max_num_seqs", "max_num_queued_seqs", "start_seconds"}
    )

    questions: tuple[Question, ...] = Field(
        default=tuple(Question(language=code, question=text) for code, text in DEFAULT_QUESTIONS),
        min_length=1,
    )
    """Asked one after the other, each as a conversation of its own."""

    max_tokens: int = Field(96, gt=0)
    """Tokens of an answer at most."""

    temperature: float = Field(0.0, ge=0.0, le=2.0)
    """0: always the most probable token; higher: more varied."""

    seed: int = Field(0, ge=0, lt=2**63)
    """Of the random choices, so that the answers are the same in each run."""

    max_model_len: int | None = Field(None, gt=0)
    """Tokens of prompt and answer together; None: what the model was made for, at most 8,192."""

    max_num_seqs: int = Field(8, gt=0, le=1024)
    """Requests that are answered at the same time."""

    max_num_queued_seqs: int = Field(64, gt=0)
    """Requests that may wait; one more gets HTTP status 429."""

    port: int | None = Field(None, gt=0, le=65_535)
    """Loopback port of the stage's server; None: a free one."""

    start_seconds: float = Field(120.0, gt=0)
    """How long the server may take to load the model and answer /health, s."""
