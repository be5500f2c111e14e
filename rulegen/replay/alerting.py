"""The alert state machine: from an expression that holds to alerts that fire (Prometheus, ``rules/alerting.go``).

In two forms: over whole runs of time at once (:func:`activity`), and evaluation by evaluation (:class:`Machine`), for
what can't be known ahead: rules that read their own alerts, and groups whose ``limit`` may be exceeded.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rulegen.core.labels import Labels
from rulegen.core.outcome import Firings
from rulegen.core.rule import Rule
from rulegen.core.spans import Grid, Mask
from rulegen.promql import Matrix
from rulegen.replay.identity import Around, alerts

Steps = NDArray[np.int64]  # positions in a grid, from 0


@dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """When an expression held: unbroken runs of evaluations, sorted by series and then by time.

    ``series`` [n] points into ``labels``; ``first`` and ``last`` [n] are steps of the grid.
    """

    labels: tuple[Labels, ...]
    series: Steps
    first: Steps
    last: Steps

    @classmethod
    def of(cls, alerts: Matrix, at: int = 0) -> Runs:
        """Of an expression's value whose first column is step ``at``."""
        series, first, last = [], [], []
        for row, present in enumerate(alerts.present):
            begins, ends = _runs(present)
            series.append(np.full(len(begins), row, dtype=np.int64))
            first.append(begins + at)
            last.append(ends + at)
        return cls(alerts.labels, _joined(series), _joined(first), _joined(last))


def merged(pieces: Sequence[Runs]) -> Runs:
    """The runs of pieces of time that follow one another; what holds at both sides of an edge is one run."""
    if len(pieces) == 1:
        return pieces[0]
    row_of: dict[Labels, int] = {}
    for piece in pieces:
        for labels in piece.labels:
            row_of.setdefault(labels, len(row_of))
    rows = [np.array([row_of[one] for one in piece.labels], dtype=np.int64) for piece in pieces]
    series = _joined([row[piece.series] for row, piece in zip(rows, pieces, strict=True)])
    first, last = _joined([piece.first for piece in pieces]), _joined([piece.last for piece in pieces])
    order = np.lexsort((first, series))
    series, first, last = series[order], first[order], last[order]
    begins = np.ones(len(series), dtype=np.bool_)
    begins[1:] = (series[1:] != series[:-1]) | (first[1:] != last[:-1] + 1)
    ends = np.append(begins[1:], True)[: len(begins)]
    return Runs(tuple(row_of), series[begins], first[begins], last[ends])


@dataclass(frozen=True, slots=True, eq=False)
class Activity:
    """The alerts of one rule over one grid of ``steps`` evaluations, sorted by series and then by time.

    Each was active (pending or firing) from step ``begun`` [n] to ``over`` [n], and fired from ``fired`` [n] on; one
    that never fired has ``fired`` = ``over`` + 1. ``failed`` are the steps at which the evaluation failed.
    """

    steps: int
    labels: tuple[Labels, ...]
    series: Steps
    begun: Steps
    fired: Steps
    over: Steps
    failed: tuple[int, ...] = ()

    def firings(self, grid: Grid, warm: int) -> Firings:
        lasting = self.fired <= self.over
        return self._firings(grid, warm, lasting, self.fired, self.over)

    def pending(self, grid: Grid, warm: int) -> Firings:
        """The runs of pending evaluations, of alerts that never fired too: ``start`` and ``end`` are their edges."""
        waiting = self.fired > self.begun
        return self._firings(grid, warm, waiting, self.begun, np.minimum(self.fired - 1, self.over))

    def _firings(self, grid: Grid, warm: int, chosen: Mask, start: Steps, end: Steps) -> Firings:
        series = self.series[chosen]
        order = np.lexsort((series, start[chosen]))
        steps = np.stack([self.begun, start, end])[:, chosen][:, order]  # [3, chosen]
        times = grid.start + grid.step * steps
        return Firings(grid, self.labels, series[order], times[0], times[1], times[2], warm)


def activity(rule: Rule, runs: Runs, step: int, steps: int) -> Activity:
    """What ``rule`` makes of an expression that held for ``runs`` of a grid with ``steps`` evaluations ``step`` ms
    apart."""
    hold, keep = waits(rule, step)
    if not keep:
        fired = np.minimum(runs.first + hold, runs.last + 1)
        return Activity(steps, runs.labels, runs.series, runs.first, fired, runs.last)
    starts = np.searchsorted(runs.series, np.arange(len(runs.labels) + 1))
    kept = [
        _kept(row, runs.first[start:end].tolist(), runs.last[start:end].tolist(), hold, keep, steps - 1)
        for row, (start, end) in enumerate(zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True))
    ]
    columns = np.array([alert for alerts in kept for alert in alerts], dtype=np.int64).reshape(-1, 4)
    return Activity(steps, runs.labels, *columns.T)


def limited(rule: Rule, runs: Runs, step: int, steps: int, limit: int) -> Activity:
    """As :func:`activity`, for a group with a ``limit`` of alerts (0: none)."""
    if not limit or len(runs.labels) <= limit:
        return activity(rule, runs, step, steps)
    begins, ends = [list[Labels]() for _ in range(steps)], [list[Labels]() for _ in range(steps)]
    for row, first, last in zip(runs.series.tolist(), runs.first.tolist(), runs.last.tolist(), strict=True):
        begins[first].append(runs.labels[row])
        ends[last].append(runs.labels[row])
    machine, holding = Machine(rule, step, limit), dict[Labels, None]()
    for now in range(steps):
        holding.update(dict.fromkeys(begins[now]))
        machine.evaluate(now, holding)
        for labels in ends[now]:
            del holding[labels]
    return machine.finish(steps)


def waits(rule: Rule, step: int) -> tuple[int, int]:
    """``for`` and ``keep_firing_for`` as numbers of evaluations ``step`` ms apart."""
    hold = -(-rule.hold // step)  # evaluations after the first that holds; firing once it held for ≥ `for`
    keep = -(-rule.keep_firing_for // step)  # counted from the first evaluation that no longer holds
    return hold, keep


def fire(rule: Rule, matrix: Matrix, grid: Grid, warm: int) -> Firings:
    """The firings of ``rule`` whose expression evaluated to ``matrix`` [series, steps] over ``grid``.

    ``warm`` is the time (ms) from which the expression had seen one full window. Raises QueryError when two series
    become one alert at the same time, as Prometheus does, and UnsupportedError for a label template it can't expand.
    """
    found = alerts(rule, matrix, grid.times(), Around())
    return activity(rule, Runs.of(found), grid.step, len(grid)).firings(grid, warm)


@dataclass(slots=True)
class _Alert:
    """One active alert: since which step, firing since which (None: pending), kept since which (None: it holds)."""

    begun: int
    last: int
    fired: int | None = None
    kept: int | None = None


class Machine:
    """``AlertingRule.Eval``, evaluation by evaluation. ``limit`` 0 is none."""

    def __init__(self, rule: Rule, step: int, limit: int = 0) -> None:
        self._hold, self._keep = waits(rule, step)
        self._limit = limit
        self._active: dict[Labels, _Alert] = {}
        self._over: list[tuple[Labels, _Alert]] = []
        self._failed: list[int] = []

    def evaluate(self, step: int, holding: Iterable[Labels]) -> bool:
        """Takes in which alerts' expression holds at ``step``, later than any before. False where the limit is
        exceeded: then every alert is dropped and nothing is written."""
        for labels in holding:
            alert = self._active.setdefault(labels, _Alert(step, step))
            alert.last, alert.kept = step, None
        for labels, alert in list(self._active.items()):
            if alert.last != step:  # the expression does not hold
                alert.kept = step if alert.kept is None else alert.kept
                if alert.fired is None or step - alert.kept >= self._keep:
                    del self._active[labels]
                    self._end(labels, alert, step - 1)
        if self._limit and len(self._active) > self._limit:
            for labels, alert in self._active.items():
                if alert.begun < step:
                    self._end(labels, alert, step - 1)
            self._active.clear()
            self._failed.append(step)
            return False
        for alert in self._active.values():
            if alert.fired is None and step - alert.begun >= self._hold:
                alert.fired = step
        return True

    def active(self) -> list[tuple[Labels, bool, int]]:
        """The active alerts after the last evaluation: labels, firing, active since which step."""
        return [(labels, one.fired is not None, one.begun) for labels, one in self._active.items()]

    def finish(self, steps: int) -> Activity:
        """Everything that happened, after the last of ``steps`` evaluations."""
        found = [*self._over, *((labels, _ended(one, steps - 1)) for labels, one in self._active.items())]
        row_of = {labels: row for row, labels in enumerate(dict.fromkeys(labels for labels, _ in found))}
        rows = sorted(
            (row_of[labels], one.begun, one.last + 1 if one.fired is None else one.fired, one.last)
            for labels, one in found
        )
        columns = np.array(rows, dtype=np.int64).reshape(-1, 4)
        series, begun, fired, over = columns.T
        return Activity(steps, tuple(row_of), series, begun, fired, over, tuple(self._failed))

    def _end(self, labels: Labels, alert: _Alert, last: int) -> None:
        self._over.append((labels, _ended(alert, last)))


def _ended(alert: _Alert, last: int) -> _Alert:
    return _Alert(alert.begun, last, alert.fired)


def _runs(holds: Mask) -> tuple[Steps, Steps]:
    """First and last index of each run of true evaluations in ``holds`` [steps]."""
    edges = np.diff(np.concatenate(([False], holds, [False])).astype(np.int8))
    return np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1


def _kept(
    row: int, first: list[int], last: list[int], hold: int, keep: int, final: int
) -> list[tuple[int, int, int, int]]:
    """(series, begun, fired, over) of each alert of one series; firing ones are kept for ``keep`` evaluations."""
    found: list[tuple[int, int, int, int]] = []
    for begins, ends in zip(first, last, strict=True):
        before = found[-1] if found else None
        if before and before[2] <= before[3] and begins <= before[3] + 1:  # still kept firing when it holds again
            found[-1] = (row, before[1], before[2], min(ends + keep, final))
        elif begins + hold <= ends:
            found.append((row, begins, begins + hold, min(ends + keep, final)))
        else:
            found.append((row, begins, ends + 1, ends))
    return found


def _joined(parts: Sequence[Steps]) -> Steps:
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)
