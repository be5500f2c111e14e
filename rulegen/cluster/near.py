"""Onsets in time and place, and what began shortly before each: the counting under :mod:`rulegen.cluster.lagged`.

Everything walks back from an onset over at most ``MOST_SEEN`` earlier ones, so that time is n·log n however crowded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rulegen.core.spans import Times
from rulegen.promql.rows import kernel

Numbers = NDArray[np.int64]
Values = NDArray[np.float64]

MOST_SEEN = 256  # earlier onsets looked at for one onset, over all places near it


@dataclass(frozen=True, slots=True, eq=False)
class Onsets:
    """Onsets sorted by place and time, each (place, time, kind) once.

    ``kind``, ``place``, ``time`` [n]; ``place_at`` [places + 1] is where each place's onsets begin. ``near``
    [near_at[p] : near_at[p + 1]] are the places whose onsets may bear on place p, itself among them. ``reaches``
    [places] counts the places that a place's onsets bear on. ``rows`` [kind_at[k] : kind_at[k + 1]] are the onsets
    of kind k.
    """

    kinds: int
    kind: Numbers
    place: Numbers
    time: Times
    place_at: Numbers
    near_at: Numbers
    near: Numbers
    reaches: Numbers
    kind_at: Numbers
    rows: Numbers
    begin: int
    end: int

    @property
    def places(self) -> int:
        return len(self.place_at) - 1

    @classmethod
    def of(
        cls,
        kind: Numbers,
        place: Numbers | None,
        time: Times,
        *,
        kinds: int,
        neighbours: Sequence[Sequence[int]] | None = None,
    ) -> Onsets:
        """From columns [n] in any order. ``place`` None is one place for all; ``neighbours`` None is a place on its
        own, else the places next to each, one sequence a place."""
        place = np.zeros(len(kind), dtype=np.int64) if place is None else place
        order = np.lexsort((kind, time, place))
        kind, place, time = kind[order], place[order], time[order]
        fresh = np.ones(len(kind), dtype=np.bool_)
        fresh[1:] = (np.diff(kind) != 0) | (np.diff(time) != 0) | (np.diff(place) != 0)
        kind, place, time = kind[fresh], place[fresh], time[fresh]
        places = max(int(place[-1]) + 1 if len(place) else 1, len(neighbours or ()))
        near = [{one} for one in range(places)] if neighbours else []
        for here, around in enumerate(neighbours or ()):
            near[here].update(around)
        flat = [one for some in near for one in sorted(some)] if neighbours else range(places)
        near_at = np.cumsum([0, *map(len, near)]) if neighbours else np.arange(places + 1)
        rows = np.lexsort((time, kind))
        return cls(
            kinds,
            kind,
            place,
            time,
            np.searchsorted(place, np.arange(places + 1)),
            near_at.astype(np.int64),
            np.array(flat, dtype=np.int64),
            np.bincount(np.array(flat, dtype=np.int64), minlength=places),
            np.searchsorted(kind[rows], np.arange(kinds + 1)),
            rows,
            int(time.min()) if len(time) else 0,
            int(time.max()) if len(time) else 0,
        )

    def counts(self) -> Numbers:
        """[kinds] onsets of each kind."""
        return np.diff(self.kind_at)

    def exposure(self, scale: float, reach: int) -> Values:
        """[kinds] what the decaying traces of all onsets of a kind sum up to, over all places they bear on and the
        time until the history ends."""
        left = np.minimum(self.end - self.time, reach)
        mass = (1 - np.exp(-left / scale)) * self.reaches[self.place]
        return np.bincount(self.kind, weights=mass, minlength=self.kinds).astype(np.float64)

    def before(
        self, rows: Numbers, rows_at: Numbers, reach: int, least: int
    ) -> tuple[Numbers, Numbers, Numbers, int]:
        """Pairs of kinds that come near: (first, then, count), where ``count`` ≥ ``least`` of the onsets ``rows``
        [rows_at[then] : rows_at[then + 1]] have one of ``first`` less than ``reach`` ms before. And how many pairs
        came near at all."""
        first, then, count, pairs = _before(
            self.kind,
            self.place,
            self.time,
            self.place_at,
            self.near_at,
            self.near,
            rows,
            rows_at,
            reach,
            least,
            self.kinds,
        )
        return first, then, count, int(pairs)

    def traces(self, rows: Numbers, columns: Numbers, width: int, scale: float, reach: int) -> Values:
        """[rows, width] for each onset the sum of exp(−age / scale) / scale over the earlier onsets near it, by the
        column that ``columns`` [kinds] gives their kind (−1: left out)."""
        found: Values = _traces(
            self.kind,
            self.place,
            self.time,
            self.place_at,
            self.near_at,
            self.near,
            rows,
            columns,
            width,
            scale,
            reach,
        )
        return found

    def within(self, rows: Numbers, kind: int, first: int, last: int) -> Values:
        """[rows] onsets of ``kind`` near each, from ``first`` to ``last`` ms after it (negative: before it)."""
        own = np.sort(self.rows[self.kind_at[kind] : self.kind_at[kind + 1]])  # by place and time
        found: Values = _within(
            self.place, self.time, self.near_at, self.near, rows, self.place[own], self.time[own], first, last
        )
        return found

    def exposed_around(self, kind: int, width: int) -> float:
        """What :meth:`within` from −``width`` to ``width``, per ms, sums up to over time and places."""
        own = self.rows[self.kind_at[kind] : self.kind_at[kind + 1]]
        time = self.time[own]
        seen = np.minimum(time + width, self.end) - np.maximum(time - width, self.begin)
        return float((seen * self.reaches[self.place[own]]).sum()) / (2 * width)

    def lags(self, rows: Numbers, first: int, reach: int) -> Numbers:
        """[rows] ms since the latest onset of ``first`` before each; −1 where none began within ``reach``."""
        found: Numbers = _lags(
            self.kind, self.place, self.time, self.place_at, self.near_at, self.near, rows, first, reach
        )
        return found


@kernel
def _position(time: Times, low: int, high: int, at: int) -> int:
    """The first index in [low, high) whose time is not before ``at``."""
    while low < high:
        middle = (low + high) // 2
        if time[middle] < at:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def _ranked(place: Numbers, time: Times, here: int, at: int) -> int:
    """The first index that is not before (``here``, ``at``)."""
    low, high = 0, len(place)
    while low < high:
        middle = (low + high) // 2
        if place[middle] < here or (place[middle] == here and time[middle] < at):
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def _within(
    place: Numbers,
    time: Times,
    near_at: Numbers,
    near: Numbers,
    rows: Numbers,
    places: Numbers,
    times: Times,
    first: int,
    last: int,
) -> Values:
    out = np.zeros(len(rows))
    for at in range(len(rows)):
        now, here = time[rows[at]], place[rows[at]]
        for j in range(near_at[here], near_at[here + 1]):
            low = _ranked(places, times, near[j], now + first)
            out[at] += _ranked(places, times, near[j], now + last + 1) - low
    return out


@kernel
def _before(
    kind: Numbers,
    place: Numbers,
    time: Times,
    place_at: Numbers,
    near_at: Numbers,
    near: Numbers,
    rows: Numbers,
    rows_at: Numbers,
    reach: int,
    least: int,
    kinds: int,
) -> tuple[Numbers, Numbers, Numbers, int]:
    counts = np.zeros(kinds, dtype=np.int64)
    last = np.full(kinds, -1, dtype=np.int64)
    touched = np.zeros(kinds, dtype=np.int64)
    first = np.zeros(1024, dtype=np.int64)
    then = np.zeros(1024, dtype=np.int64)
    count = np.zeros(1024, dtype=np.int64)
    found = pairs = 0
    for target in range(kinds):
        some = 0
        for at in range(rows_at[target], rows_at[target + 1]):
            row = rows[at]
            now, here = time[row], place[row]
            most = max(4, MOST_SEEN // (near_at[here + 1] - near_at[here]))
            for j in range(near_at[here], near_at[here + 1]):
                there = near[j]
                top = _position(time, place_at[there], place_at[there + 1], now)
                for k in range(top - 1, max(place_at[there], top - most) - 1, -1):
                    if now - time[k] >= reach:
                        break
                    source = kind[k]
                    if last[source] == at:
                        continue
                    last[source] = at
                    if counts[source] == 0:
                        touched[some] = source
                        some += 1
                    counts[source] += 1
        for j in range(some):
            source = touched[j]
            if source != target:
                pairs += 1
                if counts[source] >= least:
                    if found == len(first):
                        first = np.concatenate((first, np.zeros_like(first)))
                        then = np.concatenate((then, np.zeros_like(then)))
                        count = np.concatenate((count, np.zeros_like(count)))
                    first[found], then[found], count[found] = source, target, counts[source]
                    found += 1
            counts[source] = 0
    return first[:found], then[:found], count[:found], pairs


@kernel
def _traces(
    kind: Numbers,
    place: Numbers,
    time: Times,
    place_at: Numbers,
    near_at: Numbers,
    near: Numbers,
    rows: Numbers,
    columns: Numbers,
    width: int,
    scale: float,
    reach: int,
) -> Values:
    out = np.zeros((len(rows), width))
    for at in range(len(rows)):
        row = rows[at]
        now, here = time[row], place[row]
        most = max(4, MOST_SEEN // (near_at[here + 1] - near_at[here]))
        for j in range(near_at[here], near_at[here + 1]):
            there = near[j]
            top = _position(time, place_at[there], place_at[there + 1], now)
            for k in range(top - 1, max(place_at[there], top - most) - 1, -1):
                if now - time[k] >= reach:
                    break
                column = columns[kind[k]]
                if column >= 0:
                    out[at, column] += np.exp((time[k] - now) / scale) / scale
    return out


@kernel
def _lags(
    kind: Numbers,
    place: Numbers,
    time: Times,
    place_at: Numbers,
    near_at: Numbers,
    near: Numbers,
    rows: Numbers,
    first: int,
    reach: int,
) -> Numbers:
    out = np.full(len(rows), -1, dtype=np.int64)
    for at in range(len(rows)):
        row = rows[at]
        now, here = time[row], place[row]
        most = max(4, MOST_SEEN // (near_at[here + 1] - near_at[here]))
        for j in range(near_at[here], near_at[here + 1]):
            there = near[j]
            top = _position(time, place_at[there], place_at[there + 1], now)
            for k in range(top - 1, max(place_at[there], top - most) - 1, -1):
                age = now - time[k]
                if age >= reach:
                    break
                if kind[k] == first:
                    if out[at] < 0 or age < out[at]:
                        out[at] = age
                    break
    return out
