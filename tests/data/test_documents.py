"""Shards of documents come back whole, or are called damaged."""

from pathlib import Path

import pytest
import zstandard

from lodesmith.core.errors import DamagedArtifactError
from lodesmith.data.documents import Document, read_documents, read_folder, write_documents


def make_documents(count: int) -> list[Document]:
    return [
        Document(id=f"{number:016x}", source=f"a#{number}", url=f"x:/{number}", language="en",
                 text=f"line {number}\u2028still one line\nnext {number * 7919}")
        for number in range(count)
    ]  # fmt: skip


def test_documents_come_back_in_order(tmp_path: Path) -> None:
    documents = make_documents(50)
    assert write_documents(tmp_path / "documents-00000.jsonl.zst", documents[:20]) == 20
    write_documents(tmp_path / "documents-00001.jsonl.zst", documents[20:])
    write_documents(tmp_path / "documents-00002.jsonl.zst", [])
    assert list(read_folder(tmp_path)) == documents


def test_a_shard_cut_anywhere_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "documents-00000.jsonl.zst"
    write_documents(path, make_documents(300))
    whole = path.read_bytes()
    for size in {0, 1, 5, *range(10, len(whole), 61), len(whole) - 1}:
        path.write_bytes(whole[:size])
        with pytest.raises(DamagedArtifactError, match="documents-00000"):
            list(read_documents(path))


@pytest.mark.parametrize("text", [b"not json\n", b'{"id": "a"}\n', b"[1]\n", b"3\n"])
def test_lines_that_are_no_documents_are_noticed(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "documents-00000.jsonl.zst"
    path.write_bytes(zstandard.compress(text))
    with pytest.raises(DamagedArtifactError, match="holds no documents"):
        list(read_documents(path))
