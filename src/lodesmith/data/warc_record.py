"""What a WARC or ARC file holds, once read: records, and the places where it is damaged."""

from dataclasses import dataclass
from typing import NamedTuple

MAX_PAYLOAD_BYTES = 64 << 20  # a larger page is no page; also what bounds memory per record


class WarcRecord(NamedTuple):
    """One record; for a `response`, the HTTP message is already taken apart and decoded.

    A tuple, since a frozen dataclass takes four times as long to make, and a reader makes many.
    """

    offset: int  # names the record in its file: see `read_record_at`
    type: str  # WARC-Type: warcinfo, response, resource, request, metadata, revisit, conversion
    uri: str  # WARC-Target-URI without angle brackets, "" where there is none
    date: str  # as in the file: ISO 8601 in WARC, 14 digits in ARC
    record_id: str  # WARC-Record-ID, "" in ARC
    content_type: str  # of the payload, lower case, without parameters; "" where unknown
    charset: str  # the content type's parameter, lower case, "" where not given
    http_status: int | None  # None where the record holds no HTTP response
    payload: bytes  # the HTTP body, else the whole block


@dataclass(frozen=True, slots=True)
class Damage:
    """A stretch of a file that gave no record, or a record whose body is not as it was sent."""

    offset: int  # of the record or member that is damaged
    reason: str  # never quotes the file's text
    is_lost: bool = True
    """False: the record came all the same, with what could be saved of its body."""
