"""Written times → int milliseconds since the epoch."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from rulegen.core.durations import MINUTE

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LAST_SECOND = 253_402_300_799  # 9999-12-31T23:59:59Z: RFC 3339 writes four digits of a year

_UNIX = re.compile(r"[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?", re.ASCII)
_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:[.,](\d+))?\s*(?:([Zz])|([+-])(\d\d):?(\d\d))?", re.ASCII
)


def parse_time(text: str) -> int:
    """Unix seconds (``1661140434``, ``1661140434.5``) or RFC 3339 → ms. A time without an offset is UTC.

    Raises ValueError, with what is wrong, for anything else and for times outside the years 1 to 9999.
    """
    text = text.strip()
    if not _UNIX.fullmatch(text):
        return parse_rfc3339(text)
    seconds = float(text)
    if abs(seconds) > LAST_SECOND:
        hint = "; Unix times are seconds here, this looks like milliseconds" if abs(seconds) < 1e15 else ""
        raise ValueError(f"time {text} is after the year 9999{hint}")
    return round(seconds * 1000)


def parse_rfc3339(text: str) -> int:
    """``2024-05-01T10:00:00.123456789+02:00`` → ms, rounded down. Without an offset it is UTC.

    Raises ValueError, with what is wrong.
    """
    match = _RFC3339.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"not a time: {text!r} (write Unix seconds or RFC 3339, as 2024-05-01T10:00:00Z)")
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError as error:
        raise ValueError(f"not a time: {text!r} ({error})") from None
    fraction, _, sign, hours, minutes = match.groups()[6:]
    ms = (moment - _EPOCH) // timedelta(milliseconds=1)
    if fraction:
        ms += int(fraction[:3].ljust(3, "0"))
    if sign:
        if int(hours) > 23 or int(minutes) > 59:
            raise ValueError(f"not a time: {text!r} (its offset is out of range)")
        offset = (int(hours) * 60 + int(minutes)) * MINUTE
        ms -= offset if sign == "+" else -offset
    return ms
