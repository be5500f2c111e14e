"""Sums and means over many values at once, added up in Prometheus' order and with its compensation.

Aggregations fold the rows of a group, range functions the samples of a window; to both, the values come as *layers*:
(values [steps], here [steps]) pairs, one value for each step where ``here`` is true. What a fold returns for a step
without any value is meaningless; the caller masks it.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from rulegen.core.series import Values
from rulegen.core.spans import Mask
from rulegen.errors import QueryError
from rulegen.promql.matrix import MAX_CELLS

Layers = Iterable[tuple[Values, Mask]]


def kahan(increment: Values, total: Values, lost: Values) -> tuple[Values, Values]:
    """One step of Neumaier's summation: the new sum and what rounding has lost so far (Prometheus, util/kahansum)."""
    new = total + increment
    big_first = np.abs(total) >= np.abs(increment)
    slip = np.where(big_first, (total - new) + increment, (increment - new) + total)
    return new, np.where(np.isinf(new), 0.0, lost + slip)


def count(layers: Layers, steps: int) -> Values:
    total = np.zeros(steps)
    for _, here in layers:
        total += here
    return total


def total(layers: Layers, steps: int) -> Values:
    """Compensated sum. Returns [steps]."""
    done, lost = np.zeros(steps), np.zeros(steps)
    for values, here in layers:
        new, slip = kahan(values, done, lost)
        done, lost = np.where(here, new, done), np.where(here, slip, lost)
    return done + lost


def mean(layers: Layers, steps: int) -> Values:
    """Compensated sum over count; from where the sum would overflow on, a running mean instead. Returns [steps]."""
    done, lost, n = np.zeros(steps), np.zeros(steps), np.zeros(steps)
    running = np.zeros(steps, dtype=np.bool_)  # where ``done`` is a mean already, not a sum
    for values, here in layers:
        n = n + here
        new, slip = kahan(values, done, lost)
        overflows = here & ~running & np.isinf(new) & (n > 1)
        if overflows.any() or running.any():
            done, lost = (np.where(overflows, part / (n - 1), part) for part in (done, lost))
            running |= overflows
            share = (n - 1) / n
            mean_new, mean_slip = kahan(values / n, share * done, share * lost)
            new, slip = np.where(running, mean_new, new), np.where(running, mean_slip, slip)
        done, lost = np.where(here, new, done), np.where(here, slip, lost)
    return np.where(running, done + lost, done / n + lost / n)


def variance(layers: Layers, steps: int) -> Values:
    """Population variance after Welford, compensated. Returns [steps]."""
    n, zero = np.zeros(steps), np.zeros(steps)
    middle, middle_lost, spread, spread_lost = zero, zero, zero, zero
    for values, here in layers:
        n = n + here
        delta = values - (middle + middle_lost)
        new, slip = kahan(delta / n, middle, middle_lost)
        middle, middle_lost = np.where(here, new, middle), np.where(here, slip, middle_lost)
        new, slip = kahan(delta * (values - (middle + middle_lost)), spread, spread_lost)
        spread, spread_lost = np.where(here, new, spread), np.where(here, slip, spread_lost)
    return (spread + spread_lost) / n


def smallest(layers: Layers, steps: int) -> Values:
    """NaN only where nothing else is. Returns [steps]."""
    least = np.full(steps, np.nan)
    for values, here in layers:
        least = np.where(here, np.fmin(least, values), least)
    return least


def largest(layers: Layers, steps: int) -> Values:
    most = np.full(steps, np.nan)
    for values, here in layers:
        most = np.where(here, np.fmax(most, values), most)
    return most


def ordered(layers: Layers, steps: int) -> tuple[Values, Values]:
    """The values of each step from small to large, NaN first and what is absent last: [layers, steps], with their
    number [steps]."""
    pairs = list(layers)
    if not pairs:
        return np.full((1, steps), np.nan), np.zeros(steps)
    if len(pairs) * steps > MAX_CELLS:
        raise QueryError(f"{len(pairs)} values at {steps} steps are too many to sort")
    values = np.stack([value for value, _ in pairs])
    here = np.stack([mask for _, mask in pairs])
    rank = np.where(here, np.where(np.isnan(values), 0, 1), 2)
    order = np.lexsort((values, rank), axis=0)
    return np.take_along_axis(values, order, axis=0), here.sum(axis=0).astype(np.float64)


def quantile(share: Values, layers: Layers, steps: int) -> Values:
    """The ``share`` [steps] quantile, linear between the two samples around it (Prometheus, promql/quantile.go)."""
    values, n = ordered(layers, steps)
    rank = np.nan_to_num(np.clip(share, 0, 1)) * (np.maximum(n, 1) - 1)
    lower = np.floor(rank).astype(np.int64)
    upper = np.minimum(np.maximum(n.astype(np.int64), 1) - 1, lower + 1)
    weight = rank - np.floor(rank)
    columns = np.arange(steps)
    found = values[lower, columns] * (1 - weight) + values[upper, columns] * weight
    found = np.where(share < 0, -np.inf, np.where(share > 1, np.inf, found))
    return np.where(np.isnan(share), np.nan, found)
