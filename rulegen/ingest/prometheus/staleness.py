"""Where did a series go stale? The API never shows the markers, but an instant query feels them.

A marker ("this series is gone from here on") decides when an alert resolves, so it matters to a replay: with it a
series is gone at once, without it for the server's lookback longer. A range selector leaves markers out. An instant
query just before the next sample gives the last sample when nothing lies between, and nothing where a marker does.

Limits: a marker is placed one sample interval after the last sample, which is where Prometheus puts it when a target
or a rule's series disappears, not where it truly stands; one that stands alone between two samples without a missing
sample is not found; a server with a lookback shorter than 5m, or that computes its own (VictoriaMetrics), shows its
own idea of "gone".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from rulegen.core.durations import MINUTE, SECOND
from rulegen.core.labels import Labels
from rulegen.core.series import STALE, Series
from rulegen.core.spans import Span
from rulegen.errors import Problem
from rulegen.ingest.prometheus.connection import Connection
from rulegen.ingest.prometheus.kept import ENTRY, Kept, Shelf
from rulegen.ingest.prometheus.matrix import ask_present

LOOKBACK = 5 * MINUTE  # Prometheus' default --query.lookback-delta
MISSED = 1.5  # sample intervals without a sample, and it is worth a question
PROBES_BUDGET = 2_000_000  # label sets read by the instant queries of one selector, all together


@dataclass(frozen=True, slots=True)
class _Hole:
    """Series ``of`` (position) has no sample after ``last``; asking between ``low`` and ``high`` (ms) tells why."""

    of: int
    last: int
    interval: int
    low: int
    high: int


def mark_stale(
    conn: Connection, selector: str, series: Sequence[Series], span: Span, shelf: Shelf | None = None
) -> tuple[tuple[Series, ...], tuple[Problem, ...]]:
    """``series`` (all that ``selector`` matches in ``span``) with staleness markers where the server showed them.
    What it said before is on ``shelf``.

    Raises UpstreamError.
    """
    holes = list(_holes(series, span))
    moments = _stabbing(holes)
    affordable = PROBES_BUDGET // max(1, len(series))
    problems: tuple[Problem, ...] = ()
    if len(moments) > affordable:
        message = (
            f"selector {selector}: {len(moments) - affordable} of {len(moments)} times at which series end or pause "
            f"were not checked for staleness; series count as there for the lookback after their last sample"
        )
        problems = (Problem(conn.url, 0, message),)
    markers: dict[int, list[int]] = {}
    for moment, present in _presence(conn, selector, sorted(moments)[:affordable], shelf):
        for hole in moments[moment]:
            if series[hole.of].labels not in present:
                markers.setdefault(hole.of, []).append(hole.last + hole.interval)
    return tuple(_marked(one, markers.get(of, ())) for of, one in enumerate(series)), problems


def _presence(
    conn: Connection, selector: str, moments: Iterable[int], shelf: Shelf | None
) -> Iterator[tuple[int, frozenset[Labels]]]:
    """Each of ``moments`` (sorted, ms) with the label sets that ``selector`` has there; new answers are kept."""
    for entry, some in groupby(moments, lambda moment: moment // ENTRY * ENTRY):
        kept = shelf.load(entry) if shelf else Kept()
        present: dict[int, frozenset[Labels]] = _by_moment(kept)
        for moment in some:
            found, doubtful = (present[moment], False) if moment in present else ask_present(conn, selector, moment)
            if shelf and moment <= shelf.settled and not doubtful:
                present[moment] = found
            yield moment, found
        if shelf and len(present) > len(kept.marks):
            shelf.store(entry, Kept(frozenset(present), _as_series(present)))


def _by_moment(kept: Kept) -> dict[int, frozenset[Labels]]:
    there: dict[int, set[Labels]] = {moment: set() for moment in kept.marks}
    for one in kept.series:
        for moment in one.times.tolist():
            there.setdefault(moment, set()).add(one.labels)
    return {moment: frozenset(labels) for moment, labels in there.items()}


def _as_series(present: Mapping[int, Iterable[Labels]]) -> tuple[Series, ...]:
    """Each label set with the moments at which it is there, as times."""
    there: dict[Labels, list[int]] = {}
    for moment in sorted(present):
        for labels in present[moment]:
            there.setdefault(labels, []).append(moment)
    return tuple(
        Series(labels, np.array(times, dtype=np.int64), np.ones(len(times)))
        for labels, times in sorted(there.items(), key=lambda one: one[0])
    )


def typical_interval(series: Series, default: int) -> int:
    """The median time between samples (ms); ``default`` for fewer than three samples."""
    return int(np.median(np.diff(series.times))) if len(series.times) > 2 else default


def _holes(series: Sequence[Series], span: Span) -> Iterable[_Hole]:
    """Every pause longer than MISSED intervals, and every end before ``span``'s, that a question can tell about."""
    known = [interval for one in series if (interval := typical_interval(one, 0))]
    default = int(np.median(known)) if known else MINUTE
    for of, one in enumerate(series):
        interval = typical_interval(one, default)
        ends = np.append(one.times[1:], span.end + 1)  # [n] the next sample, or what is not known any more
        for at in np.flatnonzero(ends - one.times > MISSED * interval):
            last = int(one.times[at])
            low, high = last + interval * 5 // 4, min(int(ends[at]) - 1, last + LOOKBACK - SECOND)
            if low <= high:
                yield _Hole(of, last, interval, low, high)


def _stabbing(holes: Iterable[_Hole]) -> dict[int, list[_Hole]]:
    """The fewest moments such that each hole has one between its low and high (greedy by high is optimal)."""
    moments: dict[int, list[_Hole]] = {}
    latest: int | None = None
    for hole in sorted(holes, key=lambda one: (one.high, one.of, one.last)):
        if latest is None or latest < hole.low:
            latest = hole.high
        moments.setdefault(latest, []).append(hole)
    return moments


def _marked(series: Series, markers: Sequence[int]) -> Series:
    if not markers:
        return series
    times = np.concatenate([series.times, np.array(markers, dtype=np.int64)])
    values = np.concatenate([series.values, np.full(len(markers), STALE)])
    order = np.argsort(times, kind="stable")
    return Series(series.labels, times[order], values[order])
