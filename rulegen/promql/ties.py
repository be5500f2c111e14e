"""Which of equal values topk and bottomk keep: those that Prometheus' heap happens to keep.

The heap is Go's ``container/heap``, whose order among equals follows from how it sifts; so it is done here step by
step. Prometheus 2 pops the worst and pushes the better one, and takes one NaN for another; Prometheus 3 puts the
better in the worst one's place.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from rulegen.core.semantics import Semantics


def kept(values: Iterable[float], k: int, semantics: Semantics, *, largest: bool) -> list[int]:
    """The places in ``values`` of the ``k`` > 0 that are kept; NaN is worse than any number. In no order."""
    heap: list[tuple[float, int]] = []  # the worst first; bottomk is topk of what is negative
    for place, value in enumerate(values):
        one = (value if largest else -value, place)
        if len(heap) < k:
            _push(heap, one)
        elif heap[0][0] < one[0] or (math.isnan(heap[0][0]) and (semantics == "closed" or not math.isnan(one[0]))):
            if semantics == "open" or k == 1:
                heap[0] = one
                _down(heap, len(heap))
            else:
                last = len(heap) - 1
                heap[0], heap[last] = heap[last], heap[0]
                _down(heap, last)
                heap.pop()
                _push(heap, one)
    return [place for _, place in heap]


def _worse(left: tuple[float, int], right: tuple[float, int]) -> bool:
    return math.isnan(left[0]) or left[0] < right[0]


def _push(heap: list[tuple[float, int]], one: tuple[float, int]) -> None:
    heap.append(one)
    at = len(heap) - 1
    while at:
        above = (at - 1) // 2
        if not _worse(heap[at], heap[above]):
            break
        heap[above], heap[at] = heap[at], heap[above]
        at = above


def _down(heap: list[tuple[float, int]], size: int) -> None:
    """Sifts the first of ``heap[:size]`` down to its place."""
    at = 0
    while (below := 2 * at + 1) < size:
        if below + 1 < size and _worse(heap[below + 1], heap[below]):
            below += 1
        if not _worse(heap[below], heap[at]):
            break
        heap[at], heap[below] = heap[below], heap[at]
        at = below
