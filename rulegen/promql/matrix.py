"""What an expression evaluates to."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from rulegen.core.labels import METRIC_NAME, Labels
from rulegen.core.series import Values
from rulegen.core.spans import Mask
from rulegen.errors import QueryError

# As Prometheus' query.max-samples: what would be larger is an error, not an exhausted machine.
MAX_CELLS = 50_000_000

SAME_LABELS = "vector cannot contain metrics with the same labelset"


@dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """Series over a time grid: one row for each of ``labels``, one column for each step.

    ``values`` [series, steps] count only where ``present`` [series, steps] is true; NaN is a legal value. No two rows
    carry the same labels, and no row is absent at every step.
    """

    labels: tuple[Labels, ...]
    values: Values  # [series, steps]
    present: Mask  # [series, steps]

    @classmethod
    def empty(cls, steps: int) -> Matrix:
        return cls((), np.empty((0, steps)), np.empty((0, steps), dtype=np.bool_))

    @classmethod
    def of(cls, rows: Iterable[tuple[Labels, Values, Mask]], steps: int) -> Matrix:
        """Rows of (labels, values [steps], present [steps]); rows that are never present are left out.

        Rows with the same labels become one. Raises QueryError where two of them are present at one step.
        """
        found = [row for row in rows if row[2].any()]
        if not found:
            return cls.empty(steps)
        labels, values, present = zip(*found, strict=True)
        return cls(labels, np.stack(values), np.stack(present)).merged()

    @property
    def steps(self) -> int:
        return int(self.values.shape[1])

    def take(self, rows: list[int]) -> Matrix:
        return Matrix(tuple(self.labels[row] for row in rows), self.values[rows], self.present[rows])

    def pruned(self) -> Matrix:
        """Without the rows that are absent at every step."""
        kept = self.present.any(axis=1)
        return self if kept.all() else self.take([int(row) for row in np.flatnonzero(kept)])

    def merged(self) -> Matrix:
        """Rows with the same labels laid into one, as Prometheus does between the steps of a range query.

        Raises QueryError where two of them are present at one step.
        """
        rows_of: dict[Labels, list[int]] = {}
        for row, labels in enumerate(self.labels):
            rows_of.setdefault(labels, []).append(row)
        if len(rows_of) == len(self.labels):
            return self
        values, present = [], []
        for rows in rows_of.values():
            if (self.present[rows].sum(axis=0) > 1).any():
                raise QueryError(SAME_LABELS)
            value: Values = self.values[rows[0]]
            for row in rows[1:]:
                value = np.where(self.present[row], self.values[row], value)
            values.append(value)
            present.append(somewhere(self.present[rows]))
        return Matrix(tuple(rows_of), np.stack(values), np.stack(present))

    def distinct(self) -> Matrix:
        """Itself. Raises QueryError when two rows carry the same labels, at whatever steps they are present."""
        if len(set(self.labels)) < len(self.labels):
            raise QueryError(SAME_LABELS)
        return self

    def map(self, function: Callable[[Values], Values]) -> Matrix:
        """``function`` applied to the values; metric names are dropped, as almost every PromQL function does."""
        return Matrix(unnamed(self.labels), function(self.values), self.present).merged()


@dataclass(frozen=True, slots=True, eq=False)
class Scalar:
    """One number for each step: ``values`` [steps]."""

    values: Values


def somewhere(present: Mask) -> Mask:
    """At which steps any of the rows ``present`` [series, steps] is. Returns bool [steps]."""
    found: Mask = np.logical_or.reduce(present, axis=0)
    return found


def unnamed(labels: Iterable[Labels]) -> tuple[Labels, ...]:
    """The label sets without their metric names."""
    return tuple(one.drop((METRIC_NAME,)) if METRIC_NAME in one else one for one in labels)
