"""Lagged pairs on onsets made by hand and by chance: what stands, and what is tempting and wrong."""

from __future__ import annotations

import numpy as np
import pytest
from histories import unhurried
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rulegen.cluster.lagged import LEAST_ONSETS, cascades
from rulegen.cluster.near import Onsets
from rulegen.core.durations import DAY, HOUR, MINUTE, SECOND, WEEK

Times = NDArray[np.int64]


def scattered(rng: np.random.Generator, count: int, span: int = WEEK) -> Times:
    return rng.integers(0, span, count)


def after(rng: np.random.Generator, cause: Times, share: float = 0.6, mean: int = 30 * SECOND) -> Times:
    hit = cause[rng.random(len(cause)) < share]
    return hit + 1 + rng.exponential(mean, len(hit)).astype(np.int64)


def found(*kinds: Times, **how: object) -> set[tuple[int, int]]:
    kind = np.repeat(np.arange(len(kinds)), [len(one) for one in kinds])
    some = cascades(kind, np.concatenate(kinds), kinds=len(kinds), **how)  # type: ignore[arg-type]
    return {(one.first, one.then) for one in some.pairs}


def test_what_brings_on_another_is_found_with_its_lag() -> None:
    rng = np.random.default_rng(1)
    cause = scattered(rng, 200)
    effect = np.concatenate((after(rng, cause), scattered(rng, 100)))
    kind = np.repeat([0, 1, 2], [len(cause), len(effect), 300])
    some = cascades(kind, np.concatenate((cause, effect, scattered(rng, 300))), kinds=3)
    (pair,) = some.pairs
    assert (pair.first, pair.then) == (0, 1)
    assert 10 * SECOND < pair.lag < 40 * SECOND  # an exponential's median is 0.7 of its mean
    assert pair.brought == pytest.approx(len(after(rng, cause)) / len(effect), abs=0.12)
    assert pair.seen >= 100 and pair.p < 1e-6


def test_neither_a_detour_nor_a_common_cause_leaves_a_pair() -> None:
    rng = np.random.default_rng(2)
    first = scattered(rng, 400)
    second = after(rng, first, 0.8)
    third = after(rng, second, 0.8)
    assert found(first, second, third) == {(0, 1), (1, 2)}
    left, right = after(rng, first, 0.7), after(rng, first, 0.7)
    assert found(first, left, right) == {(0, 1), (0, 2)}


def shapes(rng: np.random.Generator, kind: str) -> list[Times]:
    """Twelve alerts that have nothing to do with one another."""
    counts = np.exp(rng.uniform(np.log(30), np.log(800), 12)).astype(int).tolist()
    if kind == "always on":
        counts[:2] = [5000, 5000]
    if kind == "flapping":
        starts = [scattered(rng, n // 10) for n in counts]
        return [
            (at[:, None] + np.cumsum(rng.integers(2 * MINUTE, 6 * MINUTE, (len(at), 10)), axis=1)).ravel()
            for at in starts
        ]
    if kind == "the same hours":
        hours = [rng.normal(14 * HOUR, 1.5 * HOUR, n).astype(np.int64) for n in counts]
        return [rng.integers(0, 7, n) * DAY + hour for n, hour in zip(counts, hours, strict=True)]
    return [scattered(rng, n) for n in counts]


@pytest.mark.parametrize("kind", ["scattered", "always on", "flapping", "the same hours"])
@pytest.mark.parametrize("step", [1, MINUTE])
def test_independent_alerts_marry_nobody(kind: str, step: int) -> None:
    pairs = [
        len(found(*(one // step * step for one in shapes(np.random.default_rng(seed), kind)))) for seed in range(12)
    ]
    # At a false discovery rate of 1%, two of 12 histories without any pair would have one with a chance of 0.6%.
    assert sum(count > 0 for count in pairs) <= 1


def test_an_always_on_alert_does_not_hide_what_is_there() -> None:
    rng = np.random.default_rng(3)
    cause = scattered(rng, 150)
    assert found(scattered(rng, 8000), cause, after(rng, cause)) == {(1, 2)}


def test_coming_together_is_no_lead() -> None:
    rng = np.random.default_rng(4)
    hidden = scattered(rng, 300)
    shaken = [hidden + rng.integers(-40 * SECOND, 40 * SECOND, 300) for _ in range(2)]
    assert found(*shaken) == set()


def placed(rng: np.random.Generator, apart: int) -> tuple[Times, Times, Times]:
    """(kind, time, place): kind 0 brings on kind 1 ``apart`` places further on, among 20 busy places in a ring."""
    cause, places = scattered(rng, 3000), rng.integers(0, 20, 3000)
    hit = rng.random(3000) < 0.2
    late = cause[hit] + 1 + rng.exponential(30 * SECOND, int(hit.sum())).astype(np.int64)
    kind = np.repeat([0, 1], [3000, len(late)])
    return kind, np.concatenate((cause, late)), np.concatenate((places, (places[hit] + apart) % 20))


def test_places_keep_apart_what_is_apart() -> None:
    ring = [[(k - 1) % 20, (k + 1) % 20] for k in range(20)]
    for apart, neighbours, expected in ((0, None, 1), (0, ring, 1), (1, None, 0), (1, ring, 1), (5, ring, 0)):
        kind, time, place = placed(np.random.default_rng(5), apart)
        some = cascades(kind, time, place, kinds=2, neighbours=neighbours, scale=30 * SECOND)
        assert len(some.pairs) == expected, (apart, neighbours)


@pytest.mark.parametrize("kinds", [(), (np.zeros(0, dtype=np.int64),), (np.array([5] * 1000),), (np.arange(3),)])
def test_next_to_nothing_gives_nothing(kinds: tuple[Times, ...]) -> None:
    assert found(*kinds or (np.zeros(0, dtype=np.int64),)) == set()


def test_order_of_the_input_does_not_matter() -> None:
    rng = np.random.default_rng(6)
    kind, time, place = placed(rng, 0)
    order = rng.permutation(len(kind))
    assert cascades(kind, time, place, kinds=2) == cascades(kind[order], time[order], place[order], kinds=2)


onset = st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 30))


@given(st.lists(onset, min_size=1, max_size=40), st.integers(1, 12), st.booleans())
@unhurried
def test_what_is_near_as_counted_by_hand(some: list[tuple[int, int, int]], reach: int, line: bool) -> None:
    kind, place, time = (np.array(column, dtype=np.int64) for column in zip(*some, strict=True))
    beside = {0: {0, 1}, 1: {0, 1, 2}, 2: {1, 2}} if line else {p: {p} for p in range(3)}
    onsets = Onsets.of(kind, place, time, kinds=4, neighbours=[[1], [0, 2], [1]] if line else None)
    plain = sorted(set(some))
    counts: dict[tuple[int, int], int] = {}
    for then, here, at in plain:
        for first in {k for k, p, t in plain if p in beside[here] and 0 < at - t < reach}:
            counts[first, then] = counts.get((first, then), 0) + 1
    first, then, count, pairs = onsets.before(onsets.rows, onsets.kind_at, reach, 1)
    ours = {(int(a), int(b)): int(c) for a, b, c in zip(first, then, count, strict=True)}
    assert ours == {pair: n for pair, n in counts.items() if pair[0] != pair[1]}
    assert pairs == len(ours)
    traces = onsets.traces(onsets.rows, np.arange(4), 4, 3.0, reach)
    lags = onsets.lags(onsets.rows, 0, reach)
    within = onsets.within(onsets.rows, 0, -reach, 2)
    for row, at in enumerate(onsets.rows.tolist()):
        now, here = int(onsets.time[at]), int(onsets.place[at])
        near = [(k, now - t) for k, p, t in plain if p in beside[here]]
        for k in range(4):
            expected = sum(np.exp(-age / 3.0) / 3.0 for one, age in near if one == k and 0 < age < reach)
            assert traces[row, k] == pytest.approx(expected)
        ages = [age for one, age in near if one == 0 and 0 < age < reach]
        assert lags[row] == min(ages, default=-1)
        assert within[row] == sum(one == 0 and -2 <= age <= reach for one, age in near)


def test_support_has_a_minimum() -> None:
    few = np.arange(1, LEAST_ONSETS) * HOUR
    assert found(few, few + 10 * SECOND, np.arange(0, WEEK, 3 * HOUR)) == set()
