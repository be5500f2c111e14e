"""Instant vectors: the latest sample of each series at each step."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rulegen.core.series import STALE_BITS, Values
from rulegen.core.spans import Mask, Times
from rulegen.promql.block import Block, Index
from rulegen.promql.matrix import Matrix
from rulegen.promql.rows import each, item, kernel

_STALE = np.uint64(STALE_BITS)


def latest(block: Block, at: Times, oldest: Times, *, tell_time: bool = False) -> Matrix:
    """The latest sample at or before ``at`` [steps], unless it is before ``oldest`` [steps] or a staleness marker.

    The values are the samples', or with ``tell_time`` when (s) they are from. Rows never present are left out.
    """
    values = np.empty((len(block), len(at)))
    present = np.empty((len(block), len(at)), dtype=np.bool_)
    samples = (block.offsets, block.times, block.values, block.values.view(np.uint64))
    each(_latest, len(block), values.size + len(block.times), *samples, at, oldest, values, present, tell_time)
    return Matrix(block.labels, values, present).pruned()


@kernel
def _latest(
    begin: int, end: int, offsets: Index, when: Times, what: Values, bits: NDArray[np.uint64],
    at: Times, oldest: Times, values: Values, present: Mask, tell_time: bool,
) -> None:  # fmt: skip
    for row in range(begin, end):
        j = begins = offsets[row]
        stop = offsets[row + 1]
        for step in range(len(at)):
            while j < stop and item(when, j) <= at[step]:
                j += 1
            here = j > begins and item(when, j - 1) >= oldest[step] and item(bits, j - 1) != _STALE
            present[row, step] = here
            values[row, step] = 0.0 if not here else item(when, j - 1) / 1000 if tell_time else item(what, j - 1)
