"""rate, increase and their relatives: how fast a counter or gauge moves within a window."""

from __future__ import annotations

import numpy as np

from plain.over_time import measured
from plain.window import Range, Window
from rulegen.core.semantics import Semantics
from rulegen.core.series import Values
from rulegen.promql.matrix import Matrix


def rate(of: Range, semantics: Semantics) -> Matrix:
    return _extrapolated(of, semantics, counter=True, per_second=True)


def increase(of: Range, semantics: Semantics) -> Matrix:
    return _extrapolated(of, semantics, counter=True, per_second=False)


def delta(of: Range, semantics: Semantics) -> Matrix:
    return _extrapolated(of, semantics, counter=False, per_second=False)


def _extrapolated(of: Range, semantics: Semantics, *, counter: bool, per_second: bool) -> Matrix:
    """Prometheus, promql/functions.go: extrapolatedRate."""

    def measure(window: Window) -> Values:
        first, last = window.value(window.first), window.value(window.stop - 1)
        moved = last - first
        if counter:
            moved = _with_resets(window, moved)
        # All in seconds.
        first_time, last_time = window.time(window.first), window.time(window.stop - 1)
        to_start, to_end = (first_time - of.start) / 1000, (of.end - last_time) / 1000
        sampled = (last_time - first_time) / 1000
        between = sampled / (window.count - 1)
        # A counter cannot have been negative: never extrapolate to before it was zero. Prometheus looked at this
        # before the limit of half an interval up to 2.51, and after it since (prometheus/prometheus#13725).
        zero = np.where((moved > 0) & (first >= 0), sampled * (first / moved), np.inf) if counter else np.inf
        if semantics == "closed":
            to_start = _limited(np.minimum(zero, to_start), between)
        else:
            to_start = np.minimum(zero, _limited(to_start, between))
        factor = (sampled + to_start + _limited(to_end, between)) / sampled
        if per_second:
            factor = factor / (of.length / 1000)
        return moved * factor

    return measured(of, measure, least=2)


def _limited(gap: Values, between: Values) -> Values:
    """A gap to the window's edge that is much wider than a sampling interval is taken for half an interval."""
    limited: Values = np.where(gap >= between * 1.1, between / 2, gap)
    return limited


def _with_resets(window: Window, moved: Values) -> Values:
    """``moved`` [steps] with what the counter had reached before each reset within the window."""
    if not (np.diff(window.values) < 0).any():
        return moved
    for index, here in window.indexes(skip=1):
        before, after = window.value(index - 1), window.value(index)
        moved = np.where(here & (after < before), moved + before, moved)
    return moved


def irate(of: Range) -> Matrix:
    return _instant(of, per_second=True)


def idelta(of: Range) -> Matrix:
    return _instant(of, per_second=False)


def _instant(of: Range, *, per_second: bool) -> Matrix:
    """From the last two samples of each window only."""

    def measure(window: Window) -> Values:
        before, last = window.value(window.stop - 2), window.value(window.stop - 1)
        if not per_second:
            return last - before
        apart = (window.time(window.stop - 1) - window.time(window.stop - 2)) / 1000
        return np.where(last < before, last, last - before) / apart

    return measured(of, measure, least=2)
