"""The one writer of a store: sightings in, durable when it returns."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rulegen.errors import InputError, RulegenError
from rulegen.store.merge import Periods, merged
from rulegen.store.place import Place
from rulegen.store.schema import MONTH, VERSION, failure, writing

KNOWN = 500_000  # label sets whose number is remembered, at most,
KNOWN_TEXT = 256 << 20  # and of how many characters in all
PACKED_AT_ONCE = 4_000  # episodes that one step of packing takes, so that no commit waits long

# As merge.merged: the one that reaches further says whether it is open; at a tie an end that was told wins.
_UPSERT = """
INSERT INTO episode (labelset, start, last, open) VALUES {rows}
ON CONFLICT (labelset, start) DO UPDATE SET
  open = CASE WHEN excluded.last > last THEN excluded.open WHEN excluded.last < last THEN open
         ELSE min(open, excluded.open) END,
  last = max(last, excluded.last)
"""
# Rows of one statement, most first. Between two statements the connection takes the interpreter's lock again, for
# which it may have to wait until another thread does: so few statements of many rows cost the threads less.
_AT_ONCE = (512, 64, 8, 1)
_UPSERTS = {rows: _UPSERT.format(rows=", ".join(["(?, ?, ?, ?)"] * rows)) for rows in _AT_ONCE}


class Sighting(NamedTuple):
    """An alert as one message showed it: its ``labels`` as the store has them, ``start`` and ``last`` in ms, and
    ``open``: 1 where it still fires, 0 where ``last`` is its end."""

    labels: str
    start: int
    last: int
    open: int


class Journal:
    """Opens the store at ``path`` for writing; not thread-safe, but for :meth:`checkpoint`.

    Raises InputError for what is no store, can't be written, or has a writer.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.is_dir():
            raise InputError(f"{path}: a directory; name a file in it, as {path / 'alerts.db'}")
        lock = _lock_of(path)
        fresh = not lock.exists()
        self._lock = _locked(path)
        try:
            self._store = writing(path)
        except BaseException:
            if fresh:  # nothing is left of a try on what is no store
                lock.unlink(missing_ok=True)
            os.close(self._lock)
            raise
        self._place = Place(path)
        self._ids: dict[str, int] = {}
        self._text = 0  # characters of those

    def write(self, sightings: Sequence[Sighting]) -> None:
        """All of ``sightings``, or none. Returns when they are on the disk: after the commit's fsync.

        The same sighting again changes nothing. Raises RulegenError where the disk is full or fails, or the file was
        moved away: who looks for it would not find them.
        """
        self.stay()
        store = self._store
        fresh: dict[str, int] = {}
        try:
            store.execute("BEGIN IMMEDIATE")
            try:
                self._upsert([(self._id(one.labels, fresh), one.start, one.last, one.open) for one in sightings])
                store.execute("COMMIT")
            except BaseException:
                if store.in_transaction:
                    store.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise failure(self.path, error) from None
        if fresh:
            text = sum(map(len, fresh))
            if len(self._ids) + len(fresh) > KNOWN or self._text + text > KNOWN_TEXT:
                self._forgotten()
            if text <= KNOWN_TEXT:
                self._ids |= fresh
                self._text += text

    def pack(self, before: int) -> int:
        """Puts up to ``PACKED_AT_ONCE`` episodes that were last seen before ``before`` (ms) with the others of their
        label set and month. Returns how many; 0 when nothing is left to pack."""
        try:
            rows = self._store.execute(
                "SELECT labelset, start / ?1, start, last, open FROM episode WHERE last < ?2 ORDER BY 1, 3 LIMIT ?3",
                (MONTH, before, PACKED_AT_ONCE),
            ).fetchall()
            if rows:
                self._store.execute("BEGIN IMMEDIATE")
                try:
                    self._pack(rows)
                    self._store.execute("COMMIT")
                except BaseException:
                    if self._store.in_transaction:
                        self._store.execute("ROLLBACK")
                    raise
        except sqlite3.Error as error:
            raise failure(self.path, error) from None
        except ValueError as error:
            raise InputError(f"{self.path}: damaged: {error}") from None
        return len(rows)

    def forget(self, before: int) -> None:
        """Takes out what ended before ``before`` (ms), packed ones once their month is over; and label sets that
        nothing is left of."""
        try:
            with self._store:  # one transaction
                self._store.execute("BEGIN IMMEDIATE")
                self._store.execute("DELETE FROM episode WHERE last < ?", (before,))
                rows = self._store.execute("SELECT * FROM packed WHERE (month + 1) * ? < ?", (MONTH, before))
                for labelset, month, *columns in rows.fetchall():
                    self._outlive(labelset, month, unpacked(*columns), before)
                self._store.execute(
                    "DELETE FROM labelset WHERE NOT EXISTS (SELECT 1 FROM episode WHERE labelset = id) "
                    "AND NOT EXISTS (SELECT 1 FROM packed WHERE labelset = id)"
                )
        except sqlite3.Error as error:
            raise failure(self.path, error) from None
        except ValueError as error:
            raise InputError(f"{self.path}: damaged: {error}") from None
        self._forgotten()

    def checkpoint(self) -> int:
        """Moves what the log holds into the database, as far as no reader needs it; returns how many pages the log
        had. On a connection of its own, so that it may run beside :meth:`write`: but the log begins anew only after a
        checkpoint during which nothing was written. Raises RulegenError."""
        self.stay()
        try:
            here = f"{self.path.resolve().as_uri()}?mode=rw"  # makes none where there is none
            with closing(sqlite3.connect(here, uri=True, isolation_level=None, timeout=0)) as aside:
                return int(aside.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[1])
        except sqlite3.Error as error:
            raise failure(self.path, error) from None

    def probe(self) -> None:
        """Returns when something was written to the disk, which changes nothing. Raises RulegenError as
        :meth:`write`."""
        self.stay()
        try:
            self._store.execute(f"PRAGMA user_version={VERSION}")  # a page of the log, and its fsync
        except sqlite3.Error as error:
            raise failure(self.path, error) from None

    def left(self) -> str:
        """What became of the store's file, where it is no longer the one that was opened; "" else."""
        return self._place.left()

    def close(self) -> None:
        """Moves what the log holds into the database. Where that was moved away, it goes there all the same, since
        the log would not be found beside it. Raises RulegenError where the disk is full or fails; then the log stays.
        """
        whole = "TRUNCATE" if self.left() else "PASSIVE"  # the one waits for readers
        try:
            self._store.execute(f"PRAGMA wal_checkpoint({whole})")
        except sqlite3.Error as error:
            raise failure(self.path, error) from None
        finally:
            self._store.close()
            self._place.close()
            os.close(self._lock)

    def stay(self) -> None:
        """Raises RulegenError where the file is no longer the one that was opened."""
        if left := self._place.left():
            raise RulegenError(f"{self.path}: {left}; nothing is kept until it is back")

    def _forgotten(self) -> None:
        self._ids.clear()
        self._text = 0

    def _upsert(self, rows: Sequence[tuple[int, int, int, int]]) -> None:
        done = 0
        for size in _AT_ONCE:
            while len(rows) - done >= size:
                self._store.execute(_UPSERTS[size], [*chain.from_iterable(rows[done : done + size])])
                done += size

    def _id(self, labels: str, fresh: dict[str, int]) -> int:
        found = self._ids.get(labels) or fresh.get(labels)
        if found is None:
            row = self._store.execute("SELECT id FROM labelset WHERE labels = ?", (labels,)).fetchone()
            if row is None:
                cursor = self._store.execute("INSERT INTO labelset (labels) VALUES (?)", (labels,))
                found = int(cursor.lastrowid or 0)
            else:
                found = int(row[0])
            fresh[labels] = found
        return found

    def _pack(self, rows: Sequence[tuple[int, int, int, int, int]]) -> None:
        table = np.array(rows, dtype=np.int64).reshape(-1, 5)
        cuts = np.flatnonzero((np.diff(table[:, :2], axis=0) != 0).any(axis=1)) + 1
        for part in np.split(table, cuts):
            labelset, month = int(part[0, 0]), int(part[0, 1])
            new = Periods(part[:, 2], part[:, 3], part[:, 4].astype(np.bool_))
            found = self._store.execute(
                "SELECT starts, lasts, opens FROM packed WHERE labelset = ? AND month = ?", (labelset, month)
            ).fetchone()
            self._put(labelset, month, merged(unpacked(*found), new) if found else new)
        self._store.executemany("DELETE FROM episode WHERE labelset = ? AND start = ?", table[:, [0, 2]].tolist())

    def _outlive(self, labelset: int, month: int, periods: Periods, before: int) -> None:
        """Leaves of a packed month what ended at ``before`` or later: some fire for longer than others are kept."""
        late = periods.last >= before
        if late.all():
            return
        if late.any():
            self._put(labelset, month, Periods(periods.start[late], periods.last[late], periods.open[late]))
        else:
            self._store.execute("DELETE FROM packed WHERE labelset = ? AND month = ?", (labelset, month))

    def _put(self, labelset: int, month: int, periods: Periods) -> None:
        blobs = (periods.start.astype("<i8"), periods.last.astype("<i8"), periods.open.astype("u1"))
        self._store.execute(
            "INSERT OR REPLACE INTO packed VALUES (?, ?, ?, ?, ?)",
            (labelset, month, *(blob.tobytes() for blob in blobs)),
        )


def unpacked(starts: bytes, lasts: bytes, opens: bytes) -> Periods:
    """A row of ``packed``. Raises ValueError where its columns are not of one length."""
    start, last = np.frombuffer(starts, dtype="<i8"), np.frombuffer(lasts, dtype="<i8")
    open = np.frombuffer(opens, dtype="u1").astype(np.bool_)
    if not len(start) == len(last) == len(open):
        raise ValueError("columns of different length")
    return Periods(start.astype(np.int64), last.astype(np.int64), open)


def written(path: Path, sightings: Iterable[Sighting]) -> None:
    """Makes a store of ``sightings``, or adds them to one. Raises InputError and RulegenError as :class:`Journal`."""
    journal = Journal(path)
    try:
        journal.write(list(sightings))
    finally:
        journal.close()


def _lock_of(path: Path) -> Path:
    path = path.resolve()  # one lock, whatever links lead to the store
    return path.with_name(f".{path.name}.lock")


def _locked(path: Path) -> int:
    """Holds ``path``'s lock file until closed: SQLite itself would let two writers take turns."""
    try:
        handle = os.open(_lock_of(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise InputError(f"{path}: another process writes it; only one may") from None
    return handle
