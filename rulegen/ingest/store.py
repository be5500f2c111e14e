"""A store that ``rulegen listen`` keeps → :class:`~rulegen.core.alert.Episode`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from rulegen.core.alert import Episode
from rulegen.core.labels import Labels
from rulegen.core.spans import Span
from rulegen.store.merge import Periods
from rulegen.store.read import read_store

EVER = Span(0, 2**62)


def read_kept(path: Path, span: Span = EVER) -> tuple[tuple[Episode, ...], int]:
    """The episodes in the store at ``path`` that touch ``span``, sorted by start, and how many began while one of the
    same label set still lasted, and are one with it. Also while it is written.

    An episode that was never told to be over ends where it was last seen, and is open. Raises InputError for what is
    no store.
    """
    kept = read_store(path, span.start, span.end)
    found = [
        one for labels, periods in zip(kept.labels, kept.periods, strict=True) for one in _episodes(labels, periods)
    ]
    found.sort(key=lambda one: (one.span, one.labels))
    return tuple(found), len(kept) - len(found)


def _episodes(labels: Labels, periods: Periods) -> Iterator[Episode]:
    """Those that overlap as one, as :func:`rulegen.ingest.sightings.episodes` has it."""
    reach = np.maximum.accumulate(periods.last)
    first = np.ones(len(periods), dtype=np.bool_)
    first[1:] = periods.start[1:] >= reach[:-1]
    begins = np.flatnonzero(first)
    for begin, end in zip(begins.tolist(), [*begins[1:].tolist(), len(periods)], strict=True):
        last, open = periods.last[begin:end], periods.open[begin:end]
        furthest = int(last.max())
        still = bool(open[last == furthest].all())  # at a tie an end that was told wins
        yield Episode(labels, Span(int(periods.start[begin]), furthest), still)
