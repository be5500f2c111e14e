"""Which metrics are counters: their name says so, and their series only grow, up to resets."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from rulegen.core.series import Samples, Series, is_stale

SUFFIXES = ("_total", "_count", "_sum", "_bucket")  # OpenMetrics, and Prometheus' client libraries
RESET = 0.5  # a restart begins at most at this share of what there was
MOST_RESETS = 0.1  # of the steps; what falls more often is a gauge that was given a counter's name


def counters(names: Iterable[str], samples: Samples) -> tuple[str, ...]:
    """Of the metrics ``names`` those that are counters, sorted. One without samples, or that never grows, is none."""
    return tuple(sorted({name for name in names if name.endswith(SUFFIXES) and _grow(samples.by_name.get(name, ()))}))


def _grow(group: Iterable[Series]) -> bool:
    steps = [_steps(one) for one in group]
    return all(fine for fine, _ in steps) and any(rises for _, rises in steps)


def _steps(one: Series) -> tuple[bool, bool]:
    """Whether each fall is a reset and there are few of them, and whether the series rises at all."""
    values = one.values[~is_stale(one.values) & np.isfinite(one.values)]
    if len(values) < 2:
        return True, False
    before, after = values[:-1], values[1:]
    falls = after < before
    resets = falls & (after <= RESET * before)
    fine = bool((resets == falls).all() and falls.sum() <= MOST_RESETS * len(falls) and (values >= 0).all())
    return fine, bool((after > before).any())
