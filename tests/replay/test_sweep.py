"""A sweep is the same as replaying one variant after the other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from histories import unhurried
from hypothesis import given
from hypothesis import strategies as st

from rulegen.core.durations import MINUTE
from rulegen.core.labels import Labels
from rulegen.core.outcome import Firings
from rulegen.core.rule import Rule
from rulegen.core.spans import Grid
from rulegen.errors import QueryError
from rulegen.promql import Matrix
from rulegen.promql.binary import COMPARISON
from rulegen.replay.alerting import fire
from rulegen.replay.sweep import ORDERED, Variant, sweep

STEPS = 40
RULE = Rule("r", "m > 0", labels=Labels({"severity": "page"}))
GRID = Grid(0, (STEPS - 1) * MINUTE, MINUTE)
THRESHOLDS = st.sampled_from([-np.inf, -1.0, 0.0, -0.0, 1.0, 2.5, np.inf, np.nan])
VALUES = st.one_of(THRESHOLDS, st.sampled_from([np.nan, 0.5, -3.0]))


def one_by_one(level: Matrix, variant: Variant) -> Firings:
    holds = level.present & COMPARISON[variant.op](level.values, variant.threshold)
    rule = replace(RULE, hold=variant.hold, keep_firing_for=variant.keep_firing_for)
    return fire(rule, Matrix(level.labels, level.values, holds), GRID, 7)


def rows(firings: Firings) -> list[tuple[Labels, int, int, int]]:
    named = [firings.labels[row] for row in firings.series.tolist()]
    return list(zip(named, firings.since.tolist(), firings.start.tolist(), firings.end.tolist(), strict=True))


@st.composite
def levels(draw: st.DrawFn) -> Matrix:
    count = draw(st.integers(0, 4))
    cells = st.lists(st.lists(VALUES, min_size=STEPS, max_size=STEPS), min_size=count, max_size=count)
    values = np.array(draw(cells), dtype=np.float64).reshape(count, STEPS)
    seed = draw(st.integers(0, 99))
    present = np.random.default_rng(seed).random(values.shape) < draw(st.sampled_from([0.5, 0.95, 1.0]))
    return Matrix(tuple(Labels({"i": str(k)}) for k in range(count)), values, present)


WAITS = st.sampled_from([0, 30_000, MINUTE, 5 * MINUTE])
VARIANTS = st.lists(st.builds(Variant, st.sampled_from(ORDERED), THRESHOLDS, WAITS, WAITS), max_size=12)


@unhurried
@given(levels(), VARIANTS)
def test_as_one_variant_after_the_other(level: Matrix, variants: list[Variant]) -> None:
    swept = sweep(RULE, level, variants, GRID, 7)
    assert len(swept) == len(variants)
    for variant, found in zip(variants, swept, strict=True):
        expected = one_by_one(level, variant)
        assert rows(found) == rows(expected)
        assert (found.grid, found.warm) == (GRID, 7)


def test_split_over_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    labels = tuple(Labels({"i": str(k)}) for k in range(9))
    level = Matrix(labels, rng.normal(size=(9, STEPS)), rng.random((9, STEPS)) < 0.9)
    variants = [Variant(op, c, hold) for op in ORDERED for c in (-0.5, 0.1, 0.7) for hold in (0, 2 * MINUTE)]
    monkeypatch.setattr("rulegen.promql.rows.WORTH_SPLITTING", 1)
    monkeypatch.setattr("rulegen.promql.rows.CORES", 4)
    for variant, found in zip(variants, sweep(RULE, level, variants, GRID, 0), strict=True):
        assert rows(found) == rows(one_by_one(level, variant))


def test_two_series_that_become_one_alert() -> None:
    labels = tuple(Labels({"severity": text}) for text in "ab")
    with pytest.raises(QueryError):
        sweep(RULE, Matrix(labels, np.ones((2, STEPS)), np.ones((2, STEPS), bool)), [Variant(">", 0)], GRID, 0)


def test_an_operator_that_is_no_order() -> None:
    with pytest.raises(ValueError, match="one of >"):
        sweep(RULE, Matrix.empty(STEPS), [Variant("==", 0)], GRID, 0)
