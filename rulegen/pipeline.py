"""The way of the data: history → clusters → proposals → replay → score → report. The one place to read the order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from rulegen.core.candidate import Candidate
from rulegen.core.deadline import ENDLESS, Deadline
from rulegen.core.durations import MINUTE
from rulegen.core.history import History
from rulegen.core.marks import marks
from rulegen.core.outcome import Forecast, Report
from rulegen.core.routing import Routing
from rulegen.core.rule import RuleRef
from rulegen.core.settings import Settings
from rulegen.core.spans import Mask
from rulegen.desk import Ask, Desk, Progress, Propose, Selection
from rulegen.pager import Pager
from rulegen.relabelling import relabelled
from rulegen.report import report
from rulegen.reroute import reroute
from rulegen.score.forecast import Unseen, forecast
from rulegen.score.parts import Parts, folds, forward, known_only, split


def suggest(
    history: History,
    settings: Settings,
    propose: Propose,
    progress: Progress,
    *,
    interval: int = MINUTE,
    routing: Routing | None = None,
    ask: Ask | None = None,
    deadline: Deadline = ENDLESS,
) -> Report:
    """The report of :func:`study`."""
    return study(
        history, settings, propose, progress, interval=interval, routing=routing, ask=ask, deadline=deadline
    )[1]


def study(
    history: History,
    settings: Settings,
    propose: Propose,
    progress: Progress,
    *,
    interval: int = MINUTE,
    routing: Routing | None = None,
    ask: Ask | None = None,
    deadline: Deadline = ENDLESS,
) -> tuple[Desk, Report]:
    """Finds the noise in ``history``, tries what ``propose`` offers, and reports what the replay proved.

    Also the desk at which it was found, for what is to be shown from it. ``interval`` (ms) is how often recorded
    alerts are taken to have been evaluated. ``routing`` turns firings into notifications; without it a plain route
    stands in. ``ask`` proposes before ``propose`` does. The choice, and each choice that the forecast makes again,
    gets a like share of the time up to ``deadline``. Raises InputError for settings that can't be read.
    """
    known = marks(routing) if routing is not None else ()
    desk = Desk.of(
        history, settings, propose, interval, progress, known, ask
    )  # the rules as they are, replayed and judged
    parts = split(desk.judge)
    left_out = () if parts.audit.any() else folds(desk.judge)
    ahead_of = forward(desk.judge)
    shares = deadline.shares(1 + len(left_out) + len(ahead_of))
    pager = Pager.of(desk, routing)
    selection = _selected(desk, pager, parts, next(shares))
    method, unseen = _unseen(desk, parts, selection, pager, left_out, shares)
    ahead = forecast(desk.standing(parts), method, unseen, settings.seed)
    walked = _walked(desk, pager, ahead_of, shares)
    found = report(desk, parts, selection, ahead, pager, reroute(pager, parts, selection))
    return desk, replace(found, walked=walked)


def _selected(desk: Desk, pager: Pager, parts: Parts, deadline: Deadline) -> Selection:
    """cluster → propose → replay → gate → choose; then without what Alertmanager would tell of too late, and with the
    labels that it acts upon."""
    return relabelled(pager, parts, pager.settled(parts, desk.select(parts, deadline)))


def _unseen(
    desk: Desk,
    parts: Parts,
    selection: Selection,
    pager: Pager,
    left_out: Sequence[Mask],
    shares: Iterator[Deadline],
) -> tuple[str, Sequence[Unseen]]:
    """Stretches of time with what was chosen without looking at them: the audit part, or else folds."""
    if parts.audit.any():
        return "audit: the last quarter, scored once", [_scored(desk, pager, parts.audit, selection.chosen)]
    unseen = [
        _scored(desk, pager, mask, _selected(desk, pager, known_only(~mask), next(shares)).chosen)
        for mask in left_out
    ]
    return f"cross-fitted: {len(unseen)} folds, each scored by a choice that did not see it", unseen


def _walked(
    desk: Desk, pager: Pager, pairs: Sequence[tuple[Mask, Mask]], shares: Iterator[Deadline]
) -> Forecast | None:
    """Where the history is long: choices made on the past alone, each scored on the stretch that came next."""
    if not pairs:
        return None
    unseen = [
        _scored(desk, pager, after, _selected(desk, pager, known_only(past), next(shares)).chosen)
        for past, after in pairs
    ]
    method = f"walk-forward: {len(unseen)} times chosen on the past and scored on what came next"
    everything = known_only(np.ones(desk.judge.blocks, dtype=np.bool_))
    return forecast(desk.standing(everything), method, unseen, desk.settings.seed)


def _scored(desk: Desk, pager: Pager, mask: Mask, chosen: Mapping[RuleRef, Candidate]) -> Unseen:
    return Unseen(mask, desk.outcomes_of(chosen), pager.bursts(chosen, mask))
