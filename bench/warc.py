"""Reads archives with ours and with fastwarc: every record's fields and its decoded HTTP body.

    python -m venv /tmp/peer && /tmp/peer/bin/pip install fastwarc==2.0.1
    python bench/warc.py FILE.warc.gz... --peer /tmp/peer/bin/python
    python bench/warc.py --pages FOLDER --peer ...    # makes a Common Crawl-like file of its pages

Both parse HTTP, undo chunks and content codings, verify no digests and check gzip's own sums. The
runs of both alternate; CPU-seconds, the median of `--rounds`. MB are of record contents, which both
count alike, so that the ratio is one of times.
"""

import argparse
import gzip
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

_OURS = """
import sys, time
from pathlib import Path
from lodesmith.data.warc import read_warc
start = time.process_time(); records = size = 0
for record in read_warc(Path(sys.argv[1]), on_damage=lambda damage: None):
    records += 1; size += len(record.payload)
    (record.type, record.uri, record.date, record.record_id)
    (record.content_type, record.charset, record.http_status)
print(records, size, time.process_time() - start)
"""
_PEER = """
import sys, time
from fastwarc.warc import ArchiveIterator
start = time.process_time(); records = size = 0
settings = {"parse_http": True, "verify_digests": False, "auto_decode": "all"}
for record in ArchiveIterator(sys.argv[1], **settings):
    records += 1; size += len(record.reader.read()); headers = record.headers
    (record.record_type, headers.get("WARC-Target-URI"), headers.get("WARC-Date"), record.record_id)
    http = record.http_headers
    if http is not None:
        (record.http_content_type, record.http_charset, http.status_code)
print(records, size, time.process_time() - start)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description="Compares reading of archives with fastwarc.")
    parser.add_argument("files", type=Path, nargs="*")
    parser.add_argument("--pages", type=Path, help="folder of HTML pages to make an archive of")
    parser.add_argument("--peer", type=Path, required=True, help="python that has fastwarc")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        files = list(options.files)
        if options.pages is not None:
            files.append(make_crawl(options.pages, Path(scratch) / "pages.warc.gz"))
        print(f"{'file':<28}{'records':>9}{'peer':>8}{'MB':>8}{'ours MB/s':>11}{'peer':>7}{'x':>6}")
        for path in files:
            compare(path, options.peer, options.rounds)


def compare(path: Path, peer: Path, rounds: int) -> None:
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(run(Path(sys.executable), _OURS, path))
        theirs.append(run(peer, _PEER, path))
    own, other = (statistics.median(result[2] for result in results) for results in (ours, theirs))
    megabytes = ours[0][1] / 1e6
    print(
        f"{path.name[:27]:<28}{ours[0][0]:>9.0f}{theirs[0][0]:>8.0f}{megabytes:>8.1f}"
        f"{megabytes / own:>11.0f}{megabytes / other:>7.0f}{other / own:>6.2f}"
    )


def run(python: Path, program: str, path: Path) -> list[float]:
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # its idle threads count as CPU time
    done = subprocess.run(
        [python, "-c", program, path], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{json.dumps(str(path))}: {done.stderr.strip().splitlines()[-1]}")
    return [float(word) for word in done.stdout.split()]


def make_crawl(folder: Path, path: Path) -> Path:
    """Write request, response and metadata of each page as gzip members, as Common Crawl does."""
    with path.open("wb") as file:
        for number, page in enumerate(sorted(folder.rglob("*.htm*"))):
            if not page.is_file():
                continue
            body = page.read_bytes()
            body = gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
            for kind, block in blocks(number, body):
                file.write(gzip.compress(head(number, kind, len(block)) + block + b"\r\n\r\n", 6))
    return path


def blocks(number: int, body: bytes) -> list[tuple[str, bytes]]:
    request = (
        f"GET /page-{number * 7919}.html HTTP/1.1\r\nHost: www.example.org\r\n"
        "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
        "Accept-Language: en-US;q=0.5\r\nAccept-Encoding: br,gzip\r\n\r\n"
    )
    response = (
        "HTTP/1.1 200 OK\r\nDate: Fri, 31 May 2024 01:16:46 GMT\r\nServer: Apache/2.4.41\r\n"
        f"Content-Type: text/html; charset=UTF-8\r\nContent-Length: {len(body)}\r\n"
        "Cache-Control: max-age=3600\r\nStrict-Transport-Security: max-age=31536000\r\n\r\n"
    )
    metadata = 'fetchTimeMs: 124\r\ncharset-detected: UTF-8\r\nlanguages: {"reliable":true}\r\n'
    return [
        ("request", request.encode()),
        ("response", response.encode() + body),
        ("metadata", metadata.encode()),
    ]


def head(number: int, kind: str, size: int) -> bytes:
    content = (
        "application/warc-fields" if kind == "metadata" else f"application/http; msgtype={kind}"
    )
    return (
        f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Date: 2024-05-31T01:16:46Z\r\nWARC-Record-ID: "
        f"<urn:uuid:{number:032x}>\r\nContent-Length: {size}\r\nContent-Type: {content}\r\n"
        f"WARC-IP-Address: 93.184.216.34\r\nWARC-Target-URI: https://example.org/page-{number}\r\n"
        "WARC-Payload-Digest: sha1:Y6BA4WSZGJCQ4ZVTYLTJRRUPFBO5TIRC\r\n\r\n"
    ).encode()


if __name__ == "__main__":
    main()
