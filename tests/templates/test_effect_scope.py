"""Templates that split, narrow, count, shift or gate a rule, by executing both sides."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from both import DEEP, LENGTH, PAGE, PODS, QUEUES, Both, level
from histories import firing_at, series, shown

from rulegen.core.cluster import SECOND_SIGNAL, Condition
from rulegen.core.durations import MINUTE
from rulegen.core.outcome import Firings
from rulegen.core.rule import Rule
from rulegen.core.series import Series
from rulegen.core.settings import PAGES
from rulegen.core.spans import Mask
from rulegen.score.paging import matching


@pytest.fixture(scope="module")
def deep() -> Both:
    return Both.of(DEEP, QUEUES)


def times_of(found: Firings, label: str = "pod") -> dict[str, set[int]]:
    """When each value of ``label`` fires."""
    out: dict[str, set[int]] = {}
    for time, alerts in firing_at([found]).items():
        for one in alerts:
            out.setdefault(one.get(label, ""), set()).add(time)
    return out


def test_split_in_two_the_page_is_the_loud_part_and_the_ticket_is_all(deep: Both) -> None:
    before, tried = deep.before(), 0
    for slots, _, (page, ticket) in deep.changes("split_severity"):
        assert [one.drop(["severity"]) for one in ticket.labels] == [
            one.drop(["severity"]) for one in deep.fired.labels
        ]
        assert not any(map(matching(PAGES, "--page"), ticket.labels))
        assert shown(ticket) == [(one.updated({"severity": "ticket"}), *at) for one, *at in shown(deep.fired)]
        loud, limit = firing_at([page]), slots["threshold"]
        for queue in QUEUES:
            for time, value in zip(queue.times.tolist(), queue.values.tolist(), strict=True):
                assert (queue.labels["pod"] in {one["pod"] for one in loud[time]}) == (value > limit)  # type: ignore[operator]
        assert all(loud[time] <= before[time] for time in before)
        tried += 1
    assert tried >= 3


def test_narrowed_only_those_fire_and_as_before(deep: Both) -> None:
    """What the inventory holds comes from the catches; here it is said."""
    inventory = replace(deep.cluster.inventory, telling=(("zone", "north"), ("pod", "p4")))
    both = replace(deep, cluster=replace(deep.cluster, inventory=inventory))
    tried = 0
    for slots, _, (found,) in both.changes("narrow"):
        label, value = slots["targets"][0].split("=")  # type: ignore[index, union-attr]
        assert shown(found) == [one for one in shown(deep.fired) if one[0][label] == value]
        tried += 1
    assert tried == 2


def failures(seed: int, pod: str) -> Series:
    counts = np.random.default_rng(seed).poisson(0.25, LENGTH)
    return series("failed_total", (50.0 + np.cumsum(counts)).tolist(), pod=pod)


def test_a_floor_counts_events() -> None:
    both = Both.of(
        Rule("Failed", "rate(failed_total[10m]) > 0", labels=PAGE), [failures(k, f"p{k}") for k in range(3)]
    )
    before, by_least = both.before(), {}
    for slots, rules, (found,) in both.changes("floor"):
        after = firing_at([found])
        assert all(after[time] <= before[time] for time in before)
        assert rules[0].expr == f"increase(failed_total[10m]) > {slots['least']:g}"
        by_least[slots["least"]] = sum(map(len, after.values()))
    assert by_least[1.0] > by_least[3.0] > by_least[10.0] >= 0


def test_a_ratio_with_a_floor_fires_for_enough_failures_only() -> None:
    share = np.zeros(600)
    share[100:120], share[300:320] = 0.2, 0.2
    traffic = np.where(np.arange(600) < 200, 3.0, 300.0)  # the first time next to nobody is there
    rule = Rule("Share", 'sum(rate(req_total{code="500"}[5m])) / sum(rate(req_total[5m])) > 0.1', labels=PAGE)
    bad, good = np.cumsum(traffic * share), np.cumsum(traffic * (1 - share))
    both = Both.of(
        rule, [series("req_total", bad.tolist(), code="500"), series("req_total", good.tolist(), code="200")]
    )
    assert {start // MINUTE // 100 for _, start, _ in shown(both.fired)} == {1, 3}
    for slots, _, (found,) in both.changes("floor"):
        if slots["least"] == 10.0:
            assert {start // MINUTE // 100 for _, start, _ in shown(found)} == {3}
            assert all(found_at <= both.before()[time] for time, found_at in firing_at([found]).items())


def test_what_was_latched_comes_down_again() -> None:
    counts = np.zeros(LENGTH)
    counts[30:34], counts[150:153] = 3, 4
    given = [series("restarts_total", np.cumsum(counts).tolist(), pod="a")]
    plain = Both.of(Rule("Latched", "restarts_total > 2 and restarts_total != 9", labels=PAGE), given)
    inventory = replace(plain.cluster.inventory, counters=("restarts_total",))
    both = replace(plain, cluster=replace(plain.cluster, inventory=inventory))
    tried = 0
    for slots, _, (found,) in both.changes("latch"):
        if slots["window"] == 15 * MINUTE and slots["threshold"] == 5.0:
            starts = sorted(start // MINUTE for _, start, _ in shown(found))
            ends = sorted(end // MINUTE for _, _, end in shown(found))
            assert len(starts) >= 2 and starts[0] in (31, 32) and any(150 <= at <= 153 for at in starts)
            assert any(40 <= at <= 50 for at in ends)  # a window after the last of them
            tried += 1
    assert tried == 1


def test_an_offset_sees_what_was_there_before() -> None:
    sent = series("sent", [float(10 * k % 70) for k in range(LENGTH)], pod="a")
    kept = series("kept", [float(5 * k % 35) for k in range(LENGTH)], pod="a")
    both = Both.of(Rule("Behind", "sent - kept > 20", labels=PAGE), [sent, kept])
    tried = 0
    for slots, _, (found,) in both.changes("late_data"):
        offset = slots["offset"] // MINUTE  # type: ignore[operator]
        back = {"all": (offset, offset), "s0": (offset, 0), "s1": (0, offset)}[str(slots["selectors"])]
        fires = times_of(found).get("a", set())
        for k in range(max(back), LENGTH):
            assert (k * MINUTE in fires) == (sent.values[k - back[0]] - kept.values[k - back[1]] > 20)
        tried += 1
    assert tried == 12


def test_a_mean_and_a_sum_are_those_of_the_members(deep: Both) -> None:
    tried = fires = 0
    for slots, _, (found,) in deep.changes("aggregate_expr", limit=96):
        if slots["for"] == 0 and slots["by"] == "zone":
            after = times_of(found, "zone")
            for zone in ("north", "south"):
                rows = np.array([queue.values for queue in QUEUES if queue.labels["zone"] == zone])
                judged = rows.mean(axis=0) if slots["how"] == "avg" else rows.sum(axis=0)
                want = {int(QUEUES[0].times[k]) for k in np.flatnonzero(judged > slots["threshold"])}
                assert after.get(zone, set()) == want
                fires += len(want)
            tried += 1
    assert tried >= 2 and fires


def test_rescaled_it_is_another_share_of_the_limit() -> None:
    limit = [series("limit", [100.0] * LENGTH, pod=pod, zone=zone) for pod, zone in PODS]
    both = Both.of(Rule("Full", "queue > limit * 1.1", labels=PAGE), [*QUEUES, *limit])
    tried = 0
    for slots, _, (found,) in both.changes("rescale"):
        fires, factor = times_of(found), slots["factor"]
        for queue in QUEUES:
            want = {int(t) for t, v in zip(queue.times, queue.values, strict=True) if v > round(110 * factor, 9)}  # type: ignore[operator, call-overload]
            assert fires.get(queue.labels["pod"], set()) == want
        tried += 1
    assert tried >= 5


def test_relabelled_it_fires_as_before_and_says_more(deep: Both) -> None:
    both = replace(
        deep, cluster=replace(deep.cluster, inventory=replace(deep.cluster.inventory, marks=(("a", "b"),)))
    )
    ((_, _, (found,)),) = both.changes("relabel")
    assert shown(found) == [(one.updated({"a": "b"}), *at) for one, *at in shown(deep.fired)]


def test_gated_it_fires_where_the_condition_lets_it() -> None:
    """Worked out from the values: with `and` while both hold, with `unless` while only the rule's own does."""
    loads = [level(50 + k, *pod, name="load") for k, pod in enumerate(PODS)]
    both = Both.of(DEEP, [*QUEUES, *loads])
    second = Condition(SECOND_SIGNAL, "and", "load > 100", ("pod", "zone"))
    other = Condition("maintenance", "unless", "load > 100", ("zone",))
    inventory = replace(both.cluster.inventory, conditions=(second, other))
    both = replace(both, cluster=replace(both.cluster, inventory=inventory))
    high = {name: [one.values > 100 for one in some] for name, some in (("queue", QUEUES), ("load", loads))}
    busy = {zone: np.any([high["load"][k] for k, (_, z) in enumerate(PODS) if z == zone], axis=0) for _, zone in PODS}
    tried = 0
    for slots, _, (found,) in both.changes("gate"):
        fires = times_of(found)
        reach = int(slots["within"]) // MINUTE  # type: ignore[call-overload]
        for k, (pod, zone) in enumerate(PODS):
            if slots["condition"] == "g0":
                want = recently(high["queue"][k], reach) & recently(high["load"][k], reach)
            else:
                want = high["queue"][k] & ~busy[zone]
            assert fires.get(pod, set()) == {int(QUEUES[k].times[at]) for at in np.flatnonzero(want)}
        tried += 1
    assert tried == 4  # a condition that excuses is looked at as it is


def recently(held: Mask, reach: int) -> Mask:
    """[steps] whether it held at one of the last ``reach`` steps, this one among them."""
    return np.any(
        [np.concatenate((np.zeros(k, dtype=np.bool_), held[: len(held) - k])) for k in range(max(1, reach))], axis=0
    )
