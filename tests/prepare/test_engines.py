"""The same bytes on one process, on a Ray cluster that loses a node, and on Slurm."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import private_slurm
import pytest
import ray_run

from lodesmith.core.errors import EngineError
from lodesmith.core.shards import Markers
from lodesmith.core.storage import hash_file
from lodesmith.data.warc import WarcWriter
from lodesmith.prepare.config import PrepareConfig
from lodesmith.prepare.passes import prepare_corpus
from lodesmith.prepare.sources import Source

_NUM_PAGES = 200


def _page(number: int) -> bytes:
    number -= number % 7 == 6  # every seventh page is a copy of the one before
    words = " ".join(f"word{number * 131 + place * place} and the" for place in range(60))
    return f"<html><body><p>{words}</p><p>{words[::-1]}</p></body></html>".encode()


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
    prepare_corpus(
        [source], scratch=folder / "scratch", final=folder, config=config,
        markers=Markers(folder / "scratch" / "done"),
    )  # fmt: skip
    return _digests(folder)


def _digests(folder: Path) -> dict[str, str]:
    return {path.name: hash_file(path) for path in sorted(folder.glob("*.zst"))}


@pytest.fixture(scope="module")
def expected(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lodesmith.prepare.stretches.SHARD_BYTES", 50_000)
        digests = _prepare(archive, tmp_path_factory.mktemp("out"), PrepareConfig(num_workers=1))
    assert len(digests) >= 10
    return digests


@pytest.mark.slow
@pytest.mark.dist
@pytest.mark.chaos
@pytest.mark.timeout(900)  # half a minute, but ten times that were seen on a crowded machine
def test_a_ray_cluster_that_loses_a_node_gives_the_same_bytes(
    archive: Path, expected: dict[str, str], tmp_path: Path
) -> None:
    if importlib.util.find_spec("ray") is None:
        pytest.skip("needs Ray: pip install 'lodesmith[ray]'")
    result = subprocess.run(
        [sys.executable, ray_run.__file__, str(archive), str(tmp_path)],
        capture_output=True, text=True, check=False, timeout=800,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr[-3000:]
    assert (tmp_path / "scratch" / "alive").read_text() == "1"
    assert _digests(tmp_path) == expected


@pytest.mark.slow
@pytest.mark.dist
@pytest.mark.timeout(900)
def test_a_slurm_of_two_nodes_gives_the_same_bytes(
    archive: Path, expected: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if lacking := private_slurm.missing():
        pytest.skip(f"needs Slurm (slurm-wlm and munge); not here: {', '.join(lacking)}")
    monkeypatch.setattr("lodesmith.prepare.stretches.SHARD_BYTES", 50_000)
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
