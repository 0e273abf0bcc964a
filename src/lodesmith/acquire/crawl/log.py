"""The log of a crawl: every finished fetch, in the order of finishing, as WARC records.

The log is the truth and the frontier's database follows it. A fetch counts as finished once its
response record is whole in the log; the database is brought up to date a moment later, many fetches
in one transaction, and remembers how much of the log it has seen. After a kill the part it has not
seen is read again, and a torn record at the end is cut off. So no finished page is asked for twice,
and no database write stands in the way of a fetch.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from lodesmith.acquire.crawl.records import Member, Packed, read_members


class CrawlLog:
    """A file that only grows."""

    def __init__(self, path: Path) -> None:
        """Open a log, or begin one."""
        self.path = path
        self._file = path.open("ab+", buffering=0)
        self.size = self._file.seek(0, os.SEEK_END)

    def recover(self, seen: int) -> Iterator[tuple[Member, Member, Member]]:
        """Yield the fetches behind a place, then cut off what is torn after them."""
        whole = seen
        with self.path.open("rb") as file:
            group: list[Member] = []
            for member in read_members(file, start=seen):
                group.append(member)
                if member.fields.get("warc-type") == "response":
                    if len(group) == 3:
                        whole = member.stop
                        yield group[0], group[1], group[2]
                    group = []
        self._cut(whole)

    def append(self, packed: Packed) -> tuple[int, int]:
        """Write the records of a fetch; return where they begin and end.

        Raises:
            OSError: the disk is full; what was written of them is cut off again.
        """
        start, data = self.size, memoryview(packed.join())
        try:
            while data:
                data = data[self._file.write(data) :]
        except OSError:
            self._cut(start)
            raise
        self.size = self._file.tell()
        return start, self.size

    def sync(self) -> None:
        """Make what was written outlast a power failure."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _cut(self, size: int) -> None:
        os.ftruncate(self._file.fileno(), size)
        self.size = self._file.seek(size)
