"""`clean` on a disk that fills: one line, no half of a result, the same bytes once it has room."""

import hashlib
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from small_disk import can_mount, run_on_small_disk

_OUTPUTS = ("kept.jsonl", "dropped.jsonl", "funnel.html")


def _write_input(path: Path) -> Path:
    """Texts that a scratch file holds in little, and an output does not; every second is a copy."""
    chance = random.Random(3)
    with path.open("w") as file:
        for number in range(240):
            words = chance.choices(["stone", "river", "cloud", "field", "tower"], k=250)
            text = f"Text {number} is about {' '.join(words)}."
            for copy in range(2):
                file.write(json.dumps({"id": f"{number}-{copy}", "text": text}) + "\n")
    return path


def _command(source: Path, folder: Path) -> list[str]:
    kept, dropped, page = _OUTPUTS  # relative, as the page names its output
    return [
        "sh", "-c", 'cd "$0" && exec "$@"', str(folder),
        sys.executable, "-m", "lodesmith", "clean", str(source), "-o", kept, "--rejected", dropped,
        "--report", page, "--steps", "exact_duplicates",
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.chaos
def test_clean_on_a_full_disk_leaves_what_was_there_and_a_later_run_finishes(
    tmp_path: Path,
) -> None:
    disk, whole = tmp_path / "disk", tmp_path / "whole"
    disk.mkdir()
    whole.mkdir()
    if not can_mount(disk):
        pytest.skip("needs unshare and the right to mount a tmpfs")
    source = _write_input(tmp_path / "in.jsonl")
    subprocess.run(_command(source, whole), check=True, capture_output=True)
    sizes = [(whole / name).stat().st_size for name in _OUTPUTS]
    assert min(sizes[:2]) > 300_000
    # Full at once, while pages are cleaned, in the first output, in the second.
    for size in (12_000, 60_000, sizes[0] // 2, sizes[0] + sizes[1] // 2):
        told = run_on_small_disk(
            _command(source, disk), disk=disk, log=tmp_path / f"log-{size}", size=str(size),
            before="echo old >$DISK/kept.jsonl",
            between="find $DISK -mindepth 1; cat $DISK/kept.jsonl",
            after="cd $DISK; find . -mindepth 1 -type f | LC_ALL=C sort | xargs sha256sum",
        )  # fmt: skip
        assert told.first_code == 4, told.first
        errors = [line for line in told.first.splitlines() if not line.startswith("  prepare: ")]
        assert len(errors) == 1, told.first
        assert errors[0].startswith("error: no space left on the disk while cleaning into kept")
        assert errors[0].endswith("free some and run the same command again")
        assert told.between.splitlines() == [f"{disk}/kept.jsonl", "old"]
        assert told.second_code == 0, told.second_errors
        assert told.after.splitlines() == [
            f"{hashlib.sha256((whole / name).read_bytes()).hexdigest()}  ./{name}"
            for name in sorted(_OUTPUTS)
        ]
