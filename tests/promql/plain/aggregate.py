"""Aggregations that fold the rows of a group, one row after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from plain import fold
from plain.fold import Layers
from rulegen.core.labels import Labels
from rulegen.core.series import Values
from rulegen.core.spans import Mask
from rulegen.promql.matrix import Matrix, Scalar, somewhere


def _ones(_: Layers, steps: int) -> Values:
    return np.ones(steps)


FOLDS: dict[str, Callable[[Layers, int], Values]] = {
    "sum": fold.total,
    "avg": fold.mean,
    "min": fold.smallest,
    "max": fold.largest,
    "count": fold.count,
    "group": _ones,
    "stddev": lambda layers, steps: np.sqrt(fold.variance(layers, steps)),
    "stdvar": fold.variance,
}


def folded(op: str, vector: Matrix, groups: dict[Labels, list[int]], param: Scalar | None) -> Matrix:
    if op == "quantile":
        assert param is not None
        return _each_group(vector, groups, lambda layers, steps: fold.quantile(param.values, layers, steps))
    return _each_group(vector, groups, FOLDS[op])


def _layers(vector: Matrix, rows: list[int]) -> Iterator[tuple[Values, Mask]]:
    for row in rows:
        yield vector.values[row], vector.present[row]


def _each_group(vector: Matrix, groups: dict[Labels, list[int]], function: Callable[[Layers, int], Values]) -> Matrix:
    return Matrix.of(
        (
            (labels, function(_layers(vector, rows), vector.steps), somewhere(vector.present[rows]))
            for labels, rows in groups.items()
        ),
        vector.steps,
    )
