"""Hours of the week that hold noise again and again, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from rulegen.core.durations import DAY, HOUR, MINUTE
from rulegen.core.spans import Mask, Span, Times, intersect
from rulegen.core.timeinterval import Range, TimeInterval

LEAST_DAYS = 3  # on which an hour must have held noise: two are a coincidence
OFTEN = 0.5  # of the days seen
LONGEST = 0.5  # of the time: who is told in the lesser half of it alone is not told
MORE = 3.0  # times the noise of an hour elsewhere: else the noise has no season
MOST = 6
_WEEKDAYS: tuple[tuple[Range, ...] | None, ...] = (None, ((1, 5),), ((0, 0), (6, 6)), *(((d, d),) for d in range(7)))


def quiet_hours(noise: Times, incidents: Sequence[Span], known: Sequence[Span]) -> tuple[TimeInterval, ...]:
    """Times of the day, of every day, of working days, of weekends or of one weekday, in UTC and whole hours.

    ``noise`` [n] are the starts of noisy firings (ms), of which those within ``known`` count. An interval's hours
    each held noise on at least ``LEAST_DAYS`` days and on every second one, much more than other hours do, and no
    incident touched them; together they are at most half of the week. Those with most noise come first; of two with
    the same noise the shorter.
    """
    if not known:
        return ()
    first = min(span.start for span in known) // DAY
    days = max(span.end for span in known) // DAY - first + 1
    seen = _hours(known, first, days) >= HOUR // 2  # [days, 24]
    wrong = _hours(intersect(incidents, known), first, days) > 0
    counts = np.zeros((days, 24), dtype=np.int64)
    at = noise[(noise >= first * DAY) & (noise < (first + days) * DAY)] - first * DAY
    np.add.at(counts, (at // DAY, at % DAY // HOUR), 1)
    counts *= seen
    weekday = (np.arange(first, first + days) + 4) % 7  # 1970-01-01 was a Thursday; Sunday is 0
    found: list[tuple[int, int, TimeInterval]] = []  # minus the noise held, hours a history, interval
    for allowed in _WEEKDAYS:
        on = np.array([allowed is None or any(a <= day <= b for a, b in allowed) for day in weekday])
        share = 1.0 if allowed is None else sum(last - first + 1 for first, last in allowed) / 7
        for run in _runs(_noisy(counts, seen, wrong, on)):
            if len(run) / 24 * share > LONGEST:
                continue
            held = int(counts[on][:, run].sum())
            found.append((-held, int(on.sum()) * len(run), TimeInterval(times=_ranges(run), weekdays=allowed)))
    found.sort(key=lambda one: one[:2])
    return tuple(interval for _, _, interval in found[:MOST])


def _noisy(counts: NDArray[np.int64], seen: Mask, wrong: Mask, on: Mask) -> Mask:
    """[24] which hours of the days ``on`` [days] are quiet hours."""
    if not on.any():
        return np.zeros(24, dtype=np.bool_)
    support, observed = (counts[on] > 0).sum(axis=0), seen[on].sum(axis=0)
    enough = (support >= LEAST_DAYS) & (support >= OFTEN * observed) & ~wrong[on].any(axis=0)
    # The other hours are those of all days: what is noisy all day on Sundays alone has a season too.
    inside = on[:, None] & enough[None, :]
    elsewhere = counts[seen & ~inside].sum() / max(1, (seen & ~inside).sum())
    hourly = counts[on].sum(axis=0) / np.maximum(1, observed)
    noisy: Mask = enough & (hourly >= MORE * elsewhere) & (seen & ~inside).any()
    return noisy


def _hours(spans: Sequence[Span], first: int, days: int) -> NDArray[np.int64]:
    """[days, 24] how many ms of each hour lie in ``spans``."""
    held = np.zeros(days * 24, dtype=np.int64)
    for span in spans:
        start, end = span.start - first * DAY, span.end - first * DAY + 1
        low, high = max(0, start // HOUR), min(len(held), -(-end // HOUR))
        hours = np.arange(low, high) * HOUR
        held[low:high] += np.minimum(end, hours + HOUR) - np.maximum(start, hours)
    return held.reshape(days, 24)


def _runs(hours: Mask) -> Iterator[list[int]]:
    """Runs of hours that follow one another, around midnight too; the hours of each in their order."""
    if not hours.any():
        return
    if hours.all():
        yield list(range(24))
        return
    begin = next(hour for hour in range(24) if not hours[hour])
    run: list[int] = []
    for hour in [*range(begin, 24), *range(begin + 1)]:
        if hours[hour]:
            run.append(hour)
        elif run:
            yield run
            run = []


def _ranges(run: Sequence[int]) -> tuple[Range, ...]:
    """Minutes of the day; a run through midnight is two ranges."""
    hour = HOUR // MINUTE
    if run[0] <= run[-1]:
        return ((run[0] * hour, (run[-1] + 1) * hour),)
    return ((0, (run[-1] + 1) * hour), (run[0] * hour, 24 * hour))
