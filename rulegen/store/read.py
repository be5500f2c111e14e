"""Episodes out of a store, in columns: ten million in seconds."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rulegen.core.labels import Labels
from rulegen.errors import InputError
from rulegen.store.journal import unpacked
from rulegen.store.merge import Periods, merged
from rulegen.store.schema import MONTH, failure, reading

_NOTHING = Periods(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.bool_))


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """Episodes: ``labels`` [label sets] and for each the ``periods`` that belong to it, rising by start."""

    labels: tuple[Labels, ...]
    periods: tuple[Periods, ...]

    def __len__(self) -> int:
        return sum(map(len, self.periods))


def read_store(path: Path, start: int, end: int) -> Kept:
    """What the store at ``path`` knows of the time from ``start`` to ``end`` (ms, both included), as of one moment,
    also while it is written. Raises InputError for what is no store or is damaged."""
    store = reading(path)
    try:
        store.execute("BEGIN")  # one moment for all that follows
        names = dict(store.execute("SELECT id, labels FROM labelset").fetchall())
        by_set: dict[int, list[Periods]] = {}
        rows = store.execute("SELECT labelset, starts, lasts, opens FROM packed WHERE month <= ?", (end // MONTH,))
        for labelset, *columns in rows:
            _take(by_set, labelset, _within(unpacked(*columns), start, end))
        recent = _columns(
            store.execute(
                "SELECT labelset, start, last, open FROM episode WHERE start <= ? AND last >= ?", (end, start)
            )
        )
        cuts = np.flatnonzero(np.diff(recent[:, 0])) + 1
        for part in np.split(recent, cuts) if len(recent) else ():
            _take(by_set, int(part[0, 0]), Periods(part[:, 1], part[:, 2], part[:, 3].astype(np.bool_)))
        found = sorted((_labels(names[labelset]), parts) for labelset, parts in by_set.items())
    except sqlite3.Error as error:
        raise failure(path, error) from None
    except (KeyError, ValueError, AttributeError) as error:
        raise InputError(f"{path}: damaged: {error}") from None
    finally:
        store.close()
    return Kept(tuple(labels for labels, _ in found), tuple(_joined(parts) for _, parts in found))


def _columns(rows: sqlite3.Cursor) -> NDArray[np.int64]:
    """[n, 4], a part at a time, since a tuple for each row takes ten times its numbers."""
    parts = [np.zeros((0, 4), dtype=np.int64)]
    while some := rows.fetchmany(65_536):
        parts.append(np.array(some, dtype=np.int64))
    return np.concatenate(parts)


def _within(periods: Periods, start: int, end: int) -> Periods:
    some = (periods.start <= end) & (periods.last >= start)
    return periods if some.all() else Periods(periods.start[some], periods.last[some], periods.open[some])


def _take(by_set: dict[int, list[Periods]], labelset: int, periods: Periods) -> None:
    if len(periods):
        by_set.setdefault(labelset, []).append(periods)


def _joined(parts: list[Periods]) -> Periods:
    whole = _NOTHING
    for part in parts:
        whole = merged(whole, part) if len(whole) else part
    return whole


def _labels(text: str) -> Labels:
    return Labels(json.loads(text))
