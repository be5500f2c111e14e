"""Whether another rule pages for all that one pages for: what has to hold before a rule is switched off."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rulegen.core.labels import ALERT_NAME, Labels
from rulegen.core.outcome import Firings
from rulegen.core.spans import Mask, Times, inside
from rulegen.score.judge import Judge


def uncovered(judge: Judge, rule: Firings, covers: Sequence[Firings], blocks: Mask) -> int:
    """How many of the paging firings of ``rule`` that start in ``blocks`` [blocks] of the judged time have no page of
    ``covers``, the alerting rules that stand in for it.

    One has a page that fires, or begins within the allowed delay after, the firing's start, and whose alert carries
    with the same values what says which incident an alert speaks of, or where it goes. What starts so close to the
    end of judged time that such a page could begin beyond it says nothing.
    """
    spans: list[tuple[Labels, Times, Times]] = []
    for cover in covers:
        for labels, mine in _groups(judge, cover).items():
            order = np.argsort(cover.start[mine], kind="stable")
            # [n] starts, and the latest end up to there: one that still holds may have begun long before
            spans.append((labels, cover.start[mine][order], np.maximum.accumulate(cover.end[mine][order])))
    missing = 0
    for labels, mine in _groups(judge, rule).items():
        start = rule.start[mine]
        told = inside(start, judge.judged) & inside(start + judge.settings.allowed_delay, judge.judged)
        start = start[told & blocks[judge.blocks_at(start)]]
        held = np.zeros(len(start), dtype=np.bool_)
        for others, begins, ends in spans:
            if any(others.get(name) != value for name, value in labels.items()):
                continue
            at = np.searchsorted(begins, start + judge.settings.allowed_delay, side="right") - 1
            held |= (at >= 0) & (ends[np.maximum(at, 0)] >= start)
        missing += int((~held).sum())
    return missing


def _groups(judge: Judge, firings: Firings) -> dict[Labels, np.ndarray]:
    """The paging firings by the labels that matter, as indices."""
    names = judge.keys - {ALERT_NAME, "severity"}
    paging = judge.paging(firings)
    rows: dict[Labels, list[int]] = {}
    for row, labels in enumerate(firings.labels):
        rows.setdefault(labels.keep(names), []).append(row)
    found = {labels: np.flatnonzero(paging & np.isin(firings.series, some)) for labels, some in rows.items()}
    return {labels: mine for labels, mine in found.items() if len(mine)}
