"""The arithmetic of the measure of changes that people made."""

from __future__ import annotations

import numpy as np
import pytest

from evals.resampled import interval
from evals.tuned import Values, majority, right
from rulegen.core.durations import MINUTE
from rulegen.core.labels import EMPTY
from rulegen.core.rule import Rule
from rulegen.propose.tune import Tuned
from rulegen.train.tunings import Tuning


def tuning(expr: str, change: Tuned, hold: int = 5 * MINUTE, repository: str = "r") -> Tuning:
    return Tuning(repository, Rule("A", expr, hold=hold, labels=EMPTY), (change,))


def test_kinds_are_ranked_by_all_their_values_together() -> None:
    weights = {Tuned("threshold", "3"): 0.4, Tuned("hold", "10m"): 0.3, Tuned("hold", "15m"): 0.3}
    assert right(weights, [Tuned("hold", "15m")]) == (True, True, False, True)
    assert right(weights, [Tuned("threshold", "3")]) == (False, True, True, True)
    assert right(weights, [Tuned("gate"), Tuned("hold", "1h")]) == (True, True, False, False)
    assert right({}, [Tuned("gate")]) == (False, False, False, False)


def test_values_start_from_where_the_rule_stands() -> None:
    known = [tuning("a > 10", Tuned("threshold", "20")), tuning("a > 1", Tuned("hold", "15m"))]
    values = Values(known)
    assert set(values.spread({"threshold": 1.0}, tuning("b > 0.3", Tuned("gate")).rule)) == {
        Tuned("threshold", "0.6")
    }
    assert not values.spread({"hold": 1.0}, tuning("b > 3", Tuned("gate"), hold=20 * MINUTE).rule)


def test_a_large_repository_counts_as_much_as_a_small_one() -> None:
    many = [tuning("a > 1", Tuned("gate"), repository="big")] * 9 + [
        tuning("a > 1", Tuned("smooth"), repository="big")
    ]
    few = [tuning("a > 1", Tuned("smooth"), repository="small")]
    (weights,) = majority([*many, *few])([many[0]])
    assert weights[Tuned("smooth")] == pytest.approx(1.1)
    assert weights[Tuned("gate")] == pytest.approx(0.9)


def test_whole_groups_are_resampled() -> None:
    """Of two groups a draw takes one twice a quarter of the time each, however many values they hold."""
    values, groups = np.array([1.0] * 30 + [0.0] * 10), ["a"] * 30 + ["b"] * 10
    assert interval(values, groups) == (0.0, 1.0)
    assert interval(np.ones(4), ["a", "b", "c", "d"]) == (1.0, 1.0)
    assert np.isnan(interval(values, ["a"] * 40)).all()
