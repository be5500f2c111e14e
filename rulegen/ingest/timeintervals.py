"""Alertmanager's notation of time intervals, as pydantic models (``timeinterval/timeinterval.go``)."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, tzinfo
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator

from rulegen.core.timeinterval import Range, TimeInterval

_TIME = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00", re.ASCII)
_DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_MONTHS = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)


def _range(member: Callable[[str], int]) -> Callable[[object], Range]:
    def read(value: object) -> Range:
        if not isinstance(value, str):
            raise ValueError("should be a single value or first:last")
        parts = value.lower().split(":")
        if len(parts) > 2:
            raise ValueError(f"not a range: {value!r} (write first:last)")
        begin, end = member(parts[0]), member(parts[-1])
        return begin, end

    return read


def _rising(read: Callable[[object], Range], what: str) -> Callable[[object], Range]:
    def checked(value: object) -> Range:
        begin, end = read(value)
        if begin > end:
            raise ValueError(f"the end of {value!r} is before its start; {what} cannot wrap around")
        return begin, end

    return checked


def _weekday(text: str) -> int:
    if text not in _DAYS:
        raise ValueError(f"{text!r} is not a weekday (sunday … saturday)")
    return _DAYS.index(text)


def _whole(text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        raise ValueError(f"{text!r} is not a whole number")
    return int(text)


def _month(text: str) -> int:
    return _MONTHS.index(text) + 1 if text in _MONTHS else _whole(text)


def _days_of_month(value: object) -> Range:
    begin, end = _range(_whole)(value)
    for day in (begin, end):
        if day == 0 or not -31 <= day <= 31:
            raise ValueError(f"{day} is not a day of the month (1 to 31, or −31 to −1 from its end)")
    if begin < 0 < end:
        raise ValueError("the end day must be negative if the start day is")
    # In the shortest month; longer ones can only make more room.
    if (begin if begin > 0 else 28 + begin) > (end if end > 0 else 28 + end):
        raise ValueError(f"the end day {end} is always before the start day {begin}")
    return begin, end


def _minute(value: object) -> int:
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise ValueError(f"not a time of day: {value!r} (write HH:MM, up to 24:00)")
    return int(value[:2]) * 60 + int(value[3:])


def _location(value: object) -> tzinfo:
    try:
        return ZoneInfo(str(value)) if value not in (None, "", "UTC") else UTC
    except (KeyError, ValueError, OSError):
        raise ValueError(f"unknown location {value!r} (or this machine has no time zone database)") from None


class Times(BaseModel):
    model_config = ConfigDict(extra="forbid")
    start_time: Annotated[int, BeforeValidator(_minute)]
    end_time: Annotated[int, BeforeValidator(_minute)]

    @model_validator(mode="after")
    def _in_order(self) -> Times:
        if self.start_time >= self.end_time:
            raise ValueError("start_time must be before end_time; write two ranges to go past midnight")
        return self


Weekdays = Annotated[Range, BeforeValidator(_rising(_range(_weekday), "weekdays"))]
DaysOfMonth = Annotated[Range, BeforeValidator(_days_of_month)]
Months = Annotated[Range, BeforeValidator(_rising(_range(_month), "months"))]
Years = Annotated[Range, BeforeValidator(_rising(_range(_whole), "years"))]


class Interval(BaseModel):
    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
    times: list[Times] | None = None
    weekdays: list[Weekdays] | None = None
    days_of_month: list[DaysOfMonth] | None = None
    months: list[Months] | None = None
    years: list[Years] | None = None
    location: Annotated[tzinfo, BeforeValidator(_location)] = UTC

    def noun(self) -> TimeInterval:
        def ranges(of: list[Range] | None) -> tuple[Range, ...] | None:
            return None if of is None else tuple(of)

        return TimeInterval(
            times=None if self.times is None else tuple((one.start_time, one.end_time) for one in self.times),
            weekdays=ranges(self.weekdays),
            days_of_month=ranges(self.days_of_month),
            months=ranges(self.months),
            years=ranges(self.years),
            location=self.location,
        )
