"""A stream of alerts in clusters: names without what changes in them, their figures, and what leads to what."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rulegen.cluster.identifiers import Identifiers, identifiers
from rulegen.cluster.lagged import Cascades, cascades
from rulegen.cluster.pattern import CASCADE, RULES, name_pattern
from rulegen.cluster.season import season
from rulegen.cluster.streams import Numbers, Repairs, Stream
from rulegen.core.cluster import Facts, Pattern
from rulegen.core.durations import MINUTE, WEEK

FLAP = 10 * MINUTE
TOGETHER = 2 * MINUTE
LEAST_EPISODES = 2  # one episode is no pattern
_RANKS = {pattern: rank for rank, (pattern, _) in enumerate(RULES)}


@dataclass(frozen=True, slots=True)
class Repeated:
    """Episodes of one name, without what changes in it: ``rows`` [begin : end] of :attr:`Survey.order`."""

    name: str
    pattern: Pattern
    facts: Facts
    begin: int
    end: int


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """``clusters`` of most episodes first; ``order`` [n] are rows of the stream, by cluster and start: the link to
    the episodes. ``led`` holds the pairs of clusters, by their number in ``kinds``, the normal names; ``alone``
    counts the names that came once."""

    clusters: tuple[Repeated, ...]
    order: Numbers
    kinds: tuple[str, ...]
    names: Identifiers
    led: Cascades
    alone: int
    repairs: Repairs


def survey(stream: Stream, names: Sequence[str]) -> Survey:
    """The clusters of ``stream``, whose alert names are ``names`` [names]. n·log n in the number of episodes."""
    normal = identifiers(names, stream.name, stream.start, stream.end)
    ids: dict[str, int] = {}
    kind_of = np.array([ids.setdefault(one, len(ids)) for one in normal.normal], dtype=np.int64)
    kind = kind_of[stream.name] if len(stream) else stream.name
    led = cascades(kind, stream.start, kinds=len(ids))
    brought = {pair.then for pair in led.pairs if pair.brought >= CASCADE}
    order = np.lexsort((stream.start, kind))
    bounds = np.searchsorted(kind[order], np.arange(len(ids) + 1))
    figures = _Figures(stream, kind, order, bounds)
    clusters = []
    kinds = tuple(ids)
    begin, end = (int(stream.start.min()), int(stream.end.max())) if len(stream) else (0, 0)
    for k in np.flatnonzero(np.diff(bounds) >= LEAST_EPISODES).tolist():
        rows = order[bounds[k] : bounds[k + 1]]
        facts = replace(figures(k), season=season(stream.start[rows], begin, end))
        pattern = name_pattern(facts)
        if k in brought and _RANKS.get(pattern, len(RULES)) > _RANKS[Pattern.CASCADE]:
            pattern = Pattern.CASCADE
        clusters.append(Repeated(kinds[k], pattern, facts, int(bounds[k]), int(bounds[k + 1])))
    clusters.sort(key=lambda one: (-one.facts.episodes, one.name))
    return Survey(tuple(clusters), order, kinds, normal, led, len(ids) - len(clusters), stream.repairs)


class _Figures:
    """The figures of every kind, worked out for all at once."""

    def __init__(self, stream: Stream, kind: Numbers, order: Numbers, bounds: Numbers) -> None:
        count = len(bounds) - 1
        lasted = stream.end - stream.start
        gap = np.full(len(stream), -1, dtype=np.int64)  # a stream is sorted by label set and start
        same = stream.series[1:] == stream.series[:-1]
        gap[1:][same] = (stream.start[1:] - stream.end[:-1])[same]
        starts, sets, kinds = stream.start[order], stream.series[order], kind[order]
        near = (np.diff(starts) <= TOGETHER) & (np.diff(sets) != 0) & (np.diff(kinds) == 0)
        together = np.concatenate(([False], near)) | np.concatenate((near, [False])) if len(order) else near
        self._episodes = np.diff(bounds)
        self._minutes = np.bincount(kind, weights=lasted, minlength=count) / MINUTE
        self._flapping = np.bincount(kind, weights=(gap >= 0) & (gap <= FLAP), minlength=count)
        self._together = np.bincount(kinds, weights=together, minlength=count)
        self._series, self._top = _noisiest(kind, stream.series, count)
        self._median = _quantile(kind, lasted, bounds, 0.5)
        self._p90 = _quantile(kind, lasted, bounds, 0.9)
        back = gap >= 0
        self._gap = _quantile(kind[back], gap[back], np.searchsorted(np.sort(kind[back]), np.arange(count + 1)), 0.5)
        self._span = max(1, int(stream.end.max() - stream.start.min())) if len(stream) else 1

    def __call__(self, k: int) -> Facts:
        episodes, series = int(self._episodes[k]), int(self._series[k])
        return Facts(
            episodes=episodes,
            minutes=float(self._minutes[k]),
            per_week=episodes * WEEK / self._span,
            series=series,
            duration_median=int(self._median[k]),
            duration_p90=int(self._p90[k]),
            gap_median=int(self._gap[k]),
            flapping_share=float(self._flapping[k]) / episodes,
            together_share=float(self._together[k]) / episodes,
            top_share=float(self._top[k]) / episodes,
            firing_share=float(self._minutes[k]) * MINUTE / self._span / series,
            margin=math.nan,
            incidents_touched=0,
        )


def _noisiest(kind: Numbers, series: Numbers, kinds: int) -> tuple[Numbers, Numbers]:
    """([kinds] label sets, [kinds] episodes of the noisiest tenth of them, at least one)."""
    order = np.lexsort((series, kind))
    of, which = kind[order], series[order]
    fresh = np.ones(len(order), dtype=np.bool_)
    fresh[1:] = (np.diff(of) != 0) | (np.diff(which) != 0)
    at = np.flatnonzero(fresh)
    counts, of = np.diff(np.append(at, len(order))), of[at]
    sets = np.bincount(of, minlength=kinds)
    first = np.concatenate(([0], np.cumsum(sets)))
    by_count = np.lexsort((-counts, of))
    rank = np.arange(len(of)) - first[of[by_count]]
    chosen = rank < np.maximum(1, sets // 10)[of[by_count]]
    top = np.bincount(of[by_count][chosen], weights=counts[by_count][chosen], minlength=kinds)
    return sets, top.astype(np.int64)


def _quantile(kind: Numbers, values: Numbers, bounds: Numbers, share: float) -> NDArray[np.float64]:
    """[kinds] the quantile of each kind's values, linear between two; 0 where a kind has none."""
    ordered = values[np.lexsort((values, kind))].astype(np.float64)
    if not len(ordered):
        return np.zeros(len(bounds) - 1)
    at = np.maximum(0, np.diff(bounds) - 1) * share
    low = np.minimum(bounds[:-1] + np.floor(at).astype(np.int64), len(ordered) - 1)
    high = np.minimum(np.minimum(low + 1, bounds[1:] - 1), len(ordered) - 1)
    high = np.maximum(high, low)
    found: NDArray[np.float64] = ordered[low] + (ordered[high] - ordered[low]) * (at - np.floor(at))
    return np.where(np.diff(bounds) > 0, found, 0.0)
