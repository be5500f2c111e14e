"""Query results as the API writes them → series."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from rulegen.core.labels import Labels
from rulegen.core.series import Series, Values
from rulegen.core.spans import Span, Times
from rulegen.errors import Problem, UpstreamError
from rulegen.ingest.prometheus.connection import Connection
from rulegen.ingest.times import LAST_SECOND


@dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """One page: series in the server's order, how many ``samples`` they hold together, and what was wrong with it."""

    series: tuple[Series, ...]
    samples: int
    problems: tuple[Problem, ...]


def ask_matrix(conn: Connection, path: str, params: dict[str, str]) -> Matrix:
    """The range vector that a query gives. Times come as float seconds and leave as int ms.

    Raises UpstreamError (TooMuch where a shorter range may do) and for any other type or shape of result.
    """
    answer = conn.ask(path, params)
    try:
        result = _result(answer.data, "matrix")
        series = [Series(Labels(_texts(one["metric"])), *_points(one.get("values", ()))) for one in result]
    except _WRONG_SHAPE:
        raise _unexpected(conn, path, "a range vector") from None
    histograms = sum(bool(one.get("histograms")) for one in result)
    problems = answer.problems
    if histograms:
        message = f"{params['query']}: {histograms} series hold native histograms, which are not read"
        problems = (*problems, Problem(conn.url, 0, message))
    kept = tuple(one for one in series if len(one.times))
    return Matrix(kept, sum(len(one.times) for one in kept), problems)


def ask_present(conn: Connection, selector: str, time: int) -> tuple[frozenset[Labels], bool]:
    """The label sets that ``selector`` has at ``time`` (ms), as an instant query sees them, and whether the server
    warned that they may not be all. Raises UpstreamError."""
    answer = conn.ask("/api/v1/query", {"query": selector, "time": seconds(time)})
    try:
        found = frozenset(Labels(_texts(one["metric"])) for one in _result(answer.data, "vector"))
    except _WRONG_SHAPE:
        raise _unexpected(conn, "/api/v1/query", "an instant vector") from None
    return found, bool(answer.problems)


class Joined:
    """Pages joined by labels. Pages may overlap: of samples of one series at one time the first is kept."""

    def __init__(self) -> None:
        self._parts: dict[Labels, list[Series]] = {}

    def add(self, series: Iterable[Series]) -> None:
        for one in series:
            self._parts.setdefault(one.labels, []).append(one)

    def series(self, span: Span | None = None) -> tuple[Series, ...]:
        """All series, sorted by labels, cut to ``span`` (both ends included); what is empty then is left out."""
        out = []
        for labels in sorted(self._parts):
            parts = self._parts[labels]
            times, first = np.unique(np.concatenate([one.times for one in parts]), return_index=True)
            values = np.concatenate([one.values for one in parts])[first]
            if span is not None:
                kept = (times >= span.start) & (times <= span.end)
                times, values = times[kept], values[kept]
            if len(times):
                out.append(Series(labels, times, values))
        return tuple(out)


def seconds(time: int) -> str:
    """ms → the API's seconds, exactly: 1_500 → ``"1.500"``."""
    sign, time = ("-", -time) if time < 0 else ("", time)
    return f"{sign}{time // 1000}.{time % 1000:03d}"


def written(time: int) -> str:
    """ms → RFC 3339 in UTC, for messages: 1_500 → ``"1970-01-01T00:00:01.500Z"``, whole seconds without fraction."""
    moment = datetime(1970, 1, 1) + timedelta(milliseconds=time)
    return moment.isoformat(timespec="milliseconds" if time % 1000 else "seconds") + "Z"


_WRONG_SHAPE = (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError)


def _result(data: object, kind: str) -> list[dict[str, object]]:
    if not isinstance(data, dict) or data["resultType"] != kind or not isinstance(data["result"], list):
        raise TypeError(kind)
    return data["result"]


def _texts(metric: object) -> dict[str, str]:
    if not isinstance(metric, dict) or not all(isinstance(value, str) for value in metric.values()):
        raise TypeError("metric")
    return metric


def _points(values: object) -> tuple[Times, Values]:
    """``[[1700000000.5, "1"], …]`` → times [n] in ms, values [n]. ``"NaN"`` and ``"+Inf"`` are values."""
    if not isinstance(values, list | tuple):
        raise TypeError("values")
    moments = np.array([point[0] for point in values], dtype=np.float64)
    if not (np.abs(moments) <= LAST_SECOND).all():
        raise ValueError("time")
    return np.rint(moments * 1000).astype(np.int64), np.array([float(point[1]) for point in values], dtype=np.float64)


def _unexpected(conn: Connection, path: str, wanted: str) -> UpstreamError:
    return UpstreamError(f"{conn.url}{path}: answered JSON that does not hold {wanted}: is it a Prometheus API?")
