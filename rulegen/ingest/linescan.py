"""The plain lines of OpenMetrics text, many at once: a known series, one space, a number, one space, a time.

Compiled; an accelerator of the careful reader in :mod:`rulegen.ingest.openmetrics` and nothing else. Whatever is not
of that shape is left to it, so that what is right and what is wrong is said in one place.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rulegen.promql.rows import kernel

Bytes = NDArray[np.uint8]
Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

# Where a scan stands, by position in its state.
AT, LINE, COUNT, HARD, LATE, PREVIOUS = range(6)
STATE = 6
# A decimal of at most 15 digits and a power of ten of at most 22 are exact doubles, and so is one operation on them
# rounded once (Clinger 1990).
_DIGITS, _POWER = 15, 22
_POWERS = np.array([float(f"1e{power}") for power in range(_POWER + 1)])

_compiled: Any = kernel


@_compiled
def _decimal(data, at, end):  # type: ignore[no-untyped-def] # compiled
    """data[at:end] as a number → (kind, value): 0 not plain, 1 exact, 2 well formed but to be rounded with care."""
    negative = at < end and data[at] == 45
    if negative:
        at += 1
    mantissa, digits, scale, seen, point = np.int64(0), 0, 0, 0, False
    while at < end:
        byte = data[at]
        if 48 <= byte <= 57:
            seen += 1
            if digits or byte != 48:
                digits += 1
                if digits <= 18:
                    mantissa = mantissa * 10 + (byte - 48)
            if point:
                scale -= 1
        elif byte == 46 and not point:
            point = True
        else:
            break
        at += 1
    if seen == 0:
        return 0, 0.0
    if at < end and (data[at] == 101 or data[at] == 69):
        at += 1
        down = at < end and data[at] == 45
        if at < end and (data[at] == 45 or data[at] == 43):
            at += 1
        if at >= end or end - at > 4:
            return 0, 0.0
        power = 0
        while at < end and 48 <= data[at] <= 57:
            power = power * 10 + (data[at] - 48)
            at += 1
        scale += -power if down else power
    if at < end:
        return 0, 0.0
    if digits > _DIGITS or scale > _POWER or scale < -_POWER:
        return 2, 0.0
    value = float(mantissa)
    value = value / _POWERS[-scale] if scale < 0 else value * _POWERS[scale]
    return 1, (-value if negative else value)


@_compiled
def hashed(data, at, end):  # type: ignore[no-untyped-def] # compiled
    """A hash (FNV-1a) of data[at:end]."""
    found = np.uint64(14695981039346656037)
    for position in range(at, end):
        found = (found ^ np.uint64(data[position])) * np.uint64(1099511628211)
    return np.int64(found >> np.uint64(2))


@_compiled
def _same(data, at, arena, begin, length):  # type: ignore[no-untyped-def] # compiled
    for offset in range(length):  # noqa: SIM110 # numba compiles no generator for all()
        if data[at + offset] != arena[begin + offset]:
            return False
    return True


@_compiled
def scan(  # type: ignore[no-untyped-def] # compiled
    data, state, arena, begins, lengths, columns, table, last, latest, ids, times, values, hard, late
):
    """Reads plain lines of ``data`` from ``state[AT]`` until one is not, or the end.

    ``arena`` with ``begins``, ``lengths`` [heads]: the known texts before the value; ``columns`` [heads]: their
    series; ``table``: open addressing, head or -1. ``last`` [series]: latest time, ms. Writes ``ids``, ``times``,
    ``values`` [lines], ``hard`` [lines, 3]: sample, begin and end of a value still to be rounded, ``late``
    [lines, 2]: sample out of order, its line.
    """
    at, line, count, hards, lates, head = state[0], state[1], state[2], state[3], state[4], state[5]
    size, mask = len(data), len(table) - 1
    while at < size:
        after = -1
        if head >= 0:
            length = lengths[head]
            if at + length < size and data[at + length] == 32 and _same(data, at, arena, begins[head], length):
                after = at + length + 1
        end = at if after < 0 else after
        space, before = -1, -1
        while data[end] != 10:
            if data[end] == 32:
                before, space = space, end
            end += 1
        if after >= 0 and before >= 0:
            after = -1  # a longer head than the one before
            space, before = -1, -1
            for position in range(at, end):
                if data[position] == 32:
                    before, space = space, position
        if after < 0:
            if before < 0:
                break
            slot = hashed(data, at, before) & mask
            while table[slot] >= 0:
                known = table[slot]
                if lengths[known] == before - at and _same(data, at, arena, begins[known], before - at):
                    break
                slot = (slot + 1) & mask
            if table[slot] < 0:
                break
            head, after = table[slot], before + 1
        if space < 0:
            break
        kind, value = _decimal(data, after, space)
        if kind == 0 and space - after == 3 and data[after] == 78 and data[after + 1] == 97 and data[after + 2] == 78:
            kind, value = 1, np.nan
        exact, seconds = _decimal(data, space + 1, end)
        if kind == 0 or exact != 1 or abs(seconds) > latest:
            break
        if kind == 2:
            hard[hards, 0], hard[hards, 1], hard[hards, 2] = count, after, space
            hards += 1
        line += 1
        column = columns[head]
        ms = np.int64(np.rint(seconds * 1000.0))
        if ms <= last[column]:
            late[lates, 0], late[lates, 1] = count, line
            lates += 1
        else:
            last[column] = ms
        ids[count], times[count], values[count] = column, ms, value
        count += 1
        at = end + 1
    state[0], state[1], state[2], state[3], state[4], state[5] = at, line, count, hards, lates, head
