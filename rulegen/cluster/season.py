"""Is there an hour of the day, or of the week, at which a rule's noise comes?"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from rulegen.core.cluster import Season
from rulegen.core.durations import DAY, HOUR, WEEK
from rulegen.core.spans import Times

WIDTHS = (1, 2, 3, 4, 6, 8)  # hours
LEAST_ROUNDS = {DAY: 7, WEEK: 4}  # days or weeks of history, before anything can be said to recur
LIKELY = 0.01  # after correction for all hours and widths that were looked at
_MONDAY = 4 * DAY  # 1970-01-01 was a Thursday


def season(start: Times, begin: int, end: int) -> Season | None:
    """The likeliest hours of noise that starts at ``start`` [n] in a history from ``begin`` to ``end`` (ms); None
    where nothing recurs.

    Noise comes in runs, and a run that lasts six hours is one piece of evidence and not six: onsets in hours that
    follow one another count once, at the first. That is the number that the binomial test takes.
    """
    found = [one for period in (DAY, WEEK) if (one := _within(start, begin, end, period)) is not None]
    return min(found, key=lambda one: (one.p, one.period), default=None)


def _within(start: Times, begin: int, end: int, period: int) -> Season | None:
    if end - begin < LEAST_ROUNDS[period] * period - HOUR or not len(start):
        return None
    slots = np.unique((start - _MONDAY) // HOUR)
    first = slots[np.concatenate(([True], np.diff(slots) > 1))]
    around = period // HOUR
    by_hour = np.bincount(first % around, minlength=around)
    all_hours = np.arange((begin - _MONDAY) // HOUR, (end - _MONDAY) // HOUR + 1)
    watched = np.bincount(all_hours % around, minlength=around)
    every = np.bincount((start - _MONDAY) // HOUR % around, minlength=around)
    best: Season | None = None
    for width in WIDTHS:
        inside, seen, episodes = (_circular(one, width) for one in (by_hour, watched, every))
        at = int(np.argmax(inside - len(first) * seen / max(1, len(all_hours))))
        likely = _tail(int(inside[at]), len(first), float(seen[at]) / len(all_hours))
        p = min(1.0, likely * around * len(WIDTHS))
        in_hours = (start - _MONDAY) // HOUR
        mine = in_hours[(in_hours - at) % around < width]
        days = len(np.unique((mine - at) // around))
        if p <= LIKELY and (best is None or p < best.p):
            share = float(episodes[at]) / len(start)
            best = Season(period, at, width, share, min(1.0, days / max(1, int(watched[at]))), p)
    return best


def _circular(counts: NDArray[np.int64], width: int) -> NDArray[np.int64]:
    """[hours] the sum of ``width`` hours from each on."""
    twice = np.concatenate(([0], np.cumsum(np.concatenate((counts, counts[:width])))))
    return twice[width : width + len(counts)] - twice[: len(counts)]


def _tail(hits: int, count: int, chance: float) -> float:
    """P(X ≥ ``hits``) of a binomial with ``count`` tries."""
    if hits <= 0 or chance >= 1:
        return 1.0
    low = math.lgamma(count + 1)
    return min(
        1.0,
        sum(
            math.exp(
                low
                - math.lgamma(k + 1)
                - math.lgamma(count - k + 1)
                + k * math.log(chance)
                + (count - k) * math.log1p(-chance)
            )
            for k in range(hits, count + 1)
        ),
    )
