"""Series in the notation of promtool's unit tests: ``name{a="b"}`` and ``1 2+1x3 _x4 stale``, exact to the bit."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rulegen.core.labels import METRIC_NAME, Labels, quote
from rulegen.core.series import Series, is_stale

_LEAST_RUN = 3  # shorter runs are written out: `5 5` reads better than `5x1`
_LONGEST_STEP = 8  # characters; `0.52+0.020000000000000018x2` reads worse than the values do


def metric_text(labels: Labels) -> str:
    """``up{job="api"}``; label values are quoted, so that any text stays one."""
    inner = ",".join(f"{name}={quote(value)}" for name, value in labels.pairs if name != METRIC_NAME)
    return f"{labels.get(METRIC_NAME, '')}{{{inner}}}"


def values_text(series: Series, interval: int) -> tuple[str, ...]:
    """The values of ``series``, whose times [n] are multiples of ``interval`` ms from 0, as words.

    ``_`` is no sample and ``stale`` a staleness marker. A run of equal values is ``5x3`` and one of equal steps
    ``1+2x3``, where adding up as promtool does gives exactly the same numbers. Raises ValueError for a time off the
    grid.
    """
    steps = series.times // interval
    if (steps * interval != series.times).any() or (len(steps) and steps[0] < 0):
        raise ValueError(f"{series.labels}: a sample is not on the grid of {interval} ms")
    stale = is_stale(series.values)
    words: list[str] = []
    at, here, last = 0, 0, len(steps)
    while here < last:
        if gap := int(steps[here]) - at:
            words.append("_" if gap == 1 else f"_x{gap}")
        end = here
        while end + 1 < last and steps[end + 1] == steps[end] + 1:
            end += 1
        words += _run(series.values[here : end + 1], stale[here : end + 1])
        at, here = int(steps[end]) + 1, end + 1
    return tuple(words)


def _run(values: np.ndarray, stale: np.ndarray) -> Iterator[str]:
    """``values`` [n] without a gap between them."""
    here = 0
    while here < len(values):
        if stale[here]:
            yield "stale"
            here += 1
            continue
        delta, count = _stretch(values[here:])
        if count >= _LEAST_RUN:
            yield f"{_number(values[here])}{_step(delta)}x{count - 1}"
            here += count
        else:
            yield _number(values[here])
            here += 1


def _stretch(values: np.ndarray) -> tuple[float, int]:
    """The step between the first two of ``values`` [n ≥ 1], and how many from the first on it gives exactly.

    promtool adds the step again and again, rounding each time."""
    if len(values) < 2 or not np.isfinite(values[:2]).all():
        return 0.0, 1
    with np.errstate(over="ignore"):
        delta = float(values[1] - values[0])
    if len(_number(delta)) > _LONGEST_STEP:
        return 0.0, 1
    running = float(values[0])
    count = 1
    for value in values[1:].tolist():
        running = running + delta if delta else running
        if np.float64(running).tobytes() != np.float64(value).tobytes():  # -0 is not 0
            break
        count += 1
    return delta, count


def _step(delta: float) -> str:
    return "" if not delta else _number(delta) if delta < 0 else f"+{_number(delta)}"


def _number(value: float) -> str:
    """The shortest text that reads back as the same float."""
    value = float(value)
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Inf" if value > 0 else "-Inf"
    return repr(value).removesuffix(".0")
