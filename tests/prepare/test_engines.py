"""The same bytes on one process, two, a Ray cluster that loses parts of itself, and on Slurm."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import private_slurm
import pytest
import ray_run

from lodesmith.core.errors import EngineError
from lodesmith.core.shards import Markers
from lodesmith.core.storage import hash_file, read_json, write_json
from lodesmith.data.warc import WarcWriter
from lodesmith.prepare.config import PrepareConfig
from lodesmith.prepare.input.sources import Source
from lodesmith.prepare.passes.passes import prepare_corpus

_NUM_PAGES, _NUM_FAMILIES = 200, 80
_SMALL_MERGE = 20_000  # bytes: cuts each merge of these pages into many pieces


_SENTENCES = (
    "The quick start number {n} shows how to open a document and where its settings are kept.",
    "A template holds styles{n}, so that every letter{n} of a company looks the same.",
    "You can protect cell {n} against changes with a password{n} of your own.",
    "Whatever you type into the table{n} is drawn at once, and charts{n} follow their data.",
    "Sheets{n} follow their names, and a list{n} of them stands at the foot of the window.",
)


def _page(number: int) -> bytes:
    """A page that all steps let through, but for copies and near copies of those before."""
    number -= number % 7 == 6  # every seventh page is a copy of the one before
    family = number % _NUM_FAMILIES  # of pages that differ in one sentence
    names = [str((family * 100 + place) * 2654435761 % 10**9) for place in range(10)]
    text = " ".join(
        sentence.replace("{n}", name)
        for name in names
        for sentence in _SENTENCES[: 1 + int(name) % 5]
    )
    return f"<html><body><p>{text}</p><p>Edition {number} of this page.</p></body></html>".encode()


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("in") / "pages.warc.gz"
    with path.open("wb") as file:
        writer = WarcWriter(file)
        for number in range(_NUM_PAGES):
            writer.write(
                uri=f"http://x/{number}", payload=_page(number), content_type="text/html",
                date="2024-01-01T00:00:00Z",
            )  # fmt: skip
    return path


def _prepare(archive: Path, folder: Path, config: PrepareConfig) -> dict[str, str]:
    source = Source(path=archive, kind="archive", name="a", num_bytes=archive.stat().st_size * 4)
    prepared = prepare_corpus(
        [source], scratch=folder / "scratch", final=folder, config=config,
        markers=Markers(folder / "scratch" / "done"),
    )  # fmt: skip
    write_json(folder / "funnel.json", prepared.funnel.to_json())
    return _digests(folder)


def _digests(folder: Path) -> dict[str, str]:
    return {path.name: hash_file(path) for path in sorted(folder.iterdir()) if path.is_file()}


@pytest.fixture(scope="module")
def expected(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lodesmith.prepare.passes.stretches.SHARD_BYTES", 50_000)
        folder = tmp_path_factory.mktemp("out")
        digests = _prepare(archive, folder, PrepareConfig(num_workers=1))
    assert len(digests) >= 10
    steps = {step["step"]: step for step in read_json(folder / "funnel.json")["steps"]}
    assert steps["exact_duplicates"]["documents_in"] == _NUM_PAGES
    for step in ("exact_duplicates", "near_duplicates"):
        assert steps[step]["documents_in"] - steps[step]["documents_out"] >= 20
    assert steps["near_duplicates"]["documents_out"] >= 50
    return digests


def test_two_processes_and_merges_cut_small_give_the_same_bytes(
    archive: Path, expected: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lodesmith.prepare.passes.stretches.SHARD_BYTES", 50_000)
    config = PrepareConfig(num_workers=2, merge_memory_bytes=_SMALL_MERGE)
    assert _prepare(archive, tmp_path, config) == expected


@pytest.mark.slow
@pytest.mark.dist
@pytest.mark.chaos
@pytest.mark.timeout(900)  # half a minute, but ten times that were seen on a crowded machine
def test_a_ray_cluster_that_loses_two_nodes_and_a_worker_gives_the_same_bytes(
    archive: Path, expected: dict[str, str], tmp_path: Path
) -> None:
    if importlib.util.find_spec("ray") is None:
        pytest.skip("needs Ray: pip install 'lodesmith[ray]'")
    result = subprocess.run(
        [sys.executable, ray_run.__file__, str(archive), str(tmp_path), str(_SMALL_MERGE)],
        capture_output=True, text=True, check=False, timeout=800,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr[-3000:]
    told = json.loads((tmp_path / "scratch" / "lost.json").read_text())
    assert told["nodes_left"] == 1
    assert [loss["in"] for loss in told["lost"]] == ["clean", "deduplicate", "near-link"]
    merge = told["lost"][-1]
    assert 0 < len(merge["missing"]) < merge["tasks"]  # in the midst of it
    assert _digests(tmp_path) == expected


@pytest.mark.slow
@pytest.mark.dist
@pytest.mark.timeout(900)
def test_a_slurm_of_two_nodes_gives_the_same_bytes(
    archive: Path, expected: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if lacking := private_slurm.missing():
        pytest.skip(f"needs Slurm (slurm-wlm and munge); not here: {', '.join(lacking)}")
    monkeypatch.setattr("lodesmith.prepare.passes.stretches.SHARD_BYTES", 50_000)
    with private_slurm.private_slurm(tmp_path / "slurm") as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        (tmp_path / "out").mkdir()
        digests = _prepare(archive, tmp_path / "out", PrepareConfig(engine="slurm", num_workers=2))
    assert digests == expected


def test_an_engine_that_is_not_here_is_named(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(EngineError, match="no sbatch here; run it on a login node"):
        _prepare(archive, tmp_path, PrepareConfig(engine="slurm"))
