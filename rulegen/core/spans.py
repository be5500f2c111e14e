"""Spans of time, in int64 milliseconds since the epoch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.int64]  # [n] milliseconds since the epoch
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """From ``start`` to ``end``, both ends included. ``end`` ≥ ``start``."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if self.end < self.start:
            raise ValueError(f"a span ends ({self.end}) before it starts ({self.start})")

    @property
    def length(self) -> int:
        return self.end - self.start

    def contains(self, time: int) -> bool:
        return self.start <= time <= self.end

    def widened(self, by: int) -> Span:
        return Span(self.start - by, self.end + by)


@dataclass(frozen=True, slots=True)
class Grid:
    """Evaluation times ``start, start + step, …`` up to and including ``end``. ``step`` > 0."""

    start: int
    end: int
    step: int

    def __post_init__(self) -> None:
        if self.step <= 0:
            raise ValueError(f"a grid's step must be positive, not {self.step} ms")

    def times(self) -> Times:  # [steps]
        return np.arange(self.start, self.end + 1, self.step, dtype=np.int64)

    def __len__(self) -> int:
        return max(0, (self.end - self.start) // self.step + 1)


def union(spans: Iterable[Span]) -> tuple[Span, ...]:
    """The same time, as sorted spans that neither overlap nor touch."""
    merged: list[Span] = []
    for span in sorted(spans):
        if merged and span.start <= merged[-1].end:
            merged[-1] = Span(merged[-1].start, max(merged[-1].end, span.end))
        else:
            merged.append(span)
    return tuple(merged)


def intersect(left: Sequence[Span], right: Sequence[Span]) -> tuple[Span, ...]:
    """The time that lies in both (unions of) span lists."""
    out: list[Span] = []
    left, right = union(left), union(right)
    i = j = 0
    while i < len(left) and j < len(right):
        start, end = max(left[i].start, right[j].start), min(left[i].end, right[j].end)
        if start <= end:
            out.append(Span(start, end))
        if left[i].end < right[j].end:
            i += 1
        else:
            j += 1
    return tuple(out)


def inside(times: Times, spans: Sequence[Span]) -> Mask:
    """For each of ``times`` [n] whether it lies in one of ``spans`` (ends included). Returns bool [n]."""
    return between(times, *edges(spans))


def edges(spans: Iterable[Span]) -> tuple[Times, Times]:
    """Starts and ends [k] of the :func:`union` of ``spans``."""
    merged = union(spans)
    starts = np.array([s.start for s in merged], dtype=np.int64)
    return starts, np.array([s.end for s in merged], dtype=np.int64)


def between(times: Times, starts: Times, ends: Times) -> Mask:
    """:func:`inside` for spans whose :func:`edges` are known."""
    if not len(starts):
        return np.zeros(len(times), dtype=np.bool_)
    at = np.searchsorted(starts, times, side="right") - 1  # [n] the last span that starts at or before
    found: Mask = (at >= 0) & (times <= ends[np.maximum(at, 0)])
    return found
