"""The alert state machine against Prometheus' own, written down step by step."""

from __future__ import annotations

import numpy as np
import pytest
from histories import firing_at, shown, unhurried
from hypothesis import example, given
from hypothesis import strategies as st

from rulegen.core.durations import MINUTE, SECOND
from rulegen.core.labels import EMPTY, Labels
from rulegen.core.rule import Rule
from rulegen.core.spans import Grid
from rulegen.errors import QueryError, UnsupportedError
from rulegen.promql import Matrix
from rulegen.replay.alerting import fire
from rulegen.replay.identity import alert_labels

Alert = tuple[int, int, int]  # active since, first and last evaluation firing; ms


def by_the_book(holds: list[bool], start: int, step: int, wait: int, keep: int) -> list[Alert]:
    """``AlertingRule.Eval`` of Prometheus' rules/alerting.go, for one label set, evaluation after evaluation."""
    state, active_at, keep_firing_since = "inactive", 0, None
    alerts: list[Alert] = []
    for count, held in enumerate(holds):
        now = start + count * step
        if held and state == "inactive":  # no active alert with these labels: a new one
            state, active_at, keep_firing_since = "pending", now, None
        if held:
            keep_firing_since = None
        else:
            keep_firing = False
            if state == "firing" and keep > 0:
                if keep_firing_since is None:
                    keep_firing_since = now
                keep_firing = now - keep_firing_since < keep
            if not keep_firing:
                state = "inactive"
        if state == "pending" and now - active_at >= wait:
            state = "firing"
            alerts.append((active_at, now, now))
        if state == "firing":
            alerts[-1] = (*alerts[-1][:2], now)
    return alerts


def matrix(*rows: tuple[Labels, list[bool]]) -> Matrix:
    present = np.array([row[1] for row in rows], dtype=np.bool_)
    return Matrix(tuple(row[0] for row in rows), np.ones(present.shape), present)


def fired(holds: list[bool], wait: int = 0, keep: int = 0, step: int = MINUTE) -> list[Alert]:
    grid = Grid(0, (len(holds) - 1) * step, step)
    found = fire(Rule("A", "x", hold=wait, keep_firing_for=keep), matrix((EMPTY, holds)), grid, 0)
    return list(zip(found.since.tolist(), found.start.tolist(), found.end.tolist(), strict=True))


durations = st.one_of(st.just(0), st.integers(1, 8 * MINUTE), st.integers(0, 16).map(lambda n: n * 30 * SECOND))


@given(
    # Runs rather than single bits, so that long waits are reached too.
    st.lists(st.tuples(st.booleans(), st.integers(1, 12)), min_size=1, max_size=20),
    st.sampled_from([7 * SECOND, 15 * SECOND, 30 * SECOND, MINUTE, 90 * SECOND]),
    durations,
    durations,
    st.integers(0, 10**12),
)
@example([(True, 1), (False, 3), (True, 2)], MINUTE, 0, 90 * SECOND, 0)
@example([(True, 3), (False, 1), (True, 1), (False, 1), (True, 4)], MINUTE, 2 * MINUTE, MINUTE, 0)
@unhurried
def test_fires_as_prometheus_does(runs: list[tuple[bool, int]], step: int, wait: int, keep: int, start: int) -> None:
    holds = [held for held, length in runs for _ in range(length)]
    if not any(holds):
        return  # no such series
    grid = Grid(start, start + (len(holds) - 1) * step, step)
    found = fire(Rule("A", "x", hold=wait, keep_firing_for=keep), matrix((EMPTY, holds)), grid, start)
    got = list(zip(found.since.tolist(), found.start.tolist(), found.end.tolist(), strict=True))
    assert got == by_the_book(holds, start, step, wait, keep)


@given(
    st.lists(st.lists(st.booleans(), min_size=15, max_size=15), min_size=1, max_size=5),
    st.integers(0, 4).map(lambda n: n * 30 * SECOND),
    st.integers(0, 4).map(lambda n: n * 30 * SECOND),
)
@unhurried
def test_series_do_not_touch_each_other(masks: list[list[bool]], wait: int, keep: int) -> None:
    rows = [(Labels({"i": str(i)}), mask) for i, mask in enumerate(masks) if any(mask)]
    if not rows:
        return
    found = fire(Rule("A", "x", hold=wait, keep_firing_for=keep), matrix(*rows), Grid(0, 14 * MINUTE, MINUTE), 0)
    want = [
        (labels.updated({"alertname": "A"}), start, end)
        for labels, mask in rows
        for _, start, end in by_the_book(mask, 0, MINUTE, wait, keep)
    ]
    assert shown(found) == sorted(want)
    assert (np.diff(found.start) >= 0).all()


def test_fires_once_it_held_for_at_least_the_wait() -> None:
    held = [False, True, True, True, False]
    assert fired(held, wait=2 * MINUTE) == [(MINUTE, 3 * MINUTE, 3 * MINUTE)]
    assert fired(held, wait=2 * MINUTE + 1) == []
    assert fired(held, wait=61 * SECOND) == [(MINUTE, 3 * MINUTE, 3 * MINUTE)]


def test_keeps_firing_from_the_first_false_evaluation() -> None:
    # Interval 1m, keep 90s: still firing 2m after the last true.
    assert fired([True, False, False, False, False], keep=90 * SECOND) == [(0, 0, 2 * MINUTE)]


def test_keeping_merges_flaps_and_delays_nothing() -> None:
    flaps = [True, False, True, False, True, False, False, False]
    assert [start for _, start, _ in fired(flaps)] == [0, 2 * MINUTE, 4 * MINUTE]
    assert fired(flaps, keep=MINUTE) == [(0, 0, 5 * MINUTE)]


def test_a_kept_alert_that_holds_again_waits_no_second_time() -> None:
    held = [True, True, True, False, True, False, False, False]
    assert fired(held, wait=2 * MINUTE, keep=MINUTE) == [(0, 2 * MINUTE, 5 * MINUTE)]


def test_a_pending_alert_is_not_kept() -> None:
    assert fired([True, False, True, False, True], wait=MINUTE, keep=10 * MINUTE) == []


def test_alert_labels_are_the_series_then_the_rules_then_the_name() -> None:
    found = alert_labels(
        "Down",
        Labels(
            {"severity": "page", "who": "{{ $labels.team }} of {{$labels.job}}", "job": "other", "alertname": "X"}
        ),
        Labels({"__name__": "up", "job": "api", "team": "a", "alertname": "Y"}),
    )
    assert found == Labels({"severity": "page", "who": "a of api", "job": "other", "team": "a", "alertname": "Down"})


def test_a_label_template_that_comes_out_empty_is_no_label() -> None:
    found = alert_labels("A", Labels({"team": "{{ $labels.owner }}"}), Labels({"team": "old", "job": "api"}))
    assert found == Labels({"alertname": "A", "job": "api"})


def test_a_label_value_is_data_and_never_a_template() -> None:
    hostile = Labels({"job": "{{ $labels.secret }}", "secret": "s"})
    assert alert_labels("A", Labels({"who": "{{ $labels.job }}"}), hostile)["who"] == "{{ $labels.secret }}"


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("{{ $labels.a }}{{", "fails: unclosed action"),
        ("{{ nothing }}", "fails: function 'nothing' not defined"),
        ('{{ printf "%#v" $labels }}', "unsupported: %#v"),
    ],
)
def test_templates_that_cannot_be_expanded_are_refused(value: str, why: str) -> None:
    with pytest.raises(UnsupportedError, match=why):
        alert_labels("A", Labels({"x": value}), Labels({"a": "1"}))


def test_a_label_that_shows_the_value_makes_another_alert_of_another_value() -> None:
    rows = Matrix((Labels({"i": "a"}),), np.array([[1.0, 1.0, 2.0, 1.0]]), np.ones((1, 4), dtype=np.bool_))
    rule = Rule("A", "x", labels=Labels({"v": "{{ $value }}"}), hold=MINUTE)
    (only,) = shown(fire(rule, rows, Grid(0, 3 * MINUTE, MINUTE), 0))
    assert only == (Labels({"alertname": "A", "i": "a", "v": "1"}), MINUTE, MINUTE)


def test_two_series_become_one_alert_when_they_never_hold_together() -> None:
    rows = matrix(
        (Labels({"pod": "a", "job": "j"}), [True, True, False, False, False]),
        (Labels({"pod": "b", "job": "j"}), [False, False, True, True, False]),
    )
    rule = Rule("A", "x", hold=3 * MINUTE, labels=Labels({"pod": "any"}))
    (only,) = shown(fire(rule, rows, Grid(0, 4 * MINUTE, MINUTE), 0))
    assert only == (Labels({"alertname": "A", "pod": "any", "job": "j"}), 3 * MINUTE, 3 * MINUTE)


def test_two_series_that_become_one_alert_at_the_same_time_are_an_error() -> None:
    rows = matrix((Labels({"pod": "a"}), [True, True]), (Labels({"pod": "b"}), [False, True]))
    with pytest.raises(QueryError):
        fire(Rule("A", "x", labels=Labels({"pod": "any"})), rows, Grid(0, MINUTE, MINUTE), 0)


def test_nothing_holds_nothing_fires() -> None:
    found = fire(Rule("A", "x"), Matrix.empty(3), Grid(0, 2 * MINUTE, MINUTE), 7)
    assert len(found) == 0 and found.warm == 7 and firing_at([found]) == {0: set(), MINUTE: set(), 2 * MINUTE: set()}
