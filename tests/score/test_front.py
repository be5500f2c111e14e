"""Points that nothing beats, with the chosen one among them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from boards import outcome, standing, targets, verdict
from histories import ref, unhurried
from hypothesis import given
from hypothesis import strategies as st

from rulegen.core.durations import MINUTE
from rulegen.core.outcome import Point
from rulegen.score.front import AS_IS, CHOSEN, front, joint, single
from rulegen.score.judge import BLOCKS
from rulegen.score.parts import Parts

BOTH = {0: 0, 1: 0}

drawn = st.lists(
    st.builds(
        Point,
        st.just("p"),
        st.integers(0, 4),
        st.integers(0, 4).map(float),
        st.sampled_from([0.5, 1.0]),
        st.integers(0, 3),
        chosen=st.booleans(),
    ),
    max_size=9,
)


def figures(point: Point) -> tuple[float, ...]:
    return point.pages, point.minutes, -point.recall, point.delay


def beats(one: Point, other: Point) -> bool:
    pairs = list(zip(figures(one), figures(other), strict=True))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


@given(drawn)
@unhurried
def test_a_front_is_what_nothing_beats(points: list[Point]) -> None:
    kept = front(points)
    best = {figures(one) for one in points if not any(beats(other, one) for other in points)}
    assert {figures(one) for one in kept if one.kept} == best
    assert len([one for one in kept if one.kept]) == len(best)  # of equals one
    assert all(one.chosen for one in kept if not one.kept)
    assert {figures(one) for one in points if one.chosen} <= {figures(one) for one in kept}
    assert [one.pages for one in kept] == sorted(one.pages for one in kept)


def test_the_front_of_one_rule() -> None:
    """Quieter and safe; quietest, but it loses one; quiet, but late; beaten in everything."""
    board = standing([outcome(BOTH, pages=100)], targets(2))
    tried = [
        verdict(0, 0, outcome(BOTH, pages=40)),
        replace(verdict(0, 1, outcome({0: 0}, pages=10)), reasons=("loses i1",)),
        verdict(0, 2, outcome({0: MINUTE, 1: 0}, pages=20)),
        verdict(0, 3, outcome({0: MINUTE, 1: 0}, pages=60)),
    ]
    points = {one.name: one for one in single(board, ref(), tried, "c0-2")}
    assert set(points) == {"c0-0", "c0-1", "c0-2"}  # the rule as it is catches no more than c0-0, and is louder
    assert points["c0-0"] == Point("c0-0", 40, 200.0, 1.0, 0)
    assert points["c0-1"] == Point("c0-1", 10, 50.0, 0.5, 0, refused=True)
    assert points["c0-2"] == Point("c0-2", 20, 100.0, 1.0, MINUTE, chosen=True)
    beaten = {one.name: one for one in single(board, ref(), tried, "c0-3")}["c0-3"]
    assert beaten.chosen and not beaten.kept


def test_recall_is_that_of_all_rules() -> None:
    board = standing([outcome(BOTH, pages=100), outcome({1: 0}, pages=10)], targets(2))
    (silent,) = [one for one in single(board, ref(0), [verdict(0, 0, outcome({}, pages=1))], "c0-0") if one.chosen]
    assert silent.recall == 0.5 and silent.pages == 1


def test_the_audit_part_is_not_looked_at() -> None:
    late = np.arange(BLOCKS) >= 30
    parts = Parts(np.arange(BLOCKS) < 20, (np.arange(BLOCKS) >= 20) & ~late, late)
    board = standing([outcome({0: 0, 19: 0}, pages=40)], targets(20), parts=parts)
    (point,) = [one for one in single(board, ref(), [verdict(0, 0, outcome({0: 0}, pages=20))], "c0-0") if one.chosen]
    assert point.pages == 15 and point.recall == 1 / 15


def test_the_joint_front_moves_with_the_allowed_delay_and_the_weights() -> None:
    board = standing([outcome(BOTH, pages=100, minutes=100), outcome({}, pages=100, minutes=1000)], targets(2))
    verdicts = {
        ref(0): [
            verdict(0, 0, outcome(BOTH, pages=80, minutes=80)),
            verdict(0, 1, outcome({0: 2 * MINUTE, 1: 0}, pages=30, minutes=30)),
            replace(verdict(0, 2, outcome({0: 4 * MINUTE, 1: 0}, pages=5, minutes=5)), reasons=("late",)),
        ],
        ref(1): [
            verdict(1, 0, outcome({}, pages=5, minutes=900)),
            verdict(1, 1, outcome({}, pages=60, minutes=10)),
        ],
    }
    chosen = {ref(0): verdicts[ref(0)][1].candidate, ref(1): verdicts[ref(1)][1].candidate}
    points = {one.name: one for one in joint(board, verdicts, chosen, lambda some: 7 * len(some))}
    assert points[CHOSEN].chosen and points[CHOSEN].notices == 14
    assert (points[CHOSEN].pages, points[CHOSEN].minutes, points[CHOSEN].delay) == (90, 40, 2 * MINUTE)
    assert points["pages only"].pages == 35 and points["pages only"].minutes == 930
    assert points["allowed delay 0s"].delay == 0 and points["allowed delay 0s"].pages == 140
    assert points["allowed delay 4m"].delay == 4 * MINUTE and points["allowed delay 4m"].pages == 65
    assert AS_IS not in points  # louder than what comes without delay
    assert all(one.recall == 1 for one in points.values())
