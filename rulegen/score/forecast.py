"""What the tool may claim about tomorrow: figures from time that the choice has not seen, with intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rulegen.core.outcome import Forecast, Measure, Outcome
from rulegen.core.rule import RuleRef
from rulegen.core.spans import Mask
from rulegen.score.gate import Standing
from rulegen.score.measure import together
from rulegen.score.support import Bursts, cut
from rulegen.score.support import together as joined

Z95 = 1.959964


@dataclass(frozen=True, slots=True, eq=False)
class Unseen:
    """A stretch of time, ``blocks`` [blocks], with the changes chosen without it, and the noise before and after."""

    blocks: Mask
    changes: Mapping[RuleRef, Outcome]
    bursts: Bursts


def forecast(standing: Standing, method: str, unseen: Sequence[Unseen], seed: int) -> Forecast:
    """What the choices do in the time that they have not seen, all stretches of it together.

    Cuts have percentile intervals from resampling whole bursts with ``seed``; the share of caught targets that were
    lost or came late has a Wilson interval.
    """
    measures = [together(standing, one.changes, one.blocks) for one in unseen]
    total = _sum(measures)
    missed, caught = len(total.lost) + len(total.later), total.caught[0]
    bursts = joined([one.bursts for one in unseen])
    return Forecast(
        method,
        total,
        cut(bursts.pages, seed),
        cut(bursts.minutes, seed),
        _wilson(missed, caught),
        bursts=len(bursts),
        folds=tuple(measures) if len(measures) > 1 else (),
    )


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
