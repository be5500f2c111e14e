"""The figures of one rule's noise on firings made by hand, the pattern they name, and the inventory."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from histories import firings, ref, unhurried
from hypothesis import given
from hypothesis import strategies as st

from rulegen.cluster.describe import MOST_THRESHOLDS, MOST_VALUES, describe
from rulegen.core.cluster import Cluster, Grade, Pattern
from rulegen.core.durations import HOUR, MINUTE
from rulegen.core.labels import Labels
from rulegen.core.outcome import Firings
from rulegen.core.rule import Rule
from rulegen.core.spans import Grid

GRID = Grid(0, 1000 * MINUTE - MINUTE, MINUTE)  # 1000 evaluations
RULE = Rule("Deep", "queue > 100", labels=Labels({"severity": "page", "team": "{{ $labels.owner }}"}))


def alert(pod: str, **more: str) -> Labels:
    return Labels({"alertname": "Deep", "severity": "page", "team": "x", "pod": pod, **more})


def fired(*rows: tuple[str, int, int]) -> Firings:
    """(pod, first and last minute)."""
    return firings(GRID, [(alert(pod), start * MINUTE, end * MINUTE) for pod, start, end in rows])


def described(
    found: Firings,
    noisy: list[bool] | None = None,
    peaks: list[float] | None = None,
    rule: Rule = RULE,
    watched: int = 0,
) -> Cluster:
    count = len(found)
    return describe(
        ref(),
        rule,
        found,
        np.array([True] * count if noisy is None else noisy),
        np.array([math.nan] * count if peaks is None else peaks),
        grade=Grade.METRICS,
        weeks=2.0,
        incidents_touched=3,
        watched=watched,
    )


def test_figures() -> None:
    found = fired(("a", 0, 1), ("a", 11, 12), ("a", 23, 24), ("b", 25, 34), ("c", 500, 500))
    facts = described(found, peaks=[110, 120, 150, 200, 100]).facts
    assert facts.episodes == 5 and facts.series == 3 and facts.incidents_touched == 3
    assert facts.minutes == 2 + 2 + 2 + 10 + 1  # an evaluation stands for one interval
    assert facts.per_week == 2.5
    assert facts.duration_median == 2 * MINUTE
    assert facts.duration_p90 == int(2 * MINUTE + 0.6 * 8 * MINUTE)  # between the 4th and the 5th of five
    assert facts.gap_median == 10.5 * MINUTE  # 1 → 11 and 12 → 23
    assert facts.flapping_share == 1 / 5
    assert facts.together_share == 2 / 5  # a at 23 and b at 25
    assert facts.top_share == 3 / 5
    assert facts.firing_share == pytest.approx(17 / 1000 / 3)
    assert facts.margin == pytest.approx(0.2)


def test_only_noise_is_counted_but_gaps_see_all() -> None:
    found = fired(("a", 0, 1), ("a", 5, 6), ("a", 100, 109))
    facts = described(found, noisy=[False, True, False], peaks=[900, 110, 900]).facts
    assert (facts.episodes, facts.minutes, facts.series) == (1, 2, 1)
    assert facts.gap_median == 4 * MINUTE and facts.flapping_share == 1.0
    assert facts.margin == pytest.approx(0.1)


def test_episodes_are_the_noise() -> None:
    found = fired(("b", 0, 1), ("a", 5, 6), ("a", 100, 109))
    episodes = described(found, noisy=[True, False, True]).episodes
    assert [(e.labels["pod"], e.span.start // MINUTE, e.span.end // MINUTE) for e in episodes] == [
        ("b", 0, 1),
        ("a", 100, 109),
    ]


def test_no_noise_at_all() -> None:
    facts = described(fired(("a", 0, 1)), noisy=[False]).facts
    assert (facts.episodes, facts.minutes, facts.top_share, facts.duration_median) == (0, 0, 0, 0)
    assert math.isnan(facts.margin)


def test_the_margin_of_a_rule_that_fires_below() -> None:
    low = replace(RULE, expr="free < 10")
    assert described(fired(("a", 0, 1)), peaks=[8.0], rule=low).facts.margin == pytest.approx(0.2)


def spread(pods: int, every: int, length: int = 1) -> list[tuple[str, int, int]]:
    return [(f"p{k}", 20 + k * every, 20 + k * every + length - 1) for k in range(pods)]


FAR = 200.0  # twice the threshold


@pytest.mark.parametrize(
    ("pattern", "rows", "peak"),
    [
        (Pattern.CHRONIC, [("a", 0, 400), ("b", 100, 460)], FAR),
        (Pattern.CHRONIC, [("a", k * 3, k * 3 + 1) for k in range(300)], FAR),  # short, but most of the time
        (Pattern.NOISY_FEW, [*[("a", k * 60, k * 60 + 9) for k in range(10)], ("b", 30, 39), ("c", 95, 99)], FAR),
        (Pattern.STORM, [(f"p{k % 5}", k // 5 * 60, k // 5 * 60 + 9) for k in range(25)], FAR),
        (Pattern.FLAPPING, [("a", k * 8, k * 8 + 5) for k in range(10)], FAR),
        (Pattern.TIGHT_THRESHOLD, spread(4, 60, 9), 105.0),
        (Pattern.SHORT_LIVED, spread(4, 60, 2), FAR),
        (Pattern.MIXED, spread(4, 60, 20), FAR),
    ],
)
def test_patterns(pattern: Pattern, rows: list[tuple[str, int, int]], peak: float) -> None:
    assert described(fired(*rows), peaks=[peak] * len(rows)).pattern is pattern


def test_what_hovers_at_its_threshold_is_tight_and_not_only_flapping() -> None:
    rows = [("a", k * 8, k * 8 + 5) for k in range(10)]
    assert described(fired(*rows), peaks=[105.0] * 10).pattern is Pattern.TIGHT_THRESHOLD


def test_one_noisy_series_among_silent_ones_is_a_few() -> None:
    rows = [("a", 20 + k * 60, 39 + k * 60) for k in range(6)]
    peaks = [FAR] * 6
    assert described(fired(*rows), peaks=peaks).pattern is Pattern.MIXED
    assert described(fired(*rows), peaks=peaks, watched=12).pattern is Pattern.NOISY_FEW
    assert described(fired(*rows[:2]), peaks=peaks[:2], watched=12).pattern is Pattern.MIXED  # may be chance


NEED_MORE = {  # than one rule's firings: see test_patterns.py
    Pattern.CASCADE,
    Pattern.DUPLICATE,
    Pattern.SEASONAL,
    Pattern.MISSING_DATA,
    Pattern.WITHOUT_SLO,
}


def test_every_pattern_has_its_case() -> None:
    (cases,) = [mark.args[1] for mark in test_patterns.pytestmark if mark.name == "parametrize"]
    assert {case[0] for case in cases} | NEED_MORE == set(Pattern)


def test_the_inventory_never_names_what_the_rule_puts_in() -> None:
    rows = [(alert(f"p{k}", zone="z", owner="x"), k * MINUTE, k * MINUTE) for k in range(5)]
    inventory = described(firings(GRID, rows)).inventory
    assert inventory.labels == (("owner", 1), ("pod", 5), ("zone", 1))
    assert {name for name, _ in inventory.values} == {"pod"}  # one value for all tells nothing apart
    assert inventory.metrics == ("queue",)


def test_values_come_noisiest_first_and_bounded() -> None:
    rows = [(f"p{k}", 40 * k + j, 40 * k + j) for k in range(12) for j in range(0, 2 * (k + 1), 2)]
    inventory = described(fired(*rows)).inventory
    assert inventory.values == tuple(("pod", f"p{k}") for k in range(11, 11 - MOST_VALUES, -1))
    assert inventory.labels == (("pod", 12),)


def test_what_is_not_noisy_is_not_in_the_inventory() -> None:
    found = fired(("a", 0, 0), ("b", 10, 10), ("c", 20, 20))
    inventory = described(found, noisy=[True, True, False]).inventory
    assert dict(inventory.labels) == {"pod": 2} and ("pod", "c") not in inventory.values


def test_all_metrics_of_the_expression_are_named() -> None:
    rule = replace(RULE, expr='sum(rate(a_total{x="y"}[5m])) / sum(rate(b_total[5m])) > 0.5 unless c')
    assert described(fired(("a", 0, 0)), rule=rule).inventory.metrics == ("a_total", "b_total", "c")


peaks = st.lists(st.floats(0.001, 1e9), min_size=1, max_size=20)


@given(st.sampled_from([">", ">=", "<", "<="]), st.sampled_from([100.0, 0.05, 7.0, 0.0, -3.0]), peaks)
@unhurried
def test_thresholds_are_looser_and_round(op: str, threshold: float, seen: list[float]) -> None:
    sign = 1 if op.startswith(">") else -1
    rule = replace(RULE, expr=f"queue {op} {threshold}")
    values = [threshold + sign * abs(one) for one in seen]  # all beyond
    found = fired(*((f"p{k}", k, k) for k in range(len(values))))
    thresholds = described(found, peaks=values, rule=rule).inventory.thresholds
    assert 0 < len(thresholds) <= MOST_THRESHOLDS
    assert list(thresholds) == sorted(set(thresholds))
    for one in thresholds:
        assert sign * one > sign * threshold
        digits = f"{abs(one):.12e}".split("e")[0].replace(".", "").rstrip("0")
        assert len(digits) <= 3, one
    # The loosest is beyond all the noise that was seen, so that one choice silences it.
    assert max(sign * one for one in thresholds) >= max(sign * one for one in values) * (1 - 1e-9)


def test_there_are_no_thresholds_without_a_threshold() -> None:
    for expr in ("absent(queue)", "queue == 1", "queue > other", "queue > bool 3"):
        assert described(fired(("a", 0, 0)), rule=replace(RULE, expr=expr)).inventory.thresholds == ()


def test_the_id_is_the_rules() -> None:
    first, second = described(fired(("a", 0, 0))), described(fired(("b", 5, 9), ("b", 30, 31)))
    assert first.id == second.id
    assert described(fired(("a", 0, 0)), rule=replace(RULE, expr="queue > 5")).id != first.id
    assert first.interval == MINUTE and first.grade is Grade.METRICS


def test_long_episodes_are_chronic_however_few() -> None:
    assert described(fired(("a", 0, 6 * HOUR // MINUTE - 1), ("b", 0, 360))).pattern is Pattern.CHRONIC
