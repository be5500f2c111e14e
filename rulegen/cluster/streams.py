"""Streams of episodes as columns, mended: what ends before it starts, overlaps, comes twice or has a clock gone
astray."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rulegen.core.alert import Episode
from rulegen.core.durations import DAY, WEEK, YEAR
from rulegen.core.labels import Labels
from rulegen.core.outcome import Firings
from rulegen.core.spans import Mask, Times
from rulegen.promql.rows import kernel

Numbers = NDArray[np.int64]

MAIN = 0.99  # the share of the starts that says when the history was
FAR = 10  # lengths of the history's main part (at least a day) beyond it: no clock is off by that and right
LEAST, ENOUGH = 3, 200  # starts, from which one alone may be astray; from which days tell, where else it takes years
_CLIP = 2**60  # ms: so that no sum of two times overflows


@dataclass(frozen=True, slots=True)
class Repairs:
    """How many episodes had to be mended or left out.

    ``backwards`` ended before they started and are taken as one instant. ``astray`` started so far from all others
    that a clock must have jumped; they are left out. ``endless`` ended so far after all others, and are taken to
    end with them. ``duplicates`` were there already, to the millisecond. ``overlapping`` began while an episode of
    the same label set still lasted, and are one with it.
    """

    backwards: int = 0
    astray: int = 0
    endless: int = 0
    duplicates: int = 0
    overlapping: int = 0

    def __bool__(self) -> bool:
        return any((self.backwards, self.astray, self.endless, self.duplicates, self.overlapping))


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """Episodes as columns [n], sorted by label set and then by start; those of one label set are apart.

    ``name`` and ``series`` are numbers of alert names and of label sets; ``start`` and ``end`` ms, ``end`` ≥
    ``start``. ``origin`` [n] is where each stood in the input (the first, where several are one): the link to the
    alerts.
    """

    name: Numbers
    series: Numbers
    start: Times
    end: Times
    origin: Numbers
    repairs: Repairs

    def __len__(self) -> int:
        return len(self.start)

    @classmethod
    def of(cls, name: Numbers, series: Numbers, start: Times, end: Times) -> Stream:
        """From columns [n] of int64 in any order and condition. Raises ValueError when they differ in length."""
        if not len(name) == len(series) == len(start) == len(end):
            raise ValueError(f"columns differ in length: {len(name)}, {len(series)}, {len(start)}, {len(end)}")
        start, end = np.clip(start, -_CLIP, _CLIP), np.clip(end, -_CLIP, _CLIP)
        low, high = believed(start)
        kept = np.flatnonzero((start >= low) & (start <= high))
        backwards = end[kept] < start[kept]
        endless = end[kept] > min(high, _last_end(start[kept], np.maximum(start[kept], end[kept])))
        end = np.where(backwards, start[kept], end[kept])
        if endless.any():
            end[endless] = max(int(start[kept].max()), int(end[~endless].max(initial=0)))
        start, series = start[kept], series[kept]
        order = np.lexsort((end, start, series))
        series, start, end = series[order], start[order], end[order]
        again = np.zeros(len(order), dtype=np.bool_)
        again[1:] = (np.diff(series) == 0) & (np.diff(start) == 0) & (np.diff(end) == 0)
        fresh, last = _merged(series, start, end)
        return cls(
            name[kept[order[fresh]]],
            series[fresh],
            start[fresh],
            last,
            kept[order[fresh]],
            Repairs(
                backwards=int(backwards.sum()),
                astray=len(name) - len(kept),
                endless=int(endless.sum()),
                duplicates=int(again.sum()),
                overlapping=int((~fresh & ~again).sum()),
            ),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Named:
    """A stream with what its numbers stand for: ``names`` [names] and ``labels`` [label sets]."""

    stream: Stream
    names: tuple[str, ...]
    labels: tuple[Labels, ...]

    @classmethod
    def of(cls, episodes: Iterable[Episode]) -> Named:
        """From episodes in any order."""
        names: dict[str, int] = {}
        labels: dict[Labels, int] = {}
        rows = [
            (
                names.setdefault(one.name, len(names)),
                labels.setdefault(one.labels, len(labels)),
                one.span.start,
                one.span.end,
            )
            for one in episodes
        ]
        columns = np.array(rows, dtype=np.int64).reshape(-1, 4).T
        return cls(Stream.of(*columns), tuple(names), tuple(labels))

    @classmethod
    def of_firings(cls, rules: Sequence[tuple[str, Firings]]) -> Named:
        """From the firings of rules, each under the name given with it. ``name`` is the rule's position."""
        shift = np.cumsum([0, *(len(firings.labels) for _, firings in rules)])
        none = [np.zeros(0, dtype=np.int64)]
        series = np.concatenate([f.series + by for (_, f), by in zip(rules, shift, strict=False)] or none)
        name = np.repeat(np.arange(len(rules)), [len(f) for _, f in rules])
        start, end = (np.concatenate([getattr(f, what) for _, f in rules] or none) for what in ("start", "end"))
        labels = tuple(one for _, firings in rules for one in firings.labels)
        return cls(Stream.of(name, series, start, end), tuple(name for name, _ in rules), labels)


def believed(start: Times) -> tuple[int, int]:
    """The times (first, last) between which those of ``start`` [n], in any order, are believed."""
    if not len(start):
        return 0, 0
    beyond = max(1, int(len(start) * (1 - MAIN) / 2)) if len(start) >= LEAST else 0  # at either end
    low, high = (int(one) for one in np.partition(start, [beyond, -1 - beyond])[[beyond, -1 - beyond]])
    far = FAR * max(DAY if len(start) >= ENOUGH else YEAR, high - low)
    return low - far, high + far


def _last_end(start: Times, end: Times) -> int:
    """The time up to which ends are believed, of episodes [n] in any order whose starts are.

    No alert outlasts all others by more than the others' whole history (at least a week). Where starts are many they
    say how long that is; of a few, a tenth of the ends (at least one) may be astray.
    """
    if len(start) < LEAST:
        return _CLIP
    rest = int(start.max())
    if len(start) < ENOUGH:
        at = -1 - max(1, len(end) // 10)
        rest = max(rest, int(np.partition(end, at)[at]))
    return rest + max(WEEK, rest - int(start.min()))


def _merged(series: Numbers, start: Times, end: Times) -> tuple[Mask, Times]:
    """([n] whether an episode begins anew, [new] when each ends) of columns sorted by series and start."""
    fresh = np.zeros(len(start), dtype=np.bool_)
    last = np.zeros(len(start), dtype=np.int64)
    count = int(_merge(series, start, end, fresh, last))
    return fresh, last[:count]


@kernel
def _merge(series: Numbers, start: Times, end: Times, fresh: Mask, last: Times) -> int:
    count = 0
    for i in range(len(start)):
        if i == 0 or series[i] != series[i - 1] or start[i] > last[count - 1]:
            fresh[i] = True
            last[count] = end[i]
            count += 1
        else:
            last[count - 1] = max(last[count - 1], end[i])
    return count
