"""Functions of a range vector: one number for each series and window.

Every kernel walks the samples of a series once, while the window's two edges move over them: what a step costs does
not depend on how long its window is.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rulegen.core.labels import Labels
from rulegen.core.series import Values
from rulegen.core.spans import Mask, Times
from rulegen.errors import QueryError
from rulegen.promql.block import Index, Range
from rulegen.promql.matrix import Matrix, Scalar, unnamed
from rulegen.promql.rows import each, inlined, item, kernel

COUNT, PRESENT, FIRST, LAST, FIRST_TIME, LAST_TIME = range(6)
CHANGES, RESETS = range(2)
MINIMUM, MAXIMUM = -1.0, 1.0


def measured(
    of: Range, compiled: Callable[..., None], *more: object, keep_name: bool = False, passes: int = 1
) -> Matrix:
    """What ``compiled`` writes of each window, and whether it is there. Metric names go unless ``keep_name``.

    ``passes`` is about how often it looks at each sample. Raises QueryError where two series differ by their metric
    names only.
    """
    block, steps = of.block, len(of.end)
    values = np.empty((len(block), steps))
    present = np.empty((len(block), steps), dtype=np.bool_)
    cells = (values.size + len(block.times)) * passes
    samples = (block.offsets, block.times, block.values)
    each(compiled, len(block), cells, *samples, of.first, of.end, values, present, *more)
    labels: tuple[Labels, ...] = block.labels
    kept = present.any(axis=1)
    if not kept.all():
        rows = np.flatnonzero(kept)
        labels, values, present = tuple(labels[row] for row in rows), values[rows], present[rows]
    return Matrix(labels if keep_name else unnamed(labels), values, present).distinct()


@inlined
def moved(at: int, stop: int, when: Times, edge: int) -> int:
    """The first index from ``at`` on, at most ``stop``, whose time is at or after ``edge``."""
    while at < stop and item(when, at) < edge:
        at += 1
    return at


@inlined
def longest(begin: int, end: int, offsets: Index) -> int:
    """How many samples the longest of some rows has: room that is taken once serves all of them."""
    most = 0
    for row in range(begin, end):
        most = max(most, offsets[row + 1] - offsets[row])
    return most


@kernel
def _ends(
    begin: int, end: int, offsets: Index, when: Times, what: Values, first: Times, last: Times,
    values: Values, present: Mask, kind: int,
) -> None:  # fmt: skip
    """Whatever the window's first and last sample and their number tell."""
    for row in range(begin, end):
        i = j = offsets[row]
        stop = offsets[row + 1]
        for step in range(len(first)):
            i = moved(i, stop, when, first[step])
            j = moved(max(i, j), stop, when, last[step] + 1)
            present[row, step] = j > i
            found = 0.0
            if j > i:
                if kind == COUNT:
                    found = float(j - i)
                elif kind == PRESENT:
                    found = 1.0
                elif kind == FIRST:
                    found = what[i]
                elif kind == LAST:
                    found = what[j - 1]
                elif kind == FIRST_TIME:
                    found = when[i] / 1000
                else:
                    found = when[j - 1] / 1000
            values[row, step] = found


def count_over_time(of: Range) -> Matrix:
    return measured(of, _ends, COUNT)


def present_over_time(of: Range) -> Matrix:
    return measured(of, _ends, PRESENT)


def last_over_time(of: Range) -> Matrix:
    return measured(of, _ends, LAST, keep_name=True)


def first_over_time(of: Range) -> Matrix:
    return measured(of, _ends, FIRST, keep_name=True)


def ts_of_first_over_time(of: Range) -> Matrix:
    return measured(of, _ends, FIRST_TIME)


def ts_of_last_over_time(of: Range) -> Matrix:
    return measured(of, _ends, LAST_TIME)


@kernel
def _extremes(
    begin: int, end: int, offsets: Index, when: Times, what: Values, first: Times, last: Times,
    values: Values, present: Mask, sign: float,
) -> None:  # fmt: skip
    """The largest of ``sign`` × value. A table holds the extremes of the 1, 2, 4, … samples from each on: two of its
    entries cover any window. NaN only where all are."""
    room = longest(begin, end, offsets)
    table = np.empty((1, room))
    numbers = np.zeros(room + 1, dtype=np.int64)  # samples before each that are not NaN
    for row in range(begin, end):
        i = j = begins = offsets[row]
        stop = offsets[row + 1]
        size = stop - begins
        filled = 1  # rows of the table
        level, reach = 0, 1  # one of them, and how many samples its entries cover
        for k in range(size):
            value = sign * what[begins + k]
            ordinary = value == value
            table[0, k] = value if ordinary else -np.inf
            numbers[k + 1] = numbers[k] + ordinary
        for step in range(len(first)):
            i = moved(i, stop, when, first[step])
            j = moved(max(i, j), stop, when, last[step] + 1)
            present[row, step] = j > i
            a, b = i - begins, j - begins
            if j == i:
                values[row, step] = 0.0
            elif numbers[b] == numbers[a]:
                values[row, step] = np.nan
            else:
                while 2 * reach <= b - a:
                    level, reach = level + 1, 2 * reach
                while reach > b - a:
                    level, reach = level - 1, reach // 2
                if level >= len(table):
                    more = np.empty((level + 1, room))
                    more[: len(table)] = table
                    table = more
                while level >= filled:
                    _double(table[filled - 1], table[filled], 1 << (filled - 1), size)
                    filled += 1
                left, right = table[level, a], table[level, b - reach]
                values[row, step] = sign * (left if left > right else right)


@inlined
def _double(of: Values, into: Values, half: int, size: int) -> None:
    """The extremes of twice as many samples, from those of ``half``."""
    for k in range(size - 2 * half + 1):
        left, right = of[k], of[k + half]
        into[k] = left if left > right else right


@kernel
def _extreme_times(
    begin: int, end: int, offsets: Index, when: Times, what: Values, first: Times, last: Times,
    values: Values, present: Mask, sign: float,
) -> None:  # fmt: skip
    """When the last of the largest of ``sign`` × value was: a queue holds the samples that no later one beats."""
    queue = np.empty(longest(begin, end, offsets), dtype=np.int64)
    for row in range(begin, end):
        i = j = offsets[row]
        stop = offsets[row + 1]
        head = tail = 0
        for step in range(len(first)):
            i = moved(i, stop, when, first[step])
            if j < i:  # windows that do not touch: what lies between belongs to none
                j = i
                head = tail = 0
            while j < stop and when[j] <= last[step]:
                value = sign * what[j]
                if value == value:
                    while tail > head and sign * what[queue[tail - 1]] <= value:
                        tail -= 1
                    queue[tail] = j
                    tail += 1
                j += 1
            while tail > head and queue[head] < i:
                head += 1
            present[row, step] = j > i
            best = queue[head] if tail > head else j - 1
            values[row, step] = when[best] / 1000 if j > i else 0.0


def min_over_time(of: Range) -> Matrix:
    return measured(of, _extremes, MINIMUM)


def max_over_time(of: Range) -> Matrix:
    return measured(of, _extremes, MAXIMUM)


def ts_of_min_over_time(of: Range) -> Matrix:
    """When (s) the last of the smallest values was."""
    return measured(of, _extreme_times, MINIMUM)


def ts_of_max_over_time(of: Range) -> Matrix:
    return measured(of, _extreme_times, MAXIMUM)


@kernel
def _pairs(
    begin: int, end: int, offsets: Index, when: Times, what: Values, first: Times, last: Times,
    values: Values, present: Mask, kind: int,
) -> None:  # fmt: skip
    """How many neighbours in the window differ, or fall."""
    before = np.zeros(longest(begin, end, offsets), dtype=np.int64)  # pairs that end at or before each sample
    for row in range(begin, end):
        i = j = begins = offsets[row]
        stop = offsets[row + 1]
        for k in range(begins + 1, stop):
            old, new = what[k - 1], what[k]
            counts = new < old if kind == RESETS else old != new and not (np.isnan(old) and np.isnan(new))
            before[k - begins] = before[k - begins - 1] + counts
        for step in range(len(first)):
            i = moved(i, stop, when, first[step])
            j = moved(max(i, j), stop, when, last[step] + 1)
            present[row, step] = j > i
            values[row, step] = float(before[j - 1 - begins] - before[i - begins]) if j > i else 0.0


def changes(of: Range) -> Matrix:
    return measured(of, _pairs, CHANGES)


def resets(of: Range) -> Matrix:
    return measured(of, _pairs, RESETS)


@kernel
def _smoothed(
    begin: int, end: int, offsets: Index, when: Times, what: Values, first: Times, last: Times,
    values: Values, present: Mask, smoothing: Values, trend: Values,
) -> None:  # fmt: skip
    for row in range(begin, end):
        i = j = offsets[row]
        stop = offsets[row + 1]
        for step in range(len(first)):
            i = moved(i, stop, when, first[step])
            j = moved(max(i, j), stop, when, last[step] + 1)
            present[row, step] = j > i + 1
            level = 0.0
            if j > i + 1:
                sf, tf = smoothing[step], trend[step]
                level, previous, slope = what[i], 0.0, what[i + 1] - what[i]
                for k in range(i + 1, j):
                    if k > i + 1:
                        slope = tf * (level - previous) + (1 - tf) * slope
                    previous = level
                    level = sf * what[k] + (1 - sf) * (level + slope)
            values[row, step] = level


def double_exponential_smoothing(of: Range, smoothing: Scalar, trend: Scalar) -> Matrix:
    """Holt's method (``holt_winters`` before Prometheus 3)."""
    for name, factor in (("smoothing", smoothing), ("trend", trend)):
        outside = (factor.values <= 0) | (factor.values >= 1)
        if outside.any():
            outside &= last_over_time(of).present.any(axis=0)  # Prometheus looks once there is a sample
        if outside.any():
            raise QueryError(f"invalid {name} factor. Expected: 0 < factor < 1, got: {factor.values[outside][0]:f}")
    return measured(of, _smoothed, *map(np.ascontiguousarray, (smoothing.values, trend.values)), passes=10)
