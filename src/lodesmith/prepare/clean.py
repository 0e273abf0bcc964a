"""`lodesmith.clean`: clean text out of files and folders, without a workspace.

import lodesmith
print(lodesmith.clean(["crawl/"], output="clean.jsonl", rejected="dropped.jsonl").to_text())
"""

import contextlib
import difflib
import stat
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lodesmith.core.errors import UserError, explain_os_error
from lodesmith.core.log import warn
from lodesmith.core.shards import Markers
from lodesmith.core.storage import JSON, replace_file
from lodesmith.core.units import format_bytes, format_counted, format_endings
from lodesmith.data.documents import read_lines
from lodesmith.prepare.config import STEPS, PrepareConfig
from lodesmith.prepare.input.sources import Source
from lodesmith.prepare.passes.passes import Prepared, prepare_corpus
from lodesmith.prepare.scratch import scratch_folder

_KINDS = {
    ".warc": "archive", ".warc.gz": "archive", ".warc.zst": "archive", ".warc.lz4": "archive",
    ".arc": "archive", ".arc.gz": "archive", ".arc.zst": "archive", ".arc.lz4": "archive",
    ".wet": "archive", ".wet.gz": "archive", ".wat": "archive", ".wat.gz": "archive",
    ".html": "html", ".htm": "html", ".xhtml": "html", ".html.gz": "html", ".htm.gz": "html",
    ".html.zst": "html", ".txt": "text", ".txt.gz": "text", ".txt.zst": "text", ".md": "text",
    ".jsonl": "json", ".jsonl.gz": "json", ".jsonl.zst": "json", ".parquet": "parquet",
}  # fmt: skip
_ARCHIVE_BEGINS = (b"WARC/", b"filedesc://")
_SNIFFED_BYTES = 4096
_COMPRESSED = (".gz", ".zst", ".lz4", ".parquet")
_INFLATES_TIMES = 4  # about: decides how files are cut into shards


@dataclass(frozen=True, kw_only=True)
class CleanSummary:
    """What became of the input records."""

    num_records: int
    num_documents: int  # written to the output
    num_rejected: int
    text_bytes: int  # of the output
    problems: list[str]  # one line on each file that was not read, or not to its end
    funnel: JSON  # as in funnel.json

    def to_text(self) -> str:
        """Return the funnel as a table for a terminal."""
        rows = [
            f"{step['step']:<18}{step['documents_in']:>10,}{step['documents_out']:>10,}"
            f"{format_bytes(step['bytes_in']):>10}{format_bytes(step['bytes_out']):>10}"
            f"  {_most_frequent(step)}".rstrip()
            for step in self.funnel["steps"]
        ]
        head = f"{'step':<18}{'in':>10}{'out':>10}{'bytes in':>10}{'out':>10}  dropped"
        end = (
            f"{self.num_documents:,} of {format_counted(self.num_records, 'record')} kept, "
            f"{format_bytes(self.text_bytes)} of text"
        )
        return "\n".join([head, *rows, end, *self.problems])


def clean(
    inputs: Sequence[Path | str],
    *,
    output: Path | str,
    rejected: Path | str | None = None,
    config: PrepareConfig | None = None,
    steps: Sequence[str] | None = None,
    report: Path | str | None = None,
) -> CleanSummary:
    """Clean files and folders into one file of JSON lines, and return what was dropped and why.

    Args:
        inputs: .warc .arc .wet .html .txt .jsonl (also .gz, some .zst) .parquet files, or folders
            of them; an archive is known whatever its name. A JSON or Parquet record holds `text`,
            `html` or `raw`.
        output: one JSON a line: id, source, url, language, text, title, headings, corpus (the
            input that it came from).
        rejected: the same, and why, for each record that is not in `output`.
        config: settings; the defaults if not given.
        steps: names out of `STEPS`; all if not given. They always run in that order.
        report: one HTML page with the funnel, examples of what was dropped, and all scores.

    Raises:
        UserError: an input does not exist, a step is unknown, or there is nothing to read.
    """
    chosen = _check_steps(steps)
    named = {"documents": output, "rejected": rejected, "report": report}
    outputs = {kind: Path(path) for kind, path in named.items() if path is not None}
    _check_outputs([*outputs.values()])
    problems: list[str] = []
    sources = _find_sources([Path(path) for path in inputs], [*outputs.values()], problems)
    for problem in problems:
        warn(problem)
    if not sources:
        raise UserError(
            "there is nothing to clean: no input could be read; inputs end in "
            f"{', '.join(_KINDS)}, or are folders of such files"
        )
    try:
        return _clean(sources, chosen, config or PrepareConfig(), outputs, problems)
    except OSError as error:
        clear = explain_os_error(error, doing=f"cleaning into {output}")
        place = Path(str(error.filename)).absolute()
        folder = outputs["documents"].absolute().parent
        if clear is None and not (place.is_relative_to(folder) or folder.is_relative_to(place)):
            raise
        raise clear or UserError(
            f"{output} cannot be written: {error.strerror} ({place}); name another place for it"
        ) from error


def _clean(
    sources: list[Source],
    steps: Sequence[str],
    config: PrepareConfig,
    outputs: Mapping[str, Path],
    problems: list[str],
) -> CleanSummary:
    folder = outputs["documents"].absolute().parent
    folder.mkdir(parents=True, exist_ok=True)
    with scratch_folder(folder) as scratch:
        prepared = prepare_corpus(
            sources,
            scratch=scratch,
            final=scratch,
            steps=steps,
            config=config,
            markers=Markers(scratch / "done"),
        )
        for fault in prepared.faults:
            warn(fault)
        summary = _summarise(prepared, problems)
        _write(outputs, prepared, summary)
    return summary


def _write(outputs: Mapping[str, Path], prepared: Prepared, summary: CleanSummary) -> None:
    """Write all outputs or none: none has its name before the last is written."""
    with contextlib.ExitStack() as stack:
        files = {kind: stack.enter_context(replace_file(path)) for kind, path in outputs.items()}
        for kind, file in files.items():
            if kind == "report":
                from lodesmith.prepare.funnel.funnel_page import render_funnel

                page = render_funnel(summary.funnel, title=str(outputs["documents"]))
                file.write(page.encode())
            else:
                _join(file, (getattr(shard, kind) for shard in prepared.shards))
            file.flush()  # so that a disk that is full says so here


def _summarise(prepared: Prepared, problems: list[str]) -> CleanSummary:
    return CleanSummary(
        num_records=prepared.num_records,
        num_documents=prepared.num_documents,
        num_rejected=prepared.num_rejected,
        text_bytes=prepared.text_bytes,
        problems=[*problems, *prepared.faults],
        funnel=prepared.funnel.to_json(),
    )


def _check_steps(steps: Sequence[str] | None) -> tuple[str, ...]:
    if steps is None:
        return STEPS
    for step in steps:
        if step not in STEPS:
            close = difflib.get_close_matches(step, STEPS, n=1, cutoff=0.3)
            hint = f"; did you mean {close[0]}? The" if close else "; the"
            raise UserError(f"there is no step {step!r}{hint} steps are {', '.join(STEPS)}")
    if not steps:
        raise UserError(f"no step is given; the steps are {', '.join(STEPS)}")
    return tuple(step for step in STEPS if step in steps)


def _check_outputs(outputs: Sequence[Path]) -> None:
    for path in outputs:
        if path.is_dir():
            raise UserError(f"{path} is a folder; name a file that the result is written to")
        if path.exists() and not path.is_file():  # /dev/null would be replaced by a file
            raise UserError(f"{path} is no regular file; name one that the result is written to")
    if len({path.absolute() for path in outputs}) < len(outputs):
        raise UserError(
            f"{outputs[0]} cannot hold both what is kept and what is rejected, nor the report"
        )


def _find_sources(
    inputs: Sequence[Path], outputs: Sequence[Path], problems: list[str]
) -> list[Source]:
    missing = [str(path) for path in inputs if not path.exists() and not path.is_symlink()]
    if missing:
        raise UserError(f"there is no file or folder {', '.join(missing)}")
    written = {path.absolute() for path in outputs}
    sources: dict[Path, Source] = {}
    for path in inputs:
        for file in _list_folder(path, problems) if path.is_dir() else [path]:
            if file.absolute() not in written:
                source = _open_source(file, show_name(path), problems)
                if source is not None:
                    sources.setdefault(file.absolute(), source)
    return list(sources.values())


def _list_folder(folder: Path, problems: list[str]) -> list[Path]:
    """Return a folder's files of known kinds, and add one line on the others."""
    files = list(_walk(folder, problems))
    known = [path for path in files if (kind_of(path) or _look_inside(path)) is not None]
    others = sorted(set(files) - set(known))
    if others:
        named = format_endings(map(str, others))
        problems.append(f"{folder}: files of other kinds left out: {named}")
    return known


def _walk(folder: Path, problems: list[str]) -> Iterator[Path]:
    """Yield all files below a folder in the order of their names; hidden ones are left out.

    Linked folders are not entered, so that no circle is; each is told in one line.
    """
    try:
        places = sorted(folder.iterdir())
    except OSError as error:
        problems.append(f"{show_name(folder)} is left out: {error.strerror}")
        return
    for path in places:
        if path.name.startswith("."):
            continue
        if not path.is_dir():
            yield path
        elif path.is_symlink():
            problems.append(f"{show_name(path)} is left out: it is a link to a folder; name that")
        else:
            yield from _walk(path, problems)


def show_name(path: Path) -> str:
    """Return a path as text that can be written anywhere: a name need not be UTF-8.

    >>> show_name(Path("a/b.txt"))
    'a/b.txt'
    """
    return str(path).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _open_source(path: Path, corpus: str, problems: list[str]) -> Source | None:
    """Return a file of one of the inputs as a source, or None and a line on why it is none."""
    kind, name = kind_of(path) or _look_inside(path), show_name(path)
    if kind is None:
        problems.append(f"{name} is left out: its name ends in none of {', '.join(_KINDS)}")
        return None
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            problems.append(f"{name} is left out: it is no regular file")
            return None
        with path.open("rb"):
            pass
    except OSError as error:
        problems.append(f"{name} is left out: {error.strerror}")
        return None
    if status.st_size == 0:
        problems.append(f"{name} is left out: it is empty")
        return None
    times = _INFLATES_TIMES if path.name.lower().endswith(_COMPRESSED) else 1
    return Source(path=path, kind=kind, name=name, corpus=corpus, num_bytes=status.st_size * times)


def kind_of(path: Path) -> str | None:
    """Return which reader a file's name asks for, None where it asks for none.

    >>> kind_of(Path("crawl.WARC.gz")), kind_of(Path("notes.docx"))
    ('archive', None)
    """
    name = path.name.lower()
    return next((kind for ending, kind in _KINDS.items() if name.endswith(ending)), None)


def _look_inside(path: Path) -> str | None:
    """Return "archive" for a file that begins as one, whatever its name is."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return None
        with path.open("rb") as file:
            start = file.read(_SNIFFED_BYTES)
    except OSError:
        return None
    if start.startswith(b"\x1f\x8b"):
        with contextlib.suppress(zlib.error):
            start = zlib.decompressobj(31).decompress(start, _SNIFFED_BYTES)
    return "archive" if start.startswith(_ARCHIVE_BEGINS) else None


def _join(file: IO[bytes], parts: Iterable[Path]) -> None:
    """Write the lines of compressed files into one plain file."""
    for part in parts:
        for line in read_lines(part):
            file.write(line + b"\n")


def _most_frequent(step: JSON) -> str:
    return ", ".join(f"{entry['count']:,} {entry['reason']}" for entry in step["dropped"][:2])
