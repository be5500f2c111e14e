"""Named times of the week or year, as Alertmanager's ``time_intervals`` write them."""

from __future__ import annotations

import calendar
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

Range = tuple[int, int]  # both ends included
_DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")


@dataclass(frozen=True, slots=True)
class TimeInterval:
    """A time is inside where every field that is given has a range that holds it (Alertmanager, ``ContainsTime``).

    ``times`` are minutes of the day, the end excluded; ``weekdays`` count from Sunday = 0; ``days_of_month`` from 1,
    or from the end of the month with −1; ``months`` from 1. None: not given, so anything goes. ``location`` is where
    the clock hangs.
    """

    times: tuple[Range, ...] | None = None
    weekdays: tuple[Range, ...] | None = None
    days_of_month: tuple[Range, ...] | None = None
    months: tuple[Range, ...] | None = None
    years: tuple[Range, ...] | None = None
    location: tzinfo = UTC

    def contains(self, time: int) -> bool:
        """Whether ``time`` (ms since the epoch) is inside."""
        at = datetime.fromtimestamp(time // 1000, self.location)
        minute = at.hour * 60 + at.minute
        return (
            (self.times is None or any(start <= minute < end for start, end in self.times))
            and (self.days_of_month is None or self._day_is_in(at, self.days_of_month))
            and _is_in(at.month, self.months)
            and _is_in(at.isoweekday() % 7, self.weekdays)
            and _is_in(at.year, self.years)
        )

    def __str__(self) -> str:
        """``monday:friday 02:00 to 04:00 UTC``; months, years and days of the month in Alertmanager's own form."""
        days = ", ".join(map(days_of_week, self.weekdays)) if self.weekdays else "every day"
        hours = ", ".join(f"{clock(a)} to {clock(b)}" for a, b in self.times) if self.times else "all day"
        fields = ("days_of_month", self.days_of_month), ("months", self.months), ("years", self.years)
        more = "".join(f" {name} {', '.join(f'{a}:{b}' for a, b in spans)}" for name, spans in fields if spans)
        return f"{days} {hours}{more} {self.location}"

    @staticmethod
    def _day_is_in(at: datetime, ranges: Iterable[Range]) -> bool:
        length = calendar.monthrange(at.year, at.month)[1]
        for begin, end in ranges:
            first, last = (day + length + 1 if day < 0 else day for day in (begin, end))
            # A range that begins after the end of the month is skipped; any other is cut to it.
            if first <= length and first <= at.day <= min(last, length):
                return True
        return False


def days_of_week(span: Range) -> str:
    """(1, 5) → ``monday:friday``, (0, 0) → ``sunday``."""
    first, last = span
    return _DAYS[first] if first == last else f"{_DAYS[first]}:{_DAYS[last]}"


def clock(minute: int) -> str:
    """Minute of the day → ``02:30``."""
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _is_in(value: int, ranges: tuple[Range, ...] | None) -> bool:
    return ranges is None or any(begin <= value <= end for begin, end in ranges)
