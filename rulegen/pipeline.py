"""The way of the data: history → clusters → proposals → replay → score → report. The one place to read the order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from rulegen.core.candidate import Candidate
from rulegen.core.durations import MINUTE
from rulegen.core.history import History
from rulegen.core.marks import marks
from rulegen.core.outcome import Forecast, Report
from rulegen.core.routing import Routing
from rulegen.core.rule import RuleRef
from rulegen.core.settings import Settings
from rulegen.core.spans import Mask
from rulegen.desk import Desk, Progress, Propose, Selection
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
) -> Report:
    """The report of :func:`study`."""
    return study(history, settings, propose, progress, interval=interval, routing=routing)[1]


def study(
    history: History,
    settings: Settings,
    propose: Propose,
    progress: Progress,
    *,
    interval: int = MINUTE,
    routing: Routing | None = None,
) -> tuple[Desk, Report]:
    """Finds the noise in ``history``, tries what ``propose`` offers, and reports what the replay proved.

    Also the desk at which it was found, for what is to be shown from it. ``interval`` (ms) is how often recorded
    alerts are taken to have been evaluated. ``routing`` turns firings into notifications; without it a plain route
    stands in. Raises InputError for settings that can't be read.
    """
    known = marks(routing) if routing is not None else ()
    desk = Desk.of(
        history, settings, propose, interval, progress, known
    )  # the rules as they are, replayed and judged
    parts = split(desk.judge)
    pager = Pager.of(desk, routing)
    selection = _selected(desk, pager, parts)
    method, unseen = _unseen(desk, parts, selection, pager)
    ahead = forecast(desk.standing(parts), method, unseen, settings.seed)
    walked = _walked(desk, pager)
    found = report(desk, parts, selection, ahead, pager, reroute(pager, parts, selection))
    return desk, replace(found, walked=walked)


def _selected(desk: Desk, pager: Pager, parts: Parts) -> Selection:
    """cluster → propose → replay → gate → choose; then without what Alertmanager would tell of too late, and with the
    labels that it acts upon."""
    return relabelled(pager, parts, pager.settled(parts, desk.select(parts)))


def _unseen(desk: Desk, parts: Parts, selection: Selection, pager: Pager) -> tuple[str, Sequence[Unseen]]:
    """Stretches of time with what was chosen without looking at them: the audit part, or else folds."""
    if parts.audit.any():
        return "audit: the last quarter, scored once", [_scored(desk, pager, parts.audit, selection.chosen)]
    left_out = folds(desk.judge)
    unseen = [_scored(desk, pager, mask, _selected(desk, pager, known_only(~mask)).chosen) for mask in left_out]
    return f"cross-fitted: {len(unseen)} folds, each scored by a choice that did not see it", unseen


def _walked(desk: Desk, pager: Pager) -> Forecast | None:
    """Where the history is long: choices made on the past alone, each scored on the stretch that came next."""
    pairs = forward(desk.judge)
    if not pairs:
        return None
    unseen = [_scored(desk, pager, after, _selected(desk, pager, known_only(past)).chosen) for past, after in pairs]
    method = f"walk-forward: {len(unseen)} times chosen on the past and scored on what came next"
    everything = known_only(np.ones(desk.judge.blocks, dtype=np.bool_))
    return forecast(desk.standing(everything), method, unseen, desk.settings.seed)


def _scored(desk: Desk, pager: Pager, mask: Mask, chosen: Mapping[RuleRef, Candidate]) -> Unseen:
    return Unseen(mask, desk.outcomes_of(chosen), pager.bursts(chosen, mask))
