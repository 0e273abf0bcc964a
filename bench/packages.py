"""Opens downloaded packages, whose texts the makers of models learn from."""

import subprocess
import tarfile
import zipfile
from pathlib import Path


def unpack(packages: Path, folder: Path) -> None:
    """Unpack every Debian package, wheel and tarball of a folder into another."""
    for path in sorted(packages.iterdir()):
        if path.suffix == ".deb":
            subprocess.run(["dpkg-deb", "-x", str(path), str(folder)], check=True)
        elif path.suffix == ".whl":
            zipfile.ZipFile(path).extractall(folder)
        elif path.name.endswith((".tar.gz", ".tgz")):
            with tarfile.open(path) as archive:
                archive.extractall(folder, filter="data")
