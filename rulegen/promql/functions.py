"""Functions of instant vectors and scalars: mathematics, time, order."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from rulegen.core.labels import EMPTY
from rulegen.core.series import Values
from rulegen.core.spans import Times
from rulegen.promql.matrix import Matrix, Scalar

MATHS: dict[str, Callable[[Values], Values]] = {
    "abs": np.abs,
    "acos": np.arccos,
    "acosh": np.arccosh,
    "asin": np.arcsin,
    "asinh": np.arcsinh,
    "atan": np.arctan,
    "atanh": np.arctanh,
    "ceil": np.ceil,
    "cos": np.cos,
    "cosh": np.cosh,
    "deg": lambda x: x * 180 / np.pi,
    "exp": np.exp,
    "floor": np.floor,
    "ln": np.log,
    "log10": np.log10,
    "log2": np.log2,
    "rad": lambda x: x * np.pi / 180,
    "sgn": np.sign,
    "sin": np.sin,
    "sinh": np.sinh,
    "sqrt": np.sqrt,
    "tan": np.tan,
    "tanh": np.tanh,
}

Days = NDArray[np.datetime64]


def _seconds(values: Values) -> Times:
    """Go's ``int64(value)``: whole seconds since the epoch, kept within the years that NumPy can tell."""
    whole: Times = np.nan_to_num(np.clip(values, -6e10, 2.5e11)).astype(np.int64)
    return whole


def _month(values: Values) -> Days:
    return _seconds(values).astype("datetime64[s]").astype("datetime64[M]")


def _day(values: Values) -> Days:
    return _seconds(values).astype("datetime64[s]").astype("datetime64[D]")


def _days_in_month(values: Values) -> NDArray[np.int64]:
    month = _month(values)
    days: NDArray[np.int64] = ((month + 1).astype("datetime64[D]") - month.astype("datetime64[D]")).astype(np.int64)
    return days


CALENDAR: dict[str, Callable[[Values], NDArray[np.int64]]] = {
    "minute": lambda t: _seconds(t) // 60 % 60,
    "hour": lambda t: _seconds(t) // 3600 % 24,
    "day_of_week": lambda t: (_seconds(t) // 86400 + 4) % 7,  # the epoch was a Thursday
    "day_of_month": lambda t: (_day(t) - _month(t).astype("datetime64[D]")).astype(np.int64) + 1,
    "day_of_year": lambda t: (_day(t) - _day(t).astype("datetime64[Y]").astype("datetime64[D]")).astype(np.int64) + 1,
    "days_in_month": _days_in_month,
    "month": lambda t: _month(t).astype(np.int64) % 12 + 1,
    "year": lambda t: _month(t).astype(np.int64) // 12 + 1970,
}


def maths(name: str, vector: Matrix) -> Matrix:
    return vector.map(MATHS[name])


def calendar(name: str, at: Times, vector: Matrix | None = None) -> Matrix:
    """A part of the date (UTC) that the values of ``vector`` are, in seconds since the epoch; without it, of now."""
    part = CALENDAR[name]
    when = vector_of(time(at)) if vector is None else vector
    return when.map(lambda values: np.where(np.isnan(values), np.nan, part(values)))


def time(at: Times) -> Scalar:
    return Scalar(at / 1000)


def vector_of(scalar: Scalar) -> Matrix:
    """``vector(s)``: one series without labels."""
    return Matrix.of([(EMPTY, scalar.values, np.ones(len(scalar.values), dtype=np.bool_))], len(scalar.values))


def scalar_of(vector: Matrix) -> Scalar:
    """``scalar(v)``: the value where there is exactly one series, else NaN."""
    alone = vector.present.sum(axis=0) == 1
    return Scalar(np.where(alone, np.where(vector.present, vector.values, 0.0).sum(axis=0), np.nan))


def clamp(vector: Matrix, least: Values | None, most: Values | None) -> Matrix:
    """``clamp``, ``clamp_min`` and ``clamp_max``; limits [steps]. Nothing is left where the limits cross."""
    if least is not None and most is not None:
        vector = Matrix(vector.labels, vector.values, vector.present & ~(most < least)).pruned()

    def limited(values: Values) -> Values:
        # Go's math.Min and math.Max: NaN where one of the two is, unless the other is the infinity that ends it all.
        if most is not None:
            values = np.where(np.isneginf(most) | np.isneginf(values), -np.inf, np.minimum(most, values))
        if least is not None:
            values = np.where(np.isposinf(least) | np.isposinf(values), np.inf, np.maximum(least, values))
        return values

    return vector.map(limited)


def rounded(vector: Matrix, nearest: Scalar | None = None) -> Matrix:
    """To the nearest multiple; ties go up. Prometheus divides by the inverse for the sake of precision."""
    inverse = 1.0 / (nearest.values if nearest else np.ones(vector.steps))
    return vector.map(lambda values: np.floor(values * inverse + 0.5) / inverse)


def by_value(vector: Matrix, *, descending: bool) -> Matrix:
    """``sort`` and ``sort_desc`` order an instant query's answer, NaN last; a range query has no such order."""
    if vector.steps != 1:
        return vector
    values = vector.values[:, 0]
    key = -values if descending else values  # NumPy puts NaN last too
    return vector.take([int(row) for row in np.argsort(key, kind="stable")])


def by_label(vector: Matrix, names: tuple[str, ...], *, descending: bool) -> Matrix:
    """``sort_by_label``: natural order of the labels named, then of all labels."""
    if vector.steps != 1:
        return vector

    def key(row: int) -> tuple[object, ...]:
        labels = vector.labels[row]
        return (*(_natural(labels.get(name, "")) for name in names), labels.pairs)

    return vector.take(sorted(range(len(vector.labels)), key=key, reverse=descending))


def _natural(text: str) -> list[tuple[int, int, str]]:
    """Numbers within a text compare as numbers: ``a2`` before ``a10``."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.findall(r"\d+|\D+", text)]
