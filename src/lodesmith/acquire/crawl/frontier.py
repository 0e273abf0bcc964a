"""The frontier: every address ever seen, and what became of it, in one SQLite file.

The file is scratch: small rows that change, wanted by one process. It bounds memory (a crawl's
addresses do not fit) and survives a kill: a row without an outcome is waiting. Changes are
committed together with the length of the log that they stem from; see `log`.
"""

import sqlite3
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lodesmith.acquire.crawl.rows import NOT_ASKED, SCHEMA, TOO_DEEP, Done, HostRow, Row

_KNOWN = 1 << 16  # addresses remembered in memory, to save asking the database


class Frontier:
    """Addresses by host, the shallow ones first."""

    def __init__(self, path: Path) -> None:
        """Open the database, or make it."""
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")  # may lose the last commits, never the order
        self._db.executescript(SCHEMA)
        self._db.execute("BEGIN")
        self._known: OrderedDict[str, int] = OrderedDict()  # address -> depth
        self._hosts: OrderedDict[str, int] = OrderedDict()
        self.changed = 0  # fetches since the last commit

    def commit(self, *, log_bytes: int) -> None:
        """Make all changes durable, as the state after so much of the log."""
        self._db.execute("INSERT OR REPLACE INTO facts VALUES ('log_bytes', ?)", (log_bytes,))
        self._db.execute("COMMIT")
        self._db.execute("BEGIN")
        self.changed = 0

    def close(self) -> None:
        """Close the database; what was not committed is dropped."""
        self._db.close()

    @property
    def log_bytes(self) -> int:
        """How much of the log is in here."""
        row = self._db.execute("SELECT value FROM facts WHERE name = 'log_bytes'").fetchone()
        return int(row[0]) if row else 0

    def host_id(self, origin: str) -> int:
        """Return the number of a host, new or known."""
        if origin not in self._hosts:
            self._db.execute("INSERT OR IGNORE INTO hosts (origin) VALUES (?)", (origin,))
            row = self._db.execute("SELECT id FROM hosts WHERE origin = ?", (origin,)).fetchone()
            self._hosts[origin] = int(row[0])
            if len(self._hosts) > _KNOWN // 8:
                self._hosts.popitem(last=False)
        return self._hosts[origin]

    def is_known(self, url: str, depth: int) -> bool:
        """Tell whether an address needs no `add`; False where only the database could say."""
        known = self._known.get(url)
        return known is not None and known <= depth

    def add(self, url: str, origin: str, *, kind: str, depth: int, hops: int = 0,
            via: int | None = None, refused: str | None = None) -> None:  # fmt: skip
        """Take an address in, if it is new; a shorter way to one that waits makes it come earlier.

        Args:
            url: in its one spelling.
            origin: its host.
            kind: page, sitemap or robots.
            depth: links from a start page.
            hops: redirects in a row.
            via: row of the page that names it.
            refused: its outcome, if it is never to be asked for.
        """
        self._remember(url, depth)
        host = self.host_id(origin)
        if refused is None:
            closed = self._db.execute("SELECT closed FROM hosts WHERE id = ?", (host,)).fetchone()
            refused = closed[0]
        added = self._db.execute(
            "INSERT OR IGNORE INTO urls (url, host, kind, depth, hops, via, outcome) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (url, host, kind, depth, hops, via, refused),
        ).rowcount
        if added:
            self._count_waiting(host, int(refused is None))
        elif refused is None:
            self._shorten(url, host, depth, via)

    def _shorten(self, url: str, host: int, depth: int, via: int | None) -> None:
        self._db.execute(
            "UPDATE urls SET depth = ? WHERE url = ? AND outcome IS NULL AND depth > ?",
            (depth, url, depth),
        )
        revived = self._db.execute(
            "UPDATE urls SET outcome = NULL, depth = ?, via = ? WHERE url = ? AND outcome = ?",
            (depth, via, url, TOO_DEEP),
        ).rowcount
        if revived:
            self._count_waiting(host, revived)

    def add_robots(self, url: str, origin: str) -> Row | None:
        """Return the row of a robots.txt, which never waits: it is asked for before its host."""
        host = self.host_id(origin)
        waited = self._db.execute(
            "UPDATE urls SET kind = 'robots', outcome = ? WHERE url = ? AND outcome IS NULL",
            (NOT_ASKED, url),
        ).rowcount
        self._count_waiting(host, -waited)
        self._db.execute(
            "INSERT OR IGNORE INTO urls (url, host, kind, depth, hops, outcome) "
            "VALUES (?, ?, 'robots', 0, 0, ?)",
            (url, host, NOT_ASKED),
        )
        return self.find(url)

    def count_shape(self, origin: str, url: str, shape: str) -> int:
        """Return how many addresses of a host have a shape, a new one counted."""
        known = self._db.execute("SELECT 1 FROM urls WHERE url = ?", (url,)).fetchone()
        if known:
            return 0
        host = self.host_id(origin)
        row = self._db.execute(
            "INSERT INTO shapes VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET seen = seen + 1 "
            "RETURNING seen", (host, shape),
        ).fetchone()  # fmt: skip
        return int(row[0])

    def find(self, url: str) -> Row | None:
        """Return the row of an address, whatever became of it."""
        columns = "id, url, host, kind, depth, hops, attempts"
        row = self._db.execute(f"SELECT {columns} FROM urls WHERE url = ?", (url,)).fetchone()  # noqa: S608
        return Row(*row) if row else None

    def take(self, host: int, *, busy: set[int]) -> tuple[Row | None, float | None]:
        """Return a host's next address, or when the next is due; both None where none waits.

        Args:
            host: whose.
            busy: rows that are being asked for.
        """
        rows = self._db.execute(
            "SELECT id, url, host, kind, depth, hops, attempts FROM urls INDEXED BY waiting "
            "WHERE host = ? AND outcome IS NULL AND due <= ? ORDER BY depth, id LIMIT ?",
            (host, time.time(), len(busy) + 1),
        )
        row = next((row for row in rows if row[0] not in busy), None)
        if row is not None:
            return Row(*row), None
        later = self._db.execute(
            "SELECT id, due FROM urls WHERE host = ? AND outcome IS NULL ORDER BY due LIMIT ?",
            (host, len(busy) + 1),
        )
        return None, next((due for number, due in later if number not in busy), None)

    def finish(self, row: Row, done: Done) -> None:
        """Record what became of an address; one whose records are in the log stays as it is."""
        known = self._db.execute(
            "SELECT outcome IS NULL FROM urls WHERE id = ? AND first_byte IS NULL", (row.id,)
        ).fetchone()
        if known is None:
            return
        self._db.execute(
            "UPDATE urls SET outcome = ?, detail = ?, status = ?, first_byte = ?, stop_byte = ?, "
            "digest = ?, canonical = ?, attempts = attempts + ? WHERE id = ?",
            (done.outcome, done.detail[:300] or None, done.status, done.first_byte, done.stop_byte,
             done.digest, done.canonical,
                done.num_requests, row.id),
        )  # fmt: skip
        is_page = row.kind == "page" and done.first_byte is not None
        self._db.execute(
            "UPDATE hosts SET waiting = waiting - ?, fetched = fetched + ? WHERE id = ?",
            (known[0], int(is_page), row.host),
        )
        self.changed += 1

    def postpone(self, row: Row, *, due: float) -> None:
        """Let an address wait for its next try."""
        self._db.execute(
            "UPDATE urls SET attempts = attempts + 1, due = ? WHERE id = ?", (due, row.id)
        )

    def close_host(self, host: int, outcome: str) -> None:
        """Give all waiting addresses of a host an outcome, and those still to come."""
        self._db.execute("UPDATE hosts SET closed = ?, waiting = 0 WHERE id = ?", (outcome, host))
        self._db.execute(
            "UPDATE urls SET outcome = ? WHERE host = ? AND outcome IS NULL", (outcome, host)
        )
        self.changed += 1

    def close_all(self, outcome: str) -> None:
        """Give everything that waits an outcome."""
        self._db.execute("UPDATE urls SET outcome = ? WHERE outcome IS NULL", (outcome,))
        self._db.execute("UPDATE hosts SET waiting = 0")

    def ready_hosts(self, *, busy: set[int], count: int) -> list[int]:
        """Return hosts with waiting addresses, those that waited longest first."""
        rows = self._db.execute(
            "SELECT id FROM hosts WHERE waiting > 0 AND ready <= ? ORDER BY ready LIMIT ?",
            (time.time(), count + len(busy)),
        )
        return [row[0] for row in rows if row[0] not in busy][:count]

    def next_ready(self) -> float | None:
        """Return when the next host may be asked, None where none waits."""
        row = self._db.execute("SELECT min(ready) FROM hosts WHERE waiting > 0").fetchone()
        return None if row[0] is None else float(row[0])

    def recount(self) -> int:
        """Count the waiting addresses of all hosts anew and return how many there are."""
        self._db.execute(
            "UPDATE hosts SET waiting = "
            "(SELECT count(*) FROM urls WHERE host = hosts.id AND outcome IS NULL)"
        )
        return int(self._db.execute("SELECT total(waiting) FROM hosts").fetchone()[0])

    def set_ready(self, host: int, moment: float) -> None:
        """Leave a host alone until a moment."""
        self._db.execute("UPDATE hosts SET ready = ? WHERE id = ?", (moment, host))

    def host(self, number: int) -> HostRow:
        """Return how a host stands."""
        row = self._db.execute(
            "SELECT id, origin, robots, robots_status, robots_time, closed FROM hosts WHERE id = ?",
            (number,),
        ).fetchone()
        return HostRow(*row)

    def set_robots(self, host: int, *, body: bytes, status: str) -> None:
        """Remember what a host's robots.txt says."""
        self._db.execute(
            "UPDATE hosts SET robots = ?, robots_status = ?, robots_time = ? WHERE id = ?",
            (body, status, time.time(), host),
        )

    def count_pages(self, host: int | None = None) -> int:
        """Return how many pages were fetched, of one host or of all."""
        where, values = ("WHERE id = ?", (host,)) if host is not None else ("", ())
        row = self._db.execute(f"SELECT sum(fetched) FROM hosts {where}", values).fetchone()  # noqa: S608
        return int(row[0] or 0)

    def count_waiting(self, host: int) -> int:
        """Return how many addresses of a host wait."""
        row = self._db.execute("SELECT waiting FROM hosts WHERE id = ?", (host,)).fetchone()
        return int(row[0])

    def query(
        self, sql: str, values: Mapping[str, object] | None = None
    ) -> Iterator[tuple[Any, ...]]:
        """Yield rows of a query; what `finish` makes the artifact of."""
        yield from self._db.execute(sql, values or {})

    def _count_waiting(self, host: int, change: int) -> None:
        if change:
            self._db.execute("UPDATE hosts SET waiting = waiting + ? WHERE id = ?", (change, host))

    def _remember(self, url: str, depth: int) -> None:
        self._known[url] = min(depth, self._known.get(url, depth))
        if len(self._known) > _KNOWN:
            self._known.popitem(last=False)
