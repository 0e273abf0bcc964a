"""A record as JSON, from a file that anybody may have written: every fault is one kind of error.

`json` itself raises other errors for what is nested too deeply and for numbers of thousands of
digits, and takes half of a surrogate pair, which no tokenizer can encode: a text that was cut in
the middle of an emoji and then written as JSON again.
"""

import json
from typing import Any

_DECODER = json.JSONDecoder()


def load_record(text: str) -> Any:
    """Return the value of a JSON text.

    Raises:
        json.JSONDecodeError: it is no JSON, or none that can be used.
    """
    start = len(text) - len(text.lstrip(" \t\r\n"))
    value, end = decode_record(text, start)
    if text[end:].strip(" \t\r\n"):
        raise json.JSONDecodeError("Extra data", text, end)
    return value


def decode_record(text: str, start: int) -> tuple[Any, int]:
    """Return the JSON value that begins at a place, and where it ends.

    Raises:
        json.JSONDecodeError: there is none, or none that can be used.
    """
    try:
        value, end = _DECODER.raw_decode(text, start)
    except RecursionError:
        raise json.JSONDecodeError("it is nested too deeply", text, start) from None
    except json.JSONDecodeError:
        raise
    except ValueError:
        raise json.JSONDecodeError("a number has too many digits", text, start) from None
    if "\\u" in text[start:end] and _has_half_character(value):
        raise json.JSONDecodeError(
            "it holds half a character, of a text that was cut in the middle of one", text, start
        )
    return value, end


def _has_half_character(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False
