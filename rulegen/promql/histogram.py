"""Functions of classic histograms, whose buckets are series with an ``le`` label. Native histograms are not read."""

from __future__ import annotations

from typing import Any

import numpy as np

from rulegen.core.labels import Labels
from rulegen.core.semantics import Semantics
from rulegen.core.series import Values
from rulegen.core.spans import Mask
from rulegen.promql.aggregate import go_float
from rulegen.promql.block import Index
from rulegen.promql.matrix import Matrix, Scalar, unnamed
from rulegen.promql.relabel import check_label_name
from rulegen.promql.rows import each, inlined, kernel

BUCKET = "le"
LARGEST_FLOAT = float(np.finfo(np.float64).max)
SMALL_DELTA = 1e-12  # Prometheus, promql/quantile.go: differences below are rounding, not observations

QUANTILE, FRACTION = range(2)
STRETCH = 128  # steps


def histogram_quantile(share: Scalar, vector: Matrix, semantics: Semantics = "open") -> Matrix:
    """Linear within a bucket; the lowest starts at 0 if its bound is positive (Prometheus: BucketQuantile).
    Prometheus 2.42 forgave no rounding between buckets."""
    delta = SMALL_DELTA if semantics == "open" else 0.0
    return _each_histogram(vector, QUANTILE, np.ascontiguousarray(share.values), np.empty(0), delta)


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
    low, high = np.ascontiguousarray(lower.values), np.ascontiguousarray(upper.values)
    return _each_histogram(vector, FRACTION, low, high)


def _each_histogram(vector: Matrix, kind: int, low: Values, high: Values, delta: float = 0.0) -> Matrix:
    """One row for each histogram in ``vector``; series without a numeric ``le`` are passed over."""
    histograms: dict[Labels, list[tuple[float, int]]] = {}
    for row, labels in enumerate(vector.labels):
        bound = _bound(labels.get(BUCKET, ""))
        if bound is not None:
            histograms.setdefault(labels.drop((BUCKET,)), []).append((bound, row))
    if not histograms:
        return Matrix.empty(vector.steps)
    buckets = [sorted(several) for several in histograms.values()]
    offsets = np.cumsum([0, *map(len, buckets)], dtype=np.int64)
    bounds = np.array([bound for several in buckets for bound, _ in several])
    rows = np.array([row for several in buckets for _, row in several], dtype=np.int64)
    values = np.empty((len(buckets), vector.steps))
    present = np.empty(values.shape, dtype=np.bool_)
    given = (offsets, bounds, rows, vector.values, vector.present, low, high)
    each(_measured, vector.steps, len(rows) * vector.steps, *given, values, present, kind, delta)
    return Matrix(unnamed(histograms), values, present).pruned().merged()


def _bound(text: str) -> float | None:
    try:
        return float(text) if "_" not in text and text == text.strip() else None
    except ValueError:
        return None


@kernel
def _measured(
    begin: int, end: int, offsets: Index, bounds: Values, rows: Index, counts: Values, here: Mask,
    low: Values, high: Values, values: Values, present: Mask, kind: int, delta: float,
) -> None:  # fmt: skip
    """For the buckets ``offsets[h]:offsets[h + 1]`` of each histogram, by rising bound, whose counts [rows, steps]
    are in ``rows``. A bucket that is absent at a step is no empty bucket."""
    for histogram in range(len(offsets) - 1):
        first, last = offsets[histogram], offsets[histogram + 1]
        upper, count = np.empty(last - first), np.empty(last - first)
        level, rank = np.empty((last - first, STRETCH)), np.empty(STRETCH)
        place = np.empty(STRETCH, dtype=np.int64)
        distinct = last - first > 1 and np.isposinf(bounds[last - 1])
        for k in range(first + 1, last):
            distinct &= bounds[k - 1] < bounds[k]
        done = begin  # steps before it are
        for step in range(begin, end):
            if kind == QUANTILE and distinct and (step - begin) % STRETCH == 0:
                stop = min(end, step + STRETCH)
                if _whole(step, stop, rows[first:last], counts, here):
                    _even(step, stop, rows[first:last], counts, level, delta)
                    _placed(step, stop, low, level, rank, place)
                    for at in range(stop - step):
                        values[histogram, step + at] = _in_range(
                            low[step + at], rank[at], place[at], at, bounds[first:last], level
                        )
                        present[histogram, step + at] = True
                    done = stop
            if step < done:
                continue
            n = 0
            for k in range(first, last):
                if here[rows[k], step]:
                    if n and upper[n - 1] == bounds[k]:  # one bound written in two ways
                        count[n - 1] += counts[rows[k], step]
                    else:
                        upper[n], count[n] = bounds[k], counts[rows[k], step]
                        n += 1
            present[histogram, step] = n > 0
            found = np.nan
            if kind == QUANTILE and low[step] < 0:  # whatever the buckets are
                found = -np.inf
            elif kind == QUANTILE and low[step] > 1:
                found = np.inf
            elif n and np.isposinf(upper[n - 1]):
                if kind == QUANTILE:
                    found = _quantile(low[step], upper[:n], count[:n], delta)
                else:
                    found = _fraction(low[step], high[step], upper[:n], count[:n])
            values[histogram, step] = found


@inlined
def _whole(start: int, stop: int, rows: Index, counts: Values, here: Mask) -> bool:
    """Whether every bucket has a number from step ``start`` to ``stop``. Then whole rows can be worked on at once."""
    missing = 0
    for one in rows:
        row, there = counts[one, start:stop], here[one, start:stop]
        for at in range(len(row)):
            missing += (not there[at]) | (row[at] != row[at])
    return missing == 0


@inlined
def _even(start: int, stop: int, rows: Index, counts: Values, level: Values, delta: float) -> None:
    """``level`` [buckets, steps]: the counts where they never fall, as :func:`_quantile` evens them out."""
    size = stop - start
    level[0, :size] = counts[rows[0], start:stop]
    for k in range(1, len(rows)):
        row, before, after = counts[rows[k], start:stop], level[k - 1, :size], level[k, :size]
        if delta > 0:
            for at in range(size):
                apart, together = abs(row[at] - before[at]), min(abs(row[at]) + abs(before[at]), LARGEST_FLOAT)
                after[at] = before[at] if (row[at] < before[at]) | (apart / together < delta) else row[at]
        else:
            for at in range(size):
                after[at] = before[at] if row[at] < before[at] else row[at]


@inlined
def _placed(start: int, stop: int, share: Values, level: Values, rank: Values, place: Index) -> None:
    """The ``rank`` [steps] that is sought, and the ``place`` [steps] of its bucket. Counts that never fall are in the
    order in which a binary search would find it."""
    size = stop - start
    asked, total = share[start:stop], level[len(level) - 1]
    for at in range(size):
        rank[at] = asked[at] * total[at]
        place[at] = 0
    for k in range(len(level) - 1):
        reached = level[k, :size]
        for at in range(size):
            place[at] += 0 if reached[at] >= rank[at] else 1


@inlined
def _in_range(share: float, rank: float, place: int, at: int, bounds: Values, level: Values) -> Any:
    if share < 0:
        return -np.inf
    if share > 1:
        return np.inf
    if np.isnan(share) or level[len(level) - 1, at] == 0:
        return np.nan
    return _between(rank, place, bounds, level[place - 1, at] if place else 0.0, level[place, at])


@inlined
def _between(rank: float, at: int, bounds: Values, below: float, count: float) -> Any:
    """Where ``rank`` lies in bucket ``at``, which holds those from ``below`` to ``count``."""
    if at == len(bounds) - 1:
        return bounds[at - 1]
    if at == 0 and bounds[0] <= 0:
        return bounds[0]
    start = bounds[at - 1] if at else 0.0
    return start + (bounds[at] - start) * ((rank - below) / (count - below))


@inlined
def _quantile(share: float, bounds: Values, counts: Values, delta: float) -> Any:
    last = len(bounds) - 1
    if last < 1 or np.isnan(share):
        return np.nan
    before = counts[0]
    for k in range(1, last + 1):  # cumulative counts never fall: what scraping or rounding has broken is evened out
        current = counts[k]
        apart, together = abs(current - before), min(abs(current) + abs(before), LARGEST_FLOAT)
        if current < before or (delta > 0 and apart / together < delta):
            counts[k] = before
        elif current > before or delta > 0:  # release 2 keeps the largest so far also where NaN comes between
            before = current
    if counts[last] == 0:
        return np.nan
    rank = share * counts[last]
    at, above = 0, last  # a binary search, as Go's sort.Search does: with NaN among the counts its way matters
    while at < above:
        middle = (at + above) // 2
        if counts[middle] >= rank:
            above = middle
        else:
            at = middle + 1
    return _between(rank, at, bounds, counts[at - 1] if at else 0.0, counts[at])


@inlined
def _fraction(low: float, high: float, bounds: Values, counts: Values) -> Any:
    total = counts[-1]
    if total == 0 or np.isnan(low) or np.isnan(high):
        return np.nan
    if low >= high:
        return 0.0
    return (min(_rank(high, bounds, counts), total) - min(_rank(low, bounds, counts), total)) / total


@inlined
def _rank(edge: float, bounds: Values, counts: Values) -> Any:
    """How many observations lie below ``edge``."""
    if np.isinf(edge):
        return counts[-1] if edge > 0 else 0.0
    at = 0
    while at < len(bounds) - 1 and bounds[at] < edge:
        at += 1
    below = counts[at - 1] if at else 0.0
    start = bounds[at - 1] if at else (0.0 if bounds[0] > 0 else -np.inf)
    # Within an infinite bucket nothing is known: its observations are taken to lie at its finite end.
    into = (
        1.0 if np.isinf(start) else 0.0 if np.isinf(bounds[at]) else max((edge - start) / (bounds[at] - start), 0.0)
    )
    return below + (counts[at] - below) * into
