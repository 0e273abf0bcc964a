"""Token sets: the tokens of many documents in one flat file, read through a memory map.

tokens.bin     little-endian uint16, or uint32 from 65,536 ids on; each document is preceded by the
               separator, which counts as its first token
ends.npy       int64, where each document ends
documents.txt  the documents' ids, one a line
meta.json      counts, dtype, hash of the tokenizer; written last, so a set without it is not whole

Window `k` of a sequence length L holds the L + 1 tokens from `k * L` on: L inputs and, shifted by
one, L labels. So each token but the first is a label exactly once in an epoch.
"""

import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from lodesmith.core.arrays import ArrayFile, replace_array
from lodesmith.core.errors import DamagedArtifactError, UserError
from lodesmith.core.storage import read_json, replace_file, write_json
from lodesmith.core.units import format_counted

_TOKENS, _ENDS, _DOCUMENTS, _META = "tokens.bin", "ends.npy", "documents.txt", "meta.json"
_UINT16_IDS = 1 << 16
_BLOCK_BYTES = 1 << 20


def write_token_set(
    folder: Path,
    documents: Iterable[tuple[str, Sequence[int] | npt.NDArray[np.integer[Any]]]],
    *,
    vocab_size: int,
    tokenizer_digest: str,
    separator_id: int,
) -> None:
    """Write the tokens of (document id, token ids) pairs, in the order given.

    Args:
        folder: gets the four files; files of an earlier attempt are replaced.
        documents: ids must be unique and without line breaks; token ids without the separator.
        vocab_size: ids are below it; decides between two and four bytes a token.
        tokenizer_digest: `Tokenizer.digest` of what made the ids.
        separator_id: put before each document.

    Raises:
        OverflowError: a token id is not below `vocab_size`.
    """
    with _open_writer(folder, vocab_size=vocab_size) as writer:
        for name, ids in documents:
            writer.add(name, ids, separator_id)
    writer.write_meta(tokenizer_digest, separator_id)


def join_token_sets(
    folder: Path,
    parts: Iterable[Path],
    *,
    vocab_size: int,
    tokenizer_digest: str,
    separator_id: int,
) -> None:
    """Write one set that holds the documents of several, in order.

    Args:
        folder: gets the set.
        parts: folders of sets that were written with the same tokenizer.
        vocab_size: as in `write_token_set`, like the rest.
        tokenizer_digest: as there.
        separator_id: as there.
    """
    with _open_writer(folder, vocab_size=vocab_size) as writer:
        for part in parts:
            opened = TokenSet.open(part)
            opened.check_tokenizer(tokenizer_digest)
            writer.add_set(opened)
    writer.write_meta(tokenizer_digest, separator_id)


class _Writer:
    """The files of a set that is being written; nothing of a document stays in memory."""

    def __init__(
        self, folder: Path, vocab_size: int, tokens: IO[bytes], ends: ArrayFile, names: IO[bytes]
    ) -> None:
        self._folder, self._vocab_size = folder, vocab_size
        self._tokens, self._ends, self._names = tokens, ends, names
        self._dtype = "uint16" if vocab_size <= _UINT16_IDS else "uint32"
        self._num_tokens = 0

    def add(
        self, name: str, ids: Sequence[int] | npt.NDArray[np.integer[Any]], separator_id: int
    ) -> None:
        if "\n" in name or not name:
            raise ValueError(f"a document id must be one line, not {name!r}")
        wide = np.empty(len(ids) + 1, np.int64)
        wide[0], wide[1:] = separator_id, ids
        if wide.max() >= self._vocab_size or wide.min() < 0:
            raise OverflowError(f"document {name} has a token id outside 0 to {self._vocab_size}")
        self._tokens.write(wide.astype(np.dtype(self._dtype).newbyteorder("<")).data)
        self._num_tokens += wide.size
        self._ends.append([self._num_tokens])
        self._names.write(f"{name}\n".encode())

    def add_set(self, part: "TokenSet") -> None:
        self._ends.append(part.ends + self._num_tokens)
        for file, name in ((self._tokens, _TOKENS), (self._names, _DOCUMENTS)):
            with (part.folder / name).open("rb") as source:
                shutil.copyfileobj(source, file, _BLOCK_BYTES)
        self._num_tokens += part.num_tokens

    def write_meta(self, tokenizer_digest: str, separator_id: int) -> None:
        meta = {
            "num_tokens": self._num_tokens,
            "num_documents": self._ends.length,
            "dtype": self._dtype,
            "vocab_size": self._vocab_size,
            "separator_id": separator_id,
            "tokenizer_digest": tokenizer_digest,
        }
        write_json(self._folder / _META, meta)


@contextmanager
def _open_writer(folder: Path, *, vocab_size: int) -> Iterator[_Writer]:
    (folder / _META).unlink(missing_ok=True)  # until it is whole again, the set is not one
    with (
        replace_file(folder / _TOKENS) as tokens,
        replace_array(folder / _ENDS, np.int64) as ends,
        replace_file(folder / _DOCUMENTS) as names,
    ):
        yield _Writer(folder, vocab_size, tokens, ends, names)


@dataclass(frozen=True, kw_only=True)
class TokenSet:
    """An open token set."""

    folder: Path
    num_tokens: int
    num_documents: int
    vocab_size: int
    separator_id: int
    tokenizer_digest: str
    tokens: npt.NDArray[Any]  # uint16 or uint32, on disk
    ends: npt.NDArray[np.int64]  # where each document ends

    @classmethod
    def open(cls, folder: Path) -> "TokenSet":
        """Return the token set of a folder.

        Raises:
            DamagedArtifactError: a file is missing, torn or does not fit the others.
        """
        try:
            meta = read_json(folder / _META)
            dtype = np.dtype(meta.pop("dtype")).newbyteorder("<")
            tokens = _map_tokens(folder / _TOKENS, dtype, meta["num_tokens"])
            ends = np.load(folder / _ENDS, allow_pickle=False)
            _check_ends(ends, meta["num_documents"], meta["num_tokens"])
            return cls(folder=folder, tokens=tokens, ends=ends, **meta)
        except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
            why = str(error)
            if isinstance(error, FileNotFoundError):
                why = f"{Path(error.filename).name} is missing"
            raise DamagedArtifactError(
                f"{folder} is no whole token set ({why}); remove its artifact and run again"
            ) from None

    @cached_property
    def document_ids(self) -> list[str]:
        """The documents' ids in the order of their tokens."""
        lines = (self.folder / _DOCUMENTS).read_text(encoding="utf-8").split("\n")[:-1]
        if len(lines) != self.num_documents:
            raise DamagedArtifactError(
                f"{self.folder / _DOCUMENTS} names "
                f"{format_counted(len(lines), 'document')} instead of "
                f"{self.num_documents}; remove its artifact and run again"
            )
        return lines

    def check_tokenizer(self, digest: str) -> None:
        """Check that these ids come from the tokenizer of this digest.

        Raises:
            UserError: they come from another one.
        """
        if digest != self.tokenizer_digest:
            raise UserError(
                f"{self.folder} was encoded with tokenizer {self.tokenizer_digest[:12]}, not with "
                f"{digest[:12]}; use the tokenizer beside it or encode the text again"
            )

    def num_windows(self, sequence_length: int) -> int:
        """Return how many whole windows there are; the tokens left over at the end are unused."""
        return max(0, self.num_tokens - 1) // sequence_length

    def window(self, index: int, sequence_length: int) -> npt.NDArray[np.int64]:
        """Return the `sequence_length + 1` tokens of a window.

        Raises:
            IndexError: there is no such window.
        """
        if not 0 <= index < self.num_windows(sequence_length):
            raise IndexError(f"window {index} of {self.num_windows(sequence_length)}")
        start = index * sequence_length
        return self.tokens[start : start + sequence_length + 1].astype(np.int64)

    def __contains__(self, document_id: str) -> bool:
        return document_id in self._numbers

    def span_of_document(self, document_id: str) -> range:
        """Return the places of a document's tokens, its separator included.

        Raises:
            UserError: the set does not hold the document.
        """
        number = self._numbers.get(document_id)
        if number is None:
            raise UserError(f"{self.folder} holds no document {document_id}")
        return range(int(self.ends[number - 1]) if number else 0, int(self.ends[number]))

    def documents_in_window(self, index: int, sequence_length: int) -> list[str]:
        """Return the ids of the documents that have a token in a window."""
        start = index * sequence_length
        first = int(np.searchsorted(self.ends, start, side="right"))
        last = int(np.searchsorted(self.ends, start + sequence_length, side="right"))
        return self.document_ids[first : last + 1]

    def windows_of_document(self, document_id: str, sequence_length: int) -> range:
        """Return the windows that hold a token of a document; empty if all are left over.

        Raises:
            UserError: the set does not hold the document.
        """
        span = self.span_of_document(document_id)
        first = max(0, -(-span.start // sequence_length) - 1)  # a window's last token is the next's
        last = (span.stop - 1) // sequence_length
        end = min(last + 1, self.num_windows(sequence_length))
        return range(min(first, end), end)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.document_ids)}


def _check_ends(ends: npt.NDArray[np.int64], num_documents: int, num_tokens: int) -> None:
    last = ends[-1] if ends.size else 0
    if ends.shape != (num_documents,) or last != num_tokens:
        raise ValueError(f"{_ENDS} is not of {num_documents} documents with {num_tokens} tokens")


def _map_tokens(path: Path, dtype: np.dtype[Any], num_tokens: int) -> npt.NDArray[Any]:
    size, expected = path.stat().st_size, num_tokens * dtype.itemsize
    if size != expected:
        raise ValueError(f"{_TOKENS} has {size} bytes instead of {expected}")
    if num_tokens == 0:
        return np.zeros(0, dtype)  # an empty file cannot be mapped
    return np.memmap(path, dtype, mode="r", shape=(num_tokens,))
