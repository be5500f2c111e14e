"""What the batch remembers, in one SQLite file: histories seen, suggestions made, what people decided, and what
became of what was merged.

All times are ms since the epoch **in the history**, never of the clock: the same nights leave the same state, however
often one of them was begun. One transaction holds everything that a night has to say, so that a night is in the state
or it is not.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Literal

from rulegen.errors import InputError, RulegenError

# open: proposed. replaced: another change of the same rule is proposed instead. withdrawn: proposed no more.
# merged: it stands in the user's files. closed: a person said no. reverted: it was merged, and is gone again.
Status = Literal["open", "replaced", "withdrawn", "merged", "closed", "reverted"]
STATUSES: tuple[Status, ...] = ("open", "replaced", "withdrawn", "merged", "closed", "reverted")
# early: too little has happened. held, weak, failed: see :mod:`rulegen.batch.aftermath`. unknown: not to be replayed.
Verdict = Literal["early", "held", "weak", "failed", "unknown"]
VERDICTS: tuple[Verdict, ...] = ("early", "held", "weak", "failed", "unknown")

# Each step turns the schema before it into its own; PRAGMA user_version counts those that were made. Steps are only
# ever added.
MIGRATIONS = (
    """
    CREATE TABLE histories (
        source TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, mode TEXT NOT NULL,
        settings TEXT NOT NULL, rules INTEGER NOT NULL, clusters INTEGER NOT NULL, refused INTEGER NOT NULL,
        weeks REAL NOT NULL, pages INTEGER NOT NULL, pages_after INTEGER NOT NULL,
        minutes REAL NOT NULL, minutes_after REAL NOT NULL,
        PRIMARY KEY (source, first, last, settings)
    ) WITHOUT ROWID;
    CREATE TABLE suggestions (
        source TEXT NOT NULL, candidate TEXT NOT NULL, id TEXT NOT NULL,
        path TEXT NOT NULL, grp TEXT NOT NULL, rule TEXT NOT NULL, step INTEGER NOT NULL,
        change TEXT NOT NULL, template TEXT NOT NULL, words TEXT NOT NULL,
        old TEXT NOT NULL, new TEXT NOT NULL, shadow TEXT NOT NULL,
        evidence TEXT NOT NULL, mode TEXT NOT NULL, weeks REAL NOT NULL, pages INTEGER NOT NULL,
        pages_after INTEGER NOT NULL, low REAL, caught INTEGER NOT NULL, delay INTEGER NOT NULL,
        first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL, status TEXT NOT NULL, url TEXT NOT NULL,
        PRIMARY KEY (source, candidate)
    ) WITHOUT ROWID;
    CREATE TABLE decisions (
        source TEXT NOT NULL, candidate TEXT NOT NULL, status TEXT NOT NULL, seen INTEGER NOT NULL,
        PRIMARY KEY (source, candidate, status, seen)
    ) WITHOUT ROWID;
    CREATE TABLE outcomes (
        source TEXT NOT NULL, candidate TEXT NOT NULL, since INTEGER NOT NULL, until INTEGER NOT NULL,
        verdict TEXT NOT NULL, why TEXT NOT NULL, weeks REAL NOT NULL, pages INTEGER NOT NULL,
        pages_after INTEGER NOT NULL, targets INTEGER NOT NULL, lost TEXT NOT NULL, late TEXT NOT NULL,
        delay INTEGER NOT NULL,
        PRIMARY KEY (source, candidate)
    ) WITHOUT ROWID;
    """,
)


@dataclass(frozen=True, slots=True)
class Seen:
    """A history that a night worked on: noise pages and paging minutes as it was and with everything accepted, over
    ``weeks`` of judged time."""

    source: str
    first: int
    last: int
    mode: str
    settings: str
    rules: int
    clusters: int
    refused: int
    weeks: float
    pages: int
    pages_after: int
    minutes: float
    minutes_after: float


@dataclass(frozen=True, slots=True)
class Made:
    """A suggestion and its claim. ``step`` is its group's interval, ms; ``old``, ``new`` and ``shadow`` (those that
    were written beside the old, if any) are JSON of rules; ``evidence`` is a digest of its evidence. The claim: noise
    ``pages`` before and after over ``weeks``, the least share of them that is cut (``low``, None: not known), how
    many targets it ``caught``, and the largest added ``delay``, ms."""

    source: str
    candidate: str
    id: str
    path: str
    grp: str
    rule: str
    step: int
    change: str
    template: str
    words: str
    old: str
    new: str
    shadow: str
    evidence: str
    mode: str
    weeks: float
    pages: int
    pages_after: int
    low: float | None
    caught: int
    delay: int
    first_seen: int
    last_seen: int
    status: str = "open"
    url: str = ""


@dataclass(frozen=True, slots=True)
class Became:
    """What became of a merged suggestion from ``since`` to ``until``: noise pages that the old rules would have sent
    and that the new ones sent, targets lost and late (ids, one a line) of all that the old rules caught."""

    source: str
    candidate: str
    since: int
    until: int
    verdict: str
    why: str
    weeks: float
    pages: int
    pages_after: int
    targets: int
    lost: str
    late: str
    delay: int


class State:
    """An open state. Use :func:`opened`."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def suggestions(self, source: str) -> tuple[Made, ...]:
        """All that was ever suggested for ``source``, by id and candidate."""
        return tuple(Made(*row) for row in self._rows(_select(Made, "suggestions"), source, "id, candidate"))

    def outcomes(self, source: str) -> tuple[Became, ...]:
        rows = self._database.execute(f"{_select(Became, 'outcomes')} WHERE source = ? ORDER BY candidate", [source])
        return tuple(Became(*row) for row in rows)

    def histories(self, source: str) -> tuple[Seen, ...]:
        """From the oldest to the newest."""
        return tuple(Seen(*row) for row in self._rows(_select(Seen, "histories"), source, "last, first, settings"))

    def decisions(self, source: str) -> tuple[tuple[str, str, int], ...]:
        """(candidate, status, when it was seen), as they came."""
        select = "SELECT candidate, status, seen FROM decisions"
        return tuple(self._rows(select, source, "seen, candidate, status"))

    def _rows(self, select: str, source: str, order: str) -> sqlite3.Cursor:
        return self._database.execute(f"{select} WHERE source = ? ORDER BY {order}", [source])

    @contextmanager
    def night(self) -> Iterator[State]:
        """One transaction: everything in it, or, when it ends by an exception or a kill, nothing."""
        try:
            self._database.execute("BEGIN IMMEDIATE")
            yield self
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            raise _told(error) from None
        finally:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")

    def see(self, history: Seen) -> None:
        """Notes a history; the same one again changes nothing but its figures."""
        self._put("histories", (history,))

    def make(self, suggestions: Sequence[Made]) -> None:
        self._put("suggestions", suggestions)

    def decide(self, one: Made, status: Status, seen: int) -> None:
        """Notes that ``one``, which stands in the state, is now ``status``."""
        where = "WHERE source = ? AND candidate = ?"
        self._database.execute(f"UPDATE suggestions SET status = ? {where}", [status, one.source, one.candidate])
        self._database.execute(
            "INSERT OR IGNORE INTO decisions VALUES (?, ?, ?, ?)", [one.source, one.candidate, status, seen]
        )

    def became(self, outcomes: Sequence[Became]) -> None:
        self._put("outcomes", outcomes)

    def _put(self, table: str, rows: Sequence[Seen | Made | Became]) -> None:
        for row in rows:
            marks = ", ".join("?" * len(fields(row)))
            self._database.execute(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", astuple(row))


def _select(kind: type[Seen | Made | Became], table: str) -> str:
    return f"SELECT {', '.join(one.name for one in fields(kind))} FROM {table}"


@contextmanager
def opened(path: Path) -> Iterator[State]:
    """The state in the file ``path``, made or brought up to date where needed. Hold its lock (:mod:`lock`) meanwhile.

    Raises InputError for a file that is no state, is of a newer rulegen, or can't be written; RulegenError for a disk
    that is full or fails.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(path, isolation_level=None, timeout=30)
    except (OSError, sqlite3.Error) as error:
        raise InputError(f"{path}: the state cannot be opened: {error}; name another place with --state") from None
    try:
        _migrated(database, path)
        yield State(database)
    finally:
        database.close()


def _migrated(database: sqlite3.Connection, path: Path) -> None:
    try:
        database.execute("PRAGMA synchronous = FULL")
        (version,) = database.execute("PRAGMA user_version").fetchone()
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table' LIMIT 1").fetchone()
        if not version and tables:
            raise InputError(f"{path}: a database of another program; name another file with --state")
        if version > len(MIGRATIONS):
            raise InputError(
                f"{path}: written by a newer rulegen (schema {version}, this one knows {len(MIGRATIONS)}): "
                "use that one, or name another file with --state"
            )
        for number, step in enumerate(MIGRATIONS[version:], version + 1):
            script = f"BEGIN IMMEDIATE;\n{step}\nPRAGMA user_version = {number};\nCOMMIT;"
            database.executescript(script)
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
            raise InputError(
                f"{path}: no database, or a damaged one ({error}); put back a copy, or name another file with --state"
            ) from None
        raise _told(error, path) from None


def _told(error: sqlite3.Error, path: Path | None = None) -> RulegenError:
    where = f"{path}: " if path else ""
    code = getattr(error, "sqlite_errorcode", None)
    if code is not None and code & 0xFF in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        advice = "name another place with --state, or mend it"
        return InputError(f"{where}the state cannot be written ({error}); {advice}")
    return RulegenError(f"{where}the state cannot be written ({error}); nothing was lost: make room and run again")
