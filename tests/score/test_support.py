"""Noise in whole bursts, and what can be said of a cut that rests on them."""

from __future__ import annotations

import numpy as np
import pytest
from histories import firings, ref, unhurried
from hypothesis import given
from hypothesis import strategies as st

from rulegen.core.durations import MINUTE
from rulegen.core.labels import EMPTY, Labels
from rulegen.core.outcome import Firings
from rulegen.core.settings import Settings
from rulegen.core.spans import Grid, Mask, Span
from rulegen.score.judge import Judge
from rulegen.score.support import LEAST_BURSTS, Bursts, cut, noise_bursts, together
from rulegen.score.targets import Target

GRID = Grid(0, 1000 * MINUTE, MINUTE)
SPAN = Span(0, GRID.end)
PAGE = Labels({"severity": "page"})


def judge(labels: Labels = EMPTY) -> Judge:
    target = Target("i", Span(500 * MINUTE, 520 * MINUTE), labels)
    return Judge(
        [target], [SPAN], SPAN, lambda one: one.get("severity") == "page", Settings(), all_pages_are_noise=False
    )


def fired(*rows: tuple[int, int], warm: int = 0, **labels: str) -> Firings:
    return firings(GRID, [(PAGE.updated(labels), a * MINUTE, b * MINUTE) for a, b in rows], warm * MINUTE)


def every(of: Judge) -> Mask:
    return np.ones(of.blocks, dtype=np.bool_)


def test_a_pause_as_long_as_the_gap_parts_two_bursts() -> None:
    found = noise_bursts(judge(), {ref(): [fired((10, 12), (21, 22), (32, 33))]}, {}, every(judge()))
    assert found.pages.tolist() == [[2, 2], [1, 1]]  # 9 minutes between the first two, then 10
    assert found.minutes.tolist() == [[5, 5], [2, 2]]


def test_before_and_after_make_up_one_burst() -> None:
    before, after = fired((10, 12), (18, 20), (100, 101)), fired((12, 20))
    found = noise_bursts(judge(), {ref(): [before]}, {ref(): [after]}, every(judge()))
    assert found.pages.tolist() == [[2, 1], [1, 0]]
    assert found.minutes.tolist() == [[6, 9], [2, 0]]


def test_what_is_about_the_same_thing_is_one_burst_whichever_rule_fires() -> None:
    rules = {
        ref(0): [fired((10, 12), service="a")],
        ref(1): [fired((13, 14), service="a"), fired((13, 14), service="b")],
    }
    several = judge(Labels({"service": "a"}))
    assert sorted(noise_bursts(several, rules, {}, every(several)).pages[:, 0].tolist()) == [1, 2]
    # Without labels on the incidents nothing says that two rules are about the same.
    assert sorted(noise_bursts(judge(), rules, {}, every(judge())).pages[:, 0].tolist()) == [1, 2]
    apart = {ref(0): rules[ref(0)], ref(1): [fired((13, 14), service="a")]}
    assert noise_bursts(judge(), apart, {}, every(judge())).pages[:, 0].tolist() == [1, 1]
    assert noise_bursts(several, apart, {}, every(several)).pages[:, 0].tolist() == [2]


def test_only_noise_counts() -> None:
    """A page within the incident is none, though it goes on being one when that is over; tickets neither."""
    one = judge()
    found = noise_bursts(one, {ref(): [fired((505, 530), (900, 901), warm=600)]}, {}, every(one))
    assert found.pages.tolist() == [[1, 1]] and found.minutes.tolist() == [[2, 2]]
    found = noise_bursts(one, {ref(): [fired((505, 530))]}, {}, every(one))
    assert found.pages.tolist() == [[0, 0]] and found.minutes.tolist() == [[9, 9]]  # from 522 on: a minute of grace
    ticket = firings(GRID, [(Labels({"severity": "ticket"}), 0, MINUTE)])
    assert len(noise_bursts(one, {ref(): [ticket]}, {}, every(one))) == 0


spans = st.lists(st.tuples(st.integers(0, 990), st.integers(0, 60)), max_size=12)


@given(spans, spans, st.booleans())
@unhurried
def test_bursts_add_up_to_what_the_judge_counts(
    old: list[tuple[int, int]], new: list[tuple[int, int]], half: bool
) -> None:
    one = judge(Labels({"service": "a"}))
    sides = [fired(*((a, min(1000, a + n)) for a, n in some), service="a") for some in (old, new)]
    blocks = every(one) & (np.arange(one.blocks) < one.blocks // 2) if half else every(one)
    found = noise_bursts(one, {ref(): [sides[0]]}, {ref(): [sides[1]]}, blocks)
    for side, firing in enumerate(sides):
        outcome = one.outcome([firing], ref(), 0)
        assert found.pages[:, side].sum() == outcome.pages[blocks].sum()
        assert found.minutes[:, side].sum() == pytest.approx(outcome.minutes[blocks].sum())


def test_the_interval_widens_with_the_size_of_the_bursts() -> None:
    """The same pages in a tenth as many bursts say less."""
    chance = np.random.default_rng(0)
    many = np.stack([np.ones(400), chance.random(400) < 0.3], axis=1).astype(float)
    few = np.stack([np.full(40, 10.0), 10.0 * (chance.random(40) < 0.3)], axis=1)
    (_, low, high), (_, lower, higher) = cut(many, 1), cut(few, 1)
    assert high - low < 0.5 * (higher - lower)
    assert cut(few, 1) == cut(few, 1) != cut(few, 2)


def test_too_few_bursts_give_no_interval() -> None:
    estimate, low, high = cut(np.array([[4.0, 1.0]] * (LEAST_BURSTS - 1)), 0)
    assert estimate == 0.75 and np.isnan(low) and np.isnan(high)
    assert cut(np.array([[4.0, 1.0]] * LEAST_BURSTS), 0) == (0.75, 0.75, 0.75)
    assert cut(np.zeros((0, 2)), 0) == (0, 0, 0)
    assert cut(np.array([[0.0, 1.0]]), 0)[0] == -np.inf


@pytest.mark.parametrize("shape", ["even", "heavy"])
def test_the_interval_holds_the_truth_about_as_often_as_it_says(shape: str) -> None:
    """Bursts of which each keeps 30% of its pages on average, drawn 200 times."""
    held = 0
    for seed in range(200):
        chance = np.random.default_rng(seed)
        sizes = np.full(60, 5) if shape == "even" else 1 + chance.geometric(0.2, 60)
        kept = [size if chance.random() < 0.2 else chance.binomial(size, 0.125) for size in sizes.tolist()]
        _, low, high = cut(np.stack([sizes, kept], axis=1).astype(float), seed)
        held += low <= 0.7 <= high
    assert 0.88 <= held / 200 <= 0.99


def test_nothing_together() -> None:
    assert len(together([])) == 0 and len(together([Bursts(np.ones((2, 2)), np.ones((2, 2)))] * 2)) == 4
