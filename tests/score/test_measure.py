"""Before → after, on the whole and on parts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from boards import outcome, standing, targets
from histories import ref

from rulegen.core.durations import DAY, MINUTE
from rulegen.core.outcome import Quality
from rulegen.core.spans import Span
from rulegen.score.judge import BLOCKS
from rulegen.score.measure import alone, together

ALL = np.ones(BLOCKS, dtype=np.bool_)
HALF = np.arange(BLOCKS) < BLOCKS // 2  # of twenty targets the first ten

BEFORE = [outcome({0: 0, 1: MINUTE, 15: 0}, pages=80), outcome({1: 0, 2: 0}, pages=40)]
AFTER = outcome({1: 3 * MINUTE, 15: 4 * MINUTE, 7: 0}, pages=20)


def test_one_rule_changed() -> None:
    found = alone(standing(BEFORE, targets(20)), ref(0), AFTER, ALL)
    assert found.pages == (80, 20)
    assert found.minutes == (400, 100)
    assert found.caught == (3, 3)  # its own catches: i0, i1, i15, then i1, i7, i15
    assert found.lost == ("i0",)  # by all rules: i1 is still caught in time by the other
    assert found.later == ("i15",)
    assert found.gained == ("i7",)
    assert found.added_delay == 4 * MINUTE
    assert found.weeks == pytest.approx(40 / 7)


def test_all_rules_together() -> None:
    found = together(standing(BEFORE, targets(20)), {ref(0): AFTER, ref(1): outcome({2: MINUTE}, pages=10)}, ALL)
    assert found.pages == (120, 30)
    assert found.minutes == (600, 150)
    assert found.caught == (4, 4)
    assert found.lost == ("i0",)
    assert found.later == ("i1", "i15")
    assert found.added_delay == 4 * MINUTE


def test_nothing_changed() -> None:
    found = together(standing(BEFORE, targets(20)), {}, ALL)
    assert found.pages == (120, 120) and found.caught == (4, 4)
    assert (found.lost, found.later, found.gained, found.added_delay) == ((), (), (), 0)


def test_parts_make_up_the_whole() -> None:
    board = standing(BEFORE, targets(20))
    whole = together(board, {ref(0): AFTER}, ALL)
    first, second = (together(board, {ref(0): AFTER}, mask) for mask in (HALF, ~HALF))
    assert first.lost == ("i0",) and first.later == () and first.gained == ("i7",)
    assert second.lost == () and second.later == ("i15",) and second.gained == ()
    for name in ("pages", "minutes", "caught"):
        one, two, all_ = (getattr(measure, name) for measure in (first, second, whole))
        assert tuple(np.add(one, two)) == pytest.approx(all_)
    assert first.weeks + second.weeks == pytest.approx(whole.weeks)


def test_the_allowed_delay_is_no_lateness() -> None:
    found = alone(standing(BEFORE[:1], targets(20)), ref(0), outcome({0: 2 * MINUTE, 1: 0, 15: 0}), ALL)
    assert found.later == () and found.added_delay == 2 * MINUTE


def test_an_earlier_catch_adds_no_delay() -> None:
    board = standing([outcome({0: 5 * MINUTE})], targets(2))
    assert alone(board, ref(0), outcome({0: MINUTE}), ALL).added_delay <= 0


def test_what_is_negligible_or_was_not_judged_is_not_counted() -> None:
    board = standing(BEFORE[:1], targets(20, negligible=[0]), judged=[Span(0, 20 * DAY)])
    found = alone(board, ref(0), outcome(), np.ones(board.judge.blocks, dtype=np.bool_))
    assert found.lost == ("i1",) and found.caught == (1, 0)


def test_how_good_the_pages_are() -> None:
    """Of 84 firings 4 catch something; i0 is caught at once, i1 after a minute; the last page about i0 ends the later
    of two."""
    one, other = (
        replace(outcome(delays, pages=40, fired=42), spoke=np.eye(1, BLOCKS, k, dtype=np.int64)[0] * 2, reset=reset)
        for k, delays, reset in (
            (0, {0: MINUTE, 1: MINUTE}, np.array([5 * MINUTE, 0])),
            (BLOCKS - 1, {0: 0}, np.array([9 * MINUTE])),
        )
    )
    board = standing([one, other], targets(20))
    found = together(
        board, {ref(1): replace(outcome({}, pages=0, fired=0), spoke=one.spoke * 0, reset=np.array([]))}, ALL
    )
    assert found.quality is not None
    before, after = found.quality
    assert before == Quality(4 / 84, 2 / 20, MINUTE // 2, 9 * MINUTE // 2)
    assert after == Quality(2 / 42, 2 / 20, MINUTE, 5 * MINUTE // 2)
    first = together(board, {}, HALF).quality
    assert first is not None and first[0].precision == 2 / 42 and first[0].recall == 2 / 10
    assert alone(board, ref(0), AFTER, ALL).quality is None


def test_without_pages_or_targets_there_is_no_figure() -> None:
    silent = replace(outcome({}, pages=0, fired=0), spoke=np.zeros(BLOCKS, dtype=np.int64), reset=np.array([]))
    found = together(standing([silent], targets(0)), {}, ALL).quality
    assert found is not None
    assert np.isnan(found[0].precision) and np.isnan(found[0].recall)
    assert found[0].detection is found[0].reset is None
