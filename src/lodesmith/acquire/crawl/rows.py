"""The frontier's tables, and what their rows are called outside of it."""

from dataclasses import dataclass

SCHEMA = """
CREATE TABLE IF NOT EXISTS hosts (
    id INTEGER PRIMARY KEY, origin TEXT NOT NULL UNIQUE,
    robots BLOB, robots_status TEXT, robots_time REAL NOT NULL DEFAULT 0,
    ready REAL NOT NULL DEFAULT 0, waiting INTEGER NOT NULL DEFAULT 0,
    fetched INTEGER NOT NULL DEFAULT 0, closed TEXT
);
CREATE TABLE IF NOT EXISTS urls (
    id INTEGER PRIMARY KEY, url TEXT NOT NULL UNIQUE, host INTEGER NOT NULL, kind TEXT NOT NULL,
    depth INTEGER NOT NULL, hops INTEGER NOT NULL, via INTEGER, attempts INTEGER NOT NULL DEFAULT 0,
    due REAL NOT NULL DEFAULT 0, outcome TEXT, detail TEXT, status INTEGER,
    first_byte INTEGER, stop_byte INTEGER, digest BLOB, canonical TEXT
);
CREATE INDEX IF NOT EXISTS waiting ON urls (host, depth, id) WHERE outcome IS NULL;
CREATE INDEX IF NOT EXISTS ready ON hosts (ready) WHERE waiting > 0;
CREATE TABLE IF NOT EXISTS shapes (
    host INTEGER, shape TEXT, seen INTEGER NOT NULL, PRIMARY KEY (host, shape)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
"""
NOT_ASKED = "not asked for"
TOO_DEEP = "too deep"  # the one refusal that a shorter way to the page takes back


@dataclass(frozen=True, slots=True)
class Row:
    """An address that waits."""

    id: int
    url: str
    host: int
    kind: str  # page, sitemap or robots
    depth: int
    hops: int  # redirects that led here, in a row
    attempts: int


@dataclass(frozen=True, slots=True)
class HostRow:
    """A host and how it stands."""

    id: int
    origin: str
    robots: bytes | None
    robots_status: str | None
    robots_time: float
    closed: str | None


@dataclass(frozen=True, slots=True)
class Done:
    """What became of an address."""

    outcome: str
    detail: str = ""
    status: int | None = None
    first_byte: int | None = None  # of its records in the log
    stop_byte: int | None = None
    digest: bytes | None = None  # of the payload of a page that is kept
    canonical: str | None = None
    num_requests: int = 1  # that led to this outcome, besides those that failed before
