"""Series as Prometheus' tests write them: ``name{a="b"}`` and ``1+2x3 _ stale`` (promql/parser, ParseSeriesDesc)."""

from __future__ import annotations

import re

import numpy as np

from rulegen.core.labels import METRIC_NAME, Labels
from rulegen.core.series import STALE, Series
from rulegen.gotemplate.parse import TemplateError, unquoted
from rulegen.ingest.names import is_label_name

MAX_POINTS = 10_000_000  # of one series

_QUOTED = r'"(?:[^"\\\n]|\\.)*"|' + r"'(?:[^'\\\n]|\\.)*'|`[^`]*`"
_METRIC = re.compile(rf"\s*([A-Za-z_:][\w:]*)?\s*(?:\{{((?:[^\"'`{{}}]|{_QUOTED})*)\}})?\s*", re.ASCII)
_PAIR = re.compile(rf"\s*(?:([A-Za-z_][\w]*|{_QUOTED})\s*=\s*)?({_QUOTED})\s*(?:,|$)", re.ASCII)
# No hexadecimal: in `1+0x5` the x says how often.
_NUMBER = r"(?:(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[iI][nN][fF]|[nN][aA][nN])"
_POINT = re.compile(rf"(_|stale|[-+]?{_NUMBER})([-+]{_NUMBER})?(?:x(\d+))?", re.ASCII)


def parse_metric(text: str) -> Labels:
    """``up{job="api"}`` → its label set. Raises ValueError."""
    match = _METRIC.fullmatch(text)
    if match is None:
        raise ValueError(f'not a series: {text!r} (write name{{label="value"}})')
    name, inner = match[1] or "", match[2] or ""
    found = {METRIC_NAME: name} if name else {}
    at = 0
    while inner[at:].strip():
        pair = _PAIR.match(inner, at)
        if pair is None:
            raise ValueError(f"not a label: {inner[at:].strip()!r} in {text!r}")
        label = METRIC_NAME if pair[1] is None else _plain(pair[1])
        if not is_label_name(label) or label in found:
            raise ValueError(f"label {label!r} of {text!r} is given twice or is no label name")
        found[label] = _plain(pair[2])
        at = pair.end()
    return Labels(found)


def parse_series(metric: str, values: str, start: int, interval: int) -> Series:
    """A series whose values stand ``interval`` ms apart from ``start`` (ms). Raises ValueError."""
    if "{{" in values:
        raise ValueError("native histograms are not supported")
    steps: list[np.ndarray] = []
    numbers: list[np.ndarray] = []
    at = 0
    for token in values.split():
        match = _POINT.fullmatch(token)
        if match is None:
            raise ValueError(f"not a value: {token!r} (write 1, 1x3, 1+2x3, _, _x3 or stale)")
        first, delta, times = match[1], match[2], int(match[3] or 0)
        if (delta and match[3] is None) or (first in ("_", "stale") and delta):
            raise ValueError(f"not a value: {token!r} (a step needs x and how often)")
        count = (times if match[3] else 1) if first == "_" else times + 1
        if at + count > MAX_POINTS:
            raise ValueError(f"more than {MAX_POINTS} values")
        if first != "_":
            steps.append(np.arange(at, at + count))
            numbers.append(_run(STALE if first == "stale" else _number(first), _number(delta or "0"), count))
        at += count
    if not steps:
        return Series(parse_metric(metric), np.zeros(0, dtype=np.int64), np.zeros(0))
    when = start + np.concatenate(steps).astype(np.int64) * interval
    return Series(parse_metric(metric), when, np.concatenate(numbers))


def _run(first: float, delta: float, count: int) -> np.ndarray:
    """``first``, then each the one before plus ``delta``: added up as Prometheus does, rounding included."""
    if not delta:
        return np.full(count, first)
    return np.cumsum(np.concatenate([[first], np.full(count - 1, delta)]))


def _number(text: str) -> float:
    sign = -1.0 if text.startswith("-") else 1.0
    return sign * float(text.lstrip("+-"))


def _plain(text: str) -> str:
    if text[0] not in "\"'`":
        return text
    try:
        # A single-quoted PromQL string reads like a double-quoted one, but for the quotes themselves.
        return unquoted(text if text[0] != "'" else '"' + text[1:-1].replace('"', '\\"') + '"')
    except TemplateError as error:
        raise ValueError(str(error)) from None
