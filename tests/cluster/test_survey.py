"""Whole streams in clusters: figures as counted by hand, patterns, and the link back to the episodes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from histories import unhurried
from hypothesis import given
from hypothesis import strategies as st

from rulegen.cluster.streams import Stream
from rulegen.cluster.survey import FLAP, TOGETHER, Survey, survey
from rulegen.core.cluster import Pattern
from rulegen.core.durations import DAY, HOUR, MINUTE, SECOND, WEEK

Row = tuple[str, str, int, int]  # name, target, start and end in ms


def surveyed(rows: Sequence[Row]) -> tuple[Stream, Survey]:
    names = sorted({row[0] for row in rows})
    sets = sorted({row[:2] for row in rows})
    columns = np.array(
        [(names.index(n), sets.index((n, t)), start, end) for n, t, start, end in rows], dtype=np.int64
    ).reshape(-1, 4)
    stream = Stream.of(*columns.T)
    return stream, survey(stream, names)


def spread(name: str, target: str, count: int, length: int, seed: int = 1) -> list[Row]:
    starts = np.random.default_rng(seed).permutation(2 * WEEK // HOUR - 2)[:count] * HOUR
    return [(name, target, int(at) + seed * MINUTE, int(at) + seed * MINUTE + length) for at in starts]


def test_each_pattern_that_a_stream_can_show() -> None:
    rng = np.random.default_rng(1)
    bursts = rng.permutation(300)[:20] * HOUR
    storm = [("Storm", f"t{k}", int(at) + k * SECOND, int(at) + 20 * MINUTE) for at in bursts for k in range(5)]
    flap = [
        ("Flap", "a", int(at) + k * 5 * MINUTE, int(at) + k * 5 * MINUTE + MINUTE) for at in bursts for k in range(4)
    ]
    few = [
        *spread("Few", "a", 60, 8 * MINUTE),
        *spread("Few", "b", 4, 8 * MINUTE),
        *spread("Few", "c", 4, 8 * MINUTE),
    ]
    cause = spread("Cause", "a", 100, 9 * MINUTE, 7)
    effect = [("Effect", "b", at + int(rng.integers(5, 50)) * SECOND, end) for _, _, at, end in cause]
    night = [
        ("Night", "a", day * DAY + 3 * HOUR + day * MINUTE, day * DAY + 3 * HOUR + 30 * MINUTE) for day in range(14)
    ]
    rows = [*storm, *flap, *few, *cause, *effect, *night, *spread("Short", "a", 30, MINUTE, 3)]
    rows += [
        *spread("Plain", "a", 30, 20 * MINUTE, 4),
        ("Long", "a", 0, 7 * HOUR),
        ("Long", "a", DAY, DAY + 8 * HOUR),
    ]
    _, found = surveyed(rows)
    assert {one.name: one.pattern for one in found.clusters} == {
        "Storm": Pattern.STORM,
        "Flap": Pattern.FLAPPING,
        "Few": Pattern.NOISY_FEW,
        "Cause": Pattern.MIXED,
        "Effect": Pattern.CASCADE,
        "Night": Pattern.SEASONAL,
        "Short": Pattern.SHORT_LIVED,
        "Plain": Pattern.MIXED,
        "Long": Pattern.CHRONIC,
    }
    assert [(found.kinds[one.first], found.kinds[one.then]) for one in found.led.pairs] == [("Cause", "Effect")]


def test_names_with_identifiers_are_one_cluster_with_all_their_episodes() -> None:
    rows = [(f"Backup_{k:02x}f3a9c2b7d", "a", k * HOUR, k * HOUR + MINUTE) for k in range(30)]
    stream, found = surveyed([*rows, ("Once", "a", 0, 5)])
    (one,) = found.clusters
    assert one.name == "Backup_*" and one.facts.episodes == 30 and found.alone == 1
    assert sorted(stream.start[found.order[one.begin : one.end]].tolist()) == [row[2] for row in rows]


def test_nothing_gives_nothing() -> None:
    stream, found = surveyed([])
    assert len(stream) == 0 and found.clusters == () and found.led.pairs == ()


row = st.tuples(
    st.sampled_from(["A", "B"]), st.sampled_from(["x", "y", "z"]), st.integers(0, 400), st.integers(0, 30)
)


@given(st.lists(row, max_size=40))
@unhurried
def test_figures_as_counted_by_hand(some: list[tuple[str, str, int, int]]) -> None:
    stream, found = surveyed([(n, t, at * MINUTE // 2, (at + length) * MINUTE // 2) for n, t, at, length in some])
    names = sorted({row[0] for row in some})
    for one in found.clusters:
        rows = np.flatnonzero(stream.name == names.index(one.name))
        assert sorted(found.order[one.begin : one.end].tolist()) == rows.tolist()
        start, end, sets = stream.start[rows], stream.end[rows], stream.series[rows]
        before = [(i, j) for i in range(len(rows)) for j in range(i) if sets[i] == sets[j]]
        flaps = {i for i, j in before if 0 <= start[i] - end[j] <= FLAP}
        counts = sorted(np.unique(sets, return_counts=True)[1], reverse=True)
        facts = one.facts
        assert facts.episodes == len(rows) and facts.series == len(counts)
        assert facts.minutes == pytest.approx((end - start).sum() / MINUTE)
        assert facts.flapping_share == pytest.approx(len(flaps) / len(rows))
        assert facts.top_share == pytest.approx(counts[0] / len(rows))
        assert facts.duration_median == int(np.median(end - start))
        assert facts.duration_p90 == int(np.quantile(end - start, 0.9))
        near = (np.abs(start[:, None] - start[None, :]) <= TOGETHER) & (sets[:, None] != sets[None, :])
        assert facts.together_share <= near.any(axis=1).mean() + 1e-9
