"""Reads ChatterBot corpus files: YAML with categories and conversations, one folder a language.

A conversation lists what two people say in turn. Two categories of the published corpus use the
list otherwise: a statement, and several answers to it. Lists there become one pair per answer.

Source: https://corpu.chatterbot.us, "The corpus format"; the exceptions were found by reading.
"""

from collections.abc import Iterator
from pathlib import PurePosixPath

import yaml

from lodesmith.core.errors import UserError
from lodesmith.data.chat import Message
from lodesmith.tune.samples.rows import Harvest, Row, exchange, guess_language

_MANY_ANSWERS = frozenset({"emotion", "computers"})
_ROLES = ("user", "assistant")
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the quick one where PyYAML has it

FOLDER_LANGUAGES = {
    "bengali": "bn", "chinese": "zh", "dutch": "nl", "english": "en", "french": "fr",
    "german": "de", "hebrew": "he", "hindi": "hi", "indonesian": "id", "italian": "it",
    "japanese": "ja", "korean": "ko", "marathi": "mr", "oriya": "or", "persian": "fa",
    "portuguese": "pt", "russian": "ru", "spanish": "es", "swedish": "sv", "tamil": "ta",
    "telugu": "te", "thai": "th", "traditionalchinese": "zh-Hant", "turkish": "tr",
    "ukrainian": "uk", "urdu": "ur", "yoruba": "yo",
}  # fmt: skip
"""The corpus's folders and their ISO 639-1 codes."""


def read_chatterbot(payload: bytes, *, name: str, source: str) -> Harvest:
    """Return the conversations of a file; entries that are no list of texts are left out and noted.

    Args:
        payload: the file's bytes.
        name: for messages and origins.
        source: name of the recipe's source.

    Raises:
        UserError: it is not YAML, or has no list `conversations`.
    """
    conversations, categories = _parse(payload, name)
    harvest = Harvest()
    language = folder_language(name)
    for node in conversations.value:
        line = node.start_mark.line + 1
        turns = _texts_of(node)
        if turns is None:
            note = f"{name}:{line}: left out, not a list of at least two texts"
            harvest.drop("malformed conversation", note=note)
            continue
        for messages in _split(turns, has_many_answers=bool(categories & _MANY_ANSWERS)):
            harvest.rows.append(
                Row(
                    messages=messages,
                    origin=f"{name}:{line}",
                    source=source,
                    language=language or guess_language(messages),
                )
            )
    return harvest


def folder_language(name: str) -> str | None:
    """Return the language of the corpus folder that a file lies in, None for other folders."""
    return FOLDER_LANGUAGES.get(PurePosixPath(name).parent.name)


def _parse(payload: bytes, name: str) -> tuple[yaml.SequenceNode, set[str]]:
    try:
        root = yaml.compose(payload, Loader=_Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or error
        raise UserError(f"{name}{line}: is not YAML ({problem}); mend it or leave it out") from None
    entries = root.value if isinstance(root, yaml.MappingNode) else []
    by_key = {key.value: value for key, value in entries}
    conversations = by_key.get("conversations")
    if not isinstance(conversations, yaml.SequenceNode):
        raise UserError(
            f"{name}: has no list `conversations`; chat files are ChatterBot YAML or JSON lines "
            "with `messages`"
        )
    categories = by_key.get("categories")
    named = categories.value if isinstance(categories, yaml.SequenceNode) else []
    return conversations, {str(node.value).lower() for node in named}


def _texts_of(node: yaml.Node) -> list[str] | None:
    """Return the texts of a list of at least two; a bare number or date counts as text."""
    if not isinstance(node, yaml.SequenceNode) or len(node.value) < len(_ROLES):
        return None
    turns = [turn.value.strip() for turn in node.value if isinstance(turn, yaml.ScalarNode)]
    return turns if len(turns) == len(node.value) and all(turns) else None


def _split(turns: list[str], *, has_many_answers: bool) -> Iterator[tuple[Message, ...]]:
    if has_many_answers:
        yield from (exchange(turns[0], answer) for answer in turns[1:])
        return
    spoken: list[Message] = [
        {"role": _ROLES[number % 2], "content": text} for number, text in enumerate(turns)
    ]
    yield tuple(spoken[: len(spoken) // 2 * 2])  # what the user says last has no answer
