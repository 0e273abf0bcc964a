"""The three ways in which archives are compressed, told by their first bytes.

Each is a sequence of *members* (gzip), or frames (Zstandard, LZ4), that can be unpacked one by one
from their first byte on. Skippable frames hold no data; the first one of a Zstandard archive may
hold a dictionary that all others were made with.

Sources: RFC 1952 (gzip); RFC 8878 (Zstandard); LZ4 Frame Format 1.6;
https://iipc.github.io/warc-specifications/specifications/warc-zstd/ (dictionaries).
"""

import struct
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import IO, Any

from lodesmith.native.warc import GZIP, InflateError, Inflater

_SKIPPABLE = {bytes([low]) + b"\x2a\x4d\x18" for low in range(0x50, 0x60)}  # RFC 8878, 3.1.2
_DICTIONARY = b"\x5d\x2a\x4d\x18"
_ZSTD, _LZ4 = b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18"
_MAX_DICTIONARY_BYTES = 16 << 20
_MAX_WINDOW_BYTES = 1 << 27  # what a Zstandard decoder should bear (RFC 8878, section 3.1.1.1.2: 8)
# Of input, which bounds a piece: four bytes of Zstandard can stand for 128 KiB, one of LZ4 for 255.
_STEP_BYTES = {_ZSTD: 1024, _LZ4: 4096}


class TornMemberError(ValueError):
    """A member that cannot be unpacked further."""


class Codec(ABC):
    """Unpacks members one after the other."""

    name: str
    magic: bytes

    @abstractmethod
    def start(self) -> None:
        """Begin a member."""

    @abstractmethod
    def unpack(self, data: bytes, *, is_all: bool) -> tuple[bytes, int, bool]:
        """Return some unpacked bytes, how many of the data they took, and whether that was all.

        Raises:
            TornMemberError: the data are bad, or end too early.
        """


class GzipCodec(Codec):
    """One gzip member for each record, or so it should be."""

    name, magic = "gzip", b"\x1f\x8b\x08"  # RFC 1952, section 2.3.1: ID1, ID2, CM = deflate

    def __init__(self) -> None:
        self._inflater = Inflater(GZIP)

    def start(self) -> None:
        """Begin a member."""
        self._inflater.start()

    def unpack(self, data: bytes, *, is_all: bool) -> tuple[bytes, int, bool]:
        """Unpack a piece."""
        try:
            piece, used = self._inflater.inflate(data, is_all=is_all)
        except InflateError as error:
            raise TornMemberError(str(error)) from None
        return piece, used, self._inflater.is_done


class LibraryCodec(Codec):
    """Zstandard and LZ4 frames, by the decoders of their packages."""

    def __init__(self, name: str, magic: bytes, open_decoder: Callable[[], Any]) -> None:
        self.name, self.magic = name, magic
        self._open_decoder = open_decoder
        self._decoder: Any = None

    def start(self) -> None:
        """Begin a frame."""
        self._decoder = self._open_decoder()

    def unpack(self, data: bytes, *, is_all: bool) -> tuple[bytes, int, bool]:
        """Unpack a piece."""
        given = data[: _STEP_BYTES[self.magic]]
        try:
            piece = self._decoder.decompress(given)
        except Exception as error:  # noqa: BLE001 each library has an error of its own
            raise TornMemberError(str(error).rpartition(": ")[2] or "bad data") from None
        if self._decoder.eof:
            return piece, len(given) - len(self._decoder.unused_data or b""), True
        if not given and not piece and is_all:
            raise TornMemberError("it is cut short")
        return piece, len(given), False


def find_codec(file: IO[bytes]) -> Codec | None:
    """Return how a seekable file is compressed, None where it is not, by its first bytes."""
    first = _read_at(file, 0, 4)
    dictionary = b""
    if first == _DICTIONARY:
        dictionary = _read_frame_content(file, 0)
    place = 0
    while first in _SKIPPABLE:
        place += 8 + len_of_skippable(_read_at(file, place, 8))
        first = _read_at(file, place, 4)
    if first.startswith(GzipCodec.magic):
        return GzipCodec()
    if first == _ZSTD:
        return _open_zstd(dictionary)
    return _open_lz4() if first == _LZ4 else None


def len_of_skippable(head: bytes) -> int:
    """Return how many bytes of content a skippable frame says it has; its head are 8 bytes.

    >>> len_of_skippable(b"\\x50\\x2a\\x4d\\x18\\x07\\0\\0\\0")
    7
    """
    return int(struct.unpack("<I", head[4:8])[0]) if len(head) >= 8 else 0


def is_skippable(head: bytes) -> bool:
    """Tell whether a frame without data begins here."""
    return head[:4] in _SKIPPABLE


def _read_at(file: IO[bytes], place: int, num_bytes: int) -> bytes:
    file.seek(place)
    return file.read(num_bytes)


def _read_frame_content(file: IO[bytes], place: int) -> bytes:
    size = len_of_skippable(_read_at(file, place, 8))
    return file.read(size) if size <= _MAX_DICTIONARY_BYTES else b""


def _open_zstd(dictionary: bytes) -> Codec:
    import zstandard

    if dictionary.startswith(_ZSTD):  # the dictionary itself may be compressed
        plain = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW_BYTES)
        try:
            dictionary = plain.decompress(dictionary, max_output_size=_MAX_DICTIONARY_BYTES)
        except zstandard.ZstdError:
            dictionary = b""  # then the frames will say what they miss
    words = zstandard.ZstdCompressionDict(dictionary) if dictionary else None
    context = zstandard.ZstdDecompressor(dict_data=words, max_window_size=_MAX_WINDOW_BYTES)
    return LibraryCodec("Zstandard", _ZSTD, context.decompressobj)


def _open_lz4() -> Codec:
    import lz4.frame

    return LibraryCodec("LZ4", _LZ4, lz4.frame.LZ4FrameDecompressor)
