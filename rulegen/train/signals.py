"""The shapes that signals are made of. Each is an array over the axis, [n], in the unit its caller chooses."""

from __future__ import annotations

import numpy as np

from rulegen.core.series import Values
from rulegen.train.axis import Axis, Counts, Ticks

_MEMORY = 90  # ticks after which a wandering signal has forgotten where it was


def daily(axis: Axis, low: float, peak_hour: float = 14.0, weekend: float = 0.8) -> Values:
    """1 at ``peak_hour`` on a weekday, ``low`` twelve hours later, ``weekend`` times that at weekends."""
    wave = 0.5 + 0.5 * np.cos(2 * np.pi * (axis.hours() - peak_hour) / 24)
    shape: Values = (low + (1 - low) * wave**1.5) * np.where(axis.weekend(), weekend, 1.0)
    return shape


def wander(rng: np.random.Generator, n: int, spread: float, smooth: int = 8) -> Values:
    """A stationary drift around 0 with standard deviation ``spread`` and a correlation time of ``smooth`` ticks."""
    kernel = np.exp(-np.arange(_MEMORY) / smooth)
    kernel /= np.sqrt((kernel**2).sum())
    drift: Values = np.convolve(rng.standard_normal(n + _MEMORY - 1), kernel, mode="valid") * spread
    return drift


def steady(rng: np.random.Generator, axis: Axis, low: float, high: float) -> Values:
    """A healthy signal that follows the day between ``low`` and ``high`` and (clipped) never leaves them."""
    shape = low + (high - low) * (0.2 + 0.6 * daily(axis, 0.2))
    calm: Values = np.clip(shape + wander(rng, axis.n, (high - low) * 0.12, smooth=4), low, high)
    return calm


def ramp(length: int, rise: int, level: float, base: float) -> Values:
    """From ``base`` to ``level`` within ``rise`` ticks, then ``level``. [length]"""
    up = np.minimum(1.0, np.arange(1, length + 1) / max(1, rise))
    shape: Values = base + (level - base) * up
    return shape


def lay(signal: Values, ticks: Ticks, shape: Values) -> None:
    """Overwrites ``signal`` [n] with ``shape`` during ``ticks``."""
    signal[ticks[0] : ticks[1]] = shape[: max(0, min(ticks[1], len(signal)) - ticks[0])]


def arrivals(rng: np.random.Generator, per_second: Values) -> Counts:
    """How many events come in each minute when ``per_second`` [n] are expected."""
    return rng.poisson(np.maximum(per_second, 0.0) * 60).astype(np.int64)
