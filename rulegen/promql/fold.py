"""Aggregation of many rows into one for each group, at each step.

A fold takes values and presence [series, steps], the groups as lists of rows, and gives values and presence
[groups, steps]. It is done for a stretch of steps at a time, which then stays in the processor's cache.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from rulegen.core.series import Values
from rulegen.core.spans import Mask
from rulegen.promql.block import Index
from rulegen.promql.precise import neumaier
from rulegen.promql.ranks import between
from rulegen.promql.rows import each, kernel

Groups = Sequence[list[int]]
Fold = Callable[[Values, Mask, Groups, Values | None], tuple[Values, Mask]]

SUM, MEAN, LEAST, MOST, COUNT, GROUP = range(6)
STRETCH = 1024  # steps


def _filled(
    compiled: Callable[..., None], values: Values, present: Mask, groups: Groups, *more: object
) -> tuple[Values, Mask]:
    steps = values.shape[1]
    offsets = np.cumsum([0, *map(len, groups)], dtype=np.int64)
    rows = np.array([row for one in groups for row in one], dtype=np.int64)
    out = np.zeros((len(groups), steps))
    here = np.zeros((len(groups), steps), dtype=np.bool_)
    each(compiled, steps, values.size, values, present, offsets, rows, out, here, *more)
    return out, here


def _simple(kind: int) -> Fold:
    return lambda values, present, groups, _: _filled(_folded, values, present, groups, kind)


@kernel
def _folded(
    begin: int, end: int, values: Values, present: Mask, offsets: Index, rows: Index, out: Values, here: Mask,
    kind: int,
) -> None:  # fmt: skip
    lost, n = np.empty(STRETCH), np.empty(STRETCH)
    running = np.empty(STRETCH, dtype=np.bool_)  # where the sum would overflow and ``out`` is a mean already
    for start in range(begin, end, STRETCH):
        stop = min(end, start + STRETCH)
        for group in range(len(offsets) - 1):
            lost[:] = 0.0
            n[:] = 0.0
            running[:] = False
            for k in range(offsets[group], offsets[group + 1]):
                row = rows[k]
                if kind == SUM:
                    given, there = values[row, start:stop], present[row, start:stop]
                    sums, seen = out[group, start:stop], here[group, start:stop]
                    for at in range(stop - start):
                        if there[at]:
                            seen[at] = True
                            sums[at], lost[at] = neumaier(given[at], sums[at], lost[at])
                elif kind == MEAN:
                    for step in range(start, stop):
                        if present[row, step]:
                            here[group, step] = True
                            at = step - start
                            value = values[row, step]
                            n[at] += 1
                            if not running[at]:
                                total, slip = neumaier(value, out[group, step], lost[at])
                                if np.isinf(total) and n[at] > 1 and not np.isinf(out[group, step]):
                                    running[at] = True
                                    out[group, step] /= n[at] - 1
                                    lost[at] /= n[at] - 1
                                else:
                                    out[group, step], lost[at] = total, slip
                            if running[at]:
                                share = (n[at] - 1) / n[at]
                                out[group, step], lost[at] = neumaier(
                                    value / n[at], share * out[group, step], share * lost[at]
                                )
                elif kind == COUNT:
                    for step in range(start, stop):
                        here[group, step] |= present[row, step]
                        out[group, step] += present[row, step]
                elif kind == GROUP:
                    for step in range(start, stop):
                        here[group, step] |= present[row, step]
                        out[group, step] = 1.0
                else:
                    for step in range(start, stop):
                        if present[row, step]:
                            value, best = values[row, step], out[group, step]
                            wins = value < best if kind == LEAST else value > best
                            if wins or np.isnan(best) or not here[group, step]:  # NaN only where nothing else is
                                out[group, step] = value
                            here[group, step] = True
            for step in range(start, stop):
                at = step - start
                if kind == SUM:
                    out[group, step] += lost[at]
                elif kind == MEAN and here[group, step]:
                    if running[at]:
                        out[group, step] += lost[at]
                    else:
                        out[group, step] = out[group, step] / n[at] + lost[at] / n[at]


@kernel
def _spreads(
    begin: int, end: int, values: Values, present: Mask, offsets: Index, rows: Index, out: Values, here: Mask,
    root: bool,
) -> None:  # fmt: skip
    """Population variance after Welford, compensated; its ``root``."""
    for group in range(len(offsets) - 1):
        for step in range(begin, end):
            n, middle, middle_lost, spread, spread_lost = 0.0, 0.0, 0.0, 0.0, 0.0
            for k in range(offsets[group], offsets[group + 1]):
                row = rows[k]
                if present[row, step]:
                    n += 1
                    value = values[row, step]
                    delta = value - (middle + middle_lost)
                    middle, middle_lost = neumaier(delta / n, middle, middle_lost)
                    spread, spread_lost = neumaier(delta * (value - (middle + middle_lost)), spread, spread_lost)
            here[group, step] = n > 0
            if n > 0:
                found = (spread + spread_lost) / n
                out[group, step] = np.sqrt(found) if root else found


@kernel
def _ordered(
    begin: int, end: int, values: Values, present: Mask, offsets: Index, rows: Index, out: Values, here: Mask,
    share: Values,
) -> None:  # fmt: skip
    for group in range(len(offsets) - 1):
        found = np.empty(offsets[group + 1] - offsets[group])
        for step in range(begin, end):
            held = nans = 0
            for k in range(offsets[group], offsets[group + 1]):
                if present[rows[k], step]:
                    value = values[rows[k], step]
                    if np.isnan(value):
                        nans += 1
                    else:
                        found[held] = value
                        held += 1
            here[group, step] = held + nans > 0
            out[group, step] = between(np.sort(found[:held]), nans, held + nans, share[step])


def _deviation(*, root: bool) -> Fold:
    return lambda values, present, groups, _: _filled(_spreads, values, present, groups, root)


def quantiles(values: Values, present: Mask, groups: Groups, share: Values | None) -> tuple[Values, Mask]:
    """The ``share`` [steps] quantile of each group, linear between the two values around it."""
    assert share is not None
    return _filled(_ordered, values, present, groups, np.ascontiguousarray(share))


FOLDS: dict[str, Fold] = {
    "sum": _simple(SUM),
    "avg": _simple(MEAN),
    "min": _simple(LEAST),
    "max": _simple(MOST),
    "count": _simple(COUNT),
    "group": _simple(GROUP),
    "stddev": _deviation(root=True),
    "stdvar": _deviation(root=False),
}
