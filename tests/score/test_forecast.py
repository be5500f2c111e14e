"""What may be claimed about tomorrow, and how sure."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from boards import outcome, standing, targets
from histories import ref, unhurried
from hypothesis import given
from hypothesis import strategies as st

from rulegen.core.outcome import Outcome
from rulegen.core.rule import RuleRef
from rulegen.core.spans import Mask
from rulegen.score.forecast import Unseen, _wilson, forecast
from rulegen.score.gate import Standing
from rulegen.score.judge import BLOCKS
from rulegen.score.parts import folds
from rulegen.score.support import Bursts


def unseen(board: Standing, blocks: Mask, changes: Mapping[RuleRef, Outcome]) -> Unseen:
    """Each block's noise is one burst."""
    after = {**board.before, **changes}
    pages, minutes = (
        np.stack([sum(getattr(one, name)[blocks] for one in side.values()) for side in (board.before, after)], axis=1)
        for name in ("pages", "minutes")
    )
    return Unseen(blocks, changes, Bursts(pages, minutes))


LATER = np.arange(BLOCKS) >= BLOCKS * 3 // 4


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    [  # Newcombe (1998), table I: method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (29, 29, 0.8830, 1.0),
    ],
)
def test_wilson(hits: int, trials: int, low: float, high: float) -> None:
    share, *interval = _wilson(hits, trials)
    assert share == hits / trials
    assert interval == pytest.approx([low, high], abs=5e-5)


def test_nothing_tried_says_nothing() -> None:
    assert _wilson(0, 0) == (0.0, 0.0, 1.0)


@given(st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
@unhurried
def test_wilson_holds_its_estimate(tried: tuple[int, int]) -> None:
    share, low, high = _wilson(*tried)
    assert 0 <= low <= share + 1e-12 and share - 1e-12 <= high <= 1


def uneven(seed: int, most: int) -> Outcome:
    drawn = np.random.default_rng(seed).integers(0, most, BLOCKS)
    return outcome(dict.fromkeys(range(20), 0), pages=drawn.tolist())


@given(st.integers(0, 1000), st.integers(0, 5))
@unhurried
def test_cuts_lie_within_their_intervals(noise: int, seed: int) -> None:
    board = standing([uneven(noise, 30)], targets(20))
    second = np.arange(BLOCKS) >= BLOCKS // 2
    found = forecast(board, "m", [unseen(board, second, {ref(): uneven(noise + 1, 10)})], seed)
    for estimate, low, high in (found.cut_pages, found.cut_minutes):
        assert low <= estimate <= high <= 1


def test_the_same_seed_gives_the_same_forecast() -> None:
    board = standing([uneven(1, 30)], targets(20))
    some = [unseen(board, LATER, {ref(): uneven(2, 10)})]
    assert forecast(board, "m", some, 3) == forecast(board, "m", some, 3)
    assert forecast(board, "m", some, 3).cut_pages[1:] != forecast(board, "m", some, 4).cut_pages[1:]


def test_only_unseen_time_counts() -> None:
    quiet_then_loud = outcome(dict.fromkeys(range(20), 0), pages=[0] * 30 + [4] * 10)
    board = standing([outcome(dict.fromkeys(range(20), 0), pages=[9] * 30 + [8] * 10)], targets(20))
    found = forecast(board, "audit", [unseen(board, LATER, {ref(): quiet_then_loud})], 0)
    assert found.method == "audit"
    assert found.measure.pages == (80, 40)
    assert found.cut_pages == (0.5, 0.5, 0.5) and found.bursts == 10 and found.folds == ()
    assert found.measure.caught == (5, 5) and found.loss[0] == 0


def test_losses_and_lateness_both_count() -> None:
    board = standing([outcome(dict.fromkeys(range(20), 0))], targets(20))
    changed = outcome({**dict.fromkeys(range(17), 0), 17: 10**9})
    found = forecast(board, "audit", [unseen(board, LATER, {ref(): changed})], 0)
    assert found.measure.lost == ("i18", "i19") and found.measure.later == ("i17",)
    assert found.loss == _wilson(3, 5)


def test_folds_are_summed_each_with_its_own_choice() -> None:
    board = standing([outcome(dict.fromkeys(range(20), 0), pages=40)], targets(20))
    masks = folds(board.judge)
    assert len(masks) == 5 and (sum(mask.astype(int) for mask in masks) == 1).all()
    quiet = outcome(dict.fromkeys(range(19), 0), pages=0)
    same = [unseen(board, mask, {}) for mask in masks[:4]]
    found = forecast(board, "cross-fitted", [*same, unseen(board, masks[4], {ref(): quiet})], 0)
    assert [one.pages for one in found.folds] == [(8, 8)] * 4 + [(8, 0)]
    assert found.measure.pages == (40, 32) and found.cut_pages[0] == pytest.approx(0.2)
    assert found.measure.caught == (20, 19) and found.measure.lost == ("i19",)
    assert found.measure.weeks == pytest.approx(40 / 7)
    assert found.loss[0] == 1 / 20


def test_no_noise_no_cut() -> None:
    board = standing([outcome(dict.fromkeys(range(20), 0), pages=0)], targets(20))
    assert forecast(board, "m", [unseen(board, LATER, {})], 0).cut_pages == (0.0, 0.0, 0.0)
