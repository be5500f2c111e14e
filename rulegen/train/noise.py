"""When noise comes: stretches of ticks, and the shapes that it takes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rulegen.core.durations import DAY
from rulegen.core.series import Values
from rulegen.train.axis import Axis, Ticks


def spells(
    rng: np.random.Generator,
    axis: Axis,
    per_day: float,
    minutes: tuple[int, int],
    free: NDArray[np.bool_],
    apart: int = 5,
) -> tuple[Ticks, ...]:
    """Stretches that start at random ticks, ``per_day`` on average, each ``minutes`` long (both ends included).

    All lie in ``free`` [n] ticks and at least ``apart`` ticks from one another; what finds no place is left out.
    """
    left = free.copy()
    found = []
    for _ in range(int(rng.poisson(per_day * axis.days))):
        start, length = int(rng.integers(axis.n)), int(rng.integers(minutes[0], minutes[1] + 1))
        if start + length <= axis.n and left[start : start + length].all():
            found.append((start, start + length))
            left[max(0, start - apart) : start + length + apart] = False
    return tuple(sorted(found))


def every_day(
    rng: np.random.Generator, axis: Axis, hour: float, jitter: int, minutes: tuple[int, int]
) -> tuple[Ticks, ...]:
    """One stretch a day that starts at ``hour`` ± ``jitter`` ticks."""
    found = []
    for midnight in np.flatnonzero(axis.times() % DAY == 0):
        start = int(midnight) + int(hour * 60) + int(rng.integers(-jitter, jitter + 1))
        end = start + int(rng.integers(minutes[0], minutes[1] + 1))
        if start >= 0 and end <= axis.n:
            found.append((start, end))
    return tuple(found)


def peaks(
    rng: np.random.Generator, length: int, low: float, high: tuple[float, float], off: tuple[int, int]
) -> Values:
    """Flapping: two ticks at a height from ``high``, then ``off`` ticks at ``low``, and so on. [length]"""
    shape = np.full(length, low)
    at = 0
    while at < length:
        shape[at : at + 2] = rng.uniform(*high)
        at += 2 + int(rng.integers(off[0], off[1] + 1))
    return shape
