"""From what was judged to what a report draws: each rule's pages before and after, and whom they reach."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from rulegen.core.durations import DAY, HOUR
from rulegen.core.outcome import Firings, Outcome, Report
from rulegen.core.picture import WEEK_HOURS, Lane, Picture, Trace
from rulegen.core.routing import Routing
from rulegen.core.rule import RuleRef
from rulegen.desk import Desk

_MONDAY = 3 * DAY  # 1 January 1970 was a Thursday


def picture(desk: Desk, report: Report, routing: Routing | None) -> Picture:
    """The picture of ``report``, found at ``desk``. Raises nothing: what was accepted has been replayed before."""
    changes = {one.candidate.replaces: one for one in report.suggestions}
    names = Counter(rule.name for rule, _ in desk.rules.values())
    lanes = []
    for ref, firings in desk.fired.items():
        before = _trace(desk, (firings,), firings.warm)
        suggestion = changes.get(ref)
        after, outcome = before, desk.before[ref]
        if suggestion is not None:
            interval = desk.rules[ref][1]
            after = _trace(desk, desk.replayer.replay(ref, suggestion.candidate.rules, interval), firings.warm)
            outcome = desk.outcomes_of({ref: suggestion.candidate})[ref]
        if not len(before.spans) and not len(after.spans):
            continue
        lanes.append(
            Lane(
                ref,
                _name(ref, desk.rules[ref][0].name, names),
                _receivers(desk, firings, routing),
                before,
                after,
                (float(desk.before[ref].minutes.sum()), float(outcome.minutes.sum())),
                (_shown(desk, desk.before[ref]), _shown(desk, outcome)),
                "" if suggestion is None else suggestion.id,
            )
        )
    targets = [
        (one.id, one.span) for one, shown in zip(desk.judge.targets, desk.judge.shown, strict=True) if bool(shown)
    ]
    lanes.sort(key=lambda lane: (-lane.before.noise, -len(lane.before.spans), lane.ref))
    return Picture(report.span, report.judged, tuple(targets), tuple(lanes), routing is None)


def _trace(desk: Desk, several: Iterable[Firings], warm: int) -> Trace:
    """Noise counts from ``warm`` on, the old rule's, so that both sides are counted over the same time."""
    spans, week = [np.zeros((0, 2), dtype=np.int64)], np.zeros(WEEK_HOURS, dtype=np.int64)
    for firings in several:
        paging = desk.judge.paging(firings)
        spans.append(np.stack([firings.start[paging], firings.end[paging]], axis=1))
        noisy = firings.start[paging & desk.judge.outside(firings.start) & (firings.start >= warm)]
        week += np.bincount(_hour_of_week(noisy), minlength=WEEK_HOURS)
    whole = np.concatenate(spans)
    return Trace(whole[np.lexsort((whole[:, 1], whole[:, 0]))], week)


def _hour_of_week(times: NDArray[np.int64]) -> NDArray[np.int64]:
    """[n] from 0 (Monday 00:00 UTC) to 167."""
    hours: NDArray[np.int64] = (times + _MONDAY) // HOUR % WEEK_HOURS
    return hours


def _shown(desk: Desk, outcome: Outcome) -> int:
    return int(desk.judge.shown[outcome.caught].sum())


def _name(ref: RuleRef, name: str, names: Mapping[str, int]) -> str:
    """The rule's name, with its group where others are called the same."""
    return f"{name} ({ref.group})" if names[name] > 1 else name


def _receivers(desk: Desk, firings: Firings, routing: Routing | None) -> tuple[str, ...]:
    """Whom the rule's pages reach, in the order of the routing tree as far as they fired."""
    if routing is None:
        return ()
    found: Sequence[str] = [
        route.receiver
        for labels in firings.labels
        if desk.judge.pages(labels)
        for route in routing.root.match(labels)
    ]
    return tuple(dict.fromkeys(found))
