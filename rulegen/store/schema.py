"""The file: what stands in it, and how it is opened.

An ordinary SQLite database (``PRAGMA application_id`` 0x72676e31, ``user_version`` 1) in WAL mode. Times are ms since
the epoch::

    labelset  id, labels         a label set as JSON: an object of strings, keys sorted, no spaces; unique
    episode   labelset, start    one active period of one alert, (labelset, start) unique
              last               when it was last known to fire, or, where it is over, when it ended
              open               1: the end is not known; 0: ``last`` is the end that was told
    packed    labelset, month    the same for episodes that are over, many in a row: those of one label set that start
              starts, lasts      in one month (30 days since the epoch), as int64, little-endian, rising by start,
              opens              and as one byte each

An episode may for a time stand in both; the one that reaches further counts (:mod:`rulegen.store.merge`).
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from pathlib import Path

from rulegen.errors import InputError, RulegenError

APPLICATION = 0x72676E31
VERSION = 1
MONTH = 30 * 86_400_000  # ms
_TABLES = """
CREATE TABLE labelset (id INTEGER PRIMARY KEY, labels TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE episode (
  labelset INTEGER NOT NULL, start INTEGER NOT NULL, last INTEGER NOT NULL, open INTEGER NOT NULL,
  PRIMARY KEY (labelset, start)
) STRICT, WITHOUT ROWID;
CREATE TABLE packed (
  labelset INTEGER NOT NULL, month INTEGER NOT NULL,
  starts BLOB NOT NULL, lasts BLOB NOT NULL, opens BLOB NOT NULL,
  PRIMARY KEY (labelset, month)
) STRICT;
"""


def writing(path: Path) -> sqlite3.Connection:
    """The store at ``path`` for its one writer; a new one is made where nothing is. A commit returns after fsync.

    Raises InputError for what is no store, or can't be written.
    """
    try:
        with suppress(FileExistsError):  # alert history is nobody else's; the log's files take its mode
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from None
    try:
        store = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
        try:
            _check(store, path, new=True)
            store.execute("PRAGMA journal_mode=WAL")
            store.execute("PRAGMA synchronous=FULL")  # in WAL mode: every commit waits for its fsync
            store.execute("PRAGMA wal_autocheckpoint=0")  # done aside, so that no commit waits for one
            store.execute("PRAGMA journal_size_limit=67108864")
            store.execute("PRAGMA cache_size=-65536")
            _make(store)
        except BaseException:
            store.close()
            raise
    except sqlite3.Error as error:
        raise _told(path, error) from None
    return store


def reading(path: Path) -> sqlite3.Connection:
    """The store at ``path`` to read, also while it is written. Raises InputError for what is none."""
    if not path.is_file():
        raise InputError(f"{path}: no such store; `rulegen listen --store {path}` makes one")
    try:
        # In WAL mode even a reader makes files beside the store. Where it may not, nobody writes.
        real = path.resolve()  # the log stands beside what a link leads to
        log = real.with_name(f"{real.name}-wal")
        how = "mode=ro" if log.exists() or os.access(real.parent, os.W_OK) else "mode=ro&immutable=1"
        store = sqlite3.connect(f"{real.as_uri()}?{how}", uri=True, timeout=5)
        try:
            _check(store, path, new=False)
        except BaseException:
            store.close()
            raise
    except sqlite3.Error as error:
        raise _told(path, error) from None
    return store


def failure(path: Path, error: sqlite3.Error) -> RulegenError:
    """A failure while the store was in use, in words."""
    return _told(path, error)


def _check(store: sqlite3.Connection, path: Path, *, new: bool) -> None:
    application = int(store.execute("PRAGMA application_id").fetchone()[0])
    version = int(store.execute("PRAGMA user_version").fetchone()[0])
    if new and not application and not version and not store.execute("SELECT 1 FROM sqlite_master").fetchone():
        return
    if application != APPLICATION:
        raise InputError(f"{path}: a SQLite database, but no store of rulegen's; name another file")
    if version > VERSION:
        raise InputError(f"{path}: written by a later rulegen (version {version} of the format, known is {VERSION})")


def _make(store: sqlite3.Connection) -> None:
    if store.execute("PRAGMA user_version").fetchone()[0]:
        return
    store.execute("BEGIN IMMEDIATE")
    try:
        for statement in _TABLES.strip().split(";\n"):
            store.execute(statement)
        store.execute(f"PRAGMA application_id={APPLICATION}")
        store.execute(f"PRAGMA user_version={VERSION}")
        store.execute("COMMIT")
    except BaseException:
        store.execute("ROLLBACK")
        raise


def _told(path: Path, error: sqlite3.Error) -> RulegenError:
    match getattr(error, "sqlite_errorname", "") or "":
        case "SQLITE_NOTADB" | "SQLITE_CORRUPT":
            return InputError(f"{path}: no SQLite database, or a damaged one; name another file, or restore it")
        case "SQLITE_CANTOPEN":
            return InputError(f"{path}: cannot be opened; does its directory exist, and may files be written there?")
        case name if name.startswith("SQLITE_READONLY"):
            return InputError(f"{path}: cannot be written: it, its directory or the disk is read-only")
        case "SQLITE_FULL":
            return RulegenError(f"{path}: the disk is full")
        case "SQLITE_BUSY":
            return InputError(f"{path}: another process writes it; only one may")
        case _:
            return RulegenError(f"{path}: {error}")
