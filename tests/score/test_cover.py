"""Covering at least cost: never dearer than what exhaustive search finds, and honest about its bound."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from histories import unhurried
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from rulegen.score.cover import CLOSE, Option, cheapest

Rules = list[list[Option]]


@st.composite
def problems(draw: st.DrawFn) -> tuple[Rules, frozenset[int]]:
    targets = draw(st.integers(0, 6))
    some = (
        st.frozensets(st.integers(0, 5).filter(lambda t: t < targets), max_size=4)
        if targets
        else st.just(frozenset())
    )
    rules = []
    for _ in range(draw(st.integers(0, 4))):
        mine = draw(some)
        options = [Option(draw(st.integers(5, 20)) / 10, mine)]
        for _ in range(draw(st.integers(0, 3))):
            kept = frozenset(t for t in sorted(mine) if draw(st.booleans()))
            options.append(Option(draw(st.integers(0, 20)) / 10, kept))
        rules.append(draw(st.permutations(options)))
    return rules, draw(some)


def covered(rules: Rules, taken: tuple[int, ...]) -> frozenset[int]:
    return frozenset[int]().union(*(some[at].covers for some, at in zip(rules, taken, strict=True)))


def least(rules: Rules, needed: frozenset[int]) -> float:
    """Exhaustive: every choice that covers what can be covered."""
    can = needed & frozenset[int]().union(*(option.covers for some in rules for option in some))
    return min(
        sum(some[at].cost for some, at in zip(rules, taken, strict=True))
        for taken in product(*(range(len(some)) for some in rules))
        if can <= covered(rules, taken)
    )


@given(problems())
@hypothesis_settings(unhurried, max_examples=400)
def test_nothing_is_cheaper(problem: tuple[Rules, frozenset[int]]) -> None:
    rules, needed = problem
    found = cheapest(rules, needed)
    can = needed & frozenset[int]().union(*(option.covers for some in rules for option in some))
    assert can <= covered(rules, found.taken)
    assert found.cost == pytest.approx(sum(some[at].cost for some, at in zip(rules, found.taken, strict=True)))
    assert found.cost == pytest.approx(least(rules, needed), abs=CLOSE * max(1, len(rules)))
    assert found.gap == 0 and found.bound == found.cost


def contested(seed: int, rules: int, targets: int) -> Rules:
    """Every rule covers a third of the targets as it is, and its changes any half of those, at a like price."""
    chance = np.random.default_rng(seed)
    made = []
    for _ in range(rules):
        mine = chance.choice(targets, size=targets // 3, replace=False)
        options = [Option(1.0, frozenset(mine.tolist()))]
        for _ in range(6):
            kept = chance.choice(mine, size=int(chance.integers(0, len(mine) // 2 + 1)), replace=False)
            share = len(kept) / len(mine)
            options.append(Option(0.1 + share * float(chance.uniform(0.8, 1)), frozenset(kept.tolist())))
        made.append(options)
    return made


@pytest.mark.parametrize("seed", range(6))
def test_contested_targets(seed: int) -> None:
    """Where the first relaxation proves nothing and it has to branch."""
    rules, needed = contested(seed, 6, 18), frozenset(range(18))
    found = cheapest(rules, needed)
    assert found.nodes >= 1 and found.gap == 0
    assert found.cost == pytest.approx(least(rules, needed), abs=CLOSE * len(rules))


def test_at_the_limit_the_gap_is_told() -> None:
    rules, needed = contested(1, 14, 60), frozenset(range(60))
    rough, fine = cheapest(rules, needed, nodes=1), cheapest(rules, needed)
    can = needed & frozenset[int]().union(*(option.covers for some in rules for option in some))
    assert can <= covered(rules, rough.taken)
    assert rough.nodes == 1 and rough.gap > 0
    assert rough.bound <= fine.bound + CLOSE and fine.cost <= rough.cost
    assert rough.bound <= fine.cost <= rough.cost and rough.gap == pytest.approx(1 - rough.bound / rough.cost)


def test_parts_that_share_nothing_are_solved_apart() -> None:
    """Twenty pairs of rules, each with a target of its own: three hundred thousand choices, a node or two each."""
    rules = []
    for k in range(20):
        rules += [[Option(1.0, frozenset({k})), Option(0.1, frozenset())] for _ in range(2)]
    found = cheapest(rules, frozenset(range(20)))
    assert found.cost == pytest.approx(20 * 1.1) and found.gap == 0 and found.nodes <= 60


def test_of_equals_the_first() -> None:
    same = [Option(1.0, frozenset({0})), Option(1.0, frozenset({0})), Option(2.0, frozenset({0}))]
    assert cheapest([same], frozenset({0})).taken == (0,)


def test_nothing_to_choose() -> None:
    found = cheapest([], frozenset({3}))
    assert (found.taken, found.cost, found.gap) == ((), 0, 0)
