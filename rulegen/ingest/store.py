"""A store that ``rulegen listen`` keeps → :class:`~rulegen.core.alert.Episode`."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np

from rulegen.core.alert import Episode
from rulegen.core.spans import Span
from rulegen.store.read import Kept, read_store

EVER = Span(0, 2**62)


def read_kept(path: Path, span: Span = EVER) -> tuple[tuple[Episode, ...], int]:
    """The episodes in the store at ``path`` that touch ``span``, sorted by start, and how many began while one of the
    same label set still lasted, and are one with it. Also while it is written.

    An episode that was never told to be over ends where it was last seen, and is open. Raises InputError for what is
    no store.
    """
    kept = read_store(path, span.start, span.end)
    if not len(kept):
        return (), 0
    joined = _joined(kept)
    order = np.lexsort((joined.which, joined.last, joined.start))
    columns = (column[order].tolist() for column in (joined.which, joined.start, joined.last, joined.open))
    labels = kept.labels
    gc.disable()  # the collector would walk all of them again and again, and none is in a cycle
    try:
        found = tuple(
            Episode(labels[which], Span(start, last), open) for which, start, last, open in zip(*columns, strict=True)
        )
    finally:
        gc.enable()
    return found, len(kept) - len(found)


def kept_outside(path: Path, span: Span) -> int:
    """How many episodes in the store at ``path`` touch no moment of ``span``. Raises InputError for what is no
    store."""
    kept = read_store(path, EVER.start, EVER.end)
    return int(((kept.start > span.end) | (kept.last < span.start)).sum())


def _joined(kept: Kept) -> Kept:
    """Those of one label set that overlap as one, as :func:`rulegen.ingest.sightings.episodes` has it."""
    base = kept.start.min()
    apart = kept.which * (kept.last.max() - base + 1)  # so that no label set reaches into the next
    reach = np.maximum.accumulate(kept.last - base + apart)
    first = np.ones(len(kept), dtype=np.bool_)
    first[1:] = (kept.start - base + apart)[1:] >= reach[:-1]
    begins = np.flatnonzero(first)
    furthest = np.maximum.reduceat(kept.last, begins)
    number = np.cumsum(first) - 1
    told = ~kept.open & (kept.last == furthest[number])  # at a tie an end that was told wins
    still = ~np.logical_or.reduceat(told, begins)
    return Kept(kept.labels, kept.which[begins], kept.start[begins], furthest, still)
