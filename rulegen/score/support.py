"""What a figure rests on: noise as whole bursts, and intervals from resampling those.

Pages that follow one another are no independent observations, and cutting time into blocks cuts them in two; so whole
bursts are drawn (a cluster bootstrap). A burst is everything that pages for nothing about the same thing, before and
after the changes, with no pause as long as the burst gap. The same thing is what has the same values of the labels
that incidents carry (``service``), whichever rules fire; where there are none, one notification group of one rule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rulegen.core.labels import ALERT_NAME, Labels
from rulegen.core.outcome import Firings, Interval
from rulegen.core.rule import RuleRef
from rulegen.core.spans import Grid, Mask
from rulegen.score.judge import Judge

RESAMPLES = 2000
LEAST_BURSTS = 10  # fewer give no interval: 95% of what is drawn from them says little of what there is
Fired = Mapping[RuleRef, Sequence[Firings]]


@dataclass(frozen=True, slots=True, eq=False)
class Bursts:
    """``pages`` and ``minutes`` [bursts, 2] are each burst's noise before and after."""

    pages: NDArray[np.float64]
    minutes: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.pages)


def together(several: Sequence[Bursts]) -> Bursts:
    """The bursts of several stretches of time, or of several rules."""
    none = np.zeros((0, 2))
    return Bursts(
        np.concatenate([none, *(one.pages for one in several)]),
        np.concatenate([none, *(one.minutes for one in several)]),
    )


def noise_bursts(judge: Judge, before: Fired, after: Fired, blocks: Mask) -> Bursts:
    """The noise of the rules in ``before`` that lies in ``blocks`` [blocks]; rules that ``after`` leaves out do after
    what they did before."""
    reader = _Reader(judge, blocks)
    for ref, several in before.items():
        warm = max((one.warm for one in several), default=0)
        for side, firings in [(0, one) for one in several] + [(1, one) for one in after.get(ref, several)]:
            reader.read(ref, firings, side, warm)
    return reader.bursts()


def cut(bursts: NDArray[np.float64], seed: int) -> Interval:
    """The share by which noise falls ([bursts, 2] before and after), with the percentile interval of ``RESAMPLES``
    draws of whole bursts; without at least ``LEAST_BURSTS`` that have noise the interval is NaN."""
    old, new = bursts[:, 0].sum(), bursts[:, 1].sum()
    if old == 0:
        return (0.0, 0.0, 0.0) if new == 0 else (-np.inf, np.nan, np.nan)
    estimate = float(1 - new / old)
    noisy = bursts[bursts.any(axis=1)]
    if len(noisy) < LEAST_BURSTS:
        return (estimate, np.nan, np.nan)
    chance = np.random.default_rng(seed)
    # Poisson weights, as many expected as there are bursts: memory stays linear in the bursts, not times the draws.
    drawn = np.array([chance.poisson(1.0, len(noisy)) @ noisy for _ in range(RESAMPLES)])  # [draws, 2]
    cuts = 1 - drawn[drawn[:, 0] > 0, 1] / drawn[drawn[:, 0] > 0, 0]
    low, high = np.quantile(cuts, [0.025, 0.975])
    return estimate, min(estimate, float(low)), max(estimate, float(high))


class _Reader:
    """Gathers noisy firings; ``groups`` numbers what they are about."""

    def __init__(self, judge: Judge, blocks: Mask) -> None:
        self.judge, self.blocks = judge, blocks
        self.about = sorted({name for one in judge.targets if one.rule is None for name in one.labels})
        self.grouping = [name for name in judge.settings.group_by if name != ALERT_NAME]
        self.groups: dict[tuple[RuleRef | None, Labels], int] = {}
        self.times: list[NDArray[np.int64]] = []  # [firings, 4] group, start, end, side
        self.noise: list[NDArray[np.float64]] = []  # [firings, 2] pages, minutes
        self.counted: dict[Grid, NDArray[np.int64]] = {}  # [steps + 1] evaluations before each that count

    def read(self, ref: RuleRef, firings: Firings, side: int, warm: int) -> None:
        judge, grid = self.judge, firings.grid
        if grid not in self.counted:
            times = grid.times()
            counts = judge.outside(times) & self.blocks[judge.blocks_at(times)]
            self.counted[grid] = np.concatenate(([0], np.cumsum(counts)))
        before, paging = self.counted[grid], judge.paging(firings)
        last = (firings.end - grid.start) // grid.step + 1
        first = np.minimum(last, (np.maximum(firings.start, warm) - grid.start + grid.step - 1) // grid.step)
        minutes = np.where(paging, before[last] - before[first], 0) * (grid.step / 60_000)
        known = self.blocks[judge.blocks_at(firings.start)] & (firings.start >= warm)
        pages = paging & known & judge.outside(firings.start)
        some = np.flatnonzero(pages | (minutes > 0))
        if not len(some):
            return
        number = np.array([self._group(ref, labels) for labels in firings.labels], dtype=np.int64)
        columns = number[firings.series[some]], firings.start[some], firings.end[some], np.full(len(some), side)
        self.times.append(np.stack(columns, axis=1))
        self.noise.append(np.stack([pages[some].astype(np.float64), minutes[some]], axis=1))

    def _group(self, ref: RuleRef, labels: Labels) -> int:
        about = labels.keep(self.about)
        key = (None, about) if about else (ref, labels.keep(self.grouping))
        return self.groups.setdefault(key, len(self.groups))

    def bursts(self) -> Bursts:
        if not self.times:
            return together([])
        times, noise = np.concatenate(self.times), np.concatenate(self.noise)
        order = np.lexsort((times[:, 2], times[:, 1], times[:, 0]))
        group, start, end, side = times[order].T
        # One running maximum for all groups: each is moved behind the one before it.
        moved = group * (int(end.max() - start.min()) + 1)
        reached = np.maximum.accumulate(end + moved)
        fresh = np.ones(len(group), dtype=np.bool_)
        fresh[1:] = (group[1:] != group[:-1]) | (
            start[1:] + moved[1:] - reached[:-1] >= self.judge.settings.burst_gap
        )
        burst = np.cumsum(fresh) - 1
        found = np.zeros((2, int(burst[-1]) + 1, 2))
        for at in range(2):
            np.add.at(found[at], (burst, side), noise[order, at])
        return Bursts(found[0], found[1])
