"""By executing both sides: templates that look at other times, at their own alerts, or at a service level."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from golden import BY_NAME, cluster
from histories import PAGING, firing_at, history, promtool, ref, rule_file, series, shown

from rulegen.core.candidate import Slots, SlotValue
from rulegen.core.cluster import Inventory
from rulegen.core.durations import DAY, HOUR, MINUTE, WEEK
from rulegen.core.labels import Labels
from rulegen.core.outcome import Firings
from rulegen.core.rule import Rule, RuleGroup, RuleSet
from rulegen.core.series import Series
from rulegen.core.spans import Span
from rulegen.core.timeinterval import TimeInterval
from rulegen.promql import Evaluator
from rulegen.replay.groups import replay_groups
from rulegen.replay.latch import latch
from rulegen.replay.replay import Replayer

DEEP = Rule("Deep", "queue > 100", labels=PAGING)


def changed(template: str, rule: Rule, inventory: Inventory, **tokens: str) -> tuple[Rule, ...]:
    """The rules that the template makes of ``rule`` when these choices are picked."""
    of = cluster(rule, inventory)
    offered = BY_NAME[template].slots(of)
    assert offered is not None
    picked: list[tuple[str, SlotValue]] = [
        (slot.name, next(choice.value for choice in slot.choices if choice.token == tokens[slot.name]))
        for slot in offered
    ]
    return BY_NAME[template].render(of, Slots(tuple(picked)))


def replayed(given: Sequence[Series], rules: Sequence[Rule], interval: int = MINUTE) -> tuple[Firings, ...]:
    return Replayer(history(given, DEEP, interval=interval), interval).replay(ref(), rules, interval)


# hysteresis


def by_hand(values: Sequence[float | None], high: float, low: float, hold: int, keep: int) -> set[int]:
    """The minutes at which an alert with two thresholds fires; absent samples hold nothing."""
    fires, begun, off, firing = set[int](), None, 0, False
    for minute, value in enumerate(values):
        if value is not None and (value > high or (value > low and firing)):
            begun, off = (minute if begun is None else begun), 0
            firing = firing or minute - begun >= hold
        else:
            off += 1
            if not firing or off > keep:
                begun, firing = None, False
        if firing:
            fires.add(minute)
    return fires


@pytest.mark.parametrize(("hold", "keep"), [(0, 0), (3, 0), (0, 2), (2, 3)])
def test_hysteresis_stays_until_below_the_lower_threshold(hold: int, keep: int) -> None:
    chance = np.random.default_rng(hold + 10 * keep)
    rows: list[list[float | None]] = [
        [None if chance.random() < 0.05 else float(one) for one in 100 + 60 * np.sin(np.arange(400) / period)]
        for period in (5, 9, 23)
    ]
    for row in rows:
        for at in range(0, 400, 3):
            if row[at] is not None:
                row[at] = float(chance.uniform(60, 170))
    given = [series("queue", row, pod=f"p{k}", severity="odd") for k, row in enumerate(rows)]
    rule = replace(DEEP, hold=hold * MINUTE, keep_firing_for=keep * MINUTE)
    (new,) = changed("hysteresis", rule, Inventory(thresholds=(140.0,)), fires_beyond="t0", stays_beyond="x0.9")
    assert latch(new) == ("queue > 140", "queue > 90")
    (found,) = replayed(given, [new])
    at_times = firing_at([found])
    for k, row in enumerate(rows):
        # Over 5m without a sample, as anywhere, a series is gone; here gaps are short and the last sample counts.
        seen = [row[m] if row[m] is not None else row[m - 1] for m in range(400)]
        seen = [seen[m] if seen[m] is not None else seen[m - 1] for m in range(400)]
        wanted = by_hand(seen, 140, 90, hold, keep)
        assert wanted
        assert {
            t // MINUTE for t, labels in at_times.items() if any(one["pod"] == f"p{k}" for one in labels)
        } == wanted
    # Evaluation by evaluation, as any rule that reads alerts, it does the same.
    group = RuleGroup("g", (new,), "rules.yml", MINUTE)
    slow = replay_groups(RuleSet((group,)), Evaluator(history(given).samples), history(given).span).results[0]
    assert slow.firings is not None and shown(slow.firings) == shown(found) and slow.firings.warm == found.warm


def test_hysteresis_reads_itself_and_not_what_was_recorded() -> None:
    """The server recorded the alerts of the rule as it was, which fired at lower values."""
    values = [50.0] * 5 + [120.0] * 20 + [50.0] * 5
    old = series("ALERTS", [None] * 5 + [1.0] * 20, alertname="Deep", alertstate="firing", severity="page", pod="a")
    (new,) = changed("hysteresis", DEEP, Inventory(thresholds=(140.0,)), fires_beyond="t0", stays_beyond="x1")
    (found,) = replayed([series("queue", values, pod="a"), old], [new])
    assert len(found) == 0


def test_a_rule_that_rarely_runs_does_not_see_itself() -> None:
    (new,) = changed("hysteresis", DEEP, Inventory(thresholds=(140.0,)), fires_beyond="t0", stays_beyond="x1")
    given = [series("queue", [150.0] * 10 + [120.0] * 30, pod="a")]
    (often,), (rarely,) = replayed(given, [new], 2 * MINUTE), replayed(given, [new], 5 * MINUTE)
    assert [end for _, _, end in shown(often)] == [38 * MINUTE]
    assert [end for _, _, end in shown(rarely)] == [5 * MINUTE]


@pytest.mark.parametrize(
    "expr",
    [
        'queue > 2 or queue > 1 and on (pod) ALERTS{alertname="Deep",alertstate="firing"}',  # other labels matched
        'queue > 2 or queue > 1 and ignoring (alertname, alertstate, severity) ALERTS{alertname="Other"}',
        'queue > 2 or queue > 1 unless ignoring (alertname, alertstate, severity) ALERTS{alertname="Deep"}',
        "queue > 2 or queue > 1",
        'queue > 2 or queue > 1 and ignoring (alertname, alertstate, severity) ALERTS{alertname="Deep"} offset 1m',
        "queue >",
    ],
)
def test_what_is_no_latch(expr: str) -> None:
    assert latch(replace(DEEP, expr=expr)) is None


def test_prometheus_agrees_on_hysteresis(tmp_path: Path) -> None:
    """The first evaluation, the wait, the end, and a second series that never passed the higher threshold."""
    (new,) = changed(
        "hysteresis",
        replace(DEEP, hold=2 * MINUTE),
        Inventory(thresholds=(140.0,)),
        fires_beyond="t0",
        stays_beyond="x1",
    )
    values = [150, 150, 150, 120, 101, 99, 120, 120, 150, 120, 150, 150, 150, 110, 90]
    (found,) = replayed([series("queue", [float(one) for one in values], pod="a", severity="odd")], [new])
    (tmp_path / "rules.yml").write_text(json.dumps(rule_file([new])))
    fires = {time // MINUTE for time, labels in firing_at([found]).items() if labels}
    assert fires == {2, 3, 4, 12, 13}
    test = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [
                    {"series": 'queue{pod="a",severity="odd"}', "values": " ".join(map(str, values))},
                    {"series": 'queue{pod="b"}', "values": "120x14"},
                ],
                "alert_rule_test": [
                    {
                        "eval_time": f"{minute}m",
                        "alertname": "Deep",
                        "exp_alerts": [{"exp_labels": {"pod": "a", "severity": "page"}}] if minute in fires else [],
                    }
                    for minute in range(len(values))
                ],
            }
        ],
    }
    (tmp_path / "test.yml").write_text(json.dumps(test))
    done = promtool("test", "rules", tmp_path / "test.yml")
    assert done.returncode == 0, done.stdout + done.stderr


# dynamic_threshold

SLOW = 10 * MINUTE


def weekly(weeks: int, spike: float) -> list[float]:
    """Every ten minutes; high from two to four each night, and in the last week once more at noon."""
    level = np.full(weeks * 7 * 144, 50.0)
    for day in range(weeks * 7):
        level[day * 144 + 12 : day * 144 + 24] = 150.0
    level[-3 * 144 + 72 : -3 * 144 + 78] = spike
    return [float(one) for one in level + np.random.default_rng(1).uniform(-3, 3, len(level))]


def usual(values: Sequence[float], season: int, seasons: int, at: int) -> tuple[float, float] | None:
    """Mean and deviation of the hour around this time, over so many earlier seasons; None where one is missing."""
    found = []
    for turn in range(1, seasons + 1):
        end = at * SLOW - season * turn + HOUR // 2
        hour = [values[k] for k in range(max(0, at - season * turn // SLOW - 9), at) if end - HOUR < k * SLOW <= end]
        if not hour:
            return None
        found.append((np.mean(hour), np.std(hour)))
    mean, deviation = np.mean(found, axis=0)
    return float(mean), float(deviation)


@pytest.mark.parametrize("beyond", ["1.5x", "3sd"])
@pytest.mark.parametrize("earlier", [1, 2])
@pytest.mark.parametrize("season", [DAY, WEEK])
def test_what_is_usual_at_this_hour_does_not_fire(season: int, beyond: str, earlier: int) -> None:
    values = weekly(6, 160.0)
    length = "1w" if season == WEEK else "1d"
    (new,) = changed(
        "dynamic_threshold", DEEP, Inventory(reach=6 * WEEK), season=length, seasons=str(earlier), beyond=beyond
    )
    given = history([series("queue", values, step=SLOW, pod="a")], DEEP, interval=SLOW)
    (found,) = Replayer(given, SLOW).replay(ref(), [new], SLOW)
    fires = {time for time, labels in firing_at([found]).items() if labels}
    wanted = set()
    for at, value in enumerate(values):
        level = usual(values, season, earlier, at)
        limit = None if level is None else 1.5 * level[0] if beyond == "1.5x" else level[0] + 3 * level[1]
        if value > 100 and (limit is None or value > limit):  # without an earlier season it is the rule that it was
            wanted.add(at * SLOW)
    assert fires == wanted
    noon = (6 * 7 - 3) * DAY + 12 * HOUR
    assert noon in fires and (6 * 7 - 1) * DAY + 3 * HOUR not in fires and DAY // 8 in fires
    assert found.warm == season * earlier + HOUR // 2


def test_what_must_not_fall_is_compared_downwards() -> None:
    level = np.full(4 * 144, 50.0)
    for day in range(4):
        level[day * 144 : day * 144 + 36] = 8.0  # few at night
    level[3 * 144 + 72 : 3 * 144 + 84] = 8.0  # and once at noon
    rule = Rule("Few", "queue < 10", labels=PAGING)
    (new,) = changed("dynamic_threshold", rule, Inventory(reach=4 * DAY), season="1d", seasons="1", beyond="2x")
    given = history([series("queue", level.tolist(), step=SLOW, pod="a")], rule, interval=SLOW)
    (found,) = Replayer(given, SLOW).replay(ref(), [new], SLOW)
    fires = {time for time, labels in firing_at([found]).items() if labels}
    wanted = set()
    for at, value in enumerate(level.tolist()):
        before = usual(level.tolist(), DAY, 1, at)
        if value < 10 and (before is None or value < before[0] / 2):
            wanted.add(at * SLOW)
    assert fires == wanted and 3 * DAY + 12 * HOUR in fires and 3 * DAY + 3 * HOUR not in fires


# seasonal_mute


@pytest.mark.parametrize(
    ("times", "weekdays"),
    [
        (((120, 180),), None),
        (((120, 300),), ((1, 5),)),
        (((0, 60), (1320, 1440)), ((0, 0), (6, 6))),
        (None, ((3, 3),)),
    ],
)
def test_muted_it_is_silent_in_those_hours_alone(
    times: tuple[tuple[int, int], ...] | None, weekdays: tuple[tuple[int, int], ...] | None
) -> None:
    hours = TimeInterval(times=times, weekdays=weekdays)
    (new,) = changed("seasonal_mute", DEEP, Inventory(quiet_hours=(hours,)), hours="h0", where="promql")
    given = history([series("queue", [150.0] * (9 * 144), step=SLOW, pod="a")], DEEP, interval=SLOW)
    (found,) = Replayer(given, SLOW).replay(ref(), [new], SLOW)
    at_times = firing_at([found])
    assert all(bool(labels) != hours.contains(time) for time, labels in at_times.items())
    assert any(map(hours.contains, at_times))


# absent_guard


def test_a_missed_scrape_does_not_fire() -> None:
    steady: list[float | None] = [1.0] * 60
    gappy: list[float | None] = [None if 20 <= k < 28 or k >= 40 else 1.0 for k in range(60)]
    rule = Rule("Few", "count(ready) < 2", labels=PAGING)
    given = [series("ready", steady, pod="a"), series("ready", gappy, pod="b")]
    (old,) = replayed(given, [rule])
    assert [start // MINUTE for _, start, _ in shown(old)] == [24, 44]  # the last sample is seen for 5m
    (new,) = replayed(given, changed("absent_guard", rule, Inventory(), gap="10m"))
    assert [start // MINUTE for _, start, _ in shown(new)] == [49]  # the second gap is longer


def test_a_longer_absence_fires_later() -> None:
    gaps: list[float | None] = [None if 10 <= k < 17 or 30 <= k < 50 else 1.0 for k in range(60)]
    rule = Rule("Gone", 'absent(ready{job="a"})', labels=PAGING)
    (old,) = replayed([series("ready", gaps, job="a"), series("up", [1.0] * 60)], [rule])
    (new,) = replayed(
        [series("ready", gaps, job="a"), series("up", [1.0] * 60)],
        changed("absent_guard", rule, Inventory(), gap="10m"),
    )
    assert [(start // MINUTE, end // MINUTE) for _, start, end in shown(old)] == [(14, 16), (34, 49)]
    assert [(start // MINUTE, end // MINUTE) for _, start, end in shown(new)] == [(39, 49)]
    assert {labels for labels, _, _ in shown(old)} == {labels for labels, _, _ in shown(new)}


def test_down_is_what_did_not_answer_at_all() -> None:
    answers = [0.0 if 10 <= k < 13 or 30 <= k < 45 else 1.0 for k in range(60)]
    rule = Rule("Down", "up == 0", labels=PAGING)
    (new,) = replayed([series("up", answers, job="a")], changed("absent_guard", rule, Inventory(), gap="5m"))
    assert [(start // MINUTE, end // MINUTE) for _, start, end in shown(new)] == [(34, 44)]


# burn_rate


def counts(bad: Sequence[float], every: Sequence[float], **labels: str) -> list[Series]:
    return [
        series("err_total", np.cumsum(bad).tolist(), **labels),
        series("req_total", np.cumsum(every).tolist(), **labels),
    ]


RATIO = Rule("Fails", "sum(rate(err_total[5m])) / sum(rate(req_total[5m])) > 0.05", labels=PAGING)


@pytest.mark.parametrize(("least", "pages"), [("0", [1, 2, 3]), ("2", [2, 3]), ("3", [3])])
def test_the_floor_asks_for_so_many_bad_events(least: str, pages: list[int]) -> None:
    """At night one request a minute: one of them fails, then two, then all for five minutes."""
    minutes = 30 * 60
    every, bad = np.ones(minutes), np.zeros(minutes)
    bad[600], bad[1000:1002], bad[1400:1405] = 1, 1, 1
    rules = changed("burn_rate", RATIO, Inventory(), objective_percent="99.9", least_bad=least)
    page, ticket = replayed(counts(bad.tolist(), every.tolist()), rules)
    # Windows side by side do not add up: a rule is warm once each of them was filled.
    assert page.warm == 6 * HOUR and ticket.warm == 3 * DAY
    begun = [start // MINUTE for _, start, _ in shown(page)]
    found = [k for k, at in ((1, 600), (2, 1000), (3, 1400)) if any(at <= start < at + 60 for start in begun)]
    assert found == pages


def test_requests_slower_than_a_bucket() -> None:
    minutes = 24 * 60
    slow = np.zeros(minutes)
    slow[1000:1090] = 0.4
    name = "secs"
    fast = np.cumsum(60 * (1 - slow))
    given = [
        series(f"{name}_bucket", fast.tolist(), job="a", le="0.5"),
        series(f"{name}_bucket", (60.0 * np.arange(1, minutes + 1)).tolist(), job="a", le="+Inf"),
        series(f"{name}_count", (60.0 * np.arange(1, minutes + 1)).tolist(), job="a"),
    ]
    rule = Rule("Slow", "histogram_quantile(0.99, sum by (job, le) (rate(secs_bucket[5m]))) > 0.4", labels=PAGING)
    replayer = Replayer(history(given, rule), MINUTE)
    found = replayer.service(ref(), [Span(0, minutes * MINUTE)])
    assert found is not None and [level.bound for level in found.levels] == ["0.5"]
    assert found.levels[0].good == pytest.approx(1 - 36 / 1440, abs=0.002)
    assert found.levels[0].quiet == pytest.approx(3600, rel=0.05)
    rules = changed("burn_rate", rule, Inventory(service=found), objective_percent="99", least_bad="0", bound="b0")
    page, _ = replayer.replay(ref(), rules, MINUTE)
    ((labels, start, _),) = shown(page)
    assert labels == Labels({"alertname": "Slow", "job": "a", "severity": "page"})
    assert 1000 <= start // MINUTE <= 1000 + 25  # a share of 0.4 fills 14.4% of an hour in 22 minutes


def test_the_objective_comes_from_history_and_recording_rules_are_read() -> None:
    minutes = 24 * 60
    every = np.full(minutes, 100.0)
    bad = np.where(np.arange(minutes) % 10 == 0, 6.0, 0.0)  # 0.6%: 99.5% is not met, 99% is
    record = Rule("job:errors:ratio", "sum(rate(err_total[5m])) / sum(rate(req_total[5m]))", "record")
    alert = Rule("Fails", "job:errors:ratio > 0.002", labels=PAGING)
    replayer = Replayer(history(counts(bad.tolist(), every.tolist()), record, alert), MINUTE)
    found = replayer.service(ref(1), [Span(0, minutes * MINUTE)])
    assert found is not None and found.levels[0].good == pytest.approx(0.994, abs=2e-4)
    offered = BY_NAME["burn_rate"].slots(cluster(alert, Inventory(service=found)))
    assert offered is not None
    assert [choice.token for choice in offered[0].choices][:4] == ["99", "99.5", "98", "99.9"]
    # What was known to be wrong is not what the service is held to.
    calm = replayer.service(ref(1), [Span(0, minutes * MINUTE)], [Span(0, 20 * HOUR)])
    assert calm is not None and calm.levels[0].good == pytest.approx(0.994, abs=5e-4)
    assert replayer.service(ref(1), [Span(0, minutes * MINUTE)], [Span(0, 24 * HOUR)]) is None


def test_why_a_tier_is_left_out_is_said() -> None:
    template = BY_NAME["burn_rate"]
    assert template.remarks is not None
    (why,) = template.remarks(cluster(RATIO, Inventory()), Slots((("objective_percent", 0.9),)))
    assert "14.4" in why and "1.44" in why and "1h" in why
    assert template.remarks(cluster(RATIO, Inventory()), Slots((("objective_percent", 0.999),))) == ()
