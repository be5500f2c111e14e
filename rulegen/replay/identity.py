"""From the series of an expression to the label sets of alerts, which are their identity (rules/alerting.go)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from rulegen.core.labels import ALERT_NAME, EMPTY, METRIC_NAME, Labels
from rulegen.core.rule import Rule
from rulegen.core.series import Values
from rulegen.core.spans import Mask, Times
from rulegen.errors import QueryError, UnsupportedError
from rulegen.gotemplate import (
    Data,
    Dependence,
    Sample,
    StringMap,
    Template,
    TemplateError,
    compiled,
    dependence,
    expand,
)
from rulegen.promql import Matrix

MAX_CELLS = 20_000_000  # rows × steps of alerts whose labels change with the value


def no_query(expr: str, time: int) -> list[Sample]:
    raise UnsupportedError("query in a template, where there is nothing to ask")


@dataclass(frozen=True, slots=True)
class Around:
    """What templates see beside the series: the server's external labels and URL, and the answer (by expression and
    time, ms) to a query."""

    labels: Labels = EMPTY
    url: str = ""
    query: Callable[[str, int], list[Sample]] = no_query


def alerts(rule: Rule, matrix: Matrix, times: Times, around: Around) -> Matrix:
    """``matrix`` [series, steps] with the labels of the alerts that its series become at ``times`` [steps].

    Raises QueryError when two series become one alert at the same time, as Prometheus does, and UnsupportedError for
    a label template that can't be expanded.
    """
    varies = _varies(rule.labels)
    if varies == "labels":
        named = tuple(_fixed(rule.name, rule.labels, series, around.labels, around.url) for series in matrix.labels)
        return Matrix(named, matrix.values, matrix.present).merged()
    rows: list[tuple[Labels, Values, Mask]] = []
    for series, values, present in zip(matrix.labels, matrix.values, matrix.present, strict=True):
        steps_of: dict[Labels, list[np.ndarray]] = {}
        for value, time, steps in _cells(values, present, times, varies):
            labels = alert_labels(rule.name, rule.labels, series, value, time, around)
            steps_of.setdefault(labels, []).append(steps)
        if (len(rows) + len(steps_of)) * len(times) > MAX_CELLS:
            raise UnsupportedError("labels that change with the value: they make too many alerts")
        for labels, parts in steps_of.items():
            here = np.zeros(len(times), dtype=np.bool_)
            here[np.concatenate(parts)] = True
            rows.append((labels, values, here))
    return Matrix.of(rows, len(times))


def _cells(values: Values, present: Mask, times: Times, varies: Dependence) -> list[tuple[float, int, np.ndarray]]:
    """(value, a time, the steps) of cells of one series that surely have one label set."""
    steps = np.flatnonzero(present)
    if varies == "time":
        return [(float(values[step]), int(times[step]), np.array([step])) for step in steps.tolist()]
    distinct, which = np.unique(values[steps], return_inverse=True)
    order = np.argsort(which, kind="stable")
    cuts = np.searchsorted(which[order], np.arange(1, len(distinct)))
    parts = np.split(steps[order], cuts)
    return [(float(value), int(times[part[0]]), part) for value, part in zip(distinct, parts, strict=True)]


def changing(rule: Rule) -> bool:
    """Whether an alert of ``rule`` can become another one because the value changes."""
    return _varies(rule.labels) != "labels"


@lru_cache(maxsize=4096)
def _varies(labels: Labels) -> Dependence:
    found = {dependence(_compiled(value)) for value in labels.values() if "{{" in value}
    return "time" if "time" in found else "value" if "value" in found else "labels"


@lru_cache(maxsize=100_000)
def _fixed(name: str, rule_labels: Labels, series: Labels, external: Labels, url: str) -> Labels:
    return alert_labels(name, rule_labels, series, 0.0, 0, Around(external, url))


def alert_labels(
    name: str, rule_labels: Labels, series: Labels, value: float = 0.0, time: int = 0, around: Around | None = None
) -> Labels:
    """The full label set of an alert: the series' labels, the rule's over them, and ``alertname`` over all.

    ``value`` is the expression's at ``time`` (ms).
    """
    plain = series.drop((METRIC_NAME,))
    around = around or Around()
    added = {
        label: _label(text, series, value, time, around) if "{{" in text else text
        for label, text in rule_labels.items()
    }
    return plain.updated({**added, ALERT_NAME: name})


def _label(text: str, series: Labels, value: float, time: int, around: Around) -> str:
    _compiled(text)
    try:
        return expanded(text, series, value, time, around)
    except TemplateError as error:
        raise QueryError(f"the template {text!r} in a rule label fails: {error}") from None


def expanded(text: str, series: Labels, value: float, time: int, around: Around) -> str:
    """A label's or annotation's text for one sample. Raises TemplateError where Prometheus fails to expand it."""
    data = Data(StringMap(series), StringMap(around.labels), around.url, value)
    return expand(text, data, lambda expr: around.query(expr, time))


def _compiled(text: str) -> Template:
    try:
        return compiled(text)
    except TemplateError as error:
        raise QueryError(f"the template {text!r} in a rule label fails: {error}") from None
