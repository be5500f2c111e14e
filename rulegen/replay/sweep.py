"""Many variants of one rule at once: they differ in threshold, comparison, ``for`` or ``keep_firing_for`` only.

What is compared is evaluated once. Each value is ranked among the thresholds; a run of the condition begins or ends
only for the thresholds that lie between a value and the one before it, so that all thresholds together cost one pass
over the values and a step for each edge of a run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rulegen.core.outcome import Firings
from rulegen.core.rule import Rule
from rulegen.core.series import Values
from rulegen.core.spans import Grid, Mask
from rulegen.promql import Matrix
from rulegen.promql.rows import each, kernel
from rulegen.replay.alerting import Runs, activity
from rulegen.replay.identity import Around, alerts

Index = NDArray[np.int64]

RISING = (">", ">=")
ORDERED = (">", ">=", "<", "<=")


@dataclass(frozen=True, slots=True)
class Variant:
    """``left op threshold``, held for ``hold`` and kept for ``keep_firing_for`` ms; ``op`` is one of > >= < <=."""

    op: str
    threshold: float
    hold: int = 0
    keep_firing_for: int = 0


def sweep(rule: Rule, level: Matrix, variants: Sequence[Variant], grid: Grid, warm: int) -> tuple[Firings, ...]:
    """The firings of ``rule`` as each of ``variants``, where its compared side is ``level`` [series, steps].

    The same as replaying one variant after the other. ``warm`` is as :class:`Firings` has it.

    Raises QueryError where two series become one alert at a time when both are there, even if no variant fires then;
    UnsupportedError for a label template that can't be expanded; ValueError for an operator that is no order.
    """
    if any(variant.op not in ORDERED for variant in variants):
        raise ValueError(f"one of {', '.join(ORDERED)} is needed")
    named = alerts(rule, level, grid.times(), Around())
    found: dict[int, Firings] = {}
    for op in ORDERED:
        mine = [k for k, variant in enumerate(variants) if variant.op == op and not np.isnan(variant.threshold)]
        if mine:
            thresholds, which = np.unique([variants[k].threshold for k in mine], return_inverse=True)
            every = _runs(named, op, thresholds)
            for place, k in zip(which.tolist(), mine, strict=True):
                found[k] = _firings(rule, variants[k], every[place], grid, warm)
    never = Runs.of(Matrix.empty(len(grid)))  # nothing compares with NaN
    return tuple(
        found[k] if k in found else _firings(rule, variant, never, grid, warm) for k, variant in enumerate(variants)
    )


def _firings(rule: Rule, variant: Variant, runs: Runs, grid: Grid, warm: int) -> Firings:
    waits = replace(rule, hold=variant.hold, keep_firing_for=variant.keep_firing_for)
    return activity(waits, runs, grid.step, len(grid)).firings(grid, warm)


def _runs(level: Matrix, op: str, thresholds: Values) -> list[Runs]:
    """For each of ``thresholds`` (rising) when ``level op threshold`` held."""
    rising = op in RISING
    # Falling comparisons are rising ones of the negated values.
    limits = thresholds if rising else -thresholds[::-1]
    given = (level.values, level.present, 1.0 if rising else -1.0, limits, op in (">=", "<="))
    rows, cells = len(level.labels), level.values.size
    counts = np.zeros((rows, len(limits)), dtype=np.int64)
    nowhere = np.empty(0, dtype=np.int64)
    each(_edges, rows, cells, *given, counts, False, nowhere, nowhere)
    by_limit = np.ascontiguousarray(counts.T)  # [thresholds, rows]
    ends = np.cumsum(by_limit).reshape(by_limit.shape)
    place = np.ascontiguousarray((ends - by_limit).T)  # [rows, thresholds] where the runs of each are written
    first, last = np.empty((2, int(counts.sum())), dtype=np.int64)
    each(_edges, rows, cells, *given, place, True, first, last)
    series = np.arange(rows)
    found, at = [], 0
    for mine in by_limit:
        stop = at + int(mine.sum())
        found.append(Runs(level.labels, np.repeat(series, mine), first[at:stop], last[at:stop]))
        at = stop
    return found if rising else found[::-1]


@kernel
def _edges(
    begin: int, end: int, values: Values, present: Mask, sign: float, limits: Values, equal: bool,
    place: Index, write: bool, first: Index, last: Index,
) -> None:  # fmt: skip
    """The runs of ``sign`` × value above each of ``limits`` [n] (rising): counted into ``place`` [rows, n], or with
    ``write`` their first and last steps put at ``place`` and after."""
    steps = values.shape[1]
    for row in range(begin, end):
        since = np.empty(len(limits), dtype=np.int64)
        rank = 0  # how many of the limits the value is above
        for step in range(steps + 1):
            before = rank
            if step == steps or not present[row, step] or np.isnan(values[row, step]):
                rank = 0
            else:
                value = sign * values[row, step]
                while rank < len(limits) and (limits[rank] < value or (equal and limits[rank] == value)):
                    rank += 1
                while rank > 0 and not (limits[rank - 1] < value or (equal and limits[rank - 1] == value)):
                    rank -= 1
            for k in range(before, rank):
                since[k] = step
            for k in range(rank, before):
                if write:
                    first[place[row, k]] = since[k]
                    last[place[row, k]] = step - 1
                place[row, k] += 1
