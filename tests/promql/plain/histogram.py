"""Functions of classic histograms, whose buckets are series with an ``le`` label. Native histograms are not read."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from rulegen.core.labels import METRIC_NAME, Labels
from rulegen.core.series import Values
from rulegen.promql.aggregate import go_float
from rulegen.promql.matrix import Matrix, Scalar, somewhere
from rulegen.promql.relabel import check_label_name

BUCKET = "le"
SMALL_DELTA = 1e-12  # Prometheus, promql/quantile.go: differences below are rounding, not observations

# One histogram's value at some steps that have the same buckets: upper bounds [buckets], increasing and ending with
# +Inf, cumulative counts [buckets, steps], and which steps of the grid they are [steps].
Index = NDArray[np.intp]
Measure = Callable[[Values, Values, Index], Values]


def histogram_quantile(share: Scalar, vector: Matrix) -> Matrix:
    """Linear within a bucket; the lowest starts at 0 if its bound is positive (Prometheus: BucketQuantile)."""
    return _each_histogram(vector, lambda bounds, counts, at: _quantile(share.values[at], bounds, counts))


def histogram_quantiles(vector: Matrix, label: str, shares: tuple[Scalar, ...]) -> Matrix:
    """Several quantiles at once, each marked by ``label``."""
    check_label_name(label, utf8=True)
    rows = []
    for share in shares:
        for number in np.unique(share.values):
            here = (share.values == number) | (np.isnan(share.values) & np.isnan(number))
            mark = {label: _openmetrics_float(float(number))}
            found = histogram_quantile(share, vector)
            rows += [
                (labels.updated(mark), values, present & here)
                for labels, values, present in zip(found.labels, found.values, found.present, strict=True)
            ]
    return Matrix.of(rows, vector.steps)


def _openmetrics_float(value: float) -> str:
    """As OpenMetrics writes quantiles: a whole number keeps one zero after the point."""
    if value != 0 and np.isfinite(value) and not 1e-4 <= abs(value) < 1e21:
        return np.format_float_scientific(value, trim="-", exp_digits=2)
    text = go_float(value)
    return text if "." in text or not np.isfinite(value) else f"{text}.0"


def histogram_fraction(lower: Scalar, upper: Scalar, vector: Matrix) -> Matrix:
    """The share of observations between two values (Prometheus: BucketFraction)."""

    def fraction(bounds: Values, counts: Values, at: Index) -> Values:
        low, high, total = lower.values[at], upper.values[at], counts[-1]
        below, above = (np.minimum(_rank(edge, bounds, counts), total) for edge in (low, high))
        found = np.where(low >= high, 0.0, (above - below) / total)
        return np.where((total == 0) | np.isnan(low) | np.isnan(high), np.nan, found)

    return _each_histogram(vector, fraction)


def _each_histogram(vector: Matrix, measure: Measure) -> Matrix:
    """``measure`` of every histogram in ``vector``; series without a numeric ``le`` are passed over."""
    histograms: dict[Labels, list[tuple[float, int]]] = {}
    for row, labels in enumerate(vector.labels):
        bound = _bound(labels.get(BUCKET, ""))
        if bound is not None:
            histograms.setdefault(labels.drop((BUCKET,)), []).append((bound, row))
    out = []
    for labels, buckets in histograms.items():
        bounds, rows = (list(column) for column in zip(*sorted(buckets), strict=True))
        values = _by_presence(np.array(bounds), vector.take(rows), measure)
        out.append((labels.drop((METRIC_NAME,)), values, somewhere(vector.present[rows])))
    return Matrix.of(out, vector.steps)


def _bound(text: str) -> float | None:
    try:
        return float(text) if "_" not in text and text == text.strip() else None
    except ValueError:
        return None


def _by_presence(bounds: Values, buckets: Matrix, measure: Measure) -> Values:
    """A bucket that is absent at a step is no empty bucket: steps are taken together by the buckets they have."""
    values = np.full(buckets.steps, np.nan)
    patterns, which = np.unique(buckets.present, axis=1, return_inverse=True)
    for number, present in enumerate(patterns.T):
        at = np.flatnonzero(which.ravel() == number)
        if not present.any() or not np.isposinf(bounds[present][-1]):
            continue
        distinct, first = np.unique(bounds[present], return_index=True)
        counts = np.add.reduceat(buckets.values[np.ix_(present, at)], first, axis=0)
        values[at] = measure(distinct, counts, at)
    return values


def _quantile(share: Values, bounds: Values, counts: Values) -> Values:
    if len(bounds) < 2:
        return np.full(len(share), np.nan)
    counts = _monotonic(counts)
    rank = share * counts[-1]
    reached = counts[:-1] >= rank  # [buckets - 1, steps]
    bucket = np.where(reached.any(axis=0), reached.argmax(axis=0), len(bounds) - 1)
    steps = np.arange(len(share))
    below = np.where(bucket > 0, counts[bucket - 1, steps], 0.0)
    start = np.where(bucket > 0, bounds[bucket - 1], 0.0)
    found = start + (bounds[bucket] - start) * ((rank - below) / (counts[bucket, steps] - below))
    found = np.where((bucket == 0) & (bounds[0] <= 0), bounds[0], found)
    found = np.where(bucket == len(bounds) - 1, bounds[-2], found)
    found = np.where(counts[-1] == 0, np.nan, found)
    found = np.where(share < 0, -np.inf, np.where(share > 1, np.inf, found))
    return np.where(np.isnan(share), np.nan, found)


def _monotonic(counts: Values) -> Values:
    """Cumulative counts that never fall: what scraping or rounding has broken is evened out."""
    out = [counts[0]]
    for current in counts[1:]:
        before = out[-1]
        same = np.abs(current - before) <= SMALL_DELTA * (np.abs(current) + np.abs(before))
        out.append(np.where(same | (current < before), before, current))
    return np.stack(out)


def _rank(edge: Values, bounds: Values, counts: Values) -> Values:
    """How many observations lie below ``edge`` [steps]."""
    steps = np.arange(len(edge))
    bucket = np.minimum(np.searchsorted(bounds, edge, side="left"), len(bounds) - 1)
    below = np.where(bucket > 0, counts[bucket - 1, steps], 0.0)
    lowest = 0.0 if bounds[0] > 0 else -np.inf
    start = np.where(bucket > 0, bounds[bucket - 1], lowest)
    into = np.maximum((edge - start) / (bounds[bucket] - start), 0.0)
    # Within an infinite bucket nothing is known: its observations are taken to lie at its finite end.
    into = np.where(np.isinf(start), 1.0, np.where(np.isinf(bounds[bucket]), 0.0, into))
    rank = below + (counts[bucket, steps] - below) * into
    return np.where(np.isposinf(edge), counts[-1], np.where(np.isneginf(edge), 0.0, rank))
