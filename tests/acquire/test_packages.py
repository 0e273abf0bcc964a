"""Packages: read as they come, never unpacked, never run. Clients are stood in for where they
would need a network; pip is the real one, given a folder instead of an index."""

import io
import json
import os
import shutil
import stat
import subprocess
import tarfile
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from lodesmith.acquire.packages import client
from lodesmith.acquire.packages.client import copy_bounded
from lodesmith.acquire.packages.debian import fetch_together, open_debian, parse_licence
from lodesmith.acquire.packages.npm import open_npm
from lodesmith.acquire.packages.pypi import open_pypi
from lodesmith.acquire.packages.source_packages import DebianSource, NpmSource, PypiSource
from lodesmith.acquire.pages.members import open_tar, open_zip
from lodesmith.core.errors import EngineError, UserError

COPYRIGHT = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: debian/*
License: GPL-2

Files: *
Copyright: 2020 Someone
License: MPL-2.0
 On Debian systems the full text is elsewhere.
"""

needs_pip = pytest.mark.skipif(find_spec("pip") is None, reason="pip is missing")
needs_dpkg = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg-deb is missing")


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Put a shell script before the client of that name."""

    def put(name: str, script: str) -> None:
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    return put


def build_deb(folder: Path, name: str) -> Path:
    root = folder / f"{name}-root"
    for path, text in {
        "DEBIAN/control": f"Package: {name}\nVersion: 4:1.2\nArchitecture: all\n"
        "Maintainer: A <a@b.cn>\nDescription: pages\n",
        f"usr/share/doc/{name}/copyright": COPYRIGHT,
        f"usr/share/{name}/b.html": "<p>b</p>",
        f"usr/share/{name}/a.html": "<p>a</p>",
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    deb = folder / f"{name}_4%3a1.2_all.deb"
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", root, deb], check=True,
                   capture_output=True)  # fmt: skip
    return deb


def build_wheel(folder: Path, name: str) -> Path:
    info = f"{name}-1.0.dist-info"
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{name}/pages/a.html", "<p>a</p>")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
                       "Classifier: License :: OSI Approved :: MIT License\n")  # fmt: skip
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n"
                       "Tag: py3-none-any\n")  # fmt: skip
        wheel.writestr(f"{info}/RECORD", "")
    return path


@needs_dpkg
def test_a_debian_package_gives_its_files_version_and_licence(tmp_path: Path, stand_in) -> None:
    deb = build_deb(tmp_path, "pages")
    stand_in("apt-get", f'cp "{deb}" .')
    with open_debian(DebianSource(debian="pages"), tmp_path / "downloads") as package:
        assert (package.version, package.licence) == ("4:1.2", "MPL-2.0")
        pages = [path for path in package.members if path.endswith(".html")]
        assert pages == ["usr/share/pages/a.html", "usr/share/pages/b.html"]
        assert package.members[pages[0]].read(100) == b"<p>a</p>"
    assert sorted(path.name for path in (tmp_path / "downloads").iterdir()) == ["pages"]


@needs_dpkg
def test_a_package_is_fetched_once(tmp_path: Path, stand_in) -> None:
    deb = build_deb(tmp_path, "pages")
    stand_in("apt-get", f'cp "{deb}" .; echo fetched >> "{tmp_path}/calls"')
    for _ in range(2):
        with open_debian(DebianSource(debian="pages"), tmp_path / "downloads"):
            pass
    assert (tmp_path / "calls").read_text() == "fetched\n"


@needs_dpkg
def test_several_packages_take_one_start_of_apt_get(tmp_path: Path, stand_in) -> None:
    debs = [build_deb(tmp_path, name) for name in ("pages", "pages-zh")]
    stand_in("apt-get", f'cp "{debs[0]}" "{debs[1]}" .; echo fetched >> "{tmp_path}/calls"')
    sources = [DebianSource(debian="pages"), DebianSource(debian="pages-zh=4:1.2")]
    fetch_together(sources, tmp_path / "downloads")
    for source in sources:
        with open_debian(source, tmp_path / "downloads") as package:
            assert f"usr/share/{source.label}/a.html" in package.members
    assert (tmp_path / "calls").read_text() == "fetched\n"


@needs_dpkg
def test_without_package_lists_apt_get_fetches_its_own(tmp_path: Path, stand_in) -> None:
    deb = build_deb(tmp_path, "pages")
    stand_in(
        "apt-get",
        f'echo "$@" >> "{tmp_path}/calls"\n'
        f'case "$*" in *Dir::State::Lists*download*|download*Dir::State::Lists*) cp "{deb}" .;;\n'
        'update*) ;; *) echo "E: Unable to locate package pages" >&2; exit 100;; esac',
    )
    with open_debian(DebianSource(debian="pages"), tmp_path / "downloads") as package:
        assert package.version == "4:1.2"
    verbs = [line.split()[0] for line in (tmp_path / "calls").read_text().splitlines()]
    assert verbs == ["download", "update", "download"]


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        ("E: Unable to locate package pages", UserError, "apt-get knows no package pages: Unable"),
        ("E: Version '9' for 'pages' was not found", UserError, "Version '9'"),
        ("W: noise\nE: Could not resolve host", EngineError, "could not fetch pages: Could not"),
    ],
)
def test_what_apt_get_says_reaches_the_user_in_one_line(
    tmp_path: Path, stand_in, words: str, error: type[Exception], message: str
) -> None:
    stand_in("apt-get", f'echo "{words}" >&2; exit 100')
    with (
        pytest.raises(error, match=f"^source pages: .*{message}[^\n]*$"),
        open_debian(DebianSource(debian="pages"), tmp_path / "downloads"),
    ):
        pass
    assert not (tmp_path / "downloads" / "pages").exists()


@needs_dpkg
def test_a_torn_package_is_an_engines_error(tmp_path: Path, stand_in) -> None:
    deb = build_deb(tmp_path, "pages")
    deb.write_bytes(deb.read_bytes()[:-200])
    stand_in("apt-get", f'cp "{deb}" .')
    with (
        pytest.raises(EngineError, match="run the same command again"),
        open_debian(DebianSource(debian="pages"), tmp_path / "downloads"),
    ):
        pass


def test_a_licence_is_not_guessed() -> None:
    assert parse_licence(COPYRIGHT) == "MPL-2.0"
    assert parse_licence("This is free software; see the GPL.") is None
    assert parse_licence(COPYRIGHT.replace("Files: *", "Files: a/*")) is None


@needs_pip
def test_a_wheel_gives_its_files_version_and_licence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_wheel(tmp_path, "lodepages")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with open_pypi(PypiSource(pypi="lodepages==1.0"), tmp_path / "downloads") as package:
        assert (package.version, package.licence) == ("1.0", "MIT License")
        assert package.members["lodepages/pages/a.html"].read(3) == b"<p>"
    with (
        pytest.raises(UserError, match=r"pip knows no package lodenone: .*No matching"),
        open_pypi(PypiSource(pypi="lodenone"), tmp_path / "downloads"),
    ):
        pass


def test_an_npm_package_gives_its_files_without_the_top_folder(tmp_path: Path, stand_in) -> None:
    with tarfile.open(tmp_path / "pages-2.0.0.tgz", "w:gz") as tar:
        for name, text in {
            "package/package.json": b'{"version": "2.0.0", "license": "MIT"}',
            "package/docs/a.html": b"<p>a</p>",
        }.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text))
    stand_in("npm", f'echo "$@" > "{tmp_path}/calls"; cp "{tmp_path}/pages-2.0.0.tgz" .')
    with open_npm(NpmSource(npm="pages"), tmp_path / "downloads") as package:
        assert (package.version, package.licence) == ("2.0.0", "MIT")
        assert list(package.members) == ["docs/a.html", "package.json"]
    assert "--ignore-scripts" in (tmp_path / "calls").read_text()


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_what_npm_itself_packs_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "pages"
    (folder / "docs" / "zh").mkdir(parents=True)
    manifest = {"name": "@some/pages", "version": "2.1.0-rc.1", "license": "CC-BY-4.0",
                "files": ["docs"]}  # fmt: skip
    (folder / "package.json").write_text(json.dumps(manifest))
    (folder / "docs" / "zh" / "b.html").write_text("<p>第一页</p>")
    (folder / "docs" / "a.html").write_text("<p>a</p>")
    (folder / "secret.html").write_text("not among its files")
    target = tmp_path / "downloads" / "pages"
    target.mkdir(parents=True)
    subprocess.run(
        ["npm", "pack", "--offline", "--ignore-scripts", f"--pack-destination={target}", folder],
        check=True, capture_output=True, timeout=120,
        env={**os.environ, "npm_config_cache": str(tmp_path / "cache"),
             "npm_config_update_notifier": "false"},
    )  # fmt: skip
    with open_npm(NpmSource(npm="pages"), tmp_path / "downloads") as package:
        assert (package.version, package.licence) == ("2.1.0-rc.1", "CC-BY-4.0")
        assert list(package.members) == ["docs/a.html", "docs/zh/b.html", "package.json"]
        assert package.members["docs/zh/b.html"].read(100) == "<p>第一页</p>".encode()


def test_only_regular_members_of_a_tar_are_read(tmp_path: Path) -> None:
    path = tmp_path / "hostile.tar"
    with tarfile.open(path, "w") as tar:
        for name, kind in {
            "./b.html": tarfile.REGTYPE, "../../up.html": tarfile.REGTYPE,
            "/etc/abs.html": tarfile.REGTYPE, "link.html": tarfile.SYMTYPE,
            "hard.html": tarfile.LNKTYPE, "pipe.html": tarfile.FIFOTYPE,
            "device.html": tarfile.CHRTYPE, "folder.html": tarfile.DIRTYPE,
            ".hidden.html": tarfile.REGTYPE,
        }.items():  # fmt: skip
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
    before = sorted(tmp_path.rglob("*"))
    with open_tar(path) as members:
        assert list(members) == ["../../up.html", ".hidden.html", "b.html", "etc/abs.html"]
        assert [member.read(10) for member in members.values()] == [b""] * 4
    assert sorted(tmp_path.rglob("*")) == before


def test_links_and_bombs_in_a_zip_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "hostile.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        link = zipfile.ZipInfo("link.html")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("bomb.html", bytes(10 << 20))
    with open_zip(path) as members:
        assert list(members) == ["bomb.html"]
        assert len(members["bomb.html"].read(1000)) == 1000


def test_a_zip_with_a_damaged_member_is_an_engines_error(tmp_path: Path) -> None:
    path = tmp_path / "torn.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.html", b"<p>page</p>")
    path.write_bytes(path.read_bytes().replace(b"<p>page", b"<p>pane", 1))
    with pytest.raises(EngineError, match=r"torn.whl is damaged"), open_zip(path) as members:
        members["a.html"].read(100)


def test_unpacking_stops_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_MAX_UNPACKED_BYTES", 1 << 20)
    with pytest.raises(EngineError, match=r"unpacks to more than 1\.05 MB"):
        copy_bounded(io.BytesIO(bytes(4 << 20)), io.BytesIO())


def test_a_client_that_hangs_is_ended(tmp_path: Path, stand_in, monkeypatch) -> None:
    monkeypatch.setattr(client, "_LIMIT_SECONDS", 0.2)
    stand_in("apt-get", "exec sleep 60")
    with pytest.raises(EngineError, match="did not end within"):
        client.run_client(["apt-get"], folder=tmp_path)
