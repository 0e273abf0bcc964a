"""Files that lie elsewhere: on web servers, in object storage, in a hub of data sets.

They are listed when a run starts, so that their sizes and tags are part of the artifact's id, and
fetched once into its scratch folder, where a cut download goes on. Web servers are spoken to by
`http_files.py`, object storage through fsspec with whatever credentials its libraries find in the
environment; none are ever written into a recipe.
"""

import datetime
import socket
import urllib.parse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lodesmith.acquire.addresses import PrivateAddressError, check_addresses, resolve_host
from lodesmith.acquire.files.http_files import RemoteFile, download, look_up
from lodesmith.acquire.files.source_files import ReachingSource
from lodesmith.acquire.pages.patterns import matches_any, split_root
from lodesmith.core.errors import EngineError, UserError
from lodesmith.core.storage import hash_json

STORES = {
    "s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs",
    "abfss": "adlfs", "hf": "huggingface_hub", "memory": "fsspec",
}  # fmt: skip
_TAGS = ("ETag", "etag", "e_tag", "generation", "md5Hash", "LastModified", "last_modified", "mtime")
_TIMES = ("LastModified", "last_modified", "mtime")
_BLOCK_BYTES = 8 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Access:
    """How a source's remote files are reached."""

    allow_private: bool = False
    endpoint: str | None = None  # of an S3-like store that is not Amazon's
    anonymous: bool = False


def access_of(source: ReachingSource) -> Access:
    """Return what a recipe's source says of how its files are reached."""
    return Access(
        allow_private=source.allow_private, endpoint=source.endpoint, anonymous=source.anonymous
    )


def is_remote(entry: str) -> bool:
    """Tell whether an entry of a recipe's list lies elsewhere.

    >>> is_remote("s3://bucket/crawl/*.warc.gz"), is_remote("C:/pages"), is_remote("pages")
    (True, False, False)
    """
    scheme, found, _ = entry.partition("://")
    return bool(found) and scheme.isalnum()


def list_remote(
    entries: Iterable[str], *, patterns: Sequence[str], access: Access
) -> list[RemoteFile]:
    """Return the files that remote entries stand for, sorted by address.

    Args:
        entries: addresses of files; in object storage also of folders, and patterns.
        patterns: what is taken of a folder.
        access: how they are reached.

    Raises:
        UserError: one does not exist, or its kind of storage is not known here.
        EngineError: a server or store fails.
    """
    found: dict[str, RemoteFile] = {}
    for entry in entries:
        scheme = entry.partition("://")[0].lower()
        if scheme in ("http", "https"):
            files = [look_up(entry, allow_private=access.allow_private)]
        else:
            files = _list_store(entry, patterns, access)
        found.update((file.url, file) for file in files)
    return [found[url] for url in sorted(found)]


def fingerprint(files: Iterable[RemoteFile]) -> str:
    """Return a hash of names, sizes and tags: it changes when a file does."""
    return hash_json([[file.url, file.size, file.tag] for file in files])[:16]


def fetch_all(files: Sequence[RemoteFile], folder: Path, *, access: Access) -> dict[str, Path]:
    """Return where each file lies now, by address, fetching those that are missing."""
    places: dict[str, Path] = {}
    for number, file in enumerate(files):
        target = folder / f"{number:06}-{file.path.rpartition('/')[2]}"
        if not target.exists():
            if file.url.partition("://")[0].lower() in ("http", "https"):
                download(file, target, allow_private=access.allow_private)
            else:
                _fetch_from_store(file, target, access)
        places[file.url] = target
    return places


def _open_store(entry: str, access: Access) -> tuple[Any, str]:
    """Return the file system of an address and the path in it."""
    scheme = entry.partition("://")[0].lower()
    if scheme not in STORES:
        raise UserError(
            f"{entry}: {scheme}:// is not known; write one of http, https, {', '.join(STORES)}"
        )
    options: dict[str, Any] = {}
    if scheme in ("s3", "s3a"):
        options["anon"] = access.anonymous
        if not access.allow_private:
            options["config_kwargs"] = {"connector_args": {"socket_factory": open_checked_socket}}
        if access.endpoint is not None:
            _check_endpoint(access.endpoint, allow_private=access.allow_private)
            options["endpoint_url"] = access.endpoint
    elif access.anonymous and scheme in ("gs", "gcs"):
        options["token"] = "anon"  # noqa: S105 gcsfs calls having none so
    try:
        import fsspec

        store, path = fsspec.core.url_to_fs(entry, use_listings_cache=False, **options)
    except ImportError:
        raise UserError(
            f"{entry} needs the package {STORES[scheme]}; pip install 'lodesmith[cloud]'"
        ) from None
    return store, str(path)


def open_checked_socket(address: tuple[Any, ...]) -> socket.socket:
    """Return a socket for an address of the open internet, as `getaddrinfo` describes it.

    The libraries of a store resolve its name themselves, perhaps to another one than was checked.

    Raises:
        PrivateAddressError: the address is none of those.
    """
    family, kind, protocol, _, place = address
    check_addresses(str(place[0]), [str(place[0])], allow_private=False)
    opened = socket.socket(family, kind, protocol)
    opened.setblocking(False)
    return opened


def _check_endpoint(endpoint: str, *, allow_private: bool) -> None:
    parts = urllib.parse.urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError(
            f"endpoint {endpoint} is no address; write https://host or http://host:port"
        )
    port = parts.port or (443 if parts.scheme == "https" else 80)
    resolve_host(parts.hostname, port, allow_private=allow_private)


def _list_store(entry: str, patterns: Sequence[str], access: Access) -> list[RemoteFile]:
    scheme, _, rest = entry.partition("://")
    root, pattern = split_root(rest)
    store, path = _open_store(f"{scheme}://{root}", access)
    try:
        if not pattern and store.isfile(path):
            facts = {path: store.info(path)}
            base, wanted = path.rpartition("/")[0], ["**"]
        else:
            facts = store.find(path, detail=True)
            base, wanted = path.rstrip("/"), [pattern] if pattern else list(patterns)
    except FileNotFoundError:
        raise UserError(f"{entry} does not exist; correct the address") from None
    except Exception as error:
        raise _explain(entry, error) from error
    files = [
        RemoteFile(
            url=f"{scheme}://{name.lstrip('/')}",
            path=name[len(base) :].lstrip("/"),
            size=None if info.get("size") is None else int(info["size"]),
            tag=next((str(info[tag]).strip('"') for tag in _TAGS if info.get(tag)), ""),
            modified=_seconds(info),
        )
        for name, info in facts.items()
        if info.get("type", "file") == "file" and matches_any(name[len(base) :].lstrip("/"), wanted)
    ]
    if not files:
        raise UserError(f"{entry}: no file there fits {', '.join(wanted)}; correct the address")
    return files


def _seconds(info: dict[str, Any]) -> int:
    """Return when a file of a store was changed, 0 where the store does not say it as a time."""
    moment = next((info[name] for name in _TIMES if info.get(name)), None)
    if isinstance(moment, datetime.datetime):
        return max(0, int(moment.timestamp()))
    return max(0, int(moment)) if isinstance(moment, int | float) else 0


def _fetch_from_store(file: RemoteFile, target: Path, access: Access) -> None:
    store, path = _open_store(file.url, access)
    part = target.with_name(f"{target.name}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    try:
        size = int(store.info(path)["size"])
    except Exception as error:
        raise _explain(file.url, error) from error
    if file.size is not None and size != file.size:
        part.unlink(missing_ok=True)
        raise EngineError(f"{file.url} has changed since it was listed; run again")
    with part.open("ab") as output:
        while (at := output.tell()) < size:
            output.write(_read_block(store, path, at, min(size, at + _BLOCK_BYTES), file.url))
    part.rename(target)


def _read_block(store: Any, path: str, start: int, end: int, url: str) -> bytes:
    try:
        block = bytes(store.cat_file(path, start=start, end=end))
    except Exception as error:
        raise _explain(url, error) from error
    if len(block) != end - start:
        raise EngineError(
            f"{url} gave {len(block)} bytes instead of {end - start}; run the same command again"
        )
    return block


def _explain(url: str, error: Exception) -> EngineError | UserError:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, PrivateAddressError):
            return cause
        cause = cause.__cause__ or cause.__context__
    what = str(error).split("\n", 1)[0] or type(error).__name__
    return EngineError(
        f"{url} could not be read ({what}); check the address, the credentials and the network"
    )
