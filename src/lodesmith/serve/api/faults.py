"""Every error that a client can get, in the one shape that OpenAI's clients understand.

{"error": {"message": ..., "type": ..., "param": ..., "code": ...}}

Source: OpenAI API reference, "Error codes".
"""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from lodesmith.serve.api.protocol import KNOWN_FIELDS, UNSUPPORTED_FIELDS

RETRY_AFTER_SECONDS = 1

_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    429: "rate_limit_error",
    500: "server_error",
    503: "server_error",
}


class ErrorFields(BaseModel):
    """What went wrong."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(BaseModel):
    """The body of every error."""

    error: ErrorFields


ERRORS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": ErrorBody, "description": "The request cannot be answered as it is"},
    "5XX": {"model": ErrorBody, "description": "The server cannot answer now"},
}
"""Errors of every route, for the OpenAPI description."""


class ApiError(Exception):
    """A request that ends with an error; the message is for whoever sent it."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after_seconds: int = RETRY_AFTER_SECONDS,
    ) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds
        self.status, self.message, self.param, self.code = status, message, param, code

    def body(self) -> dict[str, Any]:
        """Return the JSON body."""
        kind = _TYPES.get(self.status, "invalid_request_error")
        return {
            "error": {
                "message": self.message,
                "type": kind,
                "param": self.param,
                "code": self.code,
            }
        }

    def headers(self) -> dict[str, str]:
        """Return the headers that belong to the status."""
        if self.status == 429:
            return {"Retry-After": str(self.retry_after_seconds)}
        return {"WWW-Authenticate": "Bearer"} if self.status == 401 else {}


def explain_validation(faults: Sequence[Mapping[str, Any]]) -> ApiError:
    """Return the error that says what is wrong with a request's body, all faults at once."""
    messages = [_explain(fault) for fault in faults]
    first = ".".join(str(part) for part in _path(faults[0])) or None
    code = "unknown_parameter" if faults[0]["type"] == "extra_forbidden" else None
    return ApiError(400, "; ".join(dict.fromkeys(messages)), param=first, code=code)


def _path(fault: Mapping[str, Any]) -> tuple[str | int, ...]:
    """Return where a fault is, without the names of types, which no client wrote."""
    if fault["type"] == "json_invalid":
        return ()  # its place is a number of bytes
    parts = fault["loc"][1:] if fault["loc"][:1] == ("body",) else fault["loc"]
    if parts[:1] == ("response_format",):
        parts = (*parts[:1], *parts[2:])  # the second names the kind
    written = [part for part in parts[:-1] if isinstance(part, int) or part in KNOWN_FIELDS]
    unknown = fault["type"] == "extra_forbidden"
    written += [
        part for part in parts[-1:] if isinstance(part, int) or part in KNOWN_FIELDS or unknown
    ]
    subject = _subject(fault)
    if subject is not None and [subject] != written[-1:]:
        written.append(subject)
    return tuple(written)


def _subject(fault: Mapping[str, Any]) -> str | None:
    """Return the field with which a check of several begins its sentence, if it does."""
    first = _message(fault).partition(" ")[0]
    return first if fault["type"] == "value_error" and first in KNOWN_FIELDS else None


def _message(fault: Mapping[str, Any]) -> str:
    message: str = fault["msg"].removeprefix("Value error, ")
    return message


def _explain(fault: Mapping[str, Any]) -> str:
    name = ".".join(str(part) for part in _path(fault)) or "the body"
    if fault["type"] == "json_invalid":
        return f"the body is not JSON: {fault.get('ctx', {}).get('error', fault['msg'])}"
    if fault["type"] == "model_attributes_type" and not _path(fault):
        return (
            "the body is no JSON object: send one, with the header Content-Type: application/json"
        )
    if fault["type"] == "extra_forbidden":
        return _explain_unknown(name)
    if fault["type"] == "missing":
        return f"'{name}' is missing"
    message, subject = _message(fault), _subject(fault)
    if subject is not None:
        return f"'{name}'{message.removeprefix(subject)}"
    return f"'{name}': {message[:1].lower()}{message[1:]}"


def _explain_unknown(name: str) -> str:
    last = name.rpartition(".")[2]
    if last in UNSUPPORTED_FIELDS:
        return f"'{name}' is not supported by this server; leave it out"
    close = difflib.get_close_matches(last, sorted(KNOWN_FIELDS), n=1)
    if not close or close[0] == last:
        return f"'{name}' is not a known field"
    return f"'{name}' is not a known field; did you mean '{close[0]}'?"
