"""Functions of how a value moves within a window: rate, increase, delta, irate and idelta."""

from __future__ import annotations

import numpy as np

from rulegen.core.semantics import Semantics
from rulegen.core.series import Values
from rulegen.core.spans import Mask, Times
from rulegen.promql.block import Index, Range
from rulegen.promql.matrix import Matrix
from rulegen.promql.over_time import longest, measured, moved
from rulegen.promql.rows import inlined, item, kernel


def rate(of: Range, semantics: Semantics) -> Matrix:
    return _extrapolated(of, semantics, counter=True, per_second=True)


def increase(of: Range, semantics: Semantics) -> Matrix:
    return _extrapolated(of, semantics, counter=True, per_second=False)


def delta(of: Range, semantics: Semantics) -> Matrix:
    return _extrapolated(of, semantics, counter=False, per_second=False)


def _extrapolated(of: Range, semantics: Semantics, *, counter: bool, per_second: bool) -> Matrix:
    divisor = of.length / 1000 if per_second else 1.0
    return measured(of, _moves, of.length, counter, divisor, semantics == "closed")


@inlined
def _limited(gap: float, between: float) -> float:
    """A gap to the window's edge that is much wider than a sampling interval is taken for half an interval."""
    return between / 2 if gap >= between * 1.1 else gap


@kernel
def _moves(
    begin: int, end: int, offsets: Index, when: Times, what: Values, first: Times, last: Times,
    values: Values, present: Mask, length: int, counter: bool, divisor: float, zero_first: bool,
) -> None:  # fmt: skip
    """Prometheus, promql/functions.go: extrapolatedRate. Times in seconds.

    Where samples are as far from the window's edges as they were a step before, as regular scraping has it, so is
    the factor that extrapolates: its divisions are done anew only where something has moved.
    """
    fell = np.empty(longest(begin, end, offsets), dtype=np.int64)  # samples before which the counter was reset
    for row in range(begin, end):
        found, here = values[row], present[row]
        i = j = begins = offsets[row]
        stop = offsets[row + 1]
        head = tail = 0
        since_first = since_last = samples = -1  # what the factor was worked out for
        sampled = between = to_start = to_end = factor = 0.0
        for step in range(len(first)):
            now = last[step]
            i = moved(i, stop, when, first[step])
            j = max(i, j)
            while j < stop and item(when, j) <= now:
                if counter and j > begins and item(what, j) < item(what, j - 1):
                    fell[tail] = j
                    tail += 1
                j += 1
            while head < tail and fell[head] <= i:
                head += 1
            here[step] = j > i + 1
            if j <= i + 1:
                found[step] = 0.0
                continue
            after_first, after_last = now - item(when, i), now - item(when, j - 1)
            if since_first != after_first or since_last != after_last or samples != j - i:
                since_first, since_last, samples = after_first, after_last, j - i
                sampled = (since_first - since_last) / 1000
                between = sampled / (samples - 1)
                to_start = (length - since_first) / 1000
                to_end = _limited(since_last / 1000, between)
                factor = (sampled + _limited(to_start, between) + to_end) / sampled / divisor
            before = item(what, i)
            moves = item(what, j - 1) - before
            for k in range(head, tail):
                moves += what[fell[k] - 1]
            rise = moves * factor
            # A counter cannot have been negative: never extrapolate to before it was zero. Prometheus looked at this
            # before the limit of half an interval up to 2.51, and after it since (prometheus/prometheus#13725).
            # Where the first value is larger than the move, zero lies further away than any limit.
            if counter and moves > 0 and 0 <= before < 1.2 * moves:
                to_zero = sampled * (before / moves)
                if zero_first:
                    back = _limited(min(to_zero, to_start), between)
                else:
                    back = min(to_zero, _limited(to_start, between))
                rise = moves * ((sampled + back + to_end) / sampled / divisor)
            found[step] = rise


def irate(of: Range) -> Matrix:
    return measured(of, _last_two, True)


def idelta(of: Range) -> Matrix:
    return measured(of, _last_two, False)


@kernel
def _last_two(
    begin: int, end: int, offsets: Index, when: Times, what: Values, first: Times, last: Times,
    values: Values, present: Mask, per_second: bool,
) -> None:  # fmt: skip
    for row in range(begin, end):
        i = j = offsets[row]
        stop = offsets[row + 1]
        for step in range(len(first)):
            i = moved(i, stop, when, first[step])
            j = moved(max(i, j), stop, when, last[step] + 1)
            present[row, step] = j > i + 1
            found = 0.0
            if j > i + 1:
                before, after = what[j - 2], what[j - 1]
                found = after - before
                if per_second:
                    apart = (when[j - 1] - when[j - 2]) / 1000
                    found = (after if after < before else found) / apart
            values[row, step] = found
