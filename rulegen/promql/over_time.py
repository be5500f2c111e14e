"""Functions of a range vector: one number for each series and window.

Every kernel walks the samples of a series once, while the window's two edges move over them: what a step costs does
not depend on how long its window is. Apart are quantiles and smoothing, and sums over windows with an infinity or in
which all but nothing is left: those windows are gone through.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rulegen.core.labels import Labels
from rulegen.core.series import Values
from rulegen.core.spans import Mask, Times
from rulegen.errors import QueryError
from rulegen.promql.block import Index, Range
from rulegen.promql.matrix import Matrix, Scalar, unnamed
from rulegen.promql.precise import HARDLY_ANY, LARGEST, divided, minus, neumaier, plus, times, two_product
from rulegen.promql.rows import each, inlined, kernel

COUNT, PRESENT, FIRST, LAST, FIRST_TIME, LAST_TIME = range(6)
SUM, MEAN, VARIANCE, DEVIATION = range(4)
CHANGES, RESETS = range(2)
MINIMUM, MAXIMUM = -1.0, 1.0
QUANTILE, MAD = range(2)


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
    while at < stop and when[at] < edge:
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


@inlined
def _added_up(what: Values, i: int, j: int) -> float:
    total, lost = 0.0, 0.0
    for k in range(i, j):
        total, lost = neumaier(what[k], total, lost)
    return total + lost


@inlined
def _mean(what: Values, i: int, j: int) -> float:
    """Compensated sum over count; from where the sum would overflow on, a running mean instead."""
    total, lost = 0.0, 0.0
    running = False
    for k in range(i, j):
        n = float(k - i + 1)
        if not running:
            new, slip = neumaier(what[k], total, lost)
            if np.isinf(new) and n > 1 and not np.isinf(total):
                running = True
                total, lost = total / (n - 1), lost / (n - 1)
            else:
                total, lost = new, slip
        if running:
            share = (n - 1) / n
            total, lost = neumaier(what[k] / n, share * total, share * lost)
    if running:
        return total + lost
    return total / (j - i) + lost / (j - i)


@inlined
def _spread(what: Values, i: int, j: int) -> float:
    """Population variance after Welford, compensated (Prometheus, varianceOverTime)."""
    middle, middle_lost, spread, spread_lost = 0.0, 0.0, 0.0, 0.0
    for k in range(i, j):
        delta = what[k] - (middle + middle_lost)
        middle, middle_lost = neumaier(delta / (k - i + 1), middle, middle_lost)
        spread, spread_lost = neumaier(delta * (what[k] - (middle + middle_lost)), spread, spread_lost)
    return (spread + spread_lost) / (j - i)


@kernel
def _sums(
    begin: int, end: int, offsets: Index, when: Times, what: Values, first: Times, last: Times,
    values: Values, present: Mask, kind: int,
) -> None:  # fmt: skip
    square = kind >= VARIANCE
    room = longest(begin, end, offsets) + 1
    # Running sums before each sample, of what is finite and not too large; the others are counted.
    odd, nans = np.zeros(room, dtype=np.int64), np.zeros(room, dtype=np.int64)
    changed = np.zeros(room, dtype=np.int64)  # index of the last sample that differs from the one before it
    size, high, low, high2, low2 = np.zeros(room), np.zeros(room), np.zeros(room), np.zeros(room), np.zeros(room)
    for row in range(begin, end):
        i = j = begins = offsets[row]
        stop = offsets[row + 1]
        total, total2 = (0.0, 0.0), (0.0, 0.0)
        for k in range(begins, stop):
            value = what[k]
            ordinary = abs(value) < LARGEST
            at = k - begins + 1
            odd[at] = odd[at - 1] + (not ordinary)
            nans[at] = nans[at - 1] + np.isnan(value)
            changed[at] = k if k == begins or value != what[k - 1] else changed[at - 1]
            size[at] = size[at - 1]
            if ordinary:
                size[at] += value * value if square else abs(value)
                total = plus(total, (value, 0.0))
                if square:
                    total2 = plus(total2, two_product(value, value))
            high[at], low[at] = total
            if square:
                high2[at], low2[at] = total2
        for step in range(len(first)):
            i = moved(i, stop, when, first[step])
            j = moved(max(i, j), stop, when, last[step] + 1)
            present[row, step] = j > i
            found = 0.0
            a, b = i - begins, j - begins
            n = float(j - i)
            precise = odd[b] == odd[a]
            if j > i and nans[b] > nans[a]:
                found, precise = np.nan, True
            elif j > i and precise and changed[b] <= i:  # all the same
                found = what[i] * n if kind == SUM else what[i] if kind == MEAN else 0.0
            elif j > i and precise:
                window = minus((high[b], low[b]), (high[a], low[a]))
                if kind == SUM:
                    found = window[0] + window[1]
                elif kind == MEAN:
                    found = window[0] / n + window[1] / n
                else:
                    squares = minus((high2[b], low2[b]), (high2[a], low2[a]))
                    left = minus(squares, divided(times(window, window), n))
                    found = (left[0] + left[1]) / n
                precise = abs(found) * n > size[b] * HARDLY_ANY
            if j > i and not precise:
                if kind == SUM:
                    found = _added_up(what, i, j)
                elif kind == MEAN:
                    found = _mean(what, i, j)
                else:
                    found = _spread(what, i, j)
            values[row, step] = np.sqrt(found) if kind == DEVIATION else found


def sum_over_time(of: Range) -> Matrix:
    return measured(of, _sums, SUM)


def avg_over_time(of: Range) -> Matrix:
    return measured(of, _sums, MEAN)


def stdvar_over_time(of: Range) -> Matrix:
    return measured(of, _sums, VARIANCE)


def stddev_over_time(of: Range) -> Matrix:
    return measured(of, _sums, DEVIATION)


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


@inlined
def between(ordered: Values, nans: int, size: int, share: float) -> Any:
    """The ``share`` quantile, linear between the two samples around it; NaN is smaller than any number
    (Prometheus, promql/quantile.go)."""
    if np.isnan(share) or size == 0:
        return np.nan
    if share < 0:
        return -np.inf
    if share > 1:
        return np.inf
    rank = share * (size - 1)
    lower = int(np.floor(rank))
    upper = min(size - 1, lower + 1)
    if lower < nans:
        return np.nan
    weight = rank - np.floor(rank)
    return ordered[lower - nans] * (1 - weight) + ordered[upper - nans] * weight


@inlined
def _place(ordered: Values, held: int, value: float) -> int:
    low, high = 0, held
    while low < high:
        middle = (low + high) // 2
        if ordered[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def _ranks(
    begin: int, end: int, offsets: Index, when: Times, what: Values, first: Times, last: Times,
    values: Values, present: Mask, kind: int, share: Values,
) -> None:  # fmt: skip
    """A quantile of each window, whose values are kept in order while it moves."""
    ordered = np.empty(longest(begin, end, offsets))
    for row in range(begin, end):
        i = j = offsets[row]
        stop = offsets[row + 1]
        held = nans = 0
        for step in range(len(first)):
            while j < stop and when[j] <= last[step]:
                if np.isnan(what[j]):
                    nans += 1
                else:
                    at = _place(ordered, held, what[j])
                    for k in range(held, at, -1):
                        ordered[k] = ordered[k - 1]
                    ordered[at] = what[j]
                    held += 1
                j += 1
            while i < j and when[i] < first[step]:
                if np.isnan(what[i]):
                    nans -= 1
                else:
                    held -= 1
                    for k in range(_place(ordered, held + 1, what[i]), held):
                        ordered[k] = ordered[k + 1]
                i += 1
            present[row, step] = j > i
            found = 0.0
            if j > i and kind == QUANTILE:
                found = between(ordered, nans, j - i, share[step])
            elif j > i and nans:
                found = np.nan
            elif j > i:
                middle = between(ordered, 0, held, 0.5)
                found = between(np.sort(np.abs(ordered[:held] - middle)), 0, held, 0.5)
            values[row, step] = found


def quantile_over_time(share: Scalar, of: Range) -> Matrix:
    return measured(of, _ranks, QUANTILE, np.ascontiguousarray(share.values), passes=10)


def mad_over_time(of: Range) -> Matrix:
    """Median of the absolute distances from the median."""
    return measured(of, _ranks, MAD, np.empty(0), passes=50)


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
