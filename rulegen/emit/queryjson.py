"""Values over a grid → the JSON of Prometheus' ``/api/v1/query_range``, byte for byte."""

from __future__ import annotations

import json
import math
from decimal import Decimal

from rulegen.core.labels import EMPTY, Labels
from rulegen.core.spans import Grid
from rulegen.promql import Matrix, Scalar

_HTML = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})


def answer(value: Matrix | Scalar, grid: Grid) -> str:
    """The answer without a line's end, as the server sends it; series sorted by labels, a scalar as one without."""
    times = grid.times().tolist()
    rows: list[tuple[Labels, list[tuple[int, float]]]]
    if isinstance(value, Scalar):
        rows = [(EMPTY, list(zip(times, value.values.tolist(), strict=True)))]
    else:
        lines = zip(value.labels, value.values.tolist(), value.present.tolist(), strict=True)
        rows = [(labels, [p[:2] for p in zip(times, v, here, strict=True) if p[2]]) for labels, v, here in lines]
        rows.sort(key=lambda row: row[0])
    result = ",".join(f'{{"metric":{_object(labels)},"values":[{_points(points)}]}}' for labels, points in rows)
    return f'{{"status":"success","data":{{"resultType":"matrix","result":[{result}]}}}}'


def number(value: float) -> str:
    """As Prometheus' jsonutil.MarshalFloat: the shortest decimal that reads back, with an exponent only below 1e-6
    and from 1e21 on."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if value and not 1e-6 <= abs(value) < 1e21:
        return repr(value)
    return f"{Decimal(repr(value)):f}".removesuffix(".0")


def moment(time: int) -> str:
    """ms → seconds as jsonutil.MarshalTimestamp writes them: three decimals, or none."""
    sign, time = ("-", -time) if time < 0 else ("", time)
    return f"{sign}{time // 1000}" + (f".{time % 1000:03d}" if time % 1000 else "")


def _points(points: list[tuple[int, float]]) -> str:
    return ",".join(f'[{moment(time)},"{number(value)}"]' for time, value in points)


def _object(labels: Labels) -> str:
    """Escaped as Go's encoding/json does, which has HTML in mind."""
    return json.dumps(dict(labels), ensure_ascii=False, separators=(",", ":")).translate(_HTML)
