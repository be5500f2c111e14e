"""When the incidents of a world begin: spread over its time, those of one plot over all of its parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rulegen.train.axis import Axis

WARM_UP = 90  # ticks at the beginning without incidents: the longest window of a first rule plus some
ROOM = 90  # ticks that an incident and its end may take


@dataclass(frozen=True, slots=True)
class Opening:
    """An incident to be planted: its id and the tick at which it begins."""

    id: str
    start: int


@dataclass(frozen=True, slots=True)
class Wish:
    """How many incidents a plot wants; ``daytime``: only while traffic is high."""

    plot: str
    count: int
    daytime: bool


def draw_openings(rng: np.random.Generator, axis: Axis, wishes: Sequence[Wish]) -> dict[str, tuple[Opening, ...]]:
    """For each plot its openings, sorted. At most one incident goes on at a time.

    The time is cut into as many equal segments as there are incidents. Plots take turns, so that a plot's incidents
    lie in different parts of the history; within a turn, plots that need daytime take the segments with most of it.
    Raises ValueError when there are more incidents than the time has room for.
    """
    total = sum(w.count for w in wishes)
    if total and (axis.n - WARM_UP) // total < ROOM + 10:
        raise ValueError(f"{total} incidents find no room in {axis.days:g} days")
    edges = np.linspace(WARM_UP, axis.n, total + 1).astype(int)
    day = (axis.hours() >= 9) & (axis.hours() < 20)
    starts: dict[str, list[int]] = {w.plot: [] for w in wishes}
    segment = 0
    for turn in range(max((w.count for w in wishes), default=0)):
        takers = [w for w in wishes if w.count > turn]
        takers = sorted((takers[i] for i in rng.permutation(len(takers))), key=lambda w: not w.daytime)
        rooms = [range(edges[i], edges[i + 1] - ROOM) for i in range(segment, segment + len(takers))]
        segment += len(takers)
        rooms = [rooms[i] for i in rng.permutation(len(rooms))]
        rooms.sort(key=lambda r: -min(60, int(day[r.start : r.stop].sum())))
        for wish, room in zip(takers, rooms, strict=True):
            ticks = np.arange(room.start, room.stop)
            lit = ticks[day[ticks]]
            starts[wish.plot].append(int(rng.choice(lit if wish.daytime and len(lit) else ticks)))
    ranks = {start: i for i, start in enumerate(sorted(s for many in starts.values() for s in many), start=1)}
    return {
        plot: tuple(Opening(f"INC-{ranks[start]:03d}", start) for start in sorted(many))
        for plot, many in starts.items()
    }
