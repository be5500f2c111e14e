"""The alert state machine: from an expression that holds to alerts that fire (Prometheus, ``rules/alerting.go``)."""

from __future__ import annotations

import re
from functools import lru_cache

import numpy as np

from rulegen.core.labels import ALERT_NAME, METRIC_NAME, Labels
from rulegen.core.outcome import Firings
from rulegen.core.rule import Rule
from rulegen.core.spans import Grid, Mask
from rulegen.errors import UnsupportedError
from rulegen.promql import Matrix

_LABEL_REFERENCE = re.compile(r"\{\{-?\s*\$labels\.([a-zA-Z_][a-zA-Z0-9_]*)\s*-?\}\}")


def fire(rule: Rule, matrix: Matrix, grid: Grid, warm: int) -> Firings:
    """The firings of ``rule`` whose expression evaluated to ``matrix`` [series, steps] over ``grid``.

    ``warm`` is the time (ms) from which the expression had seen one full window. Raises QueryError when two series
    become one alert at the same time, as Prometheus does, and UnsupportedError for a label template it can't expand.
    """
    labels = tuple(alert_labels(rule.name, rule.labels, series) for series in matrix.labels)
    alerts = Matrix(labels, matrix.values, matrix.present).merged()
    hold = -(-rule.hold // grid.step)  # evaluations after the first that holds; firing once it held for ≥ `for`
    keep = -(-rule.keep_firing_for // grid.step)  # counted from the first evaluation that no longer holds
    since, start, end, series = [], [], [], []
    for row, present in enumerate(alerts.present):
        first, last = _runs(present)
        fires_at = first + hold
        if keep == 0:
            lasting = fires_at <= last
            since.append(first[lasting])
            start.append(fires_at[lasting])
            end.append(last[lasting])
        else:
            kept = _kept(first, last, hold, keep, alerts.steps - 1)
            since.append(kept[0])
            start.append(kept[1])
            end.append(kept[2])
        series.append(np.full(len(start[-1]), row, dtype=np.int64))
    if not alerts.labels:
        nothing = np.zeros(0, dtype=np.int64)
        return Firings(grid, (), nothing, nothing, nothing, nothing, warm)
    which, begun, fired, over = (np.concatenate(part) for part in (series, since, start, end))
    order = np.lexsort((which, fired))
    times = grid.start + grid.step * np.stack([begun, fired, over])[:, order]  # [3, firings] ms
    return Firings(grid, alerts.labels, which[order], times[0], times[1], times[2], warm)


@lru_cache(maxsize=100_000)
def alert_labels(name: str, rule_labels: Labels, series: Labels) -> Labels:
    """The full label set of an alert: the series' labels, the rule's over them, and ``alertname`` over all."""
    plain = series.drop((METRIC_NAME,))
    added = {label: _expanded(value, series) for label, value in rule_labels.items()}
    return plain.updated({**added, ALERT_NAME: name})


def _expanded(value: str, labels: Labels) -> str:
    """A label value with ``{{ $labels.x }}`` filled in."""
    if "{{" not in value:
        return value
    filled = _LABEL_REFERENCE.sub(lambda found: labels.get(found[1], ""), value)
    if "{{" in filled and "{{" in _LABEL_REFERENCE.sub("", value):
        raise UnsupportedError(f"the template {value!r} in a rule label")
    return filled


def _runs(holds: Mask) -> tuple[np.ndarray, np.ndarray]:
    """First and last index of each run of true evaluations in ``holds`` [steps]."""
    edges = np.diff(np.concatenate(([False], holds, [False])).astype(np.int8))
    return np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1


def _kept(
    first: np.ndarray, last: np.ndarray, hold: int, keep: int, final: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pending, firing and last firing index of each alert when firing ones are kept for ``keep`` evaluations."""
    alerts: list[tuple[int, int, int]] = []
    for begins, ends in zip(first.tolist(), last.tolist(), strict=True):
        if alerts and begins <= alerts[-1][2] + 1:  # still kept firing when the expression holds again
            alerts[-1] = (alerts[-1][0], alerts[-1][1], min(ends + keep, final))
        elif begins + hold <= ends:
            alerts.append((begins, begins + hold, min(ends + keep, final)))
    columns = np.array(alerts, dtype=np.int64).reshape(-1, 3)
    return columns[:, 0], columns[:, 1], columns[:, 2]
