"""A local server that speaks S3, conditional puts included, for as long as a test wants it."""

import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

NEEDS_S3 = [
    pytest.mark.slow,
    pytest.mark.skipif(
        any(__import__("importlib.util").util.find_spec(name) is None
            for name in ("moto", "s3fs", "flask")),
        reason="needs `pip install 'moto[server]' s3fs`, a local S3",
    ),
]  # fmt: skip


@contextmanager
def local_s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Yield the address of an empty bucket, as in `s3://bucket`."""
    import s3fs

    url = f"http://127.0.0.1:{_free_port()}"
    names = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
             "AWS_ENDPOINT_URL": url, "AWS_DEFAULT_REGION": "us-east-1"}  # fmt: skip
    for name, value in names.items():
        monkeypatch.setenv(name, value)
    command = [sys.executable, "-m", "moto.server", "-p", url.rpartition(":")[2]]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(url, server)
        s3fs.S3FileSystem.clear_instance_cache()
        s3fs.S3FileSystem().mkdir("bucket")
        yield "s3://bucket"
    finally:
        server.kill()
        server.wait()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _wait_for(url: str, server: subprocess.Popen) -> None:
    for _ in range(300):
        assert server.poll() is None, "moto's server ended"
        try:
            urllib.request.urlopen(url, timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("moto's server does not answer")
