"""Rule groups over a grid against ``Group.Eval`` written down evaluation by evaluation, and against promtool."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

import numpy as np
import pytest
from histories import GROUP, PATH, firing_at, history, ref, series, shown

from rulegen.core.durations import HOUR, MINUTE, SECOND
from rulegen.core.labels import METRIC_NAME, Labels
from rulegen.core.rule import Rule, RuleGroup, RuleSet
from rulegen.core.series import STALE, Samples, Series, is_stale
from rulegen.core.spans import Grid, Span
from rulegen.promql import Evaluator, Matrix, Scalar
from rulegen.replay.groups import Replayed, replay_groups
from rulegen.replay.replay import Replayer

PAGE, INFO = Labels({"severity": "page"}), Labels({"severity": "info"})


class Book:
    """Prometheus' rule manager, as slow and as plain as it gets: one storage, one evaluation after another."""

    def __init__(self, rules: RuleSet, samples: Iterable[Series], semantics: str = "open") -> None:
        self.rules, self.semantics = rules, semantics
        self.storage: dict[Labels, dict[int, float]] = {
            one.labels: dict(zip(one.times.tolist(), one.values.tolist(), strict=True)) for one in samples
        }
        self.active: dict[int, dict[Labels, dict[str, int | str | None]]] = {}
        self.previous: dict[int, set[Labels]] = {}
        self.firing: dict[tuple[int, int], set[Labels]] = {}  # (rule, time) → alerts
        self.failed: dict[int, list[int]] = {}

    def run(self, span: Span) -> None:
        due = [
            (time, at, group, rule)
            for at, (_, group, rule) in enumerate(self.rules)
            for time in range(span.start // group.interval * group.interval, span.end + 1, group.interval)
        ]
        for time, at, group, rule in sorted(due, key=lambda one: one[:2]):
            self.evaluate(time, at, group, rule)

    def query(self, expr: str, time: int) -> dict[Labels, float]:
        # A sample in the future of what was written is not there yet; the given series are as they are scraped.
        given = (
            Series(labels, np.array(sorted(points)), np.array([points[t] for t in sorted(points)]))
            for labels, points in self.storage.items()
        )
        value = Evaluator(Samples.of(given), semantics=self.semantics).evaluate(expr, Grid(time, time, 1))
        if isinstance(value, Scalar):
            return {Labels(): float(value.values[0])}
        assert isinstance(value, Matrix)
        return dict(zip(value.labels, value.values[:, 0].tolist(), strict=True))

    def evaluate(self, time: int, at: int, group: RuleGroup, rule: Rule) -> None:
        stamp = time - group.query_offset
        found = self.query(rule.expr, stamp)
        output: dict[Labels, float] = {}
        if rule.kind == "record":
            for labels, value in found.items():
                output[labels.updated({**rule.labels, METRIC_NAME: rule.name})] = value
            if group.limit and len(output) > group.limit:
                self.failed.setdefault(at, []).append(time)
                return
        else:
            alerts = self.active.setdefault(at, {})
            holding = {one.drop([METRIC_NAME]).updated({**rule.labels, "alertname": rule.name}) for one in found}
            for labels in holding:
                if labels not in alerts:
                    alerts[labels] = {"state": "pending", "since": time, "kept": None}
            for labels, alert in list(alerts.items()):
                if labels in holding:
                    alert["kept"] = None
                else:
                    if alert["kept"] is None:
                        alert["kept"] = time
                    keep = alert["state"] == "firing" and time - int(alert["kept"]) < rule.keep_firing_for
                    if not keep:
                        del alerts[labels]
                        continue
                if alert["state"] == "pending" and time - int(alert["since"]) >= rule.hold:  # type: ignore[arg-type]
                    alert["state"] = "firing"
                state = str(alert["state"])
                output[labels.updated({METRIC_NAME: "ALERTS", "alertstate": state})] = 1.0
                output[labels.updated({METRIC_NAME: "ALERTS_FOR_STATE"})] = float(int(alert["since"]) // 1000)  # type: ignore[arg-type]
            if group.limit and len(alerts) > group.limit:
                alerts.clear()
                self.failed.setdefault(at, []).append(time)
                return
            firing = {labels for labels, alert in alerts.items() if alert["state"] == "firing"}
            if firing:
                self.firing[at, time] = firing
        for labels, value in output.items():
            self.storage.setdefault(labels, {}).setdefault(stamp, value)
        for labels in self.previous.get(at, set()) - set(output):
            self.storage[labels].setdefault(stamp, STALE)
        self.previous[at] = set(output)

    def written(self) -> dict[Labels, dict[int, float]]:
        return {one: points for one, points in self.storage.items() if one[METRIC_NAME] not in ("x", "y")}


def written(found: Replayed) -> dict[Labels, dict[int, float]]:
    assert isinstance(found.engine, Evaluator)
    return {
        one.labels: dict(zip(one.times.tolist(), one.values.tolist(), strict=True))
        for one in found.engine.samples
        if one.labels[METRIC_NAME] not in ("x", "y")
    }


def same(left: dict[Labels, dict[int, float]], right: dict[Labels, dict[int, float]]) -> None:
    assert left.keys() == right.keys()
    for labels, points in left.items():
        assert points.keys() == right[labels].keys(), labels
        times = sorted(points)
        ours, theirs = (np.array([side[t] for t in times]) for side in (points, right[labels]))
        assert (is_stale(ours) == is_stale(theirs)).all(), labels
        assert np.array_equal(ours, theirs, equal_nan=True), labels


def groups(*several: Sequence[Rule], interval: int = MINUTE, limit: int = 0, offset: int = 0) -> RuleSet:
    return RuleSet(
        tuple(
            RuleGroup(f"{GROUP}{at}", tuple(rules), PATH, interval, limit, offset) for at, rules in enumerate(several)
        )
    )


def check(rules: RuleSet, given: Sequence[Series], minutes: int, cells: int = 10_000_000) -> Replayed:
    book = Book(rules, given)
    book.run(Span(0, minutes * MINUTE))
    found = replay_groups(rules, Evaluator(Samples.of(given)), Span(0, minutes * MINUTE), cells=cells)
    for at, result in enumerate(found.results):
        assert not result.error, result.error
        assert result.failed.tolist() == book.failed.get(at, [])
        if result.firings is not None:
            want = {time: alerts for (rule, time), alerts in book.firing.items() if rule == at}
            assert {time: alerts for time, alerts in firing_at([result.firings]).items() if alerts} == want
    same(written(found), book.written())
    return found


def drawn(seed: int, length: int = 50) -> list[Series]:
    chance = random.Random(seed)
    out = []
    for name, pod in (("x", "a"), ("x", "b"), ("x", "c"), ("y", "a"), ("y", "b")):
        values: list[float | None] = []
        while len(values) < length:
            values += [chance.choice([0.0, 2.0, 2.0, 3.0, None])] * chance.randint(1, 7)
        out.append(series(name, values[:length], pod=pod))
    return out


IN_ORDER = (
    Rule("pod:x", "max by (pod) (x) > 0", "record", labels=Labels({"from": "rule"})),
    Rule("pod:x:sum3", "sum_over_time(pod:x[3m])", "record"),
    Rule("High", "pod:x:sum3 > 4", hold=2 * MINUTE, labels=PAGE),
    Rule("Keep", "y > 1", keep_firing_for=150 * SECOND, labels=INFO),
    Rule("Both", 'ALERTS{alertname="High",alertstate="firing"} and on (pod) ALERTS{alertname="Keep"}'),
    Rule("Long", 'max by (pod) (time() - ALERTS_FOR_STATE{severity="page"}) > 240'),
)
BACKWARDS = (
    Rule("Before", "late:x > 1", hold=MINUTE),
    Rule("late:x", "x > 1", "record"),
    Rule(
        "Inhibitor",
        'max by (pod) (ALERTS{severity="info"}) == 1 unless on (pod) ALERTS{severity="page",alertstate="firing"}',
    ),
    Rule("Info", "y > 1", labels=INFO),
    Rule("Page", "x > 2", labels=PAGE, hold=MINUTE),
)
CIRCLES = (
    Rule("count:up", "(count:up or vector(0)) + 1", "record"),
    Rule("Sticky", 'x > 2 or on (pod) (x > 1 and on (pod) ALERTS{alertname="Sticky"})', hold=MINUTE),
    Rule("ping", "pong + 1 or max(x)", "record"),
    Rule("pong", "ping * 2 % 7", "record"),
    Rule("Storm", 'count(ALERTS{alertstate="firing"}) > 1', keep_firing_for=2 * MINUTE),
)


@pytest.mark.parametrize("rules", [IN_ORDER, BACKWARDS, CIRCLES], ids=["in order", "backwards", "circles"])
@pytest.mark.parametrize("seed", range(4))
def test_as_prometheus_evaluates_groups(rules: Sequence[Rule], seed: int) -> None:
    found = check(groups(rules), drawn(seed), 55)
    assert any(result.firings is not None and len(result.firings) for result in found.results)


@pytest.mark.parametrize("seed", range(3))
def test_groups_of_other_intervals_and_offsets(seed: int) -> None:
    several = (
        RuleGroup("a", (*IN_ORDER[:3], Rule("Later", "slow:y > 1")), PATH, MINUTE, query_offset=2 * MINUTE),
        RuleGroup("b", (Rule("slow:y", "y > 0", "record"), Rule("Reads", "pod:x > 1")), PATH, 3 * MINUTE),
        RuleGroup("c", IN_ORDER[3:], PATH, 30 * SECOND, query_offset=45 * SECOND),
    )
    check(RuleSet(several), drawn(seed), 50)


@pytest.mark.parametrize("seed", range(6))
def test_a_limit_that_is_exceeded_fails_the_evaluation(seed: int) -> None:
    rules = (
        Rule("all:x", "x > 1", "record"),
        Rule("Any", "x > 1", hold=MINUTE, keep_firing_for=2 * MINUTE),
        Rule("Reads", "all:x > 2"),
    )
    found = check(groups(rules, limit=2), drawn(seed), 55)
    assert sum(len(result.failed) for result in found.results)


@pytest.mark.parametrize("rules", [IN_ORDER, BACKWARDS], ids=["in order", "backwards"])
@pytest.mark.parametrize("limit", [0, 2])
@pytest.mark.parametrize("cells", [1, 7, 40])
def test_pieces_give_what_the_uncut_run_gives(rules: Sequence[Rule], limit: int, cells: int) -> None:
    given, span = drawn(9), Span(0, 55 * MINUTE)
    runs = [
        replay_groups(groups(rules, limit=limit), Evaluator(Samples.of(given)), span, cells=size)
        for size in (10_000_000, cells)
    ]
    whole, cut = runs
    same(written(whole), written(cut))
    for left, right in zip(whole.results, cut.results, strict=True):
        assert left.failed.tolist() == right.failed.tolist()
        if left.firings is None or right.firings is None or left.pending is None or right.pending is None:
            assert left.rule.kind == "record" and not left.error and not right.error
            continue
        assert shown(left.firings) == shown(right.firings)
        assert shown(left.pending) == shown(right.pending)
        assert sorted(left.firings.since.tolist()) == sorted(right.firings.since.tolist())


def test_pending_time_is_told_also_of_alerts_that_never_fired() -> None:
    rule = Rule("A", "x > 1", hold=2 * MINUTE)
    given = [series("x", [0, 2, 2, 0, 2, 2, 2, 2, 0])]
    (result,) = replay_groups(groups([rule]), Evaluator(Samples.of(given)), Span(0, 8 * MINUTE)).results
    assert result.firings is not None and result.pending is not None
    name = Labels({"alertname": "A"})
    assert shown(result.pending) == [(name, MINUTE, 2 * MINUTE), (name, 4 * MINUTE, 5 * MINUTE)]
    assert shown(result.firings) == [(name, 6 * MINUTE, 7 * MINUTE)]


def test_start_and_end_are_the_evaluation() -> None:
    rules = (Rule("A", "x @ end() > 1 and x @ start() > 1"),)
    check(groups(rules), [series("x", [0, 2, 2, 0, 3])], 8)


def test_windows_add_up_through_what_is_recorded() -> None:
    rules = (
        Rule("x:rate", "rate(x[10m])", "record"),
        Rule("x:max", "max_over_time(x:rate[20m])", "record"),
        Rule("A", "x:max offset 5m > 1"),
        Rule("B", 'ALERTS{alertname="A"} > 0'),
    )
    given = Evaluator(Samples.of([series("x", [0, 2, 2])]))
    found = replay_groups(groups(rules), given, Span(0, HOUR)).results
    assert [one.firings.warm // MINUTE for one in found if one.firings is not None] == [35, 35]


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        ([Rule("r", "histogram_sum(x)", "record"), Rule("A", "r > 1")], "unsupported"),
        ([Rule("Bad", "histogram_sum(x)"), Rule("A", 'ALERTS{alertname="Bad"}')], "the alerts of Bad"),
        ([Rule("r", "x > 1 or r", "record"), Rule("A", "histogram_sum(r)")], "unsupported"),
        ([Rule("r", "sum(x)", "record"), Rule("r", "max(x)", "record"), Rule("A", "r")], "same series of r"),
        ([Rule("A", "x > 1", labels=Labels({"pod": "any"}))], "same labelset"),
        ([Rule("A", "x offset -5m > 1")], "looks into the future"),
    ],
)
def test_what_cannot_be_replayed_is_no_rule_that_never_fired(rules: Sequence[Rule], why: str) -> None:
    given = [series("x", [2, 2], pod="a"), series("x", [2, 2], pod="b")]
    fine = Rule("Fine", "x > 1")
    found = replay_groups(groups([*rules, fine]), Evaluator(Samples.of(given)), Span(0, 2 * MINUTE)).results
    assert found[-2].firings is None and why in found[-2].error
    assert not found[-1].error and found[-1].firings is not None and len(found[-1].firings) == 2


def test_known_names_are_the_truth() -> None:
    rules = (Rule("x:sum", "sum(x)", "record"), Rule("A", "x:sum > 5"), Rule("B", 'ALERTS{alertname="A"}'))
    given = [
        series("x", [9, 9, 9]),
        series("x:sum", [0, 6, 0]),
        series("ALERTS", [1, None, None], alertname="A", alertstate="firing"),
    ]
    known = {"x:sum", "ALERTS"}
    found = replay_groups(groups(rules), Evaluator(Samples.of(given)), Span(0, 2 * MINUTE), known=known).results
    fired = [[start // MINUTE for _, start, _ in shown(one.firings)] for one in found if one.firings]
    assert fired == [[1], [0]]


def test_a_candidate_honours_limit_and_offset_of_its_group() -> None:
    rule = Rule("A", "x > 1")
    given = [series("x", [0, 2, 2, 0, 0], pod="a"), series("x", [0, 0, 2, 0, 0], pod="b")]
    found = history(given, rule)
    for limit, offset, want in ((0, 0, [1, 2]), (1, 0, [1]), (0, MINUTE, [2, 3])):
        group = RuleGroup(GROUP, (rule,), PATH, MINUTE, limit, offset)
        (fired,) = Replayer(_with(found, group), MINUTE).replay(ref(), (rule,), MINUTE)
        assert sorted({start // MINUTE for _, start, _ in shown(fired)}) == want


def test_a_candidate_sees_the_alerts_of_other_rules() -> None:
    rules = (Rule("Other", "y > 1", labels=PAGE), Rule("A", 'x > 1 unless on () ALERTS{severity="page"}'))
    replayer = Replayer(history([series("x", [2, 2, 2]), series("y", [0, 2, 0])], *rules), MINUTE)
    (fired,) = replayer.replay(ref(1), rules[1:], MINUTE)
    assert [start // MINUTE for _, start, _ in shown(fired)] == [0, 2]


def test_two_rules_may_share_an_alert() -> None:
    rules = (Rule("A", "x > 1", labels=PAGE), Rule("A", "x > 2", hold=MINUTE, labels=PAGE))
    check(groups(rules), drawn(3), 52)


def _with(found: object, group: RuleGroup) -> object:
    from dataclasses import replace

    return replace(found, rules=RuleSet((group,)))  # type: ignore[type-var]
