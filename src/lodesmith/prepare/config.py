"""Settings of the prepare stage, one small class for each step that has any."""

import hashlib
import hmac
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from lodesmith.core.config import Config
from lodesmith.core.errors import UserError
from lodesmith.core.shards import Engine
from lodesmith.core.storage import JSON, hash_file

STAGE_VERSION = 6  # raised when the same pages and settings begin to give other bytes

STEPS = (
    "extract",
    "repair",
    "language",
    "quality",
    "ads",
    "exact_duplicates",
    "near_duplicates",
    "personal_data",
    "decontaminate",
)
"""All steps, in the one order in which they run."""

_MIN_KEY_BYTES = 16


class ExtractConfig(Config):
    """How text is taken out of pages."""

    max_page_bytes: int = Field(default=16 << 20, gt=0)
    """A larger page is dropped; bytes. Real pages above it are data dumps, and memory per page
    is about fifteen times this."""

    format: Literal["text", "markdown"] = "text"
    """text: a line for each block of the page, as people read it. markdown: headings, list items,
    tables, code and quotes carry their marks."""


class RepairConfig(Config):
    """How characters are mended."""

    chinese_script: Literal["zh-Hans", "zh-Hant"] | None = None
    """Convert Chinese text to Simplified or Traditional characters (OpenCC, t2s or s2t); None
    leaves it as it was written."""


RuleSet = Literal[
    "general", "chinese", "natural", "gopher_quality", "gopher_repetition", "c4", "fineweb"
]


class QualityConfig(Config):
    """Rule filters; a word is a run of letters and digits, or one Chinese character or kana."""

    rule_sets: tuple[RuleSet, ...] = ("general", "chinese", "natural")
    """Which sets of rules a document must pass. general: Gopher's rules for any language, with the
    limits below; chinese: rules for text without spaces; natural: no text spun with synonyms or
    stuffed with keywords; gopher_quality, gopher_repetition, c4 and fineweb: exactly as published,
    for English (sources in prepare/quality/published.py)."""

    min_naturalness: float = Field(default=0.02, ge=0, le=1)
    """How natural a Chinese or English text must read, by words that repeat and words that do not
    fit their neighbours. About one good text in a hundred falls below 0.02, and pages of keywords
    and half of the texts in which six of ten words were replaced by synonyms; one in twenty, and
    nearly all of those spun, below 0.5. Nothing is said of classical Chinese."""

    max_keyword_stuffing: float = Field(default=1.0, ge=0)
    """How far a Chinese or English text may be stuffed with keywords: what shares of it are phrases
    that come back between clauses of prose, in lists, in runs without marks or around one word,
    each beside what hardly any good text reaches (0.04, 0.3, 0.05, 0.2), added up. Ours: of texts
    that it was not chosen with, one in 500 English and one in 230 Chinese ones lie above 1."""

    scorer: str | None = None
    """Folder of a scorer that `lodesmith label train` made; its probability that a person would
    keep a document becomes the document's quality_score. None keeps the naturalness there."""

    min_score: float = Field(default=0.5, ge=0, le=1)
    """Documents that the scorer finds less likely to be kept are dropped; probability."""

    min_words: int = Field(default=50, ge=0)
    """Source: Gopher (arXiv:2112.11446), A1.1: 50 to 100,000 words."""

    max_words: int = Field(default=100_000, gt=0)
    """Source: as min_words."""

    min_mean_word_chars: float = Field(default=3.0, ge=0)
    """In text without Chinese characters; characters. Source: Gopher, A1.1: 3 to 10."""

    max_mean_word_chars: float = Field(default=10.0, gt=0)
    """Source: as min_mean_word_chars."""

    max_symbol_fraction: float = Field(default=0.1, ge=0)
    """Hash signs, or ellipses, for each word. Source: Gopher, A1.1."""

    max_bullet_line_fraction: float = Field(default=0.9, ge=0, le=1)
    """Lines that begin with a bullet. Source: Gopher, A1.1."""

    max_ellipsis_line_fraction: float = Field(default=0.3, ge=0, le=1)
    """Lines that end with an ellipsis. Source: Gopher, A1.1."""

    min_letter_word_fraction: float = Field(default=0.6, ge=0, le=1)
    """Words with a letter in them. Source: Gopher, A1.1, which has 0.8; manuals with tables of
    numbers lie between 0.65 and 0.8."""

    min_stop_words: int = Field(default=2, ge=0, le=8)
    """How many of the, be, to, of, and, that, have, with an English text holds. Source: Gopher,
    A1.1."""

    max_repeated_line_fraction: float = Field(default=0.3, ge=0, le=1)
    """Lines that stand earlier in the same document, headings and code aside. Source: Gopher,
    table A1."""

    max_repeated_line_char_fraction: float = Field(default=0.2, ge=0, le=1)
    """Characters in such lines. Source: Gopher, table A1."""

    max_top_2gram_fraction: float = Field(default=0.2, ge=0, le=1)
    """Characters in the most frequent run of two words. Source: Gopher, table A1."""

    max_top_3gram_fraction: float = Field(default=0.18, ge=0, le=1)
    """The same for three words. Source: Gopher, table A1."""

    max_top_4gram_fraction: float = Field(default=0.16, ge=0, le=1)
    """The same for four words. Source: Gopher, table A1."""

    min_common_character_fraction: float = Field(default=0.85, ge=0, le=1)
    """Chinese characters that are among the 3,755 of GB 2312's first level or the 5,401 of
    Big5's. Classical texts and lists of names stay above it, wrongly decoded bytes do not."""

    min_function_character_fraction: float = Field(default=0.03, ge=0, le=1)
    """Chinese characters that stand for grammar; lists of keywords have almost none. Ours, as are
    the five limits that follow: fewer than one in 200 clean pages fails them."""

    min_pause_fraction: float = Field(default=0.01, ge=0, le=1)
    """Punctuation marks for each Chinese character."""

    max_pause_fraction: float = Field(default=0.6, ge=0)
    """Punctuation marks for each Chinese character or word of another language; more is a list of
    words."""

    max_digit_fraction: float = Field(default=0.4, ge=0, le=1)
    """Digits among the visible characters of a Chinese text."""

    max_symbol_character_fraction: float = Field(default=0.3, ge=0, le=1)
    """Brackets, arrows, stars and the like among the visible characters of a Chinese text."""

    max_copied_10gram_fraction: float = Field(default=0.7, ge=0, le=1)
    """Characters of a Chinese text in runs of ten that stand in it before."""

    max_lost_char_fraction: float = Field(default=0.01, ge=0, le=1)
    """Characters that a wrong charset destroyed for good (U+FFFD and its readings in Chinese
    charsets); one in a hundred makes every third sentence unreadable."""

    def identity(self) -> JSON:
        """Return what an artifact's id depends on: the scorer's content, not where it lies."""
        about = _hash_named("quality.scorer", f"{self.scorer}/scorer.json") if self.scorer else None
        return {**super().identity(), "scorer": about}


class ExactDuplicatesConfig(Config):
    """Which lines are repeated too often to be anybody's text."""

    max_line_documents: int = Field(default=10, gt=0)
    """A line that stands in more documents than this is dropped from all of them, unless it is a
    heading or code."""

    keep_first_line_only: bool = False
    """A line that stands in several documents stays only in the first of them, unless it is a
    heading or code. Makes the text shorter and less repetitive, and pages less whole. Source:
    Wenzek et al., CCNet (arXiv:1911.00359), section 3.1."""

    min_line_columns: int = Field(default=20, gt=0)
    """Shorter lines stay; terminal columns, so that a Chinese character counts two. Table cells,
    labels and short code lines are below it."""

    min_inner_line_columns: int | None = Field(default=40, gt=0)
    """A line of so many columns stays only where it first stands in its document, unless it is a
    heading or code; None keeps all. Below it are verses of songs and rows of tables."""

    min_repeated_words: int | None = Field(default=None, ge=5)
    """A stretch of so many words, or Chinese characters, that an earlier document has, or the same
    document further up, is cut out with all its whole sentences; headings and code stay. None does
    not look for any. Source: Lee et al. (arXiv:2107.06499), section 4.1: 50 tokens."""


class NearDuplicatesConfig(Config):
    """How alike two documents may be."""

    min_similarity: float = Field(default=0.8, gt=0, le=1)
    """Estimated share of common runs (Jaccard index) from which on two documents are alike. Bands
    of MinHash follow from it: nine of ten pairs just at it are found, nearly all above."""

    ngram: Literal["characters", "words"] = "characters"
    """What a run is made of. White space is no character; a word is a run of letters and digits,
    or one Chinese character or kana. One word changed in twenty leaves English prose .85 alike in
    characters and .6 in words."""

    ngram_size: int = Field(default=5, gt=0, le=64)
    """Length of a run. Source: Penedo et al., FineWeb (arXiv:2406.17557), section 3.4, for 5."""

    keep: Literal["first", "longest"] = "first"
    """Which document of a group of alike ones stays. The first in the order of the sources, which
    is thereby their priority; or the longest, of equal ones the first."""


PersonalDataKind = Literal[
    "email", "resident_id", "mobile", "landline", "phone", "bank_card", "bank_account", "address",
    "plate", "passport", "company_code", "social_security", "ip_address", "secret", "person",
]  # fmt: skip


class PersonalDataConfig(Config):
    """What is done with data of people."""

    action: Literal["mask", "pseudonymise", "drop"] = "mask"
    """mask: `<MOBILE>` stands where a number was; pseudonymise: `<MOBILE 3f2a...>`, the same for
    the same number under the same key; drop: the whole document goes."""

    kinds: tuple[PersonalDataKind, ...] = (
        "email", "resident_id", "mobile", "landline", "phone", "bank_card", "bank_account",
        "address", "plate", "passport", "company_code", "social_security", "ip_address", "secret",
    )  # fmt: skip
    """What is looked for. `address` and `person` are guesses; `person` finds names beside a word
    that says so and, in English, behind common given names; it is left out by default, for public
    pages name public people."""

    key_file: str | None = None
    """File with the secret of pseudonymise, at least 16 bytes; keep it outside the workspace."""

    plug_ins: tuple[str, ...] = ()
    """Further recognisers, of installed packages (entry points of `lodesmith.personal_data`)."""

    @model_validator(mode="after")
    def _check_key(self) -> Self:
        if (self.action == "pseudonymise") != (self.key_file is not None):
            raise ValueError("key_file goes with action: pseudonymise; set both or neither")
        return self

    def key(self) -> bytes:
        """Return the secret.

        Raises:
            UserError: the file cannot be read or is too short.
        """
        assert self.key_file is not None  # noqa: S101 the validator saw to it
        try:
            key = Path(self.key_file).read_bytes()
        except OSError as error:
            raise UserError(
                f"personal_data.key_file: {self.key_file} cannot be read ({error.strerror})"
            ) from None
        if len(key) < _MIN_KEY_BYTES:
            raise UserError(
                f"personal_data.key_file: {self.key_file} holds {len(key)} bytes; a key needs "
                f"{_MIN_KEY_BYTES}: head -c 32 /dev/urandom > FILE makes one"
            )
        return key

    def identity(self) -> JSON:
        """Return what an artifact's id depends on: which key it is, but not where it lies."""
        named = None
        if self.key_file is not None:
            named = hmac.new(self.key(), b"lodesmith", hashlib.sha256).hexdigest()[:16]
        return {**super().identity(), "key_file": named}


class DecontaminateConfig(Config):
    """Which texts a model must not have seen."""

    against: tuple[str, ...] = ()
    """Benchmark files: .txt or .csv (one item a line), JSON lines or lists, Parquet (every text in
    them); also .gz and .zst. Those of evaluate.benchmarks need not be named."""

    num_words: int = Field(default=13, gt=0)
    """Length of the run of words that counts as a match. Source: Brown et al., Language Models
    are Few-Shot Learners (arXiv:2005.14165), appendix C."""

    num_cjk_characters: int = Field(default=30, gt=0)
    """The same in Chinese and Japanese, where a word is one character: 13 words of English are
    about 30 characters with their particles."""

    def identity(self) -> JSON:
        """Return what an artifact's id depends on: the content of the files, not their names."""
        return {
            **super().identity(),
            "against": [_hash_named("decontaminate.against", path) for path in self.against],
        }


def _hash_named(setting: str, path: str) -> str:
    try:
        return hash_file(Path(path))
    except OSError as error:
        raise UserError(f"{setting}: {path} cannot be read ({error.strerror})") from None


class PrepareConfig(Config):
    """From raw pages to clean documents."""

    without_effect: ClassVar[frozenset[str]] = frozenset({"num_workers", "engine"})

    extract: ExtractConfig = ExtractConfig()
    """Text out of pages."""

    repair: RepairConfig = RepairConfig()
    """Characters."""

    languages: tuple[str, ...] | None = None
    """ISO 639-1 codes of the languages that stay, as in [zh, en]; None keeps all."""

    min_language_confidence: float = Field(default=0.3, ge=0, le=1)
    """Documents whose language is less certain than this are dropped; probability. Short lists
    of names in plain English come out between 0.3 and 0.6."""

    quality: QualityConfig = QualityConfig()
    """Rule filters."""

    exact_duplicates: ExactDuplicatesConfig = ExactDuplicatesConfig()
    """Equal documents and repeated lines."""

    near_duplicates: NearDuplicatesConfig = NearDuplicatesConfig()
    """Almost equal documents."""

    personal_data: PersonalDataConfig = PersonalDataConfig()
    """Data of people."""

    decontaminate: DecontaminateConfig = DecontaminateConfig()
    """Benchmark texts."""

    num_workers: int | None = Field(default=None, gt=0)
    """Shards at once; None uses the free cores, or all of a cluster. The result is the same for any
    number."""

    engine: Engine = "local"
    """Where shards are cleaned: `local` on this machine, `ray` on the Ray cluster that Ray's own
    rules find (or one started here), `slurm` in array jobs sent from here. The last two need a
    workspace that all nodes see. The result is the same."""

    merge_memory_bytes: int = Field(default=256 << 20, gt=0)
    """What one worker may hold while documents and lines of the whole corpus are compared; about.
    Less cuts the work into more pieces. The result is the same."""
