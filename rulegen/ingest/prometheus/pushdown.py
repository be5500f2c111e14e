"""Evaluation by the server: for histories larger than one machine."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from rulegen.core.labels import METRIC_NAME
from rulegen.core.series import Series
from rulegen.core.spans import Grid
from rulegen.errors import UnsupportedError
from rulegen.ingest.prometheus.connection import Connection
from rulegen.ingest.prometheus.samples import query_range
from rulegen.promql import Matrix, selectors


class ServerEngine:
    """Evaluates PromQL by ``query_range`` at any Prometheus-compatible API, in pages.

    The server sees its own data only: ``made`` are the names of series that exist here alone.
    """

    def __init__(self, conn: Connection, made: frozenset[str] = frozenset()) -> None:
        self._conn, self._made = conn, made

    def with_series(self, more: Iterable[Series]) -> ServerEngine:
        """One that knows that the server lacks ``more``, and so refuses what reads a metric of such a name."""
        return ServerEngine(self._conn, self._made | {one.labels.get(METRIC_NAME, "") for one in more})

    def evaluate(self, expr: str, grid: Grid) -> Matrix:
        """The value of ``expr`` at every step, rows sorted by labels; a scalar is one row without labels.

        Raises ExpressionError for a text that is not PromQL, UnsupportedError for what reads series that the server
        does not hold, and UpstreamError, also for an expression that the server refuses.
        """
        for one in selectors(expr):
            if self._made and (one.name is None or one.name in self._made):
                raise UnsupportedError(
                    f"{one.text} on a server that does not hold {one.name or 'what the rules before it record'}: "
                    "its recording rule has to run there, or replay with the local engine"
                )
            if len(grid) > 1 and {"start", "end"} & set(one.fixed):  # each page would have a start and end of its own
                raise UnsupportedError(f"@ start() and @ end() of {one.text} over a range asked in pages")
        found, problems = query_range(self._conn, expr, grid)
        if problems:  # native histograms, a store that did not answer: the answer is not the whole one
            raise UnsupportedError("; ".join(problem.message for problem in problems))
        values = np.zeros((len(found), len(grid)))
        present = np.zeros((len(found), len(grid)), dtype=np.bool_)
        for row, series in enumerate(found):
            at = (series.times - grid.start) // grid.step
            values[row, at], present[row, at] = series.values, True
        return Matrix(tuple(one.labels for one in found), values, present)
