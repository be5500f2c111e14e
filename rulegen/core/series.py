"""Samples as they were scraped, and where to find them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from rulegen.core.labels import METRIC_NAME, Labels
from rulegen.core.spans import Mask, Span, Times

Values = NDArray[np.float64]

# Prometheus, model/value: the NaN that marks "this series is gone from here on". Other NaNs are ordinary values.
STALE_BITS = np.uint64(0x7FF0000000000002)
STALE = float(np.array([STALE_BITS], dtype=np.uint64).view(np.float64)[0])


def is_stale(values: Values) -> Mask:
    """Which of ``values`` [n] are staleness markers (compared bit by bit). Returns bool [n]."""
    marks: Mask = np.ascontiguousarray(values).view(np.uint64) == STALE_BITS
    return marks


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """One series: labels with ``__name__``, strictly increasing ``times`` [n] in ms, ``values`` [n]."""

    labels: Labels
    times: Times
    values: Values

    def __post_init__(self) -> None:
        if self.times.shape != self.values.shape:
            raise ValueError(f"{self.labels}: {len(self.times)} times for {len(self.values)} values")
        if len(self.times) > 1 and not (np.diff(self.times) > 0).all():
            raise ValueError(f"{self.labels}: times must increase strictly")


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """A set of series by metric name, sorted by labels. Iterates over the series."""

    by_name: Mapping[str, tuple[Series, ...]] = field(default_factory=dict)
    _having: dict[tuple[str, str], dict[str, list[Series]]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, series: Iterable[Series]) -> Samples:
        """Raises ValueError when two series carry the same labels."""
        return cls().with_series(series)

    def __iter__(self) -> Iterator[Series]:
        for group in self.by_name.values():
            yield from group

    def __len__(self) -> int:
        return sum(len(group) for group in self.by_name.values())

    def having(self, metric: str, label: str, value: str) -> Sequence[Series]:
        """Those of ``metric`` whose ``label`` is ``value`` (not empty), sorted by labels. Sorted out once a label."""
        key = metric, label
        if key not in self._having:
            found: dict[str, list[Series]] = {}
            for one in self.by_name.get(metric, ()):
                found.setdefault(one.labels.get(label, ""), []).append(one)
            self._having[key] = found
        return self._having[key].get(value, ())

    def span(self) -> Span | None:
        """From the first sample to the last; None when there is none."""
        filled = [one for one in self if len(one.times)]
        if not filled:
            return None
        return Span(min(int(s.times[0]) for s in filled), max(int(s.times[-1]) for s in filled))

    def with_series(self, more: Iterable[Series]) -> Samples:
        """These and ``more``; metric names that ``more`` lacks cost nothing. Raises ValueError as :meth:`of` does."""
        found: dict[str, list[Series]] = {}
        for one in more:
            found.setdefault(one.labels.get(METRIC_NAME, ""), []).append(one)
        by_name = dict(self.by_name)
        for name, fresh in found.items():
            group = tuple(sorted((*self.by_name.get(name, ()), *fresh), key=lambda s: s.labels))
            for left, right in pairwise(group):
                if left.labels == right.labels:
                    raise ValueError(f"{left.labels}: given twice")
            by_name[name] = group
        return Samples(dict(sorted(by_name.items())))
