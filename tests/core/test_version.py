"""Which code counts as the same on every rank."""

import shutil
from pathlib import Path

from lodesmith.core import version


def test_a_change_in_any_folder_of_training_changes_the_digest(tmp_path, monkeypatch):
    package = Path(version.__file__).parent.parent
    for room in ("core", "train", "parallel"):
        shutil.copytree(
            package / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__")
        )
    monkeypatch.setattr(version, "__file__", str(tmp_path / "core" / "version.py"))
    before = version.code_digest()
    deep = [
        path
        for room in ("train", "parallel")
        for path in (tmp_path / room).rglob("*.py")
        if path.parent != tmp_path / room and path.stat().st_size
    ]
    assert deep
    for path in deep:
        text = path.read_text()
        path.write_text(text + "# changed\n")
        assert version.code_digest() != before, path
        path.write_text(text)
    assert version.code_digest() == before
