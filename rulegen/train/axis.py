"""A world's clock: one tick a minute."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rulegen.core.durations import DAY, HOUR, MINUTE
from rulegen.core.series import Values
from rulegen.core.spans import Span, Times

Ticks = tuple[int, int]  # a stretch of ticks: first and one past the last
Counts = NDArray[np.int64]  # [n] increments of a counter, one a tick


@dataclass(frozen=True, slots=True)
class Axis:
    """``n`` ticks, one a minute, from ``start`` (ms since the epoch, UTC)."""

    start: int
    n: int

    @property
    def days(self) -> float:
        return self.n * MINUTE / DAY

    def times(self) -> Times:  # [n] ms
        return self.start + MINUTE * np.arange(self.n, dtype=np.int64)

    def hours(self) -> Values:  # [n] hour of the day in UTC, 0 ≤ h < 24
        hours: Values = (self.times() % DAY) / HOUR
        return hours

    def weekend(self) -> NDArray[np.bool_]:  # [n]
        days = self.times() // DAY  # day 0 of the epoch was a Thursday
        weekend: NDArray[np.bool_] = (days + 3) % 7 >= 5
        return weekend

    def span(self, ticks: Ticks) -> Span:
        """The time of ``ticks``, both ends included."""
        return Span(self.start + ticks[0] * MINUTE, self.start + (ticks[1] - 1) * MINUTE)
