"""The words that page and summary use for keys of the artifacts."""

from lodesmith.core.units import format_bytes, format_count

LANGUAGES = {"zh": "Chinese", "en": "English"}
LICENCE_UNKNOWN = "licence not stated"

_WORDS = {"vocab_size": "vocabulary entries", "tokens_seen": "tokens read"}
_BASELINES = {
    "xz": "xz -9, primed with the training text",
    "byte_5gram": "5-gram model of bytes",
    "character_5gram": "5-gram model of characters",
    "token_5gram": "5-gram model of tokens",
}


def name_language(code: str) -> str:
    """Return a language's English name, or its code."""
    return LANGUAGES.get(code, code)


def name_baseline(name: str) -> str:
    """Return what a baseline is, in words."""
    return _BASELINES.get(name, spell(name))


def spell(key: str) -> str:
    """Return a key of JSON as words.

    >>> spell("num_documents"), spell("exact_duplicates"), spell("text_bytes")
    ('documents', 'exact duplicates', 'text bytes')
    """
    if key in _WORDS:
        return _WORDS[key]
    return key.removeprefix("num_").replace("_", " ")


def phrase(name: str, value: float) -> str:
    """Return a count of a receipt with what it counts.

    >>> phrase("num_documents", 3395), phrase("num_sources", 1), phrase("text_bytes", 6_190_000)
    ('3,395 documents', '1 source', '6.19 MB of text')
    """
    shown = format_quantity(name, value)
    if name == "bytes":
        return shown
    if name.endswith("_bytes"):
        return f"{shown} of {spell(name.removesuffix('_bytes'))}"
    words = spell(name)
    return f"{shown} {words.removesuffix('s') if value == 1 else words}"


def format_quantity(name: str, value: float) -> str:
    """Return a count of a receipt as people read it.

    >>> format_quantity("text_bytes", 5_100_000), format_quantity("bytes_per_token", 3.214)
    ('5.1 MB', '3.21')
    """
    if name.endswith("bytes"):
        return format_bytes(value)
    return f"{value:.3g}" if value != int(value) else format_count(value)
