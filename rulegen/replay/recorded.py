"""What rules write: recorded series, ``ALERTS`` and ``ALERTS_FOR_STATE``, a staleness marker where one stops."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from rulegen.core.labels import ALERT_NAME, METRIC_NAME, Labels
from rulegen.core.rule import Rule
from rulegen.core.series import STALE, Series, Values
from rulegen.core.spans import Mask, Times
from rulegen.errors import QueryError
from rulegen.promql import Matrix
from rulegen.replay.alerting import Activity, Steps
from rulegen.replay.observed import ALERTS, STATE

FOR_STATE = "ALERTS_FOR_STATE"  # its value is since when (s) the alert is active
OF_ALERTS = (ALERTS, FOR_STATE)


@dataclass(slots=True)
class Written:
    """The samples that one rule writes over a grid, step by step or many steps at once, in any order."""

    steps: dict[Labels, list[Steps]] = field(default_factory=dict)
    values: dict[Labels, list[Values]] = field(default_factory=dict)

    def put(self, labels: Labels, steps: Steps, values: Values) -> None:
        self.steps.setdefault(labels, []).append(steps)
        self.values.setdefault(labels, []).append(values)

    def series(self, times: Times, failed: Sequence[int] = ()) -> Iterator[Series]:
        """As the storage holds them; ``times`` [steps] are those of the samples.

        At the ``failed`` steps the rule wrote nothing, no staleness marker either (Prometheus, rules/group.go).
        """
        ran = np.ones(len(times), dtype=np.bool_)
        ran[list(failed)] = False
        place, wrote = np.cumsum(ran) - 1, times[ran]  # place [steps]: of each evaluation among those that succeeded
        for labels, parts in self.steps.items():
            # Two alerts that differ in a label `alertstate` alone are one series; the first sample counts.
            steps, chosen = np.unique(np.concatenate(parts), return_index=True)
            values = np.concatenate(self.values[labels])[chosen]
            parts[:], self.values[labels][:] = [steps], [values]
            at = place[steps]
            stops = np.append(at[1:] != at[:-1] + 1, at[-1:] + 1 < len(wrote))
            gone = at[stops] + 1
            order = np.argsort(np.concatenate([at, gone]), kind="stable")
            samples = np.concatenate([values, np.full(len(gone), STALE)])[order]
            yield Series(labels, wrote[np.concatenate([at, gone])[order]], samples)


def record(rule: Rule, matrix: Matrix, limit: int) -> tuple[Matrix, Mask]:
    """What a recording ``rule`` makes of its expression's value, and at which steps [steps] it exceeds ``limit``.

    Raises QueryError when two series become one at the same time.
    """
    labels = tuple(one.updated({**rule.labels, METRIC_NAME: rule.name}) for one in matrix.labels)
    rows = Matrix(labels, matrix.values, matrix.present).merged()
    over = rows.present.sum(axis=0) > limit if limit else np.zeros(rows.steps, dtype=np.bool_)
    return rows, over


def alert_series(rule: Rule, found: Activity, since: Times) -> Written:
    """``ALERTS`` and ``ALERTS_FOR_STATE`` of an alerting ``rule``; ``since`` [steps] are the evaluation times."""
    written = Written()
    columns = (found.series, found.begun, found.fired, found.over)
    for row, begun, fired, over in zip(*(column.tolist() for column in columns), strict=True):
        for labels, first, last, value in alert_samples(found.labels[row], begun, fired, over, int(since[begun])):
            written.put(labels, np.arange(first, last + 1), np.full(last + 1 - first, value))
    return written


def alert_samples(
    labels: Labels, begun: int, fired: int, over: int, since: int
) -> Iterator[tuple[Labels, int, int, float]]:
    """(labels, first step, last step, value) of what is written about one alert, active ``since`` (ms)."""
    if fired > begun:
        yield labels.updated({METRIC_NAME: ALERTS, STATE: "pending"}), begun, min(fired - 1, over), 1.0
    if fired <= over:
        yield labels.updated({METRIC_NAME: ALERTS, STATE: "firing"}), fired, over, 1.0
    yield labels.updated({METRIC_NAME: FOR_STATE}), begun, over, float(since // 1000)


def written_names(rule: Rule) -> tuple[str, ...]:
    return (rule.name,) if rule.kind == "record" else OF_ALERTS


def fixed_labels(rule: Rule) -> dict[str, str]:
    """The labels that everything ``rule`` writes surely has; other labels may come from its expression."""
    if rule.kind == "record":
        return dict(rule.labels)
    fixed = {name: value for name, value in rule.labels.items() if "{{" not in value and name != STATE}
    return {**fixed, ALERT_NAME: rule.name}


class Shelf:
    """All series that rules have written so far."""

    def __init__(self) -> None:
        self._series: dict[Labels, Series] = {}

    def __iter__(self) -> Iterator[Series]:
        return iter(self._series.values())

    def put(self, more: Iterable[Series]) -> None:
        """Raises QueryError when two rules record the same series; of a shared alert the first sample counts."""
        more = list(more)
        for series in more:
            if series.labels in self._series and series.labels[METRIC_NAME] not in OF_ALERTS:
                raise QueryError(f"two rules record the same series of {series.labels[METRIC_NAME]}")
        for series in more:
            before = self._series.get(series.labels)
            self._series[series.labels] = series if before is None else _both(before, series)


def _both(first: Series, second: Series) -> Series:
    """Samples of both; where they are at one time the storage keeps what was written first."""
    times, chosen = np.unique(np.concatenate([first.times, second.times]), return_index=True)
    return Series(first.labels, times, np.concatenate([first.values, second.values])[chosen])
