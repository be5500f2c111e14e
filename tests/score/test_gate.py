"""Each reason for which a candidate is refused, and what is no reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from boards import SPAN, outcome, rule, standing, targets
from histories import candidate, ref, unhurried
from hypothesis import given
from hypothesis import strategies as st

from rulegen.core.candidate import Change
from rulegen.core.durations import DAY, HOUR, MINUTE
from rulegen.core.labels import Labels
from rulegen.core.outcome import NEVER, Outcome
from rulegen.core.settings import Settings
from rulegen.core.spans import Span
from rulegen.score.gate import Standing, reasons
from rulegen.score.judge import BLOCKS
from rulegen.score.parts import Parts, split

TWO = 2 * MINUTE


def judged(board: Standing, after: Outcome, change: Change = "tuning", index: int = 0) -> tuple[str, ...]:
    new = rule(index)
    if change == "demotion":
        new = replace(new, labels=Labels({**new.labels, "severity": "ticket"}))
    return reasons(board, candidate(new, replaces=ref(index), change=change), after)


def alone(before: Outcome, after: Outcome, aims: int = 6, **settings: object) -> tuple[str, ...]:
    """One rule, and nobody to lean on."""
    return judged(standing([before], targets(aims), Settings(**settings)), after)  # type: ignore[arg-type]


CATCHES = {0: 0, 1: MINUTE, 2: 5 * MINUTE}
OLD = outcome(CATCHES, pages=80)


def test_less_noise_and_every_catch_passes() -> None:
    assert alone(OLD, outcome(CATCHES, pages=40)) == ()


def test_silent() -> None:
    (why,) = alone(outcome(pages=80), outcome(pages=0, fired=0))
    assert why == "would never page: that is deletion in disguise"
    assert alone(outcome(pages=80), outcome(pages=0, fired=1)) == ()  # once, in an incident: quieter is not silent


def test_a_demotion_may_be_silent() -> None:
    board = standing([outcome(pages=80)], targets(5))
    assert judged(board, outcome(pages=0, fired=0, longest=0, keys=()), "demotion") == ()


def test_a_page_that_is_left_beside_the_ticket_has_to_be_one() -> None:
    """A rule split into a page and a ticket counts as demoted, and its page must not be empty."""
    board = standing([outcome(pages=80)], targets(5))
    ticket = replace(rule(0), labels=Labels({"severity": "ticket"}))
    split = candidate(rule(0), ticket, replaces=ref(0), change="demotion")
    found = reasons(board, split, outcome(pages=0, fired=0, longest=0, keys=()))
    assert "would never page: that is deletion in disguise" in found


def test_no_demotion_where_nobody_recorded_incidents() -> None:
    board = standing([outcome(pages=80)], [replace(one, rule=ref()) for one in targets(9)], record=False)
    (why,) = judged(board, outcome(pages=0, fired=0), "demotion")
    assert "without a record of incidents" in why


def test_a_demotion_wants_enough_incidents() -> None:
    board = standing([outcome(pages=80)], targets(4))
    (why,) = judged(board, outcome(pages=0, fired=0), "demotion")
    assert "fewer than 5 incidents" in why
    # Incidents in a time that nobody judged are no support.
    board = standing([outcome(pages=80)], targets(5), judged=[Span(0, 4 * DAY)])
    assert any("fewer than 5" in why for why in judged(board, outcome(pages=0, fired=0), "demotion"))


@pytest.mark.parametrize(
    ("longest", "limit"), [(0, HOUR), (29 * MINUTE, HOUR), (31 * MINUTE, 62 * MINUTE), (DAY, 2 * DAY)]
)
def test_too_long(longest: int, limit: int) -> None:
    before = outcome(CATCHES, pages=80, longest=longest)
    assert alone(before, outcome(CATCHES, longest=limit)) == ()
    (why,) = alone(before, outcome(CATCHES, longest=limit + MINUTE))
    assert "at a stretch" in why


def test_drops_a_label() -> None:
    aims = targets(3, labels=Labels({"service": "a"}))
    board = standing([outcome(CATCHES, pages=80, keys=["service", "pod"])], aims)
    (why,) = judged(board, outcome(CATCHES, keys=["pod"]))
    assert why == "drops service: which incident it speaks of, or where it goes"
    assert judged(board, outcome(CATCHES, keys=["service"])) == ()  # no incident speaks of pods
    vague = standing([outcome(CATCHES, pages=80, keys=["pod"])], aims)
    assert judged(vague, outcome(CATCHES, keys=["pod"])) == ()  # it never had it


def test_loses() -> None:
    (why,) = alone(OLD, outcome({0: 0}, pages=40))
    assert why == "loses i1, i2"


def test_many_losses_are_counted() -> None:
    (why,) = alone(outcome(dict.fromkeys(range(9), 0), pages=80), outcome(pages=40), aims=9)
    assert why == "loses i0, i1, i2, i3, i4 and 4 more"


@pytest.mark.parametrize(("added", "passes"), [(0, True), (TWO, True), (TWO + 1, False)])
def test_later(added: int, passes: bool) -> None:
    found = alone(OLD, outcome({**CATCHES, 1: MINUTE + added}, pages=40))
    assert found == (() if passes else ("catches i1 later than allowed",))


def test_the_allowed_delay_is_the_users() -> None:
    late = outcome({**CATCHES, 1: 9 * MINUTE}, pages=40)
    assert alone(OLD, late, allowed_delay=8 * MINUTE) == ()
    assert alone(OLD, late, allowed_delay=8 * MINUTE - 1) != ()


def test_another_rule_that_is_in_time_is_enough() -> None:
    board = standing([OLD, outcome({1: 2 * MINUTE})], targets(6))
    assert judged(board, outcome({0: 0, 2: 5 * MINUTE}, pages=40)) == ()
    slow = standing([OLD, outcome({1: 4 * MINUTE})], targets(6))
    assert judged(slow, outcome({0: 0, 2: 5 * MINUTE}, pages=40)) == ("catches i1 later than allowed",)


def test_who_was_late_before_may_be_lost() -> None:
    """The rule's own catch was not in time: the first one is what counts."""
    board = standing([outcome({0: 30 * MINUTE}, pages=80), outcome({0: 0})], targets(6))
    assert judged(board, outcome(pages=40)) == ()


def test_negligible_bursts_may_go_silent() -> None:
    board = standing([OLD], targets(6, negligible=[1]))
    assert judged(board, outcome({0: 0, 2: 0}, pages=40)) == ()
    assert judged(board, outcome({0: 0, 1: 0}, pages=40)) == ("loses i2",)


def test_incidents_outside_the_judged_time_are_not_protected() -> None:
    board = standing([OLD], targets(6), judged=[Span(4 * DAY, SPAN.end)])  # i0 and i1 are before
    assert judged(board, outcome({2: 0}, pages=40)) == ()


def test_adds_noise() -> None:
    assert alone(OLD, outcome(CATCHES, pages=90, minutes=10)) == ("adds noise: pages 80 → 90, minutes 400 → 10",)
    assert alone(OLD, outcome(CATCHES, pages=20, minutes=500)) == ("adds noise: pages 80 → 20, minutes 400 → 500",)


@pytest.mark.parametrize(("pages", "minutes"), [(80, 400), (80, 100), (40, 400)])
def test_cuts_too_little(pages: int, minutes: float) -> None:
    """Both must fall: one endless firing is not quiet."""
    (why,) = alone(OLD, outcome(CATCHES, pages=pages, minutes=minutes))
    assert why.startswith("cuts too little: ")


def test_every_reason_is_given() -> None:
    found = alone(OLD, outcome({0: 0, 2: 8 * MINUTE}, pages=100, longest=9 * DAY))
    assert [why.split(" ")[0] for why in found] == ["would", "loses", "catches", "adds"]


def thirds() -> Parts:
    at = np.arange(BLOCKS)
    fit, audit = at < BLOCKS // 2, at >= BLOCKS * 3 // 4
    return Parts(fit, ~fit & ~audit, audit)


def in_parts(fit: int, gate: int, audit: int) -> Sequence[int]:
    return [fit] * (BLOCKS // 2) + [gate] * (BLOCKS // 4) + [audit] * (BLOCKS // 4)


def test_noise_on_the_gate_part_may_not_rise() -> None:
    board = standing([outcome(CATCHES, pages=in_parts(2, 2, 2))], targets(3), parts=thirds())
    assert judged(board, outcome(CATCHES, pages=in_parts(1, 2, 2))) == ()
    (why,) = judged(board, outcome(CATCHES, pages=in_parts(1, 3, 2)))
    assert why.startswith("adds noise on the gate part: pages 20 → 30")
    (why,) = judged(board, outcome(CATCHES, pages=in_parts(2, 1, 1)))
    assert why.startswith("cuts too little on the fit part")


def test_the_audit_part_never_feeds_back() -> None:
    aims = targets(20)
    caught = dict.fromkeys(range(20), 0)
    board = standing([outcome(caught, pages=in_parts(2, 2, 2))], aims, parts=thirds())
    known = [k for k in range(20) if not board.parts.audit[board.judge.block_of[k]]]
    assert 0 < len(known) < 20
    worse = outcome(dict.fromkeys(known, 0), pages=in_parts(1, 1, 9))
    assert judged(board, worse) == ()
    (why,) = judged(board, outcome(dict.fromkeys(known[:-1], 0), pages=in_parts(1, 1, 1)))
    assert why == f"loses i{known[-1]}"


def lucky(fired: int = 30, aims: int = 5, lose_lucky: bool = True, credible: bool = False) -> tuple[str, ...]:
    """A rule whose one catch is lucky, unless it is ``credible``; may it go?"""
    before = outcome({0: 0}, pages=80, fired=fired)
    beyond = np.zeros(aims, dtype=np.bool_)
    beyond[0] = credible
    board = standing([before], targets(aims), Settings(lose_lucky=lose_lucky), credible={ref(): beyond})
    return judged(board, outcome(pages=40))


def test_lucky_catches_are_protected_unless_the_user_says_otherwise() -> None:
    assert lucky(lose_lucky=False) == ("loses i0",)
    assert lucky() == ()


def test_losing_lucky_wants_support() -> None:
    assert lucky(fired=29) == ("loses i0",)
    assert lucky(aims=4) == ("loses i0",)
    assert lucky(credible=True) == ("loses i0",)


def test_what_one_rule_catches_credibly_is_protected_from_all() -> None:
    aims = targets(5)
    none, sure = np.zeros(5, dtype=np.bool_), np.array([True, False, False, False, False])
    before = [outcome({0: 0}, pages=80, fired=99), outcome({0: 0}, pages=80, fired=99)]
    board = standing(before, aims, Settings(lose_lucky=True), credible={ref(0): none, ref(1): sure})
    assert board.protected.tolist() == [True, False, False, False, False]


delays = st.dictionaries(st.integers(0, 4), st.integers(0, 6).map(lambda n: n * MINUTE), max_size=5)


@given(st.lists(delays, min_size=1, max_size=4), delays)
@unhurried
def test_missed_is_what_the_whole_set_then_misses(before: list[dict[int, int]], after: dict[int, int]) -> None:
    """Against the definition, target by target."""
    board = standing([outcome(one) for one in before], targets(5))
    lost, late = board.missed(ref(), outcome(after))
    for target in range(5):
        old = min((one[target] for one in before if target in one), default=None)
        new = min((one[target] for one in [after, *before[1:]] if target in one), default=None)
        assert (target in lost) == (old is not None and new is None)
        assert (target in late) == (old is not None and new is not None and new > old + TWO)
        assert board.best[target] == (NEVER if old is None else old)


@given(st.lists(delays, min_size=1, max_size=4), delays)
@unhurried
def test_others_may_lean_only_on_what_holds_both_ways(before: list[dict[int, int]], after: dict[int, int]) -> None:
    board = standing([outcome(one) for one in before], targets(5))
    leaning = set(board.leaning(ref(), outcome(after)).tolist())
    for target in range(5):
        first = min((one[target] for one in before if target in one), default=0)
        both = all(target in one and one[target] <= first + TWO for one in (before[0], after))
        assert (target in leaning) == both


def test_a_short_history_is_one_part_and_a_long_one_three() -> None:
    caught = outcome(dict.fromkeys(range(20), 0))
    long = standing([caught], targets(20)).judge
    assert [name for name, _ in split(long).named] == ["fit", "gate", "audit"]
    parts = split(long)
    assert (parts.fit | parts.gate | parts.audit).all() and not (parts.known & parts.audit).any()
    assert (parts.fit.sum(), parts.gate.sum(), parts.audit.sum()) == (20, 10, 10)
    few = standing([outcome()], targets(9)).judge  # none in the audit part
    assert [name for name, _ in split(few).named] == ["all"]
    short = standing([caught], targets(20), judged=[Span(0, 14 * DAY - 1)]).judge
    assert [name for name, _ in split(short).named] == ["all"] and not split(short).audit.any()


def test_silencing_for_hours_wants_enough_incidents() -> None:
    """That none of two incidents came at three at night says nothing about three at night."""
    quieter = outcome({0: 0}, pages=20)
    board = standing([outcome({0: 0}, pages=80)], targets(4))
    assert any("fewer than 5 incidents" in why for why in judged(board, quieter, "silencing"))
    board = standing([outcome({0: 0}, pages=80)], targets(5))
    assert judged(board, quieter, "silencing") == ()


@pytest.mark.parametrize(("caught", "passes"), [(1, False), (4, False), (5, True)])
def test_other_targets_are_given_up_for_enough_catches_only(caught: int, passes: bool) -> None:
    """One incident at one service does not make the others' pages useless."""
    catches = dict.fromkeys(range(caught), 0)
    board = standing([outcome(catches, pages=80)], targets(8))
    narrowed = candidate(rule(0), replaces=ref(0), template="narrow")
    found = reasons(board, narrowed, outcome(catches, pages=20))
    assert (not found) is passes and all("fewer than 5 incidents" in why for why in found)
