"""Durations in Prometheus' notation. Inside rulegen a duration is an int of milliseconds."""

from __future__ import annotations

import re

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEK = 7 * DAY
YEAR = 365 * DAY

_UNITS = {"y": YEAR, "w": WEEK, "d": DAY, "h": HOUR, "m": MINUTE, "s": SECOND, "ms": 1}
# Prometheus, model.ParseDuration: units from large to small, each at most once, whole numbers.
_DURATION = re.compile(r"(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?", re.ASCII)


def parse_duration(text: str) -> int:
    """``"1h30m"`` → 5_400_000 (ms). ``"0"`` is 0.

    Raises ValueError for anything that Prometheus' ``model.ParseDuration`` refuses.
    """
    if text == "0":
        return 0
    match = _DURATION.fullmatch(text)
    if not text or match is None:
        raise ValueError(f"not a duration: {text!r} (write it as Prometheus does: 30s, 5m, 1h30m)")
    return sum(int(n) * unit for n, unit in zip(match.groups(), _UNITS.values(), strict=True) if n)


def format_duration(ms: int) -> str:
    """5_400_000 → ``"1h30m"``. Years and weeks only when exact, as Prometheus' ``Duration.String`` prints them.

    Raises ValueError for a negative duration.
    """
    if ms < 0:
        raise ValueError(f"a duration cannot be negative: {ms} ms")
    if ms == 0:
        return "0s"
    out, rest = [], ms
    for name, unit in _UNITS.items():
        if name in ("y", "w") and rest % unit:
            continue
        count, rest = divmod(rest, unit)
        if count:
            out.append(f"{count}{name}")
    return "".join(out)
