"""Patterns that take more than one rule's firings: where each is right, and where it is tempting and wrong."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
import pytest
from histories import firings, ref, unhurried
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rulegen.cluster.companions import LEAST_PAIRS, Fired, companions
from rulegen.cluster.describe import describe
from rulegen.cluster.indicator import indicator
from rulegen.cluster.season import season
from rulegen.core.cluster import Cluster, Companion, Grade, Pattern, Relation
from rulegen.core.durations import DAY, HOUR, MINUTE, WEEK
from rulegen.core.labels import Labels
from rulegen.core.outcome import Firings
from rulegen.core.rule import Rule
from rulegen.core.spans import Grid

SPAN = 4 * WEEK
GRID = Grid(0, SPAN, MINUTE)
Row = tuple[str, int, int]  # host, first and last minute


def rule(name: str, expr: str = "queue > 100") -> Rule:
    return Rule(name, expr, labels=Labels({"severity": "page"}))


def fired(name: str, rows: Iterable[Row]) -> Firings:
    made = [
        (
            Labels({"alertname": name, "severity": "page", "host": host}),
            start * MINUTE,
            min(SPAN // MINUTE, end) * MINUTE,
        )
        for host, start, end in sorted(set(rows))
    ]
    return firings(GRID, made)


def scattered(seed: int, count: int, hosts: int = 4, length: int = 9) -> list[Row]:
    """One at a time on each host, at any time."""
    rng = np.random.default_rng(seed)
    starts = rng.choice(SPAN // MINUTE // 30 - 2, count, replace=False) * 30 + 2
    return [(f"h{int(rng.integers(hosts))}", int(at), int(at) + length) for at in starts]


def later(rows: Sequence[Row], by: int, length: int = 9) -> list[Row]:
    return [(host, start + by, start + by + length) for host, start, _ in rows]


def beside(*streams: tuple[str, list[Row]]) -> tuple[tuple[Companion, ...], ...]:
    made = []
    for k, (name, rows) in enumerate(streams):
        found = fired(name, rows)
        made.append(Fired.of(ref(k), rule(name), found, np.ones(len(found), dtype=np.bool_)))
    found_for = companions(made, made)
    return tuple(found_for[ref(k)] for k in range(len(streams)))


def relations(found: Sequence[Companion]) -> dict[str, Relation]:
    return {one.labels["alertname"]: one.relation for one in found}


def described(
    rows: Iterable[Row],
    company: tuple[Companion, ...] = (),
    vanished: NDArray[np.float64] | None = None,
    unseen: NDArray[np.float64] | None = None,
    found_indicator: str = "",
) -> Cluster:
    found = fired("Deep", rows)
    return describe(
        ref(),
        rule("Deep"),
        found,
        np.ones(len(found), dtype=np.bool_),
        np.full(len(found), math.nan),
        grade=Grade.METRICS,
        weeks=SPAN / WEEK,
        incidents_touched=0,
        companions=company,
        vanished=vanished,
        unseen=unseen,
        indicator=found_indicator,
    )


def test_duplicates() -> None:
    rows = scattered(1, 60)
    same = [(host, start + start % 2, end) for host, start, end in rows]  # a minute later or at once
    one, two, _ = beside(("A", rows), ("B", same), ("C", scattered(2, 60)))
    assert relations(one) == {"B": Relation.DUPLICATE} and relations(two) == {"A": Relation.DUPLICATE}
    assert one[0].share == 1.0 and one[0].equal == ("host",) and one[0].excess > 10 and abs(one[0].lag) <= MINUTE
    assert described(rows, one).pattern is Pattern.DUPLICATE


def test_two_that_are_always_on_are_no_duplicates() -> None:
    busy = [("h0", k * 4, k * 4 + 2) for k in range(SPAN // MINUTE // 4 - 1)]
    also = [("h0", k * 4 + 1, k * 4 + 3) for k in range(SPAN // MINUTE // 4 - 1)]
    one, two = beside(("A", busy), ("B", also))
    assert Relation.DUPLICATE not in {*relations(one).values(), *relations(two).values()}


def test_what_fires_on_other_hosts_at_the_same_time_says_so() -> None:
    rows = scattered(3, 60)
    elsewhere = [("x" + host, start, end) for host, start, end in rows]
    (one, _) = beside(("A", rows), ("B", elsewhere))
    assert one[0].equal == ()  # together, and not on the same targets


def test_one_that_covers() -> None:
    wide = scattered(4, 40, length=25)
    narrow = [(host, start + 10, start + 14) for k, (host, start, _) in enumerate(wide) if k % 2]
    one, two = beside(("Narrow", narrow), ("Wide", wide))
    assert relations(one) == {"Wide": Relation.COVERS} and one[0].equal == ("host",)
    assert one[0].lag == 10 * MINUTE
    assert "Narrow" not in {name for name, relation in relations(two).items() if relation is Relation.COVERS}


def test_an_endless_alert_covers_nobody() -> None:
    (one, _) = beside(("A", scattered(5, 60)), ("Watchdog", [("h0", 0, SPAN // MINUTE - 1)]))
    assert one == ()


def test_a_cascade_names_its_leader() -> None:
    rng = np.random.default_rng(6)
    cause = scattered(6, 120, hosts=1, length=3)
    effect = [("h9", start + int(rng.integers(3, 7)), start + 12) for _, start, _ in cause if rng.random() < 0.8]
    one, two, _ = beside(("Effect", effect), ("Cause", cause), ("Other", scattered(7, 300)))
    assert relations(one) == {"Cause": Relation.LEADS} and relations(two) == {"Effect": Relation.FOLLOWS}
    assert 3 * MINUTE <= one[0].lag <= 6 * MINUTE and one[0].share >= 0.8 and one[0].excess > 5
    assert described(effect, one).pattern is Pattern.CASCADE


def test_frequent_alerts_lead_nobody() -> None:
    frequent = [("h9", at, at) for at in range(1, SPAN // MINUTE, 7)]
    one, _, _ = beside(("A", scattered(8, 100)), ("Frequent", frequent), ("B", scattered(9, 100)))
    assert one == ()


@pytest.mark.parametrize("seed", range(6))
def test_unrelated_rules_have_no_companions(seed: int) -> None:
    streams = [(f"R{k}", scattered(100 * seed + k, 20 + 30 * k)) for k in range(8)]
    assert all(not some for some in beside(*streams))


rows_of = st.lists(
    st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 300), st.integers(0, 9)), min_size=0, max_size=30
)


@given(st.lists(rows_of, min_size=1, max_size=4))
@unhurried
def test_a_companion_is_another_rule_with_support(some: list[list[Row]]) -> None:
    streams = [(f"R{k}", [(host, at, at + n) for host, at, n in rows]) for k, rows in enumerate(some)]
    counts = [len(set(rows)) for _, rows in streams]
    for k, found in enumerate(beside(*streams)):
        for one in found:
            assert one.ref != ref(k)
            assert one.share * counts[k] >= LEAST_PAIRS - 1e-9
            assert one.excess >= 2 and one.share <= 1


def nightly(seed: int, nights: int = 28, at: int = 2 * HOUR, spread: int = 40) -> list[Row]:
    rng = np.random.default_rng(seed)
    minutes = [(day * DAY + at) // MINUTE + int(rng.integers(spread)) for day in range(nights)]
    return [("h0", start, start + 9) for start in minutes if rng.random() < 0.9]


def test_every_night_is_a_season() -> None:
    cluster = described([*nightly(1), *scattered(1, 5)])
    found = cluster.facts.season
    assert cluster.pattern is Pattern.SEASONAL and found is not None
    assert (found.period, found.begin, found.hours) == (DAY, 2, 1)
    assert found.share > 0.75 and found.recurring > 0.75 and found.p < 1e-6


def test_every_monday_is_a_season_of_the_week() -> None:
    starts = np.array([week * WEEK + 4 * DAY + 9 * HOUR + k * 7 * MINUTE for week in range(8) for k in range(3)])
    found = season(starts, 0, 8 * WEEK)
    assert found is not None and (found.period, found.begin) == (WEEK, 9)  # 1970-01-05 was a Monday
    assert found.recurring == 1.0


def test_one_bad_night_is_no_season() -> None:
    assert described([("h0", 13 * DAY // MINUTE + 120 + k * 3, 13 * DAY // MINUTE + 121 + k * 3) for k in range(60)])
    starts = np.array([13 * DAY + 2 * HOUR + k * 3 * MINUTE for k in range(60)])
    assert season(starts, 0, SPAN) is None


def test_two_nights_of_a_short_history_are_no_season() -> None:
    starts = np.array([day * DAY + 2 * HOUR + k * MINUTE for day in range(3) for k in range(30)])
    assert season(starts, 0, 3 * DAY) is None


@pytest.mark.parametrize("seed", range(20))
def test_any_hour_is_no_season(seed: int) -> None:
    rng = np.random.default_rng(seed)
    bursts = np.repeat(rng.integers(0, SPAN, 60), 6) + np.tile(np.arange(6) * 20 * MINUTE, 60)
    assert season(np.sort(bursts), 0, SPAN) is None


def flapping() -> list[Row]:
    return [("h0", 100 + k * 20, 100 + k * 20 + 9) for k in range(30)]


def test_ends_at_which_the_series_was_gone_are_missing_data() -> None:
    rows = flapping()
    cluster = described(rows, vanished=np.ones(len(rows)))
    assert cluster.facts.vanished_share == pytest.approx(29 / 30)  # the last never came back
    assert cluster.pattern is Pattern.MISSING_DATA


def test_what_fires_only_while_samples_are_missing_is_missing_data() -> None:
    rows = scattered(3, 40)
    told = np.repeat([1.0, 0.0, math.nan], [15, 15, 10])
    cluster = described(rows, unseen=told)
    assert cluster.facts.unseen_share == 0.5 and cluster.pattern is Pattern.MISSING_DATA
    told[0] = 0.0
    assert described(rows, unseen=told).pattern is not Pattern.MISSING_DATA


def test_pods_that_were_deleted_are_not_missing_data() -> None:
    gone_for_good = [(f"pod-{k}", 100 + k * 20, 109 + k * 20) for k in range(30)]
    cluster = described(gone_for_good, vanished=np.ones(30))
    assert cluster.facts.vanished_share == 0 and cluster.pattern is not Pattern.MISSING_DATA
    fell_below = described(flapping(), vanished=np.zeros(30))
    assert fell_below.pattern is not Pattern.MISSING_DATA


ERRORS = rule("Errors", 'sum(rate(http_requests_total{code=~"5.."}[5m])) / sum(rate(http_requests_total[5m])) > 0.01')
SLOW = rule("Slow", "histogram_quantile(0.99, sum by (le) (rate(http_duration_seconds_bucket[5m]))) > 0.5")
BURN = rule(
    "ErrorBudgetBurn",
    "sum(rate(http_requests_total[1h])) > 3 and sum(rate(http_requests_total[5m])) > 3",
)
METRICS = ("http_requests_total", "http_duration_seconds_bucket", "node_load1")


def test_a_symptom_without_a_service_level() -> None:
    assert indicator(ERRORS, [ERRORS, SLOW], METRICS) == "http_requests_total"
    assert indicator(SLOW, [ERRORS, SLOW], METRICS) == "http_duration_seconds_bucket"
    named = described(scattered(3, 40), found_indicator="http_requests_total")
    assert named.pattern is Pattern.WITHOUT_SLO


def test_no_service_level_is_missing_where_there_is_one_or_can_be_none() -> None:
    assert indicator(ERRORS, [ERRORS, BURN], METRICS) == ""  # a budget is watched
    recorded = Rule("job:errors:rate", ERRORS.expr.split(" / ")[0], "record")
    by_name = rule("Burn", "job:errors:rate > 3 and slo:burnrate:1h > 14.4")
    assert indicator(ERRORS, [ERRORS, recorded, by_name], METRICS) == ""
    assert indicator(rule("Load", "node_load1 > 5"), [], METRICS) == ""  # a cause, no symptom
    assert indicator(rule("Low", "sum(rate(http_requests_total[5m])) < 1"), [], METRICS) == ""
    assert indicator(ERRORS, [ERRORS], ()) == ""  # no such metric


def test_labels_whose_values_are_replaced_are_named() -> None:
    pods = [
        (f"api-7d9f8b6c4-x{k}x9{k}", 100 + k * 2000 + j * 200, 101 + k * 2000 + j * 200)
        for k in range(2, 10)
        for j in range(4)
    ]
    assert described(pods).facts.volatile == ("host",)
    hosts = [(f"10.0.0.{k % 5}:9100", 100 + k * 500, 104 + k * 500) for k in range(40)]
    assert described(hosts).facts.volatile == ()
