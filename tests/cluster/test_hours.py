"""Quiet hours: noise that comes again and again, and no incident."""

from __future__ import annotations

import numpy as np
import pytest

from rulegen.cluster.hours import quiet_hours
from rulegen.core.durations import DAY, HOUR, MINUTE
from rulegen.core.spans import Span
from rulegen.core.timeinterval import TimeInterval

MONDAY = 4 * DAY  # 1970-01-05
ALL = [Span(MONDAY, MONDAY + 28 * DAY)]


def at(*days_and_hours: tuple[int, float]) -> np.ndarray:
    """Noise at an hour of days counted from a Monday."""
    return np.array(sorted(MONDAY + day * DAY + int(hour * HOUR) for day, hour in days_and_hours), dtype=np.int64)


NIGHTS = [(day, hour) for day in range(28) for hour in (2.2, 3.6)]


def test_hours_of_every_day() -> None:
    assert quiet_hours(at(*NIGHTS), [], ALL)[0] == TimeInterval(times=((120, 240),))


def test_the_narrowest_that_holds_all_of_it_comes_first() -> None:
    working = [(day, 2.2) for day in range(28) if day % 7 < 5]
    assert quiet_hours(at(*working), [], ALL)[0] == TimeInterval(times=((120, 180),), weekdays=((1, 5),))
    sundays = [(day, 2.2) for day in range(28) if day % 7 == 6]
    assert quiet_hours(at(*sundays), [], ALL)[0] == TimeInterval(times=((120, 180),), weekdays=((0, 0),))


def test_around_midnight() -> None:
    late = [(day, hour) for day in range(28) for hour in (23.5, 0.3)]
    assert quiet_hours(at(*late), [], ALL)[0] == TimeInterval(times=((0, 60), (1380, 1440)))


def test_an_hour_that_an_incident_touches_is_not_quiet() -> None:
    """Half an hour of one night: that hour is out, the other stays."""
    start = MONDAY + 9 * DAY + 2 * HOUR + 50 * MINUTE
    found = quiet_hours(at(*NIGHTS), [Span(start, start + 5 * MINUTE)], ALL)
    assert found[0] == TimeInterval(times=((180, 240),))
    touched = [one for one in found if one.contains(start)]
    assert not touched
    # Outside the time that is looked at it is not known yet.
    assert quiet_hours(at(*NIGHTS), [Span(start + 60 * DAY, start + 61 * DAY)], ALL)[0].contains(start)


@pytest.mark.parametrize(
    "noise",
    [
        [(3, 2.2), (10, 2.3)],  # two days are no season
        [(day, hour + 0.5) for day in range(28) for hour in range(24)],  # always
        [(day, 2.2) for day in range(0, 28, 3)],  # every third night, whichever weekday
        [],
    ],
)
def test_what_has_no_season(noise: list[tuple[int, float]]) -> None:
    assert quiet_hours(at(*noise), [], ALL) == ()


def test_nothing_is_known_without_time_and_noise_outside_it_does_not_count() -> None:
    assert quiet_hours(at(*NIGHTS), [], []) == ()
    assert quiet_hours(at(*NIGHTS), [], [Span(MONDAY, MONDAY + 2 * DAY)]) == ()


def test_most_of_the_week_is_not_muted() -> None:
    """All incidents came between five and eight: to be told in these three hours alone is not to be told."""
    noise = at(*((day, hour + 0.5) for day in range(28) for hour in range(24) if not 5 <= hour < 8))
    incidents = [Span(MONDAY + day * DAY + 6 * HOUR, MONDAY + day * DAY + 7 * HOUR) for day in range(28)]
    assert quiet_hours(noise, incidents, ALL) == ()
    nights = at(*((day, hour + 0.5) for day in range(28) for hour in range(24) if not 7 <= hour < 19))
    assert quiet_hours(nights, incidents, ALL)[0] == TimeInterval(times=((0, 360), (1140, 1440)))
