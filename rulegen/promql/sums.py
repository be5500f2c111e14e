"""Sums over windows, and means and variances, which follow from them.

A window's sum is the difference of two running sums (:mod:`rulegen.promql.precise`), however long it is. Only
windows with an infinity, or in which all but nothing is left, are gone through.
"""

from __future__ import annotations

import numpy as np

from rulegen.core.series import Values
from rulegen.core.spans import Mask, Times
from rulegen.promql.block import Index, Range
from rulegen.promql.matrix import Matrix
from rulegen.promql.over_time import longest, measured, moved
from rulegen.promql.precise import HARDLY_ANY, LARGEST, divided, minus, neumaier, plus, times, two_product
from rulegen.promql.rows import inlined, kernel

SUM, MEAN, VARIANCE, DEVIATION = range(4)


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
