"""Files of this machine: addresses that travel, and nothing that hangs."""

import os
import socket
from pathlib import Path

import pytest

from lodesmith.acquire.files.local_files import Listing, list_files, list_standard_library
from lodesmith.acquire.source_base import PAGE_PATTERNS
from lodesmith.core.errors import UserError


def plant(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"<p>{name}</p>")
    return root


def find(*entries: Path | str) -> Listing:
    return list_files([str(entry) for entry in entries], patterns=PAGE_PATTERNS)


def test_an_address_does_not_tell_where_the_folder_lies(tmp_path: Path) -> None:
    here = plant(tmp_path / "here" / "pages", "a.html", "zh/b.txt", "c.png")
    there = plant(tmp_path / "there" / "pages", "a.html", "zh/b.txt")
    assert (
        list(find(here).members) == list(find(there).members) == ["pages/a.html", "pages/zh/b.txt"]
    )


def test_folders_of_one_name_keep_their_files_apart(tmp_path: Path) -> None:
    first = plant(tmp_path / "1" / "pages", "a.html")
    second = plant(tmp_path / "2" / "pages", "a.html")
    assert list(find(first, second, first).members) == ["pages/a.html", "pages~2/a.html"]


def test_files_folders_and_patterns_may_be_mixed(tmp_path: Path) -> None:
    root = plant(
        tmp_path, "one/a.htm", "two/b.odd", "two/[c].odd", "three/deep/d.html", "three/e.md"
    )
    listing = find(
        root / "one", root / "two" / "b.odd", root / "two" / "[[]c].odd", root / "three/*"
    )
    assert list(listing.members) == ["one/a.htm", "three/e.md", "two/[c].odd", "two/b.odd"]


def test_pipes_sockets_and_circles_are_passed_over_with_a_line_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = plant(tmp_path / "pages", "a.html", "sub/b.html")
    monkeypatch.chdir(root)  # the name of a socket must be short
    os.mkfifo("pipe.html")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket.html")
    (root / "dead.html").symlink_to("nowhere")
    (root / "self.html").symlink_to("self.html")
    (root / "sub" / "up").symlink_to("..", target_is_directory=True)
    (root / "twin").symlink_to("sub", target_is_directory=True)
    listing = find(root)
    assert list(listing.members) == ["pages/a.html", "pages/sub/b.html", "pages/twin/b.html"]
    assert len(listing.notes) == 6  # four files, and the circle by both of its ways
    for name in ("pipe.html", "socket.html", "dead.html", "self.html", "sub/up", "twin/up"):
        assert any(f"{name} was passed over" in note for note in listing.notes), name


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_passed_over(tmp_path: Path) -> None:
    root = plant(tmp_path / "pages", "a.html", "b.html")
    (root / "b.html").chmod(0)
    assert list(find(root).members) == ["pages/a.html"]


def test_a_pattern_without_stars_for_folders_does_not_walk_them(tmp_path: Path) -> None:
    root = plant(tmp_path / "pages", "a.html", "deep/b.html")
    listing = find(f"{root}/*.html")
    assert list(listing.members) == ["pages/a.html"]
    assert listing.others == []


def test_the_fingerprint_changes_with_a_file_and_only_then(tmp_path: Path) -> None:
    root = plant(tmp_path / "pages", "a.html", "b.html")
    before = find(root).fingerprint()
    assert find(root).fingerprint() == before
    os.utime(root / "a.html", (1, 1))
    assert find(root).fingerprint() != before


def test_sealed_files_are_not_stored_in_the_open(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl.sealed").write_bytes(b"LDSEAL1\n")
    for entry in ("a.jsonl.sealed", "*.sealed"):
        with pytest.raises(UserError, match=r"a\.jsonl\.sealed is sealed, and pages are stored"):
            list_files([str(tmp_path / entry)], patterns=["**/*.txt"])


@pytest.mark.parametrize("entry", ["none", "none/*.html", "none.html"])
def test_what_does_not_exist_is_a_users_error(tmp_path: Path, entry: str) -> None:
    with pytest.raises(UserError, match="none"):
        find(tmp_path / entry)


def test_the_standard_library_comes_without_tests_and_foreign_packages() -> None:
    paths = list(list_standard_library(("**/*.py",)).members)
    assert "json/decoder.py" in paths
    assert not [path for path in paths if path.startswith(("site-packages/", "test/"))]
    assert paths == sorted(paths)
