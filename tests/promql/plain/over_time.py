"""Functions of a range vector: one number for each series and window."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from plain import fold
from plain.window import Range, Window
from rulegen.core.series import Values
from rulegen.core.spans import Mask, Times
from rulegen.errors import QueryError
from rulegen.promql.matrix import Matrix, Scalar, unnamed

# A window's value [steps]; what it says where the window is too short is masked by the caller.
Measure = Callable[[Window], Values]


def measured(of: Range, measure: Measure, *, least: int = 1, keep_name: bool = False) -> Matrix:
    """``measure`` of every window that holds at least ``least`` samples. Metric names go unless ``keep_name``."""
    rows = []
    for window in of.windows:
        here = window.count >= least
        if here.any():
            rows.append((window.labels, measure(window), here))
    if not rows:
        return Matrix.empty(len(of.end))
    labels, values, present = zip(*rows, strict=True)
    return Matrix(labels if keep_name else unnamed(labels), np.stack(values), np.stack(present)).distinct()


def _folded(function: Callable[[fold.Layers, int], Values]) -> Measure:
    return lambda window: function(window.layers(), len(window.first))


def sum_over_time(of: Range) -> Matrix:
    return measured(of, _folded(fold.total))


def avg_over_time(of: Range) -> Matrix:
    return measured(of, _folded(fold.mean))


def min_over_time(of: Range) -> Matrix:
    return measured(of, _folded(fold.smallest))


def max_over_time(of: Range) -> Matrix:
    return measured(of, _folded(fold.largest))


def count_over_time(of: Range) -> Matrix:
    return measured(of, lambda window: window.count.astype(np.float64))


def present_over_time(of: Range) -> Matrix:
    return measured(of, lambda window: np.ones(len(window.first)))


def last_over_time(of: Range) -> Matrix:
    return measured(of, lambda window: window.value(window.stop - 1), keep_name=True)


def first_over_time(of: Range) -> Matrix:
    return measured(of, lambda window: window.value(window.first), keep_name=True)


def stdvar_over_time(of: Range) -> Matrix:
    return measured(of, _folded(fold.variance))


def stddev_over_time(of: Range) -> Matrix:
    return measured(of, lambda window: np.sqrt(_folded(fold.variance)(window)))


def quantile_over_time(share: Scalar, of: Range) -> Matrix:
    return measured(of, lambda window: fold.quantile(share.values, window.layers(), len(window.first)))


def _any_nan(layers: fold.Layers, steps: int) -> Mask:
    found = np.zeros(steps, dtype=np.bool_)
    for values, here in layers:
        found |= here & np.isnan(values)
    return found


def mad_over_time(of: Range) -> Matrix:
    """Median of the absolute distances from the median."""

    def distance(window: Window) -> Values:
        steps = len(window.first)
        half = np.full(steps, 0.5)
        median = fold.quantile(half, window.layers(), steps)
        found = fold.quantile(half, ((np.abs(v - median), here) for v, here in window.layers()), steps)
        return np.where(_any_nan(window.layers(), steps), np.nan, found)

    return measured(of, distance)


def _extreme_time(window: Window, better: Callable[[Values, Values], Mask]) -> Values:
    """When (s) the last of the best values was."""
    best = window.value(window.first)
    at = window.first
    for index, here in window.indexes(skip=1):
        value = window.value(index)
        wins = here & (better(value, best) | np.isnan(best))
        best, at = np.where(wins, value, best), np.where(wins, index, at)
    return window.time(at) / 1000


def ts_of_max_over_time(of: Range) -> Matrix:
    return measured(of, lambda window: _extreme_time(window, np.greater_equal))


def ts_of_min_over_time(of: Range) -> Matrix:
    return measured(of, lambda window: _extreme_time(window, np.less_equal))


def ts_of_last_over_time(of: Range) -> Matrix:
    return measured(of, lambda window: window.time(window.stop - 1) / 1000)


def ts_of_first_over_time(of: Range) -> Matrix:
    return measured(of, lambda window: window.time(window.first) / 1000)


def _count_pairs(differs: Callable[[Values, Values], Mask]) -> Measure:
    """How often ``differs(previous, current)`` holds between neighbours in a window."""

    def measure(window: Window) -> Values:
        found = np.zeros(len(window.first))
        for index, here in window.indexes(skip=1):
            found += here & differs(window.value(index - 1), window.value(index))
        return found

    return measure


def changes(of: Range) -> Matrix:
    return measured(of, _count_pairs(lambda old, new: (old != new) & ~(np.isnan(old) & np.isnan(new))))


def resets(of: Range) -> Matrix:
    return measured(of, _count_pairs(lambda old, new: new < old))


def deriv(of: Range) -> Matrix:
    """Slope per second of the least-squares line."""
    return measured(of, lambda window: _line(window, window.time(window.first))[0], least=2)


def predict_linear(of: Range, ahead: Scalar, at: Times) -> Matrix:
    """Where the least-squares line is ``ahead`` seconds after the evaluation times ``at`` [steps]."""

    def forecast(window: Window) -> Values:
        slope, intercept = _line(window, at)
        return slope * ahead.values + intercept

    return measured(of, forecast, least=2)


def _line(window: Window, origin: Times) -> tuple[Values, Values]:
    """Least-squares slope (per s) and value at ``origin`` [steps] (ms). Prometheus: linearRegression."""
    steps = len(origin)
    sums = [(np.zeros(steps), np.zeros(steps)) for _ in range(4)]
    n = np.zeros(steps)
    first = window.value(window.first)
    constant = np.ones(steps, dtype=np.bool_)
    for index, here in window.indexes():
        y = window.value(index)
        x = (window.time(index) - origin) / 1000
        n += here
        constant &= ~here | (y == first)
        for place, term in enumerate((x, y, x * y, x * x)):
            new, lost = fold.kahan(term, *sums[place])
            sums[place] = np.where(here, new, sums[place][0]), np.where(here, lost, sums[place][1])
    sum_x, sum_y, sum_xy, sum_xx = (total + lost for total, lost in sums)
    slope = (sum_xy - sum_x * sum_y / n) / (sum_xx - sum_x * sum_x / n)
    intercept = sum_y / n - slope * sum_x / n
    flat = np.where(np.isinf(first), np.nan, 0.0)  # a constant infinity has no line
    return np.where(constant, flat, slope), np.where(constant, first + flat, intercept)


def double_exponential_smoothing(of: Range, smoothing: Scalar, trend: Scalar) -> Matrix:
    """Holt's method (``holt_winters`` before Prometheus 3)."""
    for name, factor in (("smoothing", smoothing), ("trend", trend)):
        outside = (factor.values <= 0) | (factor.values >= 1)
        if outside.any():
            raise QueryError(f"invalid {name} factor. Expected: 0 < factor < 1, got: {factor.values[outside][0]:f}")
    sf, tf = smoothing.values, trend.values

    def smooth(window: Window) -> Values:
        level = window.value(window.first)
        previous = np.zeros_like(level)
        slope = window.value(window.first + 1) - level
        for k, (index, here) in enumerate(window.indexes(skip=1)):
            slope_new = slope if k == 0 else tf * (level - previous) + (1 - tf) * slope
            level_new = sf * window.value(index) + (1 - sf) * (level + slope_new)
            slope, previous, level = (
                np.where(here, new, old) for new, old in ((slope_new, slope), (level, previous), (level_new, level))
            )
        return level

    return measured(of, smooth, least=2)
