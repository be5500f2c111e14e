"""What is known of one episode from several sightings, and of many in columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Periods:
    """Active periods of one label set: ``start`` and ``last`` [n] in ms, rising by start, and whether each is
    ``open`` [n], that is, not known to be over."""

    start: NDArray[np.int64]
    last: NDArray[np.int64]
    open: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.start)


def merged(left: Periods, right: Periods) -> Periods:
    """Both, each start once. Of two sightings of one start the one that reaches further says whether it is open; at a
    tie an end that was told wins."""
    start, last, open = (np.concatenate([getattr(left, name), getattr(right, name)]) for name in _FIELDS)
    order = np.lexsort((open, -last, start))  # of one start the best first
    start, last, open = start[order], last[order], open[order]
    first = np.ones(len(start), dtype=np.bool_)
    first[1:] = start[1:] != start[:-1]
    return Periods(start[first], last[first], open[first])


_FIELDS = ("start", "last", "open")
