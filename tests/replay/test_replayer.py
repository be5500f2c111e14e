"""Rules over a history: recording rules, warm-up, peaks, and what can't be replayed."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from histories import history, ref, series, shown

from rulegen.core.durations import MINUTE, SECOND
from rulegen.core.labels import Labels
from rulegen.core.rule import Rule
from rulegen.core.series import Series
from rulegen.errors import UnsupportedError
from rulegen.replay.replay import Replayer

SPIKE = [0.0] * 10 + [7.0, 9.0, 8.0] + [0.0] * 10


def minutes(replayer: Replayer, index: int, rule: Rule) -> list[tuple[int, int]]:
    (found,) = replayer.replay(ref(index), (rule,), MINUTE)
    return [(start // MINUTE, end // MINUTE) for _, start, end in shown(found)]


def test_evaluates_at_multiples_of_the_interval() -> None:
    shifted = series("q", SPIKE)
    shifted = Series(shifted.labels, shifted.times + 1_000_000_007, shifted.values)
    rule = Rule("A", "q > 5")
    replayer = Replayer(history([shifted], rule), MINUTE)
    (found,) = replayer.replay(ref(), (rule,), 30 * SECOND)
    assert (found.grid.start % (30 * SECOND), found.grid.step) == (0, 30 * SECOND)
    assert found.grid.start <= 1_000_000_007 < found.grid.start + 30 * SECOND
    ((_, start, end),) = shown(found)
    assert start % (30 * SECOND) == 0 and end - start == 150 * SECOND


def test_a_rule_is_warm_after_its_longest_window() -> None:
    rules = (
        Rule("Plain", "q > 5"),
        Rule("Rate", "rate(q[10m]) > 5"),
        Rule("Sub", "max_over_time(rate(q[5m])[30m:1m]) > 5"),
        Rule("Ago", "q offset 1h > 5"),
    )
    replayer = Replayer(history([series("q", SPIKE)], *rules), MINUTE)
    warm = [replayer.replay(ref(i), (rule,), MINUTE)[0].warm // MINUTE for i, rule in enumerate(rules)]
    assert warm == [0, 10, 35, 60]


def test_recording_rules_of_a_candidate_count_for_its_warm_up() -> None:
    old = Rule("A", "rate(q[5m]) > 1")
    replayer = Replayer(history([series("q", SPIKE)], old), MINUTE)
    new = (Rule("q:rate30m", "rate(q[30m])", "record"), Rule("A", "q:rate30m > 1"))
    (found,) = replayer.replay(ref(), new, MINUTE)
    assert found.warm == 30 * MINUTE


def test_candidates_may_record_on_top_of_what_they_record() -> None:
    old = Rule("A", "q > 5")
    replayer = Replayer(history([series("q", SPIKE, pod="a")], old), MINUTE)
    new = (
        Rule("q:all", "sum(q)", "record"),
        Rule("q:twice", "q:all * 2", "record", labels=Labels({"kind": "x"})),
        Rule("A", "q:twice > 15"),
    )
    (found,) = replayer.replay(ref(), new, MINUTE)
    assert shown(found) == [(Labels({"alertname": "A", "kind": "x"}), 11 * MINUTE, 12 * MINUTE)]
    assert minutes(replayer, 0, old) == [(10, 12)]  # and the next candidate finds nothing of it


def test_what_the_server_recorded_is_the_truth() -> None:
    rules = (Rule("q:all", "sum(q)", "record"), Rule("A", "q:all > 5"))
    recorded = series("q:all", [0.0] * 3 + [6.0] + [0.0] * 19)
    replayer = Replayer(history([series("q", SPIKE), recorded], *rules), MINUTE)
    assert minutes(replayer, 1, rules[1]) == [(3, 3)]


def test_two_rules_may_record_under_one_name() -> None:
    rules = (
        Rule("q:all", "sum(q)", "record", labels=Labels({"of": "sum"})),
        Rule("q:all", "count(q)", "record", labels=Labels({"of": "count"})),
        Rule("A", 'q:all{of="sum"} > 5'),
    )
    replayer = Replayer(history([series("q", SPIKE)], *rules), MINUTE)
    assert minutes(replayer, 2, rules[2]) == [(10, 12)]


@pytest.mark.parametrize(
    ("recording", "why"),
    [
        ([Rule("q:all", "histogram_sum(q)", "record")], "function histogram_sum"),
        ([Rule("q:all", "sum(q)", "record"), Rule("q:all", "max(q)", "record")], "two rules record the same series"),
        ([Rule("q:all", "{pod=~'a|b'}", "record", labels=Labels({"pod": "any"}))], "same labelset"),
    ],
)
def test_a_recording_rule_that_fails_takes_along_only_what_reads_it(recording: list[Rule], why: str) -> None:
    rules = (*recording, Rule("Blind", "q:all > 5"), Rule("Fine", "q > 5"))
    found = history([series("q", SPIKE, pod="a"), series("q", SPIKE, pod="b")], *rules)
    replayer = Replayer(found, MINUTE)
    assert minutes(replayer, len(rules) - 1, rules[-1]) == [(10, 12), (10, 12)]
    with pytest.raises(UnsupportedError, match=why):
        replayer.replay(ref(len(rules) - 2), (rules[-2],), MINUTE)


def test_a_rule_that_is_a_number_always_fires() -> None:
    rule = Rule("Watchdog", "vector(1)")
    number = Rule("Number", "1")
    replayer = Replayer(history([series("q", SPIKE)], rule, number), MINUTE)
    assert minutes(replayer, 0, rule) == minutes(replayer, 1, number) == [(0, 22)]


def test_what_is_not_supported_says_so() -> None:
    rule = Rule("A", "q > 3 and histogram_sum(q)")
    replayer = Replayer(history([series("q", SPIKE)], rule), MINUTE)
    with pytest.raises(UnsupportedError, match="unsupported: "):
        replayer.replay(ref(), (rule,), MINUTE)


def test_peaks_are_the_worst_value_of_each_firing() -> None:
    high, low = Rule("High", "q > 5", hold=MINUTE), Rule("Low", "3 > r", labels=Labels({"severity": "page"}))
    given = [series("q", SPIKE, pod="a"), series("q", [6.0] * 23, pod="b"), series("r", [4, 2, 1, 2, 4], pod="a")]
    replayer = Replayer(history(given, high, low), MINUTE)
    for index, rule, want in ((0, high, {"a": 9.0, "b": 6.0}), (1, low, {"a": 1.0})):
        (found,) = replayer.replay(ref(index), (rule,), MINUTE)
        peaks = replayer.peaks(ref(index), found)
        assert {found.labels[row]["pod"]: peak for row, peak in zip(found.series, peaks, strict=True)} == want


def test_the_peak_may_lie_in_the_time_of_waiting() -> None:
    rule = Rule("A", "q > 5", hold=2 * MINUTE)
    replayer = Replayer(history([series("q", [0, 99, 6, 7, 6, 0])], rule), MINUTE)
    (found,) = replayer.replay(ref(), (rule,), MINUTE)
    assert replayer.peaks(ref(), found).tolist() == [99.0]


@pytest.mark.parametrize("expr", ["absent(nothing)", "q == 7", "q > r"])
def test_there_is_no_peak_without_an_ordered_comparison_with_a_number(expr: str) -> None:
    rule = Rule("A", expr)
    replayer = Replayer(history([series("q", SPIKE), series("r", [5.0] * 23)], rule), MINUTE)
    (found,) = replayer.replay(ref(), (rule,), MINUTE)
    peaks = replayer.peaks(ref(), found)
    assert len(peaks) == len(found) > 0 and all(math.isnan(peak) for peak in peaks)


def test_an_end_at_which_the_series_was_gone_is_told_from_one_below_the_threshold() -> None:
    rule = Rule("A", "q > 5")
    given = series("q", [9.0] * 4 + [None] * 16 + [9.0, 9.0, 0.0, 0.0, 9.0])
    replayer = Replayer(history([given], rule), MINUTE)
    (found,) = replayer.replay(ref(), (rule,), MINUTE)
    gone = replayer.vanished(ref(), found)
    # Missing (after the lookback), fallen below, and still firing when the history ends.
    assert len(found) == 3 and gone[:2].tolist() == [1.0, 0.0] and math.isnan(gone[2])
    for other in (Rule("A", "q > 5", keep_firing_for=MINUTE), Rule("A", "q > on () group_left r")):
        replayer = Replayer(history([given, series("r", [5.0] * 25)], other), MINUTE)
        (found,) = replayer.replay(ref(), (other,), MINUTE)
        assert len(found) and all(math.isnan(one) for one in replayer.vanished(ref(), found))


def test_what_fires_only_while_samples_are_missing_is_told() -> None:
    """One of two is gone for eight minutes, then for good; another is one too few all along."""
    few = Rule("Few", "count by (job) (ready == 1) < 2", hold=MINUTE)
    gappy = [None if 20 <= k < 28 or k >= 60 else 1.0 for k in range(200)]
    given = [
        series("ready", [1.0] * 200, job="a", pod="a"),
        series("ready", gappy, job="a", pod="b"),
        series("ready", [1.0 if k < 100 else 0.0 for k in range(200)], job="b", pod="c"),
    ]
    replayer = Replayer(history(given, few), MINUTE)
    (found,) = replayer.replay(ref(), (few,), MINUTE)
    told = dict(zip((found.start // MINUTE).tolist(), replayer.unseen(ref(), found).tolist(), strict=True))
    assert told == {1: 0.0, 25: 1.0, 65: 0.0}


@pytest.mark.parametrize(
    ("expr", "told"),
    [('absent(q{pod="a"})', 1.0), ("absent(sum(q))", 1.0), ("up == 0", 0.0), ("vector(1) unless on () q", 1.0)],
)
def test_missing_samples_are_told_from_answers(expr: str, told: float) -> None:
    """That a target did not answer was seen; that there was nothing was not."""
    rule = Rule("A", expr)
    given = [
        series("q", [None if 20 <= k < 28 else 1.0 for k in range(60)], pod="a"),
        series("up", [0.0 if 20 <= k < 28 else 1.0 for k in range(60)]),
    ]
    replayer = Replayer(history(given, rule), MINUTE)
    (found,) = replayer.replay(ref(), (rule,), MINUTE)
    assert len(found) == 1 and replayer.unseen(ref(), found).tolist() == [told]


def test_selectors_that_match_nothing_are_named() -> None:
    rule = Rule("A", 'sum(rate(nope{job="x"}[5m])) / sum(rate(q[5m])) > 1 unless gone')
    replayer = Replayer(history([series("q", SPIKE)], rule), MINUTE)
    assert replayer.unmatched(rule) == ('nope{job="x"}', "gone")


def test_history_windows_follow_the_semantics() -> None:
    rule = Rule("A", "count_over_time(q[1m]) > 1")
    found = {
        semantics: Replayer(history([series("q", SPIKE)], rule, semantics=semantics), MINUTE)
        for semantics in ("open", "closed")
    }
    assert minutes(found["open"], 0, rule) == []
    assert minutes(found["closed"], 0, rule) == [(1, 22)]


def test_a_sweep_is_the_same_as_one_after_the_other() -> None:
    rng = np.random.default_rng(11)
    gauges = [series("q", np.cumsum(rng.normal(size=300)).tolist(), pod=pod) for pod in "abc"]
    old = Rule("A", "q > 1", labels=Labels({"severity": "page"}))
    replayer = Replayer(history(gauges, old), MINUTE)
    levels = ("q", "max_over_time(q[10m])", "sum(q)")
    several = [
        (replace(old, expr=f"{level} {op} {threshold}", hold=hold, keep_firing_for=keep),)
        for level in levels
        for op, threshold in ((">", 1), ("<=", -0.5), (">=", 2.5))
        for hold, keep in ((0, 0), (3 * MINUTE, 0), (0, 5 * MINUTE))
    ]
    odd = [
        (replace(old, expr="q > 1 and q < 9"),),  # no comparison at the top
        (replace(old, expr="q == 1"),),  # no order
        (replace(old, expr="rate(q[5m]) > 0"),),  # the only one of its kind
        (Rule("q:max", "max(q)", "record"), replace(old, expr="q:max > 1")),
    ]
    swept = replayer.sweep(ref(), [*several, *odd], MINUTE)
    assert [one is None for one in swept] == [False] * len(several) + [True] * len(odd)
    fired = 0
    for rules, found in zip(several, swept, strict=False):
        (expected,) = replayer.replay(ref(), rules, MINUTE)
        assert found is not None
        assert shown(found[0]) == shown(expected)
        fired += len(expected)
        assert (found[0].since.tolist(), found[0].warm, found[0].grid) == (
            expected.since.tolist(),
            expected.warm,
            expected.grid,
        )
    assert fired > 50


def test_a_sweep_leaves_what_fails_to_the_replay() -> None:
    """Two series that become one alert where both are above: one after the other tells which thresholds fail."""
    both = [series("q", SPIKE, severity=level) for level in "ab"]
    old = Rule("A", "q > 1", labels=Labels({"severity": "page"}))
    replayer = Replayer(history(both, old), MINUTE)
    several = [(replace(old, expr=f"q > {threshold}"),) for threshold in (1, 100)]
    assert replayer.sweep(ref(), several, MINUTE) == (None, None)
    with pytest.raises(UnsupportedError):
        replayer.replay(ref(), several[0], MINUTE)
    assert not len(replayer.replay(ref(), several[1], MINUTE)[0])
