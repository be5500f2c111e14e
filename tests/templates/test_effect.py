"""Templates by executing both sides: what the rule did, and what it does as changed."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from both import DEEP, LENGTH, PAGE, PODS, QUEUES, Both
from histories import firing_at, history, promtool, rule_file, series, shown

from rulegen.core.alert import Episode
from rulegen.core.durations import MINUTE
from rulegen.core.labels import Labels
from rulegen.core.rule import Rule
from rulegen.core.series import Series
from rulegen.core.settings import PAGES
from rulegen.core.spans import Span
from rulegen.promql import select, selectors
from rulegen.replay.replay import Replayer
from rulegen.score.paging import matching
from rulegen.templates import TEMPLATES


@pytest.fixture(scope="module")
def deep() -> Both:
    return Both.of(DEEP, QUEUES)


def test_hold_waits_longer_and_ends_as_before(deep: Both) -> None:
    old = {(labels, start, end) for labels, start, end in shown(deep.fired)}
    for slots, _, (found,) in deep.changes("hold"):
        wait = slots["for"]
        assert isinstance(wait, int)
        if slots["keep_firing_for"] == 0:
            assert set(shown(found)) == {(one, start + wait, end) for one, start, end in old if end - start >= wait}


def test_keeping_delays_nothing_and_merges(deep: Both) -> None:
    by_wait = {
        slots["for"]: firing_at([found])
        for slots, _, (found,) in deep.changes("hold")
        if not slots["keep_firing_for"]
    }
    for slots, _, (found,) in deep.changes("hold"):
        plain, kept = by_wait[slots["for"]], firing_at([found])
        assert all(plain[time] <= kept[time] for time in plain)
        assert {(labels, start) for labels, start, _ in shown(found)} <= {
            (labels, time) for time, labels_ in plain.items() for labels in labels_
        }


def test_a_looser_threshold_fires_at_some_of_the_times(deep: Both) -> None:
    before, tried = deep.before(), 0
    for slots, _, (found,) in deep.changes("retune"):
        if slots["for"] == 0:
            after = firing_at([found])
            assert all(after[time] <= before[time] for time in before)
            limit, tried = slots["threshold"], tried + 1
            for queue in QUEUES:
                for time, value in zip(queue.times.tolist(), queue.values.tolist(), strict=True):
                    assert (queue.labels["pod"] in {one["pod"] for one in after[time]}) == (value > limit)  # type: ignore[operator]
    assert tried >= 3


def test_excluding_leaves_the_others_as_they_were(deep: Both) -> None:
    tried = 0
    for slots, _, (found,) in deep.changes("carve_out"):
        chosen = slots["targets"]
        assert isinstance(chosen, tuple)
        named = {tuple(one.split("=")) for one in chosen}
        assert len({label for label, _ in named}) == 1  # of one label, or it would not have been rendered

        def is_target(labels: Labels) -> bool:
            return any(labels[label] == value for label, value in named)  # noqa: B023 -- used in this turn only

        old, new = shown(deep.fired), shown(found)
        assert [one for one in new if not is_target(one[0])] == [one for one in old if not is_target(one[0])]
        few = firing_at([found])
        if slots["limit"] == "exclude":
            assert not any(is_target(one[0]) for one in new)
            tried += 1
        else:
            assert all(few[time] <= labels for time, labels in deep.before().items())
    assert tried >= 2


def test_demoted_it_fires_as_before_and_pages_no_more(deep: Both) -> None:
    pages = matching(PAGES, "--page")
    for _, _, (found,) in deep.changes("demote"):
        assert [(labels.drop(["severity"]), *times) for labels, *times in shown(found)] == [
            (labels.drop(["severity"]), *times) for labels, *times in shown(deep.fired)
        ]
        assert all(map(pages, deep.fired.labels)) and not any(map(pages, found.labels))


def grouped(alerts: set[Labels], by: object) -> dict[Labels, int]:
    """How many alerts each group has, by the labels of the alert that would stand for it."""
    assert isinstance(by, (tuple, str))
    kept = ("alertname", "severity", *((by,) if isinstance(by, str) else by))
    out: dict[Labels, int] = {}
    for one in alerts:
        group = one.keep(kept)
        out[group] = out.get(group, 0) + 1
    return out


@pytest.mark.parametrize(
    "rule",
    [DEEP, Rule("Low", "queue < 25", labels=PAGE), Rule("Other", "queue > 100 != 1 unless queue > 200", labels=PAGE)],
    ids=lambda rule: rule.name,
)
def test_collapsed_it_fires_when_any_member_does(rule: Rule) -> None:
    both = Both.of(rule, QUEUES)
    before, tried = both.before(), 0
    for slots, _, (found,) in both.changes("collapse"):
        if slots["for"] == 0 and rule.name != "Other":
            after = firing_at([found])
            assert all(after[time] == set(grouped(before[time], slots["by"])) for time in before)
            tried += 1
    assert tried >= 2 or rule.name == "Other"


def test_counted_it_fires_when_so_many_do(deep: Both) -> None:
    before, tried, fires = deep.before(), 0, 0
    for slots, _, (found,) in deep.changes("aggregate_count"):
        if slots["for"] == 0:
            after = firing_at([found])
            for time, alerts in before.items():
                at_least = slots["at_least"]
                want = {group for group, count in grouped(alerts, slots["by"]).items() if count >= at_least}  # type: ignore[operator]
                assert after[time] == want
                fires += len(want)
            tried += 1
    assert tried >= 4 and fires


def test_a_ratio_is_that_of_the_members(deep: Both) -> None:
    before, tried, fires = deep.before(), 0, 0
    everyone = {Labels({"alertname": "Deep", "severity": "page", "pod": pod, "zone": zone}) for pod, zone in PODS}
    for slots, _, (found,) in deep.changes("aggregate_ratio"):
        if slots["for"] == 0:
            after, members = firing_at([found]), grouped(everyone, slots["by"])
            for time, alerts in before.items():
                counts = grouped(alerts, slots["by"])
                share = slots["share"]
                want = {group for group, count in counts.items() if count / members[group] >= share}  # type: ignore[operator]
                assert after[time] == want
                fires += len(want)
            tried += 1
    assert tried >= 4 and fires


def test_smoothed_it_judges_the_mean(deep: Both) -> None:
    tried = 0
    for slots, rules, (found,) in deep.changes("smooth"):
        if slots["for"] == 0:
            window, threshold = slots["window"], slots["threshold"]
            assert isinstance(window, int) and isinstance(threshold, float)
            after, size = firing_at([found]), window // MINUTE
            assert f"[{size}m]" in rules[0].expr or size == 60
            for queue in QUEUES:
                fires = {
                    time for time, alerts in after.items() if queue.labels["pod"] in {one["pod"] for one in alerts}
                }
                means = {int(t): queue.values[max(0, k + 1 - size) : k + 1].mean() for k, t in enumerate(queue.times)}
                assert fires == {time for time, mean in means.items() if mean > threshold}
            assert found.warm == window
            tried += 1
    assert tried >= 5


def test_a_longer_window_is_smoother() -> None:
    chance = np.random.default_rng(3)
    counter = series("c", np.cumsum(chance.poisson(3, LENGTH)).astype(float).tolist(), pod="a")
    both = Both.of(Rule("Rate", "rate(c[2m]) * 60 > 4"), [counter])
    starts = {}
    for slots, _, (found,) in both.changes("smooth"):
        if slots["for"] == 0 and slots["threshold"] == 4.0:
            starts[slots["window"]] = len(found)
    assert sorted(starts) == [4 * MINUTE, 6 * MINUTE, 12 * MINUTE]
    assert len(both.fired) > starts[4 * MINUTE] > starts[12 * MINUTE]


def errors(share: np.ndarray, traffic: float = 600.0) -> list[Series]:
    """Counters of failed and of all requests, a sample each minute."""
    total = np.full(len(share), traffic)
    bad, good = np.cumsum(total * share), np.cumsum(total * (1 - share))
    return [series("req_total", bad.tolist(), code="500"), series("req_total", good.tolist(), code="200")]


ERRORS = Rule("Errors", 'sum(rate(req_total{code="500"}[5m])) > 1', labels=PAGE)


def test_burn_rate_fires_when_both_windows_burn() -> None:
    share = np.zeros(48 * 60)
    share[10 * 60 : 10 * 60 + 3] = 1.0  # over at once: the short window burns, the long one does not
    share[20 * 60 : 21 * 60] = 0.3
    both = Both.of(ERRORS, errors(share))
    by_objective = {slots["objective_percent"]: (rules, found) for slots, rules, found in both.changes("burn_rate")}
    rules, (page, _) = by_objective[0.99]
    assert [rule.labels.get("severity", "") for rule in rules if rule.kind == "alert"] == ["page", "ticket"]

    def ratio(minutes: int, at: int) -> float:
        return float(share[max(0, at - minutes + 1) : at + 1].mean())

    def burns(at: int) -> bool:
        fast = ratio(60, at) > 0.144 and ratio(5, at) > 0.144
        slow = ratio(360, at) > 0.06 and ratio(30, at) > 0.06
        return fast or slow

    fires = {time // MINUTE for time, alerts in firing_at([page]).items() if alerts}
    want = {at for at in range(6 * 60, len(share)) if burns(at)}
    # Prometheus' rate extrapolates to the window's edges: a few minutes' difference at the ends of a burst.
    assert want and fires and not any(10 * 60 <= at < 11 * 60 for at in fires)
    assert len(fires ^ want) <= 6 and 20 * 60 <= min(fires) <= min(want) + 3


@pytest.mark.parametrize(
    ("objective", "windows"), [(0.999, "5m 30m 1h 2h 6h 1d 3d 30d"), (0.9, "5m 30m 2h 6h 1d 3d 30d")]
)
def test_tiers_that_could_never_page_are_left_out(objective: float, windows: str) -> None:
    share = np.zeros(600)
    share[100:110], share[300:310] = 0.5, 0.5
    both = Both.of(ERRORS, errors(share))
    wanted = {"objective_percent": objective, "least_bad": 0.0}
    (rules,) = [rules for slots, rules, _ in both.changes("burn_rate") if dict(slots) == wanted]
    recorded = [rule for rule in rules if rule.kind == "record"]
    assert [rule.name.rsplit("rate", 1)[1] for rule in recorded] == windows.split()
    for rule in rules:
        if rule.kind == "alert":
            limits = [float(part.split()[0]) for part in rule.expr.split(">")[1:]]
            assert limits and all(0 < limit < 1 for limit in limits)


HOSTILE = [
    'a"b',
    "a\\b",
    "a\nb",
    "a|b",
    ".*",
    "(x",
    "[x]",
    "{{ $value }}",
    "^a$",
    "é",
    "a=b",
    '"} or vector(1) or x{a="',
    "%s",
    "`x`",
    "'",
]


@pytest.mark.parametrize("value", HOSTILE)
def test_a_hostile_value_is_carved_out_and_nothing_else(value: str, tmp_path: Path) -> None:
    others = [one for one in [*HOSTILE, "plain", value + "x"] if one != value]
    busy = [0.0] * 5 + ([9.0] * 3 + [0.0] * 2) * 6
    given = [
        series("queue", busy, pod=value),
        *(series("queue", [0.0] * 5 + [9.0] + [0.0] * 10, pod=one) for one in others),
    ]
    both = Both.of(Rule("Deep", "queue > 5", labels=PAGE), given)
    assert both.cluster.inventory.values[0] == ("pod", value)
    tried = 0
    for slots, rules, (found,) in both.changes("carve_out"):
        if slots["targets"] == (f"pod={value}",) and slots["limit"] == "exclude":
            assert {one["pod"] for one, _, _ in shown(found)} == set(others)
            (only,) = selectors(rules[0].expr)
            samples = history(given).samples
            assert {one.labels["pod"] for one in select(samples, only)} == set(others)
            (tmp_path / "rules.yml").write_text(json.dumps(rule_file(rules)))
            assert promtool("check", "rules", tmp_path / "rules.yml").returncode == 0
            tried += 1
    assert tried == 1


RULES = [
    DEEP,
    Rule("Low", "40 > queue", hold=MINUTE, labels=PAGE),
    Rule("Mean", "avg by (zone, pod) (avg_over_time(queue[5m])) / 2 > 40 and on (pod) queue > 0", labels=PAGE),
    Rule(
        "Share",
        'sum by (pod, zone) (rate(req_total{code="500"}[5m])) / sum by (pod, zone) (rate(req_total[5m])) > 0.2',
    ),
    Rule("Flat", "(queue - queue offset 3m) ^ 2 >= 90 unless queue < 30"),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_all_that_is_rendered_is_what_promtool_accepts(rule: Rule, tmp_path: Path) -> None:
    chance = np.random.default_rng(11)
    counters = [
        series(
            "req_total",
            np.cumsum(chance.poisson(9 if code == "200" else 2, LENGTH)).astype(float).tolist(),
            code=code,
            pod=pod,
            zone=zone,
        )
        for pod, zone in PODS
        for code in ("200", "500")
    ]
    both = Both.of(rule, [*QUEUES, *counters])
    seen, groups = set(), []
    for template in TEMPLATES:
        if template.slots(both.cluster) is None:
            continue
        for _, rules, found in both.changes(template.name, limit=12):
            assert len(found) == sum(one.kind == "alert" for one in rules)
            (group,) = rule_file(rules)["groups"]  # type: ignore[misc]
            groups.append({**group, "name": f"g{len(groups)}"})
            seen.add(template.name)
    assert {"hold", "retune", "smooth", "carve_out", "demote", "collapse"} <= seen
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": groups}))
    done = promtool("check", "rules", "--lint=none", tmp_path / "rules.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_recorded_alerts_alone_are_carved_collapsed_and_counted() -> None:
    episodes = [
        Episode(
            Labels({"alertname": "Deep", "severity": "page", "pod": pod, "zone": zone}),
            Span(at * MINUTE, (at + 4) * MINUTE),
        )
        for k, (pod, zone) in enumerate(PODS)
        for at in range(10 + k, 200, 17 + 3 * k)
    ]
    replayer = Replayer(history((), minutes=LENGTH, episodes=episodes), MINUTE)
    ((place, _, rule),) = replayer.rules
    both = Both.at(replayer, place, rule)
    before = both.before()
    for slots, _, (found,) in both.changes("carve_out"):
        targets = slots["targets"]
        assert isinstance(targets, tuple)
        label = targets[0].split("=")[0]
        out = {one.split("=")[1] for one in targets}
        assert shown(found) == [one for one in shown(both.fired) if one[0][label] not in out]
    # Here the severity is a label of the series, and stays where it is asked for.
    for name in ("collapse", "aggregate_count"):
        tried = 0
        for slots, _, (found,) in both.changes(name):
            if slots["for"] == 0:
                by, after = slots["by"], firing_at([found])
                assert isinstance(by, tuple)
                for time, alerts in before.items():
                    counts = Counter(one.keep(("alertname", *by)) for one in alerts)
                    assert after[time] == {group for group, n in counts.items() if n >= slots.get("at_least", 1.0)}  # type: ignore[operator]
                tried += len(found)
        assert tried
