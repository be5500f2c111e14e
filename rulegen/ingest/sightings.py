"""Many sightings of alerts → one :class:`~rulegen.core.alert.Episode` for each active period."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rulegen.core.alert import Episode
from rulegen.core.labels import ALERT_NAME, Labels
from rulegen.core.spans import Span


@dataclass(frozen=True, slots=True)
class Sighting:
    """An alert as one message showed it. ``start`` and ``seen`` (when it last was known to fire) in ms.

    ``end`` is set where the message says that the alert is over. ``seen`` is at least ``start``.
    """

    labels: Labels
    start: int
    seen: int
    end: int | None = None


def alert_labels(labels: dict[str, str]) -> Labels:
    """Raises ValueError when they name no alert, or are not Unicode text (``"\\ud800"`` alone is legal JSON)."""
    if not labels.get(ALERT_NAME):
        raise ValueError("no alertname among its labels")
    for text in (*labels, *labels.values()):
        if not text.isprintable() and any("\ud800" <= char <= "\udfff" for char in text):
            raise ValueError("half of a surrogate pair in a label")
    return Labels(labels)


def episodes(sightings: Iterable[Sighting]) -> tuple[Episode, ...]:
    """One episode a label set and start, sorted by start; those of one label set that overlap are one.

    An episode ends with the latest end that was told. If none was, or it was seen firing later, it ends with the last
    sighting and is ``open``: the end is not known, only that it is no earlier.
    """
    by_labels: dict[Labels, dict[int, Episode]] = {}
    for one in sightings:
        periods = by_labels.setdefault(one.labels, {})
        new = _episode(one)
        old = periods.get(one.start)
        periods[one.start] = _joined(old, new) if old else new
    found: list[Episode] = []
    for periods in by_labels.values():
        merged: list[Episode] = []
        for _, episode in sorted(periods.items()):
            if merged and episode.span.start < merged[-1].span.end:
                merged[-1] = _joined(merged[-1], episode)
            else:
                merged.append(episode)
        found += merged
    return tuple(sorted(found, key=lambda episode: (episode.span, episode.labels)))


def _episode(one: Sighting) -> Episode:
    if one.end is None:
        return Episode(one.labels, Span(one.start, one.seen), open=True)
    return Episode(one.labels, Span(one.start, one.end))


def _joined(left: Episode, right: Episode) -> Episode:
    """Both as one. The one that reaches further says whether it is open; at a tie an end that was told wins."""
    further = max(left, right, key=lambda episode: (episode.span.end, not episode.open))
    return Episode(left.labels, Span(min(left.span.start, right.span.start), further.span.end), further.open)
