"""What the small files beside a `tokenizer.json` say: ends of text, special names, template."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lodesmith.core.errors import UserError

_NAMES = ("bos_token", "eos_token", "unk_token", "pad_token")


@dataclass(frozen=True, kw_only=True)
class TokenizerSettings:
    """The settings that matter when text is encoded and answers are read."""

    ends: tuple[int | str, ...]  # ids, or names of tokens, at which an answer ends
    special_texts: dict[str, str]  # "eos_token" -> "<|endoftext|>"
    chat_template: str | None  # Jinja


def read_tokenizer_settings(folder: Path) -> TokenizerSettings:
    """Return the settings of a model folder; every file is optional.

    Raises:
        UserError: a file is there but is not JSON.
    """
    settings = _read(folder / "tokenizer_config.json")
    special_texts = _special_texts(settings)
    ends: list[int | str] = []
    for name in ("generation_config.json", "config.json"):
        entry = _read(folder / name).get("eos_token_id")
        found = entry if isinstance(entry, list) else [entry]
        ends.extend(end for end in found if isinstance(end, int))
    if "eos_token" in special_texts:
        ends.append(special_texts["eos_token"])
    return TokenizerSettings(
        ends=tuple(ends),
        special_texts=special_texts,
        chat_template=_chat_template(folder, settings),
    )


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path} is not JSON ({error}); fetch it again") from None
    if not isinstance(data, dict):
        raise UserError(f"{path} holds a {type(data).__name__} instead of settings by name")
    return data


def _chat_template(folder: Path, settings: dict[str, Any]) -> str | None:
    path = folder / "chat_template.jinja"
    if path.is_file():
        return path.read_text(encoding="utf-8")
    template = settings.get("chat_template")
    if isinstance(template, list):  # several templates with names, as some models have
        named = {entry["name"]: entry["template"] for entry in template}
        template = named.get("default")
    return template if isinstance(template, str) else None


def _special_texts(settings: dict[str, Any]) -> dict[str, str]:
    entries = {name: settings.get(name) for name in _NAMES}
    texts = {
        name: entry.get("content") if isinstance(entry, dict) else entry
        for name, entry in entries.items()
    }
    return {name: text for name, text in texts.items() if isinstance(text, str)}
