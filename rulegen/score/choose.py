"""The joint choice: for each rule one of its candidates or itself, so that together they lose nothing.

Changes that are safe one by one are not safe together: each may lean on a rule that another change takes away. Every
protected target must keep at least one rule that catches it in time both as it is and as changed; so a team may merge
any subset. Under that, the noise is to be least: a covering problem, see :mod:`rulegen.score.cover`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from rulegen.core.candidate import Candidate
from rulegen.core.durations import MINUTE
from rulegen.core.outcome import Outcome, Verdict
from rulegen.core.rule import Rule, RuleRef
from rulegen.promql.rewrite import comparison
from rulegen.score.cover import Option, cheapest
from rulegen.score.gate import Standing

EFFORT = 0.01  # a step of complexity must cut at least this share of the rule's own noise
# Small before clever: how much a reviewer has to think about each template's change. People almost never ask for "at
# least N of the instances"; a page that becomes a ticket has to be much quieter than any tuning.
COMPLEXITY = {
    "hold": 1,
    "retune": 2,
    "floor": 1,
    "latch": 1,
    "relabel": 2,
    "carve_out": 3,
    "smooth": 3,
    "collapse": 3,
    "late_data": 3,
    "aggregate_expr": 8,  # a mean hides the one that is bad
    "narrow": 10,  # nobody looks at the rest any more
    "rescale": 5,
    "split_severity": 8,
    "absent_guard": 3,
    "hysteresis": 8,
    "dynamic_threshold": 10,  # what is usual moves
    "gate": 4,
    "burn_rate": 6,
    "seasonal_mute": 8,
    "aggregate_count": 10,
    "aggregate_ratio": 10,
    "dedupe": 4,
    "inhibit": 4,  # these two have their turn after the rules
    "group": 4,
    "demote": 8,
    "free_form": 12,  # it has to be read from the start
}
TARGET = 4.0  # for each target that is named: a list of names ages
EXTENT = 3.0  # for each doubling of the wait, the window, the offset or the threshold: far-reaching changes overfit
KEEP = 0.2  # what giving up all that a rule catches itself must cut at least, as a share of its noise
REMEMBERED = 2**15  # candidates: the choice is made again and again among the same ones
SHORT = 1e-10  # for each character of the new rules: between equals the shorter win, the old rule before all


@dataclass(frozen=True, slots=True)
class Weights:
    """What all of the fit part's pages are worth, and all of its paging minutes."""

    pages: float = 1.0
    minutes: float = 1.0


EVEN = Weights()


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """The candidates to accept together, at most one a rule. ``cost`` is the noise left (the share of the pages and
    that of the minutes) and a little for effort. The best choice costs at most the share ``gap`` of it less; where
    ``gap`` is 0, this is the best."""

    chosen: Mapping[RuleRef, Candidate]
    cost: float
    gap: float


def choose(standing: Standing, passed: Mapping[RuleRef, Sequence[Verdict]]) -> dict[RuleRef, Candidate]:
    """The candidates to accept together, at most one a rule. ``passed``: verdicts that the gate let through."""
    return dict(choice(standing, passed).chosen)


def choice(standing: Standing, passed: Mapping[RuleRef, Sequence[Verdict]], weights: Weights = EVEN) -> Choice:
    """The same with what it costs, where ``weights`` say what is noise, and how sure it is that nothing is better."""
    refs = sorted(passed)
    candidates, options = [], []
    for ref in refs:
        some = sorted((one for one in passed[ref] if one.outcome is not None), key=lambda one: _text(one.candidate))
        candidates.append([None, *(verdict.candidate for verdict in some)])
        options.append(options_for(standing, ref, some, weights))
    found = cheapest(options, uncovered(standing, refs))
    picked = {ref: some[at] for ref, some, at in zip(refs, candidates, found.taken, strict=True)}
    chosen = {ref: candidate for ref, candidate in picked.items() if candidate is not None}
    return Choice(chosen, found.cost, found.gap)


def uncovered(standing: Standing, refs: Collection[RuleRef]) -> frozenset[int]:
    """The protected targets that no rule but those at ``refs`` catches in time."""
    others = [caught for ref, caught in standing.timely.items() if ref not in set(refs)]
    return frozenset(np.flatnonzero(standing.protected).tolist()).difference(*(caught.tolist() for caught in others))


def options_for(standing: Standing, ref: RuleRef, passed: Sequence[Verdict], weights: Weights = EVEN) -> list[Option]:
    """The rule as it is, and then what would come of each of ``passed``."""
    fit = standing.parts.fit
    total_pages = max(1.0, float(sum(o.pages[fit].sum() for o in standing.before.values())))
    total_minutes = max(1.0, float(sum(o.minutes[fit].sum() for o in standing.before.values())))

    def cost(outcome: Outcome) -> float:
        pages, minutes = float(outcome.pages[fit].sum()), float(outcome.minutes[fit].sum())
        return weights.pages * pages / total_pages + weights.minutes * minutes / total_minutes

    whole = cost(standing.before[ref])
    found = [Option(whole, frozenset(standing.timely[ref].tolist()))]
    for verdict in passed:
        assert verdict.outcome is not None  # what passed has been replayed
        effort = (
            EFFORT * _effort(standing.rules[ref], verdict.candidate) * whole + SHORT * _text(verdict.candidate)[0]
        )
        covers = frozenset(standing.leaning(ref, verdict.outcome).tolist())
        given_up = KEEP * whole * (1 - len(covers) / max(1, len(found[0].covers))) if found[0].covers else 0.0
        found.append(Option(cost(verdict.outcome) + effort + given_up, covers))
    return found


@lru_cache(maxsize=REMEMBERED)
def _effort(old: Rule, candidate: Candidate) -> float:
    """How far a change goes: the kind of change, and how many times it doubles the wait and the threshold."""
    effort: float = COMPLEXITY[candidate.proposal.template]
    if isinstance(targets := candidate.proposal.slots.get("targets"), tuple):
        effort += TARGET * len(targets)
    limits = [found.threshold for rule in (old, *candidate.rules) if (found := comparison(rule.expr)) is not None]
    slots = candidate.proposal.slots
    if isinstance(beyond := slots.get("fires_beyond"), float):
        limits = [*limits[:1], beyond]  # two thresholds in one expression: that from which it fires
    longer = (slots.get("for", old.hold), old.hold), (slots.get("window", 0), 0), (slots.get("offset", 0), 0)
    for new, now in longer:
        effort += EXTENT * math.log2(1 + max(0, new - now) / MINUTE) if isinstance(new, int) else 0
    if isinstance(least := slots.get("least"), float):
        effort += math.log2(1 + least) / 2  # what it leaves out is a handful of events, and can be counted
    if len(limits) == 2 and limits[0] * limits[1] > 0:
        effort += EXTENT * abs(math.log2(limits[1] / limits[0]))
    return effort


@lru_cache(maxsize=REMEMBERED)
def _text(candidate: Candidate) -> tuple[int, str, str]:
    """Between equals the shorter rules win, whatever their file is called."""
    return sum(len(rule.expr) for rule in candidate.rules), repr(candidate.rules), candidate.id
