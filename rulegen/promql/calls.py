"""Which function a call means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import promql_parser as ast
from promql_parser import Expr

from rulegen.core.labels import METRIC_NAME, Labels
from rulegen.core.semantics import Semantics
from rulegen.core.spans import Mask, Times
from rulegen.errors import UnsupportedError
from rulegen.promql import functions, line, over_time, ranks, rate, sums
from rulegen.promql.block import Range
from rulegen.promql.histogram import histogram_fraction, histogram_quantile, histogram_quantiles
from rulegen.promql.matrix import Matrix, Scalar, somewhere
from rulegen.promql.needs import matchers_of
from rulegen.promql.relabel import label_join, label_replace

Value = Matrix | Scalar | Range | str


@dataclass(frozen=True, slots=True, eq=False)
class Arguments:
    """What a call was given: evaluated ``values`` and their ``nodes``, and the evaluation times ``at`` [steps]."""

    at: Times
    values: tuple[Value, ...]
    nodes: tuple[Expr, ...]
    semantics: Semantics

    def __len__(self) -> int:
        return len(self.values)

    def vector(self, place: int) -> Matrix:
        value = self.values[place]
        assert isinstance(value, Matrix)  # the parser checks types
        return value

    def scalar(self, place: int) -> Scalar:
        value = self.values[place]
        assert isinstance(value, Scalar)
        return value

    def range(self, place: int) -> Range:
        value = self.values[place]
        assert isinstance(value, Range)
        return value

    def text(self, place: int) -> str:
        value = self.values[place]
        assert isinstance(value, str)
        return value

    def texts(self, start: int) -> tuple[str, ...]:
        return tuple(value for value in self.values[start:] if isinstance(value, str))


Function = Callable[[Arguments], Matrix | Scalar]


def unwrapped(node: Expr) -> Expr:
    """``node`` without the brackets around it."""
    while isinstance(node, ast.ParenExpr):
        node = node.expr
    return node


def supported(name: str) -> None:
    """Raises UnsupportedError for a function that is not evaluated here (those on native histograms among them)."""
    if name not in FUNCTIONS:
        raise UnsupportedError(f"function {name}()")


def call(name: str, given: Arguments) -> Matrix | Scalar:
    """Function ``name``, which must be :func:`supported`, of ``given``. Raises QueryError as Prometheus would."""
    return FUNCTIONS[name](given)


def _absent(given: Arguments) -> Matrix:
    return _absence(given.nodes[0], ~somewhere(given.vector(0).present))


def _absent_over_time(given: Arguments) -> Matrix:
    return _absence(given.nodes[0], ~somewhere(over_time.last_over_time(given.range(0)).present))


def _absence(node: Expr, where: Mask) -> Matrix:
    """1 ``where`` [steps] nothing is, with the labels that a selector fixes: those with one ``=`` matcher only."""
    labels: dict[str, str] = {}
    seen: set[str] = set()
    node = unwrapped(node)
    selector = node.vector_selector if isinstance(node, ast.MatrixSelector) else node
    for matcher in matchers_of(selector) if isinstance(selector, ast.VectorSelector) else ():
        if matcher.name == METRIC_NAME:
            continue
        if matcher.op == "=" and matcher.name not in seen:
            labels[matcher.name] = matcher.value
            seen.add(matcher.name)
        else:
            labels.pop(matcher.name, None)
    return Matrix.of([(Labels(labels), np.ones(len(where)), where)], len(where))


def _calendar(name: str) -> Function:
    return lambda given: functions.calendar(name, given.at, given.vector(0) if len(given) else None)


def _maths(name: str) -> Function:
    return lambda given: functions.maths(name, given.vector(0))


def _ranged(function: Callable[[Range], Matrix]) -> Function:
    return lambda given: function(given.range(0))


def _extrapolated(function: Callable[[Range, Semantics], Matrix]) -> Function:
    return lambda given: function(given.range(0), given.semantics)


def _holt(given: Arguments) -> Matrix:
    return over_time.double_exponential_smoothing(given.range(0), given.scalar(1), given.scalar(2))


FUNCTIONS: dict[str, Function] = {
    **{name: _maths(name) for name in functions.MATHS},
    **{name: _calendar(name) for name in functions.CALENDAR},
    **{
        function.__name__: _ranged(function)
        for function in (
            sums.sum_over_time,
            sums.avg_over_time,
            over_time.min_over_time,
            over_time.max_over_time,
            over_time.count_over_time,
            over_time.present_over_time,
            over_time.last_over_time,
            over_time.first_over_time,
            sums.stddev_over_time,
            sums.stdvar_over_time,
            ranks.mad_over_time,
            over_time.ts_of_max_over_time,
            over_time.ts_of_min_over_time,
            over_time.ts_of_last_over_time,
            over_time.ts_of_first_over_time,
            over_time.changes,
            over_time.resets,
            line.deriv,
            rate.irate,
            rate.idelta,
        )
    },
    **{function.__name__: _extrapolated(function) for function in (rate.rate, rate.increase, rate.delta)},
    "quantile_over_time": lambda given: ranks.quantile_over_time(given.scalar(0), given.range(1)),
    "predict_linear": lambda given: line.predict_linear(given.range(0), given.scalar(1), given.at),
    "holt_winters": _holt,
    "double_exponential_smoothing": _holt,
    "absent": _absent,
    "absent_over_time": _absent_over_time,
    "histogram_quantile": lambda given: histogram_quantile(given.scalar(0), given.vector(1), given.semantics),
    "histogram_quantiles": lambda given: histogram_quantiles(
        given.vector(0), given.text(1), tuple(given.scalar(place) for place in range(2, len(given)))
    ),
    "histogram_fraction": lambda given: histogram_fraction(given.scalar(0), given.scalar(1), given.vector(2)),
    "time": lambda given: functions.time(given.at),
    "timestamp": lambda given: given.vector(0).map(lambda values: np.broadcast_to(given.at / 1000, values.shape)),
    "vector": lambda given: functions.vector_of(given.scalar(0)),
    "scalar": lambda given: functions.scalar_of(given.vector(0)),
    "pi": lambda given: Scalar(np.full(len(given.at), np.pi)),
    "round": lambda given: functions.rounded(given.vector(0), given.scalar(1) if len(given) > 1 else None),
    "clamp": lambda given: functions.clamp(given.vector(0), given.scalar(1).values, given.scalar(2).values),
    "clamp_min": lambda given: functions.clamp(given.vector(0), given.scalar(1).values, None),
    "clamp_max": lambda given: functions.clamp(given.vector(0), None, given.scalar(1).values),
    "sort": lambda given: functions.by_value(given.vector(0), descending=False),
    "sort_desc": lambda given: functions.by_value(given.vector(0), descending=True),
    "sort_by_label": lambda given: functions.by_label(given.vector(0), given.texts(1), descending=False),
    "sort_by_label_desc": lambda given: functions.by_label(given.vector(0), given.texts(1), descending=True),
    "label_replace": lambda given: label_replace(
        given.vector(0), *(given.text(place) for place in (1, 2, 3, 4)), utf8=given.semantics == "open"
    ),
    "label_join": lambda given: label_join(
        given.vector(0), given.text(1), given.text(2), given.texts(3), utf8=given.semantics == "open"
    ),
}
