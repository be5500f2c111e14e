"""Pareto fronts: what else could be had, and where the chosen point lies. Sees what the gate sees, not the audit."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rulegen.core.candidate import Candidate
from rulegen.core.durations import format_duration
from rulegen.core.outcome import NEVER, Outcome, Point, Verdict
from rulegen.core.rule import RuleRef
from rulegen.score.choose import Weights, choice, choose
from rulegen.score.gate import Standing, reasons
from rulegen.score.measure import best_delays

AS_IS = "as it is"
CHOSEN = "chosen"
WEIGHTS = (
    ("pages only", Weights(1, 0)),
    ("pages 4 : 1 minutes", Weights(4, 1)),
    ("pages 1 : 4 minutes", Weights(1, 4)),
    ("minutes only", Weights(0, 1)),
)
DELAYS = (0.0, 0.5, 2.0)  # times the allowed delay
MOST = 12  # points of one cluster; beyond these the front is thinned out, the chosen point stays

Verdicts = Mapping[RuleRef, Sequence[Verdict]]
Chosen = Mapping[RuleRef, Candidate]


def single(standing: Standing, ref: RuleRef, verdicts: Sequence[Verdict], accepted: str) -> tuple[Point, ...]:
    """The rule at ``ref`` as it is, the candidate with the id ``accepted``, and whatever of its candidates nothing
    beats in pages, minutes, recall and delay at once; recall and delay are those of all rules with this one changed.

    Candidates that the gate refuses are among them: they show what its protection costs. Of points that are alike the
    first in this order stands: accepted, passed, shorter.
    """
    others = best_delays({one: o for one, o in standing.before.items() if one != ref}, len(standing.judge.targets))
    known = sorted(
        (one for one in verdicts if one.outcome is not None),
        key=lambda one: (
            one.candidate.id != accepted,
            not one.passed,
            sum(len(rule.expr) for rule in one.candidate.rules),
            one.candidate.id,
        ),
    )
    points = [_point(standing, AS_IS, {ref: standing.before[ref]}, others, [ref])]
    for one in known:
        assert one.outcome is not None
        made = _point(standing, one.candidate.id, {ref: one.outcome}, others, [ref])
        points.append(replace(made, chosen=one.candidate.id == accepted, refused=not one.passed))
    return _thinned(front(points))


def joint(
    standing: Standing, verdicts: Verdicts, chosen: Chosen, notices: Callable[[Chosen], int | None]
) -> tuple[Point, ...]:
    """The whole set as chosen, as it is, and chosen again with other weights and with other allowed delays.

    ``notices`` counts the noise notifications of a choice.
    """
    outcomes = {one.candidate.id: one.outcome for some in verdicts.values() for one in some}
    passed = {ref: [one for one in some if one.passed] for ref, some in verdicts.items()}
    ways: list[tuple[str, Chosen]] = [(CHOSEN, chosen), (AS_IS, {})]
    ways += [(name, choice(standing, passed, weights).chosen) for name, weights in WEIGHTS]
    allowed = standing.judge.settings.allowed_delay
    for times in DELAYS:
        delay = round(times * allowed)
        other = _allowing(standing, delay)
        among = passed if delay <= allowed else verdicts
        through = {ref: [one for one in some if _passes(other, one)] for ref, some in among.items()}
        ways.append((f"allowed delay {format_duration(delay)}", choose(other, through)))
    points, seen = [], set[frozenset[str]]()
    for name, some in ways:
        if (ids := frozenset(one.id for one in some.values())) in seen:
            continue
        seen.add(ids)
        changed = {ref: outcome for ref, one in some.items() if (outcome := outcomes[one.id]) is not None}
        after = {**standing.before, **changed}
        none = np.full(len(standing.judge.targets), NEVER, dtype=np.int64)
        made = _point(standing, name, after, none, list(after))
        points.append(replace(made, chosen=name == CHOSEN, notices=notices(some)))
    return front(points)


def front(points: Sequence[Point]) -> tuple[Point, ...]:
    """Those of ``points`` that nothing beats, and the chosen one whether or not; by pages, then minutes."""
    kept: list[Point] = []
    taken = np.zeros((0, 4))
    order = sorted(range(len(points)), key=lambda at: (_figures(points[at]), not points[at].chosen, at))
    for at in order:  # what beats another comes before it, or is its equal
        point, row = points[at], np.array(_figures(points[at]))
        beaten = bool((taken <= row).all(axis=1).any())
        if not beaten:
            taken = np.concatenate([taken, row[None]])
        if not beaten or point.chosen:
            kept.append(replace(point, kept=not beaten))
    return tuple(kept)


def _figures(point: Point) -> tuple[float, ...]:
    """What is to be small."""
    return point.pages, point.minutes, -point.recall, point.delay


def _point(
    standing: Standing,
    name: str,
    outcomes: Mapping[RuleRef, Outcome],
    others: NDArray[np.int64],
    counting: Sequence[RuleRef],
) -> Point:
    """``outcomes`` of changed rules beside the delays [targets] of the ``others``; noise is that of ``counting``."""
    judge, known = standing.judge, standing.parts.known
    seen = judge.shown & known[judge.block_of] if len(judge.targets) else judge.shown
    now = np.minimum(others, best_delays(outcomes, len(judge.targets)))
    both = seen & standing.protected & (now < NEVER)
    return Point(
        name,
        int(sum(outcomes[ref].pages[known].sum() for ref in counting)),
        float(sum(outcomes[ref].minutes[known].sum() for ref in counting)),
        int((seen & (now < NEVER)).sum()) / int(seen.sum()) if seen.any() else 1.0,
        max(0, int((now - standing.best)[both].max(initial=0))),
    )


def _allowing(standing: Standing, delay: int) -> Standing:
    """The same with another allowed delay (ms)."""
    judge = copy.copy(standing.judge)
    judge.settings = replace(judge.settings, allowed_delay=delay)
    return Standing(judge, standing.parts, standing.rules, standing.before, standing.credible)


def _passes(standing: Standing, one: Verdict) -> bool:
    return one.outcome is not None and not reasons(standing, one.candidate, one.outcome)


def _thinned(points: Sequence[Point]) -> tuple[Point, ...]:
    if len(points) <= MOST:
        return tuple(points)
    some = set(np.linspace(0, len(points) - 1, MOST).round().astype(int).tolist())
    return tuple(one for at, one in enumerate(points) if at in some or one.chosen or one.name == AS_IS)
