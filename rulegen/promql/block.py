"""Samples of many series end to end, as kernels read them, and the windows over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rulegen.core.labels import Labels
from rulegen.core.series import Series, Values, is_stale
from rulegen.core.spans import Mask, Times
from rulegen.promql.matrix import Matrix

Index = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """The samples of series ``s`` are ``offsets[s]:offsets[s + 1]`` of ``times`` and ``values`` [samples]."""

    labels: tuple[Labels, ...]
    offsets: Index  # [series + 1]
    times: Times  # [samples] ms
    values: Values  # [samples]

    def __len__(self) -> int:
        return len(self.labels)

    @classmethod
    def of(cls, series: Sequence[Series]) -> Block:
        if not series:
            return cls((), np.zeros(1, np.int64), np.empty(0, np.int64), np.empty(0))
        offsets = np.cumsum([0, *(len(one.times) for one in series)], dtype=np.int64)
        times, values = (np.concatenate([getattr(one, name) for one in series]) for name in ("times", "values"))
        return cls(tuple(one.labels for one in series), offsets, times, values)

    @classmethod
    def of_matrix(cls, matrix: Matrix, times: Times) -> Block:
        """What a range over the values ``matrix`` [series, steps] at ``times`` [steps] (a subquery) reads."""
        offsets = np.concatenate(([0], np.cumsum(matrix.present.sum(axis=1)))).astype(np.int64)
        at = np.nonzero(matrix.present)
        return cls(matrix.labels, offsets, times[at[1]], matrix.values[at])

    def without_stale(self) -> Block:
        """Range vectors hold no staleness markers."""
        real = ~is_stale(self.values)
        if real.all():
            return self
        return Block(self.labels, _moved(self.offsets, real), self.times[real], self.values[real])


def _moved(offsets: Index, kept: Mask) -> Index:
    """``offsets`` after only the ``kept`` [samples] are left."""
    before: Index = np.concatenate(([0], np.cumsum(kept))).astype(np.int64)
    return before[offsets]


@dataclass(frozen=True, slots=True, eq=False)
class Range:
    """The value of a range vector expression: at each step the samples of ``block`` from ``first`` to ``end``.

    ``first`` and ``end`` [steps] (ms) both belong to the window and never fall from one step to the next;
    ``length`` (ms) is the window's length by its text, which reaches 1 ms further back where windows are left-open.
    """

    block: Block
    first: Times
    end: Times
    length: int

    @property
    def start(self) -> Times:  # [steps]
        """The windows' left edges, whether they belong to them or not."""
        return self.end - self.length
