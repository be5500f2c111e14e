"""Quantiles of windows: ``quantile_over_time`` and ``mad_over_time``."""

from __future__ import annotations

from typing import Any

import numpy as np

from rulegen.core.series import Values
from rulegen.core.spans import Mask, Times
from rulegen.promql.block import Index, Range
from rulegen.promql.matrix import Matrix, Scalar
from rulegen.promql.over_time import longest, measured
from rulegen.promql.rows import inlined, kernel

QUANTILE, MAD = range(2)


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
