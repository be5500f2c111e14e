"""What is better than chance, and what is not."""

from __future__ import annotations

from itertools import product
from math import prod

import numpy as np
import pytest
from histories import firings, ref, unhurried
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from rulegen.core.durations import DAY, HOUR, MINUTE, WEEK
from rulegen.core.labels import Labels
from rulegen.core.outcome import NEVER, Firings
from rulegen.core.rule import RuleRef
from rulegen.core.settings import Settings
from rulegen.core.spans import Grid, Span
from rulegen.score.judge import Judge
from rulegen.score.luck import MOST_SHIFTS, Null, _discoveries, _tail, chance, credible, null_model
from rulegen.score.targets import Target

SPAN = Span(0, 20 * DAY)
GRID = Grid(0, 20 * DAY, MINUTE)
A = Labels({"alertname": "A"})
AT = [k * DAY + (7 * k % 24) * HOUR for k in range(1, 11)]  # ten incidents, each at another hour
INCIDENTS = [Target(f"i{k}", Span(at, at + HOUR)) for k, at in enumerate(AT)]
DAYS = Null("whole days", (SPAN,), DAY)
ROUND = Null("circular", (SPAN,), 0)


def judge(targets: list[Target] = INCIDENTS, **settings: int) -> Judge:
    return Judge(targets, [SPAN], SPAN, lambda _: True, Settings(**settings), all_pages_are_noise=False)


def beyond(fired: dict[RuleRef, Firings], null: Null, targets: list[Target] = INCIDENTS) -> dict[RuleRef, int]:
    """How many catches of each rule are credible."""
    one = judge(targets)
    caught = {r: one.outcome([f], r, 0).delays(len(targets)) < NEVER for r, f in fired.items()}
    return {r: int(mask.sum()) for r, mask in credible(one, fired, caught, null).items()}


@pytest.mark.parametrize("null", [DAYS, ROUND])
def test_a_rule_that_fires_all_day_is_never_credible(null: Null) -> None:
    hourly = firings(GRID, [(A, k * 30 * MINUTE, k * 30 * MINUTE + 5 * MINUTE) for k in range(48 * 20)])
    found = judge().outcome([hourly], ref(), 0)
    assert len(found.caught) == 10
    assert beyond({ref(): hourly}, null) == {ref(): 0}


@pytest.mark.parametrize("null", [DAYS, ROUND])
def test_a_rule_that_fires_in_the_incidents_alone_is(null: Null) -> None:
    exact = firings(GRID, [(A, at + 5 * MINUTE, at + 20 * MINUTE) for at in AT])
    assert beyond({ref(): exact}, null) == {ref(): 10}


def test_one_catch_is_too_few_among_many_rules() -> None:
    fired = {ref(k): firings(GRID, [(A, at + MINUTE, at + MINUTE)]) for k, at in enumerate(AT)}
    lone = beyond({ref(0): fired[ref(0)]}, ROUND, INCIDENTS[:1])
    assert lone == {ref(0): 1}  # one chance in two hundred, and it hit
    noise = {ref(100 + k): firings(GRID, [(A, 15 * DAY + k * HOUR, 15 * DAY + k * HOUR)]) for k in range(100)}
    assert beyond({ref(0): fired[ref(0)], **noise}, ROUND, INCIDENTS[:1])[ref(0)] == 0


def test_a_daily_rhythm_is_no_foresight() -> None:
    """Every incident is at nine, and so is the rule, every day: whole days see through it."""
    targets = [Target(f"i{k}", Span(k * DAY + 9 * HOUR, k * DAY + 10 * HOUR)) for k in range(2, 12)]
    daily = firings(GRID, [(A, k * DAY + 9 * HOUR, k * DAY + 9 * HOUR + MINUTE) for k in range(20)])
    assert beyond({ref(): daily}, DAYS, targets) == {ref(): 0}
    assert beyond({ref(): daily}, ROUND, targets) == {ref(): 10}  # the weaker null does not


def test_firings_at_random_are_seldom_credible() -> None:
    chance_of = np.random.default_rng(7)
    credibles = 0
    for _ in range(40):
        starts = np.sort(chance_of.integers(0, 20 * DAY // MINUTE - 20, 60)) * MINUTE
        drawn = firings(GRID, [(A, int(at), int(at) + 10 * MINUTE) for at in starts])
        credibles += beyond({ref(): drawn}, ROUND)[ref()] > 0
    assert credibles <= 5  # 5% of forty are two; more than five come by chance once in seventy times


def test_what_is_caught_is_not_made_up() -> None:
    exact = firings(GRID, [(A, at, at) for at in AT[:8]])
    one = judge()
    caught = one.outcome([exact], ref(), 0).delays(10) < NEVER
    assert (credible(one, {ref(): exact}, {ref(): caught}, ROUND)[ref()] == caught).all()


@given(
    st.lists(st.tuples(st.integers(0, 399), st.integers(0, 40)), min_size=1, max_size=6),
    st.lists(st.tuples(st.integers(60, 300), st.integers(0, 20)), min_size=1, max_size=3),
    st.sampled_from([0, 5, 15]),
    st.sampled_from([0, 30]),
)
@hypothesis_settings(unhurried, max_examples=25)
def test_chance_is_the_share_of_shifts_that_hit(
    starts: list[tuple[int, int]], incidents: list[tuple[int, int]], lead: int, carry: int
) -> None:
    """Against turning the recording round by every shift and asking the judge; all in minutes."""
    size = 400
    span, grid = Span(0, (size - 1) * MINUTE), Grid(0, 2 * size * MINUTE, MINUTE)
    targets = [Target(f"i{k}", Span(a * MINUTE, (a + b) * MINUTE)) for k, (a, b) in enumerate(incidents)]
    one = Judge(
        targets,
        [span],
        span,
        lambda _: True,
        Settings(lead=lead * MINUTE, carry=carry * MINUTE),
        all_pages_are_noise=False,
    )
    rows = [(A, a * MINUTE, (a + b) * MINUTE) for a, b in starts]
    period = size * MINUTE
    shifts = np.linspace(0, period, MOST_SHIFTS + 2)[1:-1].astype(int).tolist()
    hits = np.zeros(len(targets))
    for shift in shifts:
        turned = []
        for labels, start, end in rows:
            at = (start + shift) % period
            turned.append((labels, at, at + end - start))
        hits += one.outcome([firings(grid, turned)], ref(), 0).delays(len(targets)) < NEVER
    grid = Grid(0, span.end, MINUTE)
    got = chance(one, firings(grid, rows), ref(), Null("circular", (span,), 0))
    assert got == pytest.approx((hits + 1) / (len(shifts) + 1))


def test_recordings_turn_each_on_its_own() -> None:
    """A rule that is busy in the other recording is not lucky in this one."""
    first, second = Span(0, 5 * DAY), Span(10 * DAY, 15 * DAY)
    target = Target("i", Span(12 * DAY, 12 * DAY + HOUR))
    busy = firings(GRID, [(A, k * 10 * MINUTE, k * 10 * MINUTE) for k in range(5 * 144)])
    one = judge([target])
    null = Null("circular", (first, second), 0)
    assert chance(one, busy, ref(), null).tolist() == [pytest.approx(1 / 201)]
    there = firings(GRID, [(A, 10 * DAY + k * 10 * MINUTE, 10 * DAY + k * 10 * MINUTE) for k in range(5 * 144)])
    assert chance(one, there, ref(), null).tolist() == [1.0]


def test_labels_that_rule_a_target_out_leave_nothing_to_chance() -> None:
    target = Target("i", Span(2 * DAY, 3 * DAY), Labels({"service": "a"}))
    other = firings(GRID, [(A.updated({"service": "b"}), k * HOUR, k * HOUR) for k in range(480)])
    assert chance(judge([target]), other, ref(), ROUND).tolist() == [0.0]


def test_the_null_model_names_its_weakness() -> None:
    parts = (Span(0, DAY),)
    assert null_model(Span(0, 60 * DAY), parts) == Null("whole weeks", (Span(0, 60 * DAY),), WEEK)
    assert null_model(Span(0, 14 * DAY), parts) == Null("whole days", (Span(0, 14 * DAY),), DAY)
    short = null_model(Span(0, 13 * DAY), parts)
    assert short.recordings == parts and short.step == 0 and "weaker" in short.name


def test_no_targets_no_rules() -> None:
    assert credible(judge([]), {}, {}, ROUND) == {}
    exact = firings(GRID, [(A, 0, 0)])
    none = np.zeros(0, dtype=np.bool_)
    assert credible(judge([]), {ref(): exact}, {ref(): none}, ROUND)[ref()].tolist() == []


@given(st.lists(st.floats(0, 1), max_size=8), st.integers(0, 9))
@unhurried
def test_the_tail_is_that_of_every_way_to_succeed(chances: list[float], at_least: int) -> None:
    want = sum(
        prod(p if hit else 1 - p for p, hit in zip(chances, hits, strict=True))
        for hits in product([False, True], repeat=len(chances))
        if sum(hits) >= at_least
    )
    assert _tail(np.array(chances), at_least) == pytest.approx(want, abs=1e-12)


def test_discoveries_are_those_of_the_paper() -> None:
    # Benjamini and Hochberg (1995), section 3.2: of these fifteen the four smallest are rejected at 5%.
    tails = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240]
    tails += [0.4262, 0.5719, 0.6528, 0.7590, 1.0]
    order = np.random.default_rng(1).permutation(15)
    assert _discoveries(np.array(tails)[order]).tolist() == [bool(rank < 4) for rank in order]


def test_discoveries_step_up() -> None:
    # 0.04 is above 1/2 of 5% and both are found: the largest that is below its limit takes the smaller ones along.
    assert _discoveries(np.array([0.04, 0.045])).tolist() == [True, True]
    assert _discoveries(np.array([0.03, 0.9])).tolist() == [False, False]
    assert _discoveries(np.array([])).tolist() == []
