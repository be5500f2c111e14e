"""Streams of episodes: bad input is mended and counted, and quickly."""

from __future__ import annotations

import time

import numpy as np
import pytest
from histories import firings, unhurried
from hypothesis import given
from hypothesis import strategies as st

from rulegen.cluster.streams import Named, Repairs, Stream
from rulegen.core.alert import Episode
from rulegen.core.durations import DAY, HOUR, MINUTE, WEEK, YEAR
from rulegen.core.labels import Labels
from rulegen.core.spans import Grid, Span

NOW = 1_770_000_000_000


def stream(*rows: tuple[int, int, int]) -> Stream:
    """(label set, start, end)."""
    columns = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    return Stream.of(columns[0], *columns)


def shown(found: Stream) -> list[tuple[int, int, int]]:
    return list(zip(found.series.tolist(), found.start.tolist(), found.end.tolist(), strict=True))


def test_good_input_is_left_as_it_is() -> None:
    found = stream((1, 50, 60), (0, 30, 40), (0, 10, 20))
    assert shown(found) == [(0, 10, 20), (0, 30, 40), (1, 50, 60)]
    assert found.origin.tolist() == [2, 1, 0] and not found.repairs


def test_each_repair_is_counted() -> None:
    found = stream((0, 10, 20), (0, 15, 30), (0, 30, 35), (0, 10, 20), (1, 50, 40), (1, 60, 70))
    assert shown(found) == [(0, 10, 35), (1, 50, 50), (1, 60, 70)]
    assert found.repairs == Repairs(backwards=1, duplicates=1, overlapping=2)


def test_a_clock_that_jumps_takes_nothing_else_with_it() -> None:
    rows = [(k % 7, NOW + k * HOUR, NOW + k * HOUR + MINUTE) for k in range(1000)]
    odd = [(0, 0, MINUTE), (1, NOW + 40 * YEAR, NOW + 40 * YEAR), (2, -(2**63), 2**63 - 1)]
    found = stream(*rows, *odd, (3, NOW, 253_402_300_799_000))  # the year 9999, as Alertmanager's "never"
    assert found.repairs.astray == 3 and found.repairs.endless == 1
    assert found.start.min() == NOW and found.end.max() == NOW + 999 * HOUR + MINUTE


@pytest.mark.parametrize("count", [3, 30, 1000])
@pytest.mark.parametrize("years", [0.5, 3, 9])
def test_an_end_that_lies_years_ahead_does_not_stretch_the_history(count: int, years: float) -> None:
    rows = [(k % 7, NOW + k * HOUR, NOW + k * HOUR + MINUTE) for k in range(count)]
    found = stream(*rows, (8, NOW + HOUR, NOW + int(years * YEAR)))
    assert found.repairs == Repairs(endless=1) and len(found) == count + 1
    assert found.end.max() == NOW + (count - 1) * HOUR + MINUTE


def test_several_ends_far_ahead_are_told_by_many_starts() -> None:
    rows = [(k, NOW + k * HOUR, NOW + k * HOUR + MINUTE) for k in range(500)]
    late = [(1000 + k, NOW + k * HOUR, NOW + 2 * YEAR + k) for k in range(100)]
    found = stream(*rows, *late)
    assert found.repairs == Repairs(endless=100) and found.end.max() == NOW + 499 * HOUR + MINUTE


def test_alerts_that_really_last_are_believed() -> None:
    """Two that fire for a month among few that came when these began; one that outlasts the rest by a week."""
    for rows in (
        [(0, NOW, NOW + 30 * DAY), (1, NOW + HOUR, NOW + 31 * DAY), (2, NOW + 2 * HOUR, NOW + 3 * HOUR)],
        [*((k, NOW + k * HOUR, NOW + k * HOUR + MINUTE) for k in range(300)), (999, NOW, NOW + 299 * HOUR + WEEK)],
    ):
        assert not stream(*rows).repairs


def test_a_long_quiet_history_is_no_jump() -> None:
    assert not stream(*((0, NOW + k * 30 * DAY, NOW + k * 30 * DAY) for k in range(12))).repairs


def test_nothing_is_nothing() -> None:
    found = stream()
    assert len(found) == 0 and not found.repairs
    assert len(Named.of([]).stream) == 0 and len(Named.of_firings([]).stream) == 0


def test_columns_of_different_length_are_refused() -> None:
    one = np.zeros(1, dtype=np.int64)
    with pytest.raises(ValueError, match="differ in length"):
        Stream.of(one, one, one, np.zeros(2, dtype=np.int64))


def test_episodes_and_firings_keep_their_names() -> None:
    a, b = Labels({"alertname": "A", "pod": "x"}), Labels({"alertname": "B", "pod": "x"})
    named = Named.of([Episode(b, Span(5, 9)), Episode(a, Span(0, 3)), Episode(a, Span(2, 4))])
    assert (named.names, named.labels) == (("B", "A"), (b, a))
    assert shown(named.stream) == [(0, 5, 9), (1, 0, 4)] and named.stream.repairs.overlapping == 1
    grid = Grid(0, 10 * MINUTE, MINUTE)
    second = firings(grid, [(b, 0, 0), (b, MINUTE * 4, MINUTE * 5)])
    both = Named.of_firings([("A", firings(grid, [(a, 0, MINUTE)])), ("B", second)])
    assert both.stream.name.tolist() == [0, 1, 1] and both.labels == (a, b)


row = st.tuples(st.integers(0, 3), st.integers(0, 60), st.integers(-5, 30))


@given(st.lists(row, max_size=40))
@unhurried
def test_as_time_ticked_by_hand(rows: list[tuple[int, int, int]]) -> None:
    found = stream(*((series, start, start + length) for series, start, length in rows))
    for series in range(4):
        spans = [(2 * start, 2 * (start + max(0, length))) for s, start, length in rows if s == series]
        ticks = {t for start, end in spans for t in range(start, end + 1)}
        ours = [(2 * start, 2 * end) for s, start, end in shown(found) if s == series]
        assert {t for start, end in ours for t in range(start, end + 1)} == ticks
        assert len(ours) == sum(t - 1 not in ticks for t in ticks)  # apart, and as few as can be
    repairs = found.repairs
    assert len(found) + repairs.duplicates + repairs.overlapping == len(rows)
    assert repairs.backwards == sum(length < 0 for _, _, length in rows)


HOSTILE = ["one alert a million times", "a million alerts", "one instant", "one inside another"]


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_streams_take_no_quadratic_time(kind: str) -> None:
    n = 1_000_000
    numbers, zero = np.arange(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    series = numbers if kind == "a million alerts" else zero
    start = zero if kind == "one instant" else numbers
    end = 2 * n - numbers if kind == "one inside another" else start
    stream((0, 0, 0))  # compiled before time is taken
    begun = time.process_time()
    found = Stream.of(series, series, start, end)
    assert time.process_time() - begun < 10  # quadratic would be hours
    assert len(found) == (1 if kind.startswith("one in") else n)
