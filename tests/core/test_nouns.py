"""Labels, durations, spans, series and firings: what they promise."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import promql_parser as pp
import pytest
from histories import firings, series, shown, unhurried
from hypothesis import given
from hypothesis import strategies as st

from rulegen.core.durations import DAY, HOUR, MINUTE, WEEK, YEAR, format_duration, parse_duration
from rulegen.core.history import recordings
from rulegen.core.labels import EMPTY, Labels, quote
from rulegen.core.outcome import NEVER, Outcome, joined
from rulegen.core.series import STALE, Samples, Series, is_stale
from rulegen.core.spans import Grid, Span, inside, intersect, union

DURATIONS = [
    ("0", 0),
    ("0s", 0),
    ("15s", 15_000),
    ("1h30m", 90 * MINUTE),
    ("1y2w3d4h5m6s7ms", YEAR + 2 * WEEK + 3 * DAY + 4 * HOUR + 5 * MINUTE + 6007),
    ("90m", 90 * MINUTE),
]


@pytest.mark.parametrize(("text", "ms"), DURATIONS)
def test_durations_are_read_as_prometheus_does(text: str, ms: int) -> None:
    assert parse_duration(text) == ms


@pytest.mark.parametrize("text", ["", "5", "m", "1.5h", "-5m", "5m1h", "5m5m", " 5m", "5 m", "5min", "٣m", "1h\n"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration(text)


@given(st.integers(0, 10 * YEAR))
@unhurried
def test_durations_mean_what_they_were(ms: int) -> None:
    assert parse_duration(format_duration(ms)) == ms
    node = pp.parse(f"x[{format_duration(ms)}]" if ms else "x[1s]")
    assert not ms or round(node.range.total_seconds() * 1000) == ms


def test_durations_are_written_as_prometheus_does() -> None:
    # model.Duration.String of prometheus/common
    written = {
        0: "0s",
        WEEK: "1w",
        8 * DAY: "8d",
        90 * MINUTE: "1h30m",
        1500: "1s500ms",
        YEAR: "1y",
    }
    for ms, text in written.items():
        assert format_duration(ms) == text
    with pytest.raises(ValueError, match="negative"):
        format_duration(-1)


@given(st.text())
@unhurried
def test_quoted_text_is_read_back(value: str) -> None:
    (matcher,) = pp.parse(f"x{{a={quote(value)}}}").matchers.matchers
    assert matcher.value == value


def test_labels_are_sorted_and_an_empty_value_is_none() -> None:
    labels = Labels({"b": "2", "a": "1", "c": ""})
    assert labels.pairs == (("a", "1"), ("b", "2")) and "c" not in labels
    assert labels == Labels([("b", "2"), ("a", "1")]) and hash(labels) == hash(Labels({"a": "1", "b": "2"}))
    assert labels.updated({"a": "", "d": "4"}) == Labels({"b": "2", "d": "4"})
    assert labels.keep(["a", "x"]) == Labels({"a": "1"}) and labels.drop(["a", "x"]) == Labels({"b": "2"})
    assert str(Labels({"__name__": "up", "a": 'x"\\\n'})) == 'up{a="x\\"\\\\\\n"}' and str(EMPTY) == "{}"
    assert labels != {"a": "1", "b": "2"}


spans = st.tuples(st.integers(0, 60), st.integers(0, 15)).map(lambda p: Span(p[0], p[0] + p[1]))
several = st.lists(spans, max_size=6)


def times_in(some: list[Span] | tuple[Span, ...]) -> set[int]:
    return {t for span in some for t in range(span.start, span.end + 1)}


@given(several, several)
@unhurried
def test_spans_are_the_times_in_them(left: list[Span], right: list[Span]) -> None:
    assert times_in(union(left)) == times_in(left)
    assert all(a.end < b.start for a, b in pairwise(union(left)))
    assert times_in(intersect(left, right)) == times_in(left) & times_in(right)
    every = np.arange(-1, 80)
    assert [t for t, within in zip(every, inside(every, left), strict=True) if within] == sorted(times_in(left))


def test_a_span_does_not_end_before_it_starts() -> None:
    with pytest.raises(ValueError, match="before it starts"):
        Span(2, 1)


@given(st.integers(-50, 50), st.integers(-5, 50), st.integers(1, 20))
@unhurried
def test_a_grid_knows_its_length(start: int, length: int, step: int) -> None:
    grid = Grid(start, start + length, step)
    assert len(grid) == len(grid.times())
    assert len(grid) == 0 or (grid.times()[0] == start and start + length - step < grid.times()[-1] <= start + length)


def test_a_step_is_positive() -> None:
    with pytest.raises(ValueError, match="positive"):
        Grid(0, 1, 0)


def test_series_are_checked() -> None:
    with pytest.raises(ValueError, match="increase strictly"):
        Series(EMPTY, np.array([1, 1]), np.array([0.0, 0.0]))
    with pytest.raises(ValueError, match="2 times for 1 values"):
        Series(EMPTY, np.array([1, 2]), np.array([0.0]))
    with pytest.raises(ValueError, match="given twice"):
        Samples.of([series("x", [1.0], a="1"), series("x", [2.0], a="1")])


def test_only_the_one_nan_is_a_staleness_marker() -> None:
    assert is_stale(np.array([STALE, float("nan"), -float("nan"), 1.0])).tolist() == [True, False, False, False]


def test_samples_know_their_span() -> None:
    assert Samples().span() is None and Samples.of([series("x", [])]).span() is None
    both = Samples.of([series("x", [None, 1.0]), series("y", [1.0, None, None, 1.0])])
    assert both.span() == Span(0, 3 * MINUTE) and len(both) == 2


def test_recordings_are_cut_at_long_holes() -> None:
    values = [1.0] * 3 + [None] * 31 + [1.0] * 2
    assert recordings(Samples.of([series("x", values)])) == (Span(0, 2 * MINUTE), Span(34 * MINUTE, 35 * MINUTE))
    filled = Samples.of([series("x", values), series("y", [None] * 10 + [1.0] * 5)])
    assert recordings(filled) == (Span(0, 35 * MINUTE),)
    assert recordings(Samples()) == ()


A, B = Labels({"x": "a"}), Labels({"x": "b"})
GRID = Grid(0, 100 * MINUTE, MINUTE)


def test_firings_joined_are_all_of_them() -> None:
    one = firings(GRID, [(A, 5 * MINUTE, 6 * MINUTE), (B, 0, 0)], warm=1)
    two = firings(GRID, [(A, MINUTE, 9 * MINUTE)], warm=7)
    both = joined([one, two])
    assert shown(both) == sorted([*shown(one), *shown(two)])
    assert both.start.tolist() == [0, MINUTE, 5 * MINUTE] and both.warm == 7
    assert both.minutes == one.minutes + two.minutes == 3 + 9 and both.longest == 8 * MINUTE
    with pytest.raises(ValueError, match="no firings"):
        joined([])


def test_what_is_not_caught_is_never_caught() -> None:
    zero = np.zeros(1, dtype=np.int64)
    outcome = Outcome(zero, zero, 0, zero, zero.astype(float), np.array([1]), np.array([5]), frozenset(), frozenset())
    assert outcome.delays(3).tolist() == [NEVER, 5, NEVER]
