"""95% intervals by resampling whole groups (worlds, repositories): what lies in one is not independent."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

DRAWS = 2000


def interval(
    values: NDArray[np.float64], groups: Sequence[Hashable], weights: NDArray[np.float64] | None = None
) -> tuple[float, float]:
    """The percentile interval of the mean of ``values`` [n] (weighed by ``weights`` [n]), ``groups`` [n] drawn with
    replacement. One group gives no interval: (nan, nan)."""
    names = {name: at for at, name in enumerate(dict.fromkeys(groups))}
    if len(names) < 2:
        return float("nan"), float("nan")
    at = np.array([names[name] for name in groups])
    weights = np.ones(len(values)) if weights is None else weights
    sums, sizes = np.bincount(at, weights=values * weights), np.bincount(at, weights=weights)
    drawn = np.random.default_rng(0).integers(len(names), size=(DRAWS, len(names)))
    low, high = np.percentile(sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1), [2.5, 97.5])
    return float(low), float(high)
