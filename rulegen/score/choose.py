"""The joint choice: for each rule one of its candidates or itself, so that together they lose nothing.

Changes that are safe one by one are not safe together: each may lean on a rule that another change takes away. Every
protected target must keep at least one rule that catches it in time both as it is and as changed; so a team may merge
any subset. Under that, the noise is to be least: a covering problem, solved greedily and then improved one and two
rules at a time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rulegen.core.candidate import Candidate
from rulegen.core.durations import MINUTE
from rulegen.core.outcome import Outcome, Verdict
from rulegen.core.rule import Rule, RuleRef
from rulegen.promql.rewrite import comparison
from rulegen.score.gate import Standing

EFFORT = 0.01  # a step of complexity must cut at least this share of the rule's own noise
# Small before clever: how much a reviewer has to think about each template's change. People almost never ask for "at
# least N of the instances"; a page that becomes a ticket has to be much quieter than any tuning.
COMPLEXITY = {
    "hold": 1,
    "retune": 2,
    "carve_out": 3,
    "smooth": 3,
    "collapse": 3,
    "absent_guard": 3,
    "hysteresis": 6,
    "dynamic_threshold": 6,
    "burn_rate": 6,
    "seasonal_mute": 8,
    "aggregate_count": 10,
    "aggregate_ratio": 10,
    "demote": 20,
}
TARGET = 4.0  # for each target that is named: a list of names ages
EXTENT = 3.0  # for each doubling of the wait, the window or the threshold: far-reaching changes overfit


@dataclass(frozen=True, slots=True, eq=False)
class Option:
    """A candidate, or the rule as it is (None), with its cost and the targets [k] that others may lean on it for."""

    candidate: Candidate | None
    cost: float
    covers: frozenset[int]


def choose(standing: Standing, passed: Mapping[RuleRef, Sequence[Verdict]]) -> dict[RuleRef, Candidate]:
    """The candidates to accept together, at most one a rule. ``passed``: verdicts that the gate let through."""
    options = {ref: _frontier(_options(standing, ref, passed[ref])) for ref in sorted(passed)}
    needed: dict[int, int] = {}  # target → how many unchanged-able rules cover it now
    taken = dict.fromkeys(options, 0)
    for index in np.flatnonzero(standing.protected).tolist():
        needed[index] = 0
    for ref, caught in standing.timely.items():
        if ref not in options:
            for index in caught.tolist():
                needed[index] += 1
    for some in options.values():
        for index in some[0].covers:
            needed[index] += 1
    _cover(options, taken, needed)
    _improve(options, taken, needed)
    chosen = {ref: options[ref][taken[ref]].candidate for ref in options}
    return {ref: candidate for ref, candidate in chosen.items() if candidate is not None}


def _options(standing: Standing, ref: RuleRef, passed: Sequence[Verdict]) -> list[Option]:
    fit = standing.parts.fit
    total_pages = max(1.0, float(sum(o.pages[fit].sum() for o in standing.before.values())))
    total_minutes = max(1.0, float(sum(o.minutes[fit].sum() for o in standing.before.values())))

    def cost(outcome: Outcome) -> float:
        return float(outcome.pages[fit].sum() / total_pages + outcome.minutes[fit].sum() / total_minutes)

    today, old = standing.before[ref], standing.rules[ref]
    whole = cost(today)
    found = [Option(None, whole, frozenset(standing.timely[ref].tolist()))]
    for verdict in passed:
        if verdict.outcome is not None:
            effort = EFFORT * _effort(old, verdict.candidate) * whole
            covers = frozenset(standing.leaning(ref, verdict.outcome).tolist())
            found.append(Option(verdict.candidate, cost(verdict.outcome) + effort, covers))
    return found


def _effort(old: Rule, candidate: Candidate) -> float:
    """How far a change goes: the kind of change, and how many times it doubles the wait and the threshold."""
    effort: float = COMPLEXITY[candidate.proposal.template]
    if isinstance(targets := candidate.proposal.slots.get("targets"), tuple):
        effort += TARGET * len(targets)
    limits = [found.threshold for rule in (old, *candidate.rules) if (found := comparison(rule.expr)) is not None]
    slots = candidate.proposal.slots
    longer = (slots.get("for", old.hold), old.hold), (slots.get("window", 0), 0)
    for new, now in longer:
        effort += EXTENT * math.log2(1 + max(0, new - now) / MINUTE) if isinstance(new, int) else 0
    if len(limits) == 2 and limits[0] * limits[1] > 0:
        effort += EXTENT * abs(math.log2(limits[1] / limits[0]))
    return effort


def _text(candidate: Candidate | None) -> tuple[int, str, str]:
    """Between equals the shorter rules win, whatever their file is called; the old rule before all."""
    rules = candidate.rules if candidate is not None else ()
    return sum(len(rule.expr) for rule in rules), repr(rules), candidate.id if candidate is not None else ""


def _frontier(options: Sequence[Option]) -> list[Option]:
    """Cheapest first, without those that a cheaper one covers wholly."""
    kept: list[Option] = []
    for option in sorted(options, key=lambda one: (one.cost, -len(one.covers), _text(one.candidate))):
        if not any(option.covers <= other.covers for other in kept):
            kept.append(option)
    return kept


def _cover(options: Mapping[RuleRef, Sequence[Option]], taken: dict[RuleRef, int], needed: dict[int, int]) -> None:
    """Takes dearer options, the best bargain first, until every target is covered.

    Always ends: a rule as it is covers all that any of its changes does, so taking it never uncovers anything.
    """
    while bare := {index for index, count in needed.items() if count == 0}:
        best: tuple[float, RuleRef, int] | None = None
        for ref, some in options.items():
            now = some[taken[ref]]
            for at, option in enumerate(some):
                gained = len(option.covers & bare)
                if not gained or any(needed[index] == 1 for index in now.covers - option.covers):
                    continue
                price = (option.cost - now.cost) / gained
                if best is None or (price, ref, at) < best:
                    best = (price, ref, at)
        if best is None:
            return  # what no rule covered in time before either; the gate has named it
        _take(options, taken, needed, best[1], best[2])


def _improve(options: Mapping[RuleRef, Sequence[Option]], taken: dict[RuleRef, int], needed: dict[int, int]) -> None:
    """Cheaper options where nothing depends on the dearer one, then exchanges: one rule covers more, others less."""
    _relax(options, taken, needed)
    better = True
    while better:
        better = False
        for ref, some in options.items():
            for at, option in enumerate(some):
                now = some[taken[ref]]
                if not option.covers - now.covers or any(needed[i] == 1 for i in now.covers - option.covers):
                    continue
                trial, counts = dict(taken), dict(needed)
                _take(options, trial, counts, ref, at)
                _relax(options, trial, counts, ref)
                if _cost(options, trial) < _cost(options, taken) - 1e-12:
                    taken.update(trial)
                    needed.update(counts)
                    better = True


def _relax(
    options: Mapping[RuleRef, Sequence[Option]],
    taken: dict[RuleRef, int],
    needed: dict[int, int],
    fixed: RuleRef | None = None,
) -> None:
    """Takes for each rule the cheapest option that leaves nothing uncovered, the greatest saving first."""
    savings = sorted(options, key=lambda ref: options[ref][0].cost - options[ref][taken[ref]].cost)
    for ref in savings:
        if ref == fixed or taken[ref] == 0:
            continue
        for at in range(taken[ref]):
            lost = options[ref][taken[ref]].covers - options[ref][at].covers
            if all(needed[index] > 1 for index in lost):
                _take(options, taken, needed, ref, at)
                break


def _take(
    options: Mapping[RuleRef, Sequence[Option]],
    taken: dict[RuleRef, int],
    needed: dict[int, int],
    ref: RuleRef,
    at: int,
) -> None:
    for index in options[ref][taken[ref]].covers:
        needed[index] -= 1
    for index in options[ref][at].covers:
        needed[index] += 1
    taken[ref] = at


def _cost(options: Mapping[RuleRef, Sequence[Option]], taken: Mapping[RuleRef, int]) -> float:
    return sum(options[ref][at].cost for ref, at in taken.items())
