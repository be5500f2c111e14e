"""The least-squares line through each window's samples: ``deriv`` and ``predict_linear``."""

from __future__ import annotations

import numpy as np

from rulegen.core.series import Values
from rulegen.core.spans import Mask, Times
from rulegen.promql.block import Index, Range
from rulegen.promql.matrix import Matrix, Scalar
from rulegen.promql.over_time import longest, measured, moved
from rulegen.promql.precise import HARDLY_ANY, LARGEST, divided, minus, neumaier, plus, times, two_product
from rulegen.promql.rows import inlined, kernel


@inlined
def _fitted(when: Times, what: Values, i: int, j: int, origin: int) -> tuple[float, float]:
    """Slope per ms and value at ``origin``, added up from this window's samples alone."""
    n = float(j - i)
    x, x_lost, y, y_lost, xy, xy_lost, xx, xx_lost = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for k in range(i, j):
        time = float(when[k] - origin)
        x, x_lost = neumaier(time, x, x_lost)
        y, y_lost = neumaier(what[k], y, y_lost)
        xy, xy_lost = neumaier(time * what[k], xy, xy_lost)
        xx, xx_lost = neumaier(time * time, xx, xx_lost)
    x, y, xy, xx = x + x_lost, y + y_lost, xy + xy_lost, xx + xx_lost
    slope = (xy - x * y / n) / (xx - x * x / n)
    return slope, y / n - slope * x / n


@kernel
def _lines(
    begin: int, end: int, offsets: Index, when: Times, what: Values, first: Times, last: Times,
    values: Values, present: Mask, origin: Times, ahead: Values, slope_only: bool,
) -> None:  # fmt: skip
    """Prometheus, linearRegression; the sums over a window are differences of running sums.

    Times count in ms from the series' first sample: they are whole, so that sums of them are exact.
    """
    room = longest(begin, end, offsets) + 1
    running = np.zeros((room, 8))  # x, y, xy, xx before each sample: a pair each
    odd, nans = np.zeros(room, dtype=np.int64), np.zeros(room, dtype=np.int64)
    weight = np.zeros((room, 2))  # of y and xy, without their signs
    changed = np.zeros(room, dtype=np.int64)  # index of the last sample that differs from the one before it
    for row in range(begin, end):
        i = j = begins = offsets[row]
        stop = offsets[row + 1]
        zero = when[begins] if stop > begins else 0
        x, y, xy, xx = (0.0, 0.0), (0.0, 0.0), (0.0, 0.0), (0.0, 0.0)
        for k in range(begins, stop):
            at = k - begins + 1
            value, time = what[k], float(when[k] - zero)
            ordinary = abs(value) < LARGEST
            odd[at] = odd[at - 1] + (not ordinary)
            nans[at] = nans[at - 1] + np.isnan(value)
            changed[at] = k if k == begins or what[k] != what[k - 1] else changed[at - 1]
            x = plus(x, (time, 0.0))
            xx = plus(xx, two_product(time, time))
            weight[at] = weight[at - 1]
            if ordinary:
                weight[at, 0] += abs(value)
                weight[at, 1] += abs(value) * time
                y = plus(y, (value, 0.0))
                xy = plus(xy, two_product(time, value))
            running[at, 0], running[at, 1] = x
            running[at, 2], running[at, 3] = y
            running[at, 4], running[at, 5] = xy
            running[at, 6], running[at, 7] = xx
        for step in range(len(first)):
            i = moved(i, stop, when, first[step])
            j = moved(max(i, j), stop, when, last[step] + 1)
            present[row, step] = j > i + 1
            slope = at_origin = 0.0
            a, b = i - begins, j - begins
            if j <= i + 1:
                pass
            elif nans[b] > nans[a]:
                slope = at_origin = np.nan
            elif changed[b] <= i:  # a constant; a constant infinity has no line
                slope = 0.0 if np.isfinite(what[i]) else np.nan
                at_origin = what[i] + slope
            else:
                n = float(j - i)
                begun, done = running[a], running[b]
                sum_x = minus((done[0], done[1]), (begun[0], begun[1]))
                sum_y = minus((done[2], done[3]), (begun[2], begun[3]))
                sum_xy = minus((done[4], done[5]), (begun[4], begun[5]))
                sum_xx = minus((done[6], done[7]), (begun[6], begun[7]))
                mean_x = divided(sum_x, n)
                together = minus(sum_xy, times(mean_x, sum_y))
                apart = minus(sum_xx, times(mean_x, sum_x))
                slope = (together[0] + together[1]) / (apart[0] + apart[1])
                back = minus(mean_x, (float(origin[step] - zero), 0.0))
                at_origin = sum_y[0] / n + sum_y[1] / n - slope * (back[0] + back[1])
                precise = abs(sum_y[0]) > weight[b, 0] * HARDLY_ANY and abs(together[0]) > weight[b, 1] * HARDLY_ANY
                if odd[b] > odd[a] or not precise:
                    slope, at_origin = _fitted(when, what, i, j, origin[step])
                slope *= 1000
            values[row, step] = slope if slope_only else slope * ahead[step] + at_origin


def deriv(of: Range) -> Matrix:
    """Slope per second of the least-squares line."""
    return measured(of, _lines, of.end, np.zeros(len(of.end)), True, passes=5)


def predict_linear(of: Range, ahead: Scalar, at: Times) -> Matrix:
    """Where the least-squares line is ``ahead`` seconds after the evaluation times ``at`` [steps]."""
    return measured(of, _lines, at, np.ascontiguousarray(ahead.values), False, passes=5)
