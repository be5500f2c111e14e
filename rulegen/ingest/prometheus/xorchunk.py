"""Prometheus' XOR chunks (after Facebook's Gorilla) → times and values; compiled.

A chunk is a big-endian uint16 with the number of samples, then a stream of bits, most significant first
(tsdb/chunkenc/xor.go). First sample: time as zigzag varint, value as 64 bits. Second: time minus the first's as
uvarint, then the value as below. Each further one: the change of that difference, in 14, 17, 20 or 64 bits behind the
prefix 10, 110, 1110 or 1111 (0: no change), then the value. A value is 0 (the same again), or its XOR with the one
before: 10 and the bits within the window of the last XOR that wrote one, or 11, the number of leading zeros (5 bits),
of significant bits (6; 0 is 64) and those.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rulegen.core.series import Values
from rulegen.core.spans import Times
from rulegen.promql.rows import kernel

HEADER = 2  # bytes
_compiled: Any = kernel
_FITS, _SHORT, _WRONG = 0, 1, 2
_SAID = {_SHORT: "a chunk ends before its last sample", _WRONG: "a chunk holds bits that mean nothing"}


def decode(data: bytes | memoryview) -> tuple[Times, Values]:
    """The samples of one chunk as they are stored, NaN payloads kept: times [n] in ms, values [n].

    Raises ValueError for bytes that are no chunk. Nothing larger than the bytes can hold is allocated.
    """
    if len(data) < HEADER:
        raise ValueError(_SAID[_SHORT])
    count = int.from_bytes(data[:HEADER], "big")
    if count > 4 * len(data):  # two bits are the least a sample takes
        raise ValueError(_SAID[_SHORT])
    times, values = np.empty(count, np.int64), np.empty(count, np.uint64)
    wrong = _decode(np.frombuffer(data, np.uint8), times, values)
    if wrong:
        raise ValueError(_SAID[wrong])
    return times, values.view(np.float64)


@_compiled
def _bits(data, at, count):  # type: ignore[no-untyped-def] # compiled
    """``count`` (1 to 64) bits from bit ``at`` on, which are there."""
    found = np.uint64(0)
    while count > 0:
        left = 8 - (at & 7)  # bits of this byte that are not read yet
        taken = min(left, count)
        part = (np.int64(data[at >> 3]) >> (left - taken)) & ((1 << taken) - 1)
        found = (found << np.uint64(taken)) | np.uint64(part)
        at += taken
        count -= taken
    return found


@_compiled
def _varint(data, at, end):  # type: ignore[no-untyped-def] # compiled
    """A uvarint at bit ``at`` → (value, bit behind it); the bit is −1 where the bytes end, −2 above 64 bits."""
    value = np.uint64(0)
    for byte in range(10):
        if at + 8 > end:
            return value, -1
        part = _bits(data, at, 8)
        at += 8
        if byte == 9 and part > 1:
            return value, -2
        value |= (part & np.uint64(127)) << np.uint64(7 * byte)
        if part < 128:
            return value, at
    return value, -2


@_compiled
def _decode(data, times, values):  # type: ignore[no-untyped-def] # compiled
    """Fills ``times`` and ``values`` (bit patterns) from ``data``; returns one of _FITS, _SHORT, _WRONG."""
    at, end = 8 * HEADER, 8 * len(data)
    time, delta, value = np.int64(0), np.int64(0), np.uint64(0)
    leading, significant = np.int64(0), np.int64(64)  # where no window was written yet, Prometheus reads all 64 bits
    for n in range(len(times)):
        if n < 2:
            raw, at = _varint(data, at, end)
            if at < 0:
                return _SHORT if at == -1 else _WRONG
            if n == 0:
                time = np.int64(raw >> np.uint64(1)) ^ -np.int64(raw & np.uint64(1))
                if at + 64 > end:
                    return _SHORT
                value = _bits(data, at, 64)
                at += 64
            else:
                delta = np.int64(raw)
                time += delta
        else:
            ones = 0
            while ones < 4:
                if at >= end:
                    return _SHORT
                bit = _bits(data, at, 1)
                at += 1
                if bit == 0:
                    break
                ones += 1
            if ones:
                size = 14 if ones == 1 else 17 if ones == 2 else 20 if ones == 3 else 64
                if at + size > end:
                    return _SHORT
                change = np.int64(_bits(data, at, size))
                at += size
                if size < 64 and change > (1 << (size - 1)):  # the most positive number is written, too
                    change -= 1 << size
                delta += change
            time += delta
        if n > 0:
            if at >= end:
                return _SHORT
            changed = _bits(data, at, 1)
            at += 1
            if changed:
                if at >= end:
                    return _SHORT
                fresh = _bits(data, at, 1)
                at += 1
                if fresh:
                    if at + 11 > end:
                        return _SHORT
                    leading = np.int64(_bits(data, at, 5))
                    significant = np.int64(_bits(data, at + 5, 6))
                    at += 11
                    if significant == 0:
                        significant = np.int64(64)
                    if leading + significant > 64:
                        return _WRONG
                if at + significant > end:
                    return _SHORT
                value ^= _bits(data, at, significant) << np.uint64(np.int64(64) - leading - significant)
                at += int(significant)
        times[n], values[n] = time, value
    return _FITS
