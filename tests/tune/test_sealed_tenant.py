"""A tenant's records: learnt from, and found by nobody without the key, in no file of the run."""

import json
from pathlib import Path

import numpy as np
import pytest
import zstandard
from tests.support.tiny_model import write_chain, write_model
from typer.testing import CliRunner

import lodesmith.cli.main  # noqa: F401 adds the commands
from lodesmith.cli.app import app
from lodesmith.core.errors import EngineError, UserError
from lodesmith.core.seal import grant
from lodesmith.data.tokenizer import Tokenizer
from lodesmith.pipeline.run import run
from lodesmith.tune import link
from lodesmith.tune.samples.split import read_rows

SECRET = "Frau Zwölfender wohnt am Rabenstieg"
SOURCE = "patients-of-1998"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tenant")
    write_model(folder / "base")
    rows = (json.dumps({"text": f"{SECRET} {number}"}, ensure_ascii=False) for number in range(30))
    (folder / f"{SOURCE}.jsonl").write_text("\n".join(rows), encoding="utf-8")
    sealed = CliRunner().invoke(
        app,
        ["seal", "--new-key", "--key-file", str(folder / "key"),
         str(folder / f"{SOURCE}.jsonl"), "-o", str(folder / "sealed")],
    )  # fmt: skip
    assert sealed.exit_code == 0, sealed.output
    return folder


def recipe(place, *, key="key"):
    domain = {"domain": "clinic", "files": [str(place / "sealed")], "method": "pretraining"}
    path = write_chain(place / f"{key}.yaml", domain)
    sections = {**json.loads(path.read_text("utf-8")), "privacy": {"key_file": str(place / key)}}
    path.write_text(json.dumps(sections), "utf-8")
    return str(path)


def files_that_tell(folder: Path, *, ids: list[int]) -> list[str]:
    """Return the files in which the secret stands, packed or as token ids."""
    told = []
    needles = [SECRET.encode(), json.dumps(SECRET).encode(), SOURCE.encode()]
    needles += [np.array(ids, kind).tobytes() for kind in ("<i4", "<i8", "<u2", "<u4")]
    for path in folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            if data.startswith(b"\x28\xb5\x2f\xfd"):
                data += zstandard.ZstdDecompressor().decompressobj().decompress(data)
            if any(needle in data for needle in needles) or SOURCE in path.name:
                told.append(str(path))
    return told


def test_nothing_of_a_sealed_record_stands_in_the_workspace(place):
    result = run(recipe(place), workspace=place / "ws", until="tune", start=str(place / "base"))
    ids = Tokenizer.load(place / "base").encode(SECRET)[2:8]
    assert files_that_tell(place / "ws", ids=ids) == []
    assert files_that_tell(place / "sealed", ids=ids) == []
    assert files_that_tell(place, ids=ids) == [str(place / f"{SOURCE}.jsonl")]
    rows = result.artifacts["tune"].file("chat.jsonl.zst")
    with pytest.raises(UserError, match="is sealed; only a run"):
        list(read_rows(rows))
    with grant(place / "key", workspace=place / "ws"):
        assert all(SECRET in str(sample.text) for sample in read_rows(rows))


def test_nothing_is_left_readable_by_a_run_that_failed(place, monkeypatch):
    def fail(_):
        raise EngineError("a rank died")

    monkeypatch.setattr(link, "run_training", fail)
    with pytest.raises(EngineError):
        run(recipe(place), workspace=place / "ws2", until="tune", start=str(place / "base"))
    assert list((place / "ws2").rglob("*.npy"))
    ids = Tokenizer.load(place / "base").encode(SECRET)[2:8]
    assert files_that_tell(place / "ws2", ids=ids) == []


def test_without_the_key_or_with_another_nothing_is_learnt(place):
    other = CliRunner().invoke(app, ["seal", "--new-key", "--key-file", str(place / "other")])
    assert other.exit_code == 0
    with pytest.raises(UserError, match="was sealed with another key"):
        run(recipe(place, key="other"), workspace=place / "ws3", start=str(place / "base"))
    plain = write_chain(
        place / "plain.yaml", {"domain": "clinic", "files": [str(place / "sealed")]}
    )
    with pytest.raises(UserError, match="is sealed; only a run"):
        run(str(plain), workspace=place / "ws3", start=str(place / "base"))


def test_a_torn_file_is_not_locked_away(place, tmp_path):
    (tmp_path / "torn.jsonl").write_text('{"text": "abc"}\n{"text": "de')
    found = CliRunner().invoke(
        app, ["seal", "--key-file", str(place / "key"), str(tmp_path / "torn.jsonl"), "-o",
              str(tmp_path / "out")],
    )  # fmt: skip
    assert isinstance(found.exception, UserError)
    assert "torn.jsonl:2: the file is cut off" in str(found.exception)
    assert not (tmp_path / "out").exists()
