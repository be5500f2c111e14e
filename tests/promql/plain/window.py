"""Range vectors: for each series and step, which of its samples lie in the window that ends there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rulegen.core.labels import Labels
from rulegen.core.semantics import Semantics
from rulegen.core.series import Values
from rulegen.core.spans import Mask, Times

Index = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """One series' samples (``times`` [n] ms, ``values`` [n]) and, for each step, its part ``first:stop`` of them."""

    labels: Labels
    times: Times
    values: Values
    first: Index  # [steps]
    stop: Index  # [steps]

    @property
    def count(self) -> Index:  # [steps]
        return self.stop - self.first

    def value(self, at: Index) -> Values:
        """The values at the sample indexes ``at`` [steps]; where an index is out of range, any value."""
        return self.values[np.clip(at, 0, len(self.values) - 1)] if len(self.values) else np.full(len(at), np.nan)

    def time(self, at: Index) -> Times:
        """The times (ms) at the sample indexes ``at`` [steps]; where an index is out of range, any time."""
        return self.times[np.clip(at, 0, len(self.times) - 1)] if len(self.times) else np.zeros(len(at), np.int64)

    def layers(self) -> Iterator[tuple[Values, Mask]]:
        """First the oldest sample of each window, then the second oldest, …: (values [steps], here [steps])."""
        for at, here in self.indexes():
            yield self.value(at), here

    def indexes(self, skip: int = 0) -> Iterator[tuple[Index, Mask]]:
        """As :meth:`layers`, sample indexes in place of values, from the ``skip``-th oldest sample on."""
        for k in range(skip, int(self.count.max(initial=0))):
            at = self.first + k
            yield at, at < self.stop


@dataclass(frozen=True, slots=True, eq=False)
class Range:
    """The value of a range vector expression: a window for each series.

    ``start`` and ``end`` [steps] (ms) are the windows' edges, ``length`` is the time between them (ms).
    """

    windows: tuple[Window, ...]
    start: Times
    end: Times
    length: int


def cut(labels: Labels, times: Times, values: Values, start: Times, end: Times, semantics: Semantics) -> Window:
    """The windows ``start``..``end`` [steps] (ms) over one series; the right edge always belongs to a window."""
    first = np.searchsorted(times, start, side="right" if semantics == "open" else "left")
    stop = np.searchsorted(times, end, side="right")
    return Window(labels, times, values, first, np.maximum(first, stop))
