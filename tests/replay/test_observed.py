"""Recorded alerts as a history, and what may be judged from them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from histories import history, ref, series, shown, unhurried
from hypothesis import given
from hypothesis import strategies as st

from rulegen.core.alert import Episode
from rulegen.core.cluster import Grade
from rulegen.core.durations import MINUTE, SECOND
from rulegen.core.labels import Labels
from rulegen.core.rule import Rule, RuleRef
from rulegen.core.series import is_stale
from rulegen.core.spans import Span
from rulegen.errors import UnsupportedError
from rulegen.replay import observed
from rulegen.replay.replay import Replayer

ALERT = Labels({"alertname": 'Odd "name"\\', "pod": "a", "severity": "page"})


def episode(start: int, end: int, labels: Labels = ALERT) -> Episode:
    """From one minute to another."""
    return Episode(labels, Span(start * MINUTE, end * MINUTE))


def replayed(episodes: list[Episode], **changes: int) -> list[tuple[Labels, int, int]]:
    """What the one rule that stands for the recorded alerts does over two hours, with ``changes`` to it."""
    replayer = Replayer(history((), minutes=120, episodes=episodes), MINUTE)
    ((place, group, rule),) = replayer.rules
    assert replayer.grade(place) is Grade.ALERTS
    (found,) = replayer.replay(place, (replace(rule, **changes),), group.interval)
    return shown(found)


# Episodes of one series do not overlap, and two evaluations apart they are not one.
apart = st.lists(st.tuples(st.integers(2, 9), st.integers(0, 9)), min_size=1, max_size=8).map(
    lambda steps: [
        (at := sum(gap + length for gap, length in steps[:k]) + gap, at + length)
        for k, (gap, length) in enumerate(steps)
    ]
)


@given(apart, apart)
@unhurried
def test_recorded_alerts_fire_as_they_were_recorded(
    first: list[tuple[int, int]], second: list[tuple[int, int]]
) -> None:
    other = ALERT.updated({"pod": "b"})
    episodes = [episode(*times) for times in first] + [episode(*times, other) for times in second]
    want = sorted((one.labels, one.span.start, one.span.end) for one in episodes)
    assert replayed(episodes) == [one for one in want if one[1] <= 120 * MINUTE and one[2] <= 120 * MINUTE]


@given(apart, st.integers(1, 8))
@unhurried
def test_a_longer_wait_shortens_the_episodes(times: list[tuple[int, int]], wait: int) -> None:
    want = [
        (ALERT, (start + wait) * MINUTE, end * MINUTE) for start, end in times if end - start >= wait and end <= 120
    ]
    assert replayed([episode(*one) for one in times if one[1] <= 120], hold=wait * MINUTE) == want


def test_keeping_on_merges_episodes() -> None:
    episodes = [episode(10, 12), episode(15, 16), episode(30, 30)]
    assert [(start // MINUTE, end // MINUTE) for _, start, end in replayed(episodes, keep_firing_for=3 * MINUTE)] == [
        (10, 19),
        (30, 33),
    ]


def test_an_episode_between_two_evaluations_is_not_lost() -> None:
    (one,) = observed.series([Episode(ALERT, Span(61 * SECOND, 62 * SECOND))], MINUTE)
    assert one.times.tolist() == [2 * MINUTE, 2 * MINUTE + 1]
    assert is_stale(one.values).tolist() == [False, True]


def test_the_series_are_those_of_prometheus() -> None:
    (one,) = observed.series([episode(1, 3), episode(5, 5)], MINUTE)
    assert one.labels == ALERT.updated({"__name__": "ALERTS", "alertstate": "firing"})
    assert one.times[~is_stale(one.values)].tolist() == [MINUTE, 2 * MINUTE, 3 * MINUTE, 5 * MINUTE]
    assert one.values[~is_stale(one.values)].tolist() == [1, 1, 1, 1]


def test_other_alerts_and_pending_ones_are_not_mistaken_for_it() -> None:
    pending = series("ALERTS", [1.0] * 10, alertname="A", alertstate="pending")
    episodes = [episode(3, 4, Labels({"alertname": "A"})), episode(6, 8, Labels({"alertname": "AB"}))]
    replayer = Replayer(history([pending], minutes=10, episodes=episodes), MINUTE)
    found = {rule.name: replayer.replay(place, (rule,), MINUTE)[0] for place, _, rule in replayer.rules}
    assert {name: [(s // MINUTE, e // MINUTE) for _, s, e in shown(one)] for name, one in found.items()} == {
        "A": [(3, 4)],
        "AB": [(6, 8)],
    }


OLD = Rule("Deep", "queue > 5", hold=5 * MINUTE, keep_firing_for=MINUTE, labels=Labels({"severity": "page"}))


def test_what_is_left_to_wait_is_the_difference() -> None:
    old = replace(OLD, keep_firing_for=0)
    new = observed.stand_in(replace(old, hold=15 * MINUTE, keep_firing_for=MINUTE), old)
    assert (new.hold, new.keep_firing_for) == (10 * MINUTE, MINUTE)
    assert new.expr == observed.expression("Deep")


@pytest.mark.parametrize(
    "change",
    [
        {"expr": "queue > 6"},
        {"hold": 4 * MINUTE},
        {"hold": 15 * MINUTE},
        {"keep_firing_for": 0},
        {"expr": "queue > 4", "hold": 9 * MINUTE},
    ],
)
def test_what_recorded_alerts_can_not_tell_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(UnsupportedError, match="unsupported: "):
        observed.stand_in(replace(OLD, **change), OLD)  # type: ignore[arg-type]


def test_a_rule_without_its_series_is_judged_by_its_alerts() -> None:
    rule = replace(OLD, keep_firing_for=0)
    labels = Labels({"alertname": "Deep", "severity": "page", "queue": "q"})
    found = history([series("other", [1.0] * 60)], rule, episodes=[episode(10, 20, labels), episode(30, 31, labels)])
    replayer = Replayer(found, MINUTE)
    assert replayer.grade(ref()) is Grade.ALERTS
    assert shown(*replayer.replay(ref(), (rule,), MINUTE)) == [
        (labels, 10 * MINUTE, 20 * MINUTE),
        (labels, 30 * MINUTE, 31 * MINUTE),
    ]
    longer = replace(rule, hold=10 * MINUTE, labels=Labels({"severity": "ticket"}))
    assert shown(*replayer.replay(ref(), (longer,), MINUTE)) == [
        (labels.updated({"severity": "ticket"}), 15 * MINUTE, 20 * MINUTE)
    ]
    with pytest.raises(UnsupportedError):
        replayer.replay(ref(), (replace(rule, expr="queue > 50"),), MINUTE)


def test_a_rule_with_its_series_is_judged_by_them() -> None:
    rule = Rule("Deep", "queue > 5")
    levels = series("queue", [9.0 if 40 <= k < 50 else 0.0 for k in range(60)])
    recorded = [episode(10, 20, Labels({"alertname": "Deep"}))]
    replayer = Replayer(history([levels], rule, episodes=recorded), MINUTE)
    assert replayer.grade(ref()) is Grade.METRICS and len(replayer.rules) == 1
    assert [(s // MINUTE, e // MINUTE) for _, s, e in shown(*replayer.replay(ref(), (rule,), MINUTE))] == [(40, 49)]


def test_recorded_alerts_that_no_rule_explains_get_one_each() -> None:
    rule = Rule("Deep", "queue > 5")
    episodes = [episode(1, 2, Labels({"alertname": name})) for name in ("Zed", "Deep", "Abe")]
    replayer = Replayer(history([series("queue", [0.0] * 9)], rule, episodes=episodes), MINUTE)
    assert [(place.path, place.group, r.name) for place, _, r in replayer.rules] == [
        (ref().path, ref().group, "Deep"),
        ("", observed.GROUP, "Abe"),
        ("", observed.GROUP, "Zed"),
    ]
    assert replayer.grade(RuleRef("", observed.GROUP, 0)) is Grade.ALERTS


def test_ends_at_the_evaluation_before_the_alert_was_gone() -> None:
    (one,) = observed.series([Episode(ALERT, Span(MINUTE, 3 * MINUTE + 59 * SECOND))], MINUTE)
    assert int(one.times[~is_stale(one.values)].max()) == 3 * MINUTE
    assert np.array_equal(one.times, np.unique(one.times))


def test_rules_of_one_name_are_judged_by_their_own_alerts() -> None:
    page = replace(OLD, keep_firing_for=0)
    ticket = replace(page, labels=Labels({"severity": "ticket", "team": "{{ $labels.team }}"}))
    labels = Labels({"alertname": "Deep", "severity": "page", "cluster": "eu"})
    lower = labels.updated({"severity": "ticket", "team": "a"})
    found = history([], page, ticket, minutes=60, episodes=[episode(10, 20, labels), episode(8, 40, lower)])
    replayer = Replayer(found, MINUTE)
    assert shown(*replayer.replay(ref(0), (page,), MINUTE)) == [(labels, 10 * MINUTE, 20 * MINUTE)]
    assert shown(*replayer.replay(ref(1), (ticket,), MINUTE)) == [(lower, 8 * MINUTE, 40 * MINUTE)]
