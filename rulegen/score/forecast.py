"""What the tool may claim about tomorrow: figures from time that the choice has not seen, with intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from rulegen.core.outcome import Forecast, Measure, Outcome
from rulegen.core.rule import RuleRef
from rulegen.core.spans import Mask
from rulegen.score.gate import Standing
from rulegen.score.measure import together

RESAMPLES = 2000
Z95 = 1.959964


def forecast(
    standing: Standing, method: str, unseen: Sequence[tuple[Mask, Mapping[RuleRef, Outcome]]], seed: int
) -> Forecast:
    """``unseen``: for each stretch of time that was left out (mask [blocks]) the changes chosen without it.

    Cuts have percentile intervals from resampling blocks of time with ``seed``; the share of caught targets that were
    lost or came late has a Wilson interval.
    """
    measures = [together(standing, changes, blocks) for blocks, changes in unseen]
    total = _sum(measures)
    missed, caught = len(total.lost) + len(total.later), total.caught[0]
    return Forecast(
        method,
        total,
        _cut([_per_block(standing, blocks, changes, "pages") for blocks, changes in unseen], seed),
        _cut([_per_block(standing, blocks, changes, "minutes") for blocks, changes in unseen], seed),
        _wilson(missed, caught),
    )


def _per_block(
    standing: Standing, blocks: Mask, changes: Mapping[RuleRef, Outcome], what: str
) -> NDArray[np.float64]:
    """[2, blocks left out] noise before and after."""
    after = {**standing.before, **changes}
    old = sum(getattr(outcome, what)[blocks].astype(float) for outcome in standing.before.values())
    new = sum(getattr(outcome, what)[blocks].astype(float) for outcome in after.values())
    return np.stack([np.broadcast_to(old, int(blocks.sum())), np.broadcast_to(new, int(blocks.sum()))])


def _cut(parts: Sequence[NDArray[np.float64]], seed: int) -> tuple[float, float, float]:
    noise = np.concatenate(parts, axis=1)  # [2, blocks]
    if noise.shape[1] == 0 or noise[0].sum() == 0:
        return (0.0, 0.0, 0.0)
    drawn = np.random.default_rng(seed).integers(0, noise.shape[1], (RESAMPLES, noise.shape[1]))
    old, new = noise[0][drawn].sum(axis=1), noise[1][drawn].sum(axis=1)
    cuts = 1 - new[old > 0] / old[old > 0]
    low, high = np.quantile(cuts, [0.025, 0.975])
    return float(1 - noise[1].sum() / noise[0].sum()), float(low), float(high)


def _wilson(hits: int, trials: int) -> tuple[float, float, float]:
    """Share with Wilson's 95% score interval; (0, 0, 1) when nothing was tried."""
    if not trials:
        return (0.0, 0.0, 1.0)
    share, z2 = hits / trials, Z95**2
    middle = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = Z95 / (1 + z2 / trials) * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials**2))
    return share, max(0.0, middle - half), min(1.0, middle + half)


def _sum(measures: Sequence[Measure]) -> Measure:
    """Measures of disjoint stretches of time as one."""
    return Measure(
        weeks=sum(one.weeks for one in measures),
        pages=(sum(one.pages[0] for one in measures), sum(one.pages[1] for one in measures)),
        minutes=(sum(one.minutes[0] for one in measures), sum(one.minutes[1] for one in measures)),
        caught=(sum(one.caught[0] for one in measures), sum(one.caught[1] for one in measures)),
        lost=tuple(name for one in measures for name in one.lost),
        later=tuple(name for one in measures for name in one.later),
        gained=tuple(name for one in measures for name in one.gained),
        added_delay=max((one.added_delay for one in measures), default=0),
    )
