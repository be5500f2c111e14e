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
from rulegen.store.schema import MONTH, failure, reading

_SOME = 65_536  # rows taken at once, since a tuple for each takes ten times its numbers


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """Episodes [n], sorted by label set and start, each start of a label set once: ``which`` of the ``labels``
    [label sets], sorted, from ``start`` to ``last`` in ms, and whether they are ``open``, that is, not known to be
    over."""

    labels: tuple[Labels, ...]
    which: NDArray[np.int64]
    start: NDArray[np.int64]
    last: NDArray[np.int64]
    open: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.start)


def read_store(path: Path, start: int, end: int) -> Kept:
    """What the store at ``path`` knows of the time from ``start`` to ``end`` (ms, both included), as of one moment,
    also while it is written. Raises InputError for what is no store or is damaged."""
    store = reading(path)
    try:
        store.execute("BEGIN")  # one moment for all that follows
        names = dict(store.execute("SELECT id, labels FROM labelset").fetchall())
        rows = store.execute("SELECT labelset, starts, lasts, opens FROM packed WHERE month <= ?", (end // MONTH,))
        parts = [_unpacked(some) for some in iter(lambda: rows.fetchmany(_SOME), [])]
        rows = store.execute(
            "SELECT labelset, start, last, open FROM episode WHERE start <= ? AND last >= ?", (end, start)
        )
        parts += (np.array(some, dtype=np.int64).T for some in iter(lambda: rows.fetchmany(_SOME), []))
        table = np.concatenate([np.zeros((4, 0), dtype=np.int64), *(_within(part, start, end) for part in parts)], 1)
        numbers, which = np.unique(table[0], return_inverse=True)
        labels = [_labels(names[number]) for number in numbers.tolist()]
    except sqlite3.Error as error:
        raise failure(path, error) from None
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: damaged: {error}") from None
    finally:
        store.close()
    order = sorted(range(len(labels)), key=labels.__getitem__)
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return _once(tuple(labels[one] for one in order), rank[which], table[1], table[2], table[3].astype(np.bool_))


def _once(
    labels: tuple[Labels, ...],
    which: NDArray[np.int64],
    start: NDArray[np.int64],
    last: NDArray[np.int64],
    open: NDArray[np.bool_],
) -> Kept:
    """Sorted, and of several sightings of one start the best, as :func:`rulegen.store.merge.merged` has it."""
    order = np.lexsort((open, -last, start, which))
    which, start, last, open = which[order], start[order], last[order], open[order]
    first = np.ones(len(start), dtype=np.bool_)
    first[1:] = (start[1:] != start[:-1]) | (which[1:] != which[:-1])
    return Kept(labels, which[first], start[first], last[first], open[first])


def _unpacked(rows: list[tuple[int, bytes, bytes, bytes]]) -> NDArray[np.int64]:
    """Rows of ``packed`` as [4, n]: label set, start, last, open. Raises ValueError where columns differ."""
    numbers, *columns = zip(*rows, strict=True)
    start, last = (np.frombuffer(b"".join(column), dtype="<i8").astype(np.int64) for column in columns[:2])
    open = np.frombuffer(b"".join(columns[2]), dtype="u1")
    lengths = [np.fromiter(map(len, column), dtype=np.int64, count=len(rows)) for column in columns]
    if not all((lengths[2] * size == one).all() for one, size in zip(lengths, (8, 8, 1), strict=True)):
        raise ValueError("columns of different length")
    return np.stack((np.repeat(np.array(numbers, dtype=np.int64), lengths[2]), start, last, open.astype(np.int64)))


def _within(table: NDArray[np.int64], start: int, end: int) -> NDArray[np.int64]:
    some = (table[1] <= end) & (table[2] >= start)
    return table if some.all() else table[:, some]


def _labels(text: str) -> Labels:
    return Labels(json.loads(text))
