"""Episodes as they were read → what a run can work on: mended, at most so many, and each loss counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from rulegen.cluster.overview import overview
from rulegen.cluster.streams import Named, Repairs, believed
from rulegen.core.alert import Episode
from rulegen.core.history import History
from rulegen.core.incident import Incident, IncidentRecord
from rulegen.core.labels import Labels
from rulegen.core.series import Samples, Series
from rulegen.core.spans import Span, intersect
from rulegen.errors import Problem

Counts = tuple[tuple[str, int], ...]
"""What was mended or left out, and how often."""

BACKWARDS = "alerts end before they start: taken as one instant"
ASTRAY = "alerts start so far from all others that a clock must have jumped: left out"
ENDLESS = "alerts end so far after all others that a clock must have jumped: taken to end with them"
TWICE = "alerts were there already: taken once"
OVERLAPPING = "alerts began while one of the same labels still lasted: taken as one with it"
SAMPLES = "samples lie so far from all others that a clock must have jumped: left out"
UNREADABLE = "items of the input could not be read, or were incomplete: see the messages; left out"


@dataclass(frozen=True, slots=True)
class Limits:
    """How many recorded alert names are looked at (each becomes a rule to try changes of), and how many evaluations:
    their label sets times the history's steps."""

    names: int = 1_000
    cells: int = 20_000_000


LIMITS = Limits()
T = TypeVar("T", str, Labels)


def mended(episodes: tuple[Episode, ...], overlapping: int = 0) -> tuple[tuple[Episode, ...], Counts]:
    """``episodes`` whose times can be believed, those of one label set apart; ``overlapping`` were joined before."""
    named = Named.of(episodes)
    stream, repairs = named.stream, named.stream.repairs
    if repairs:
        rows = zip(
            stream.series.tolist(), stream.start.tolist(), stream.end.tolist(), stream.origin.tolist(), strict=True
        )
        episodes = tuple(_as_mended(episodes[at], named.labels[series], Span(a, b)) for series, a, b, at in rows)
        episodes = tuple(sorted(episodes, key=lambda one: (one.span, one.labels)))
    return episodes, _told(repairs, overlapping)


def _as_mended(old: Episode, labels: Labels, span: Span) -> Episode:
    return old if old.span == span else Episode(labels, span)


def _told(repairs: Repairs, overlapping: int) -> Counts:
    every = (
        (BACKWARDS, repairs.backwards),
        (ASTRAY, repairs.astray),
        (ENDLESS, repairs.endless),
        (TWICE, repairs.duplicates),
        (OVERLAPPING, repairs.overlapping + overlapping),
    )
    return tuple((what, count) for what, count in every if count)


def settled(samples: Samples) -> tuple[Samples, Counts]:
    """``samples`` without those that a clock gone astray has put far from all others."""
    filled = [one for one in samples if len(one.times)]
    if not filled:
        return samples, ()
    low, high = believed(np.concatenate([one.times for one in filled]))
    if all(low <= one.times[0] and one.times[-1] <= high for one in filled):
        return samples, ()
    kept, lost = list[Series](), 0
    for one in samples:
        good = (one.times >= low) & (one.times <= high)
        lost += int((~good).sum())
        if good.any():
            kept.append(Series(one.labels, one.times[good], one.values[good]))
    return Samples.of(kept), ((SAMPLES, lost),)


def overviewed(history: History) -> History:
    """``history`` with what all its recorded alerts come to, before any of them are left out."""
    return replace(history, overview=overview(history.episodes))


def bounded(history: History, interval: int, limits: Limits = LIMITS) -> History:
    """``history`` with the recorded alerts of those names, and of those label sets, that fired most: more than a run
    can replay, at evaluations ``interval`` ms apart, are left out, and counted.

    Alerts whose rules are replayed on metrics stay. Linear in the alerts, but for sorting names and label sets.
    """
    measured = len(history.samples) > 0
    apart = frozenset(rule.name for _, _, rule in history.rules if measured and rule.kind == "alert")
    free = [one for one in history.episodes if one.name not in apart]
    names = _most(Counter(one.name for one in free), limits.names)
    found = [one for one in free if one.name in names]
    steps = max(1, history.span.length // interval)
    series = _most(Counter(one.labels for one in found), max(1, limits.cells // steps))
    kept = [one for one in found if one.labels in series]
    if len(kept) == len(free):
        return history
    by_name = f"alerts of rarer names were left out: only the {len(names):,} names that fired most are looked at"
    by_series = (
        f"alerts of rarer label sets were left out: over {steps:,} evaluations only the {len(series):,} that fired "
        "most are looked at"
    )
    lost = ((by_name, len(free) - len(found)), (by_series, len(found) - len(kept)))
    told = tuple((what, count) for what, count in lost if count)
    chosen = tuple(one for one in history.episodes if one.name in apart or (one.labels in series))
    return replace(history, episodes=chosen, repaired=(*history.repaired, *told))


def _most(counts: Counter[T], most: int) -> frozenset[T]:
    return frozenset(sorted(counts, key=lambda one: (-counts[one], one))[:most])


def about_incidents(record: IncidentRecord, span: Span) -> Counts:
    """What is odd about the record of a history of ``span``; its incidents are all kept as they are."""
    return tuple((what, count) for what, count in _odd(record.incidents, record.judged, span) if count)


def _odd(incidents: tuple[Incident, ...], judged: tuple[Span, ...], span: Span) -> Iterable[tuple[str, int]]:
    far = [one for one in incidents if one.span.end < span.start or one.span.start > span.end]
    yield "incidents lie outside the history: nothing can be said of them", len(far)
    near = [one for one in incidents if span.start <= one.span.end and one.span.start <= span.end]
    known = intersect(judged, [span])
    unseen = sum(not intersect([one.span], known) for one in near)
    yield "incidents lie outside the judged time: not protected", unseen
    yield (
        "incidents have no labels: any page at their time counts as catching them",
        sum(not one.labels for one in near),
    )
    latest: dict[Labels, int] = {}
    overlapping = 0
    for one in near:  # sorted by start
        overlapping += one.span.start <= latest.get(one.labels, one.span.start - 1)
        latest[one.labels] = max(latest.get(one.labels, one.span.end), one.span.end)
    yield "incidents begin while another of the same labels lasts: each has to be caught", overlapping


def unread(problems: Collection[Problem]) -> Counts:
    return ((UNREADABLE, len(problems)),) if problems else ()
