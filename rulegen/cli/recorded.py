"""What was recorded of alerts, by whoever received them: a file of webhooks and snapshots, or a store."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rulegen.cli.sources import Sources
from rulegen.core.alert import Episode
from rulegen.core.spans import Span
from rulegen.errors import Problem
from rulegen.ingest.alerts import read_alerts
from rulegen.ingest.store import kept_outside, read_kept
from rulegen.intake import Counts, mended


@dataclass(frozen=True, slots=True)
class Record:
    """The alerts in ``path`` (None: nobody named any) that touch the span that was asked for, sorted by start;
    ``left_out`` counts the others. What was ``repaired``, and what could not be read."""

    path: Path | None = None
    episodes: tuple[Episode, ...] = ()
    left_out: int = 0
    repaired: Counts = ()
    problems: tuple[Problem, ...] = ()


def read_record(sources: Sources, span: Span, *, count: bool = False) -> Record:
    """What ``sources`` name of it, of the time of ``span``; with ``count`` what lies outside is counted.

    Raises InputError.
    """
    if sources.store:
        episodes, overlapping = read_kept(sources.store, span)
        episodes, repaired = mended(touching(episodes, span), overlapping)
        return Record(sources.store, episodes, kept_outside(sources.store, span) if count else 0, repaired)
    if sources.alerts:
        episodes, overlapping, problems = read_alerts(sources.alerts)
        episodes, repaired = mended(episodes, overlapping)
        inside = touching(episodes, span)
        return Record(sources.alerts, inside, len(episodes) - len(inside) if count else 0, repaired, problems)
    return Record()


def touching(episodes: Iterable[Episode], span: Span) -> tuple[Episode, ...]:
    """What of them lies in ``span``. One that lasts beyond it is open, as in the record of a server that is asked for
    that time: what a store learns later changes nothing about it."""
    return tuple(
        one if span.contains(one.span.start) and span.contains(one.span.end) else _cut(one, span)
        for one in episodes
        if one.span.start <= span.end and one.span.end >= span.start
    )


def _cut(one: Episode, span: Span) -> Episode:
    inner = Span(max(one.span.start, span.start), min(one.span.end, span.end))
    return Episode(one.labels, inner, one.open or one.span.end > span.end)
