"""The evaluator with the reference in the places of the kernels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from plain import aggregate as plain_aggregate
from plain import binary as plain_binary
from plain import histogram, over_time, rate
from plain.window import Range, cut
from rulegen.core.series import STALE_BITS, Values
from rulegen.core.spans import Mask, Times
from rulegen.promql import aggregate, binary, calls, evaluate, fold, line
from rulegen.promql import block as blocks
from rulegen.promql import over_time as fast
from rulegen.promql.calls import Arguments
from rulegen.promql.matrix import Matrix, Scalar


@contextmanager
def plainly() -> Iterator[None]:
    """Within it every Evaluator works by the reference."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calls, "FUNCTIONS", calls.FUNCTIONS | FUNCTIONS)
        patch.setattr(evaluate, "latest", latest)
        patch.setattr(aggregate, "_folded", folded)
        patch.setattr(binary, "_matched", matched)
        yield


def latest(block: blocks.Block, at: Times, oldest: Times, *, tell_time: bool = False) -> Matrix:
    rows = []
    for row, labels in enumerate(block.labels):
        part = slice(block.offsets[row], block.offsets[row + 1])
        times, values = block.times[part], block.values[part]
        index = np.searchsorted(times, at, side="right") - 1
        found = np.maximum(index, 0)
        stale = values.view(np.uint64)[found] == STALE_BITS
        here = (index >= 0) & (times[found] >= oldest) & ~stale
        rows.append((labels, times[found] / 1000 if tell_time else values[found], here))
    return Matrix.of(rows, len(at))


def folded(vector: Matrix, groups: dict, of_group: fold.Fold, param: Values | None) -> Matrix:  # type: ignore[type-arg]
    op = "quantile" if of_group is fold.quantiles else next(k for k, v in fold.FOLDS.items() if v is of_group)
    return plain_aggregate.folded(op, vector, groups, None if param is None else Scalar(param))


def matched(op: str, left: Matrix, right: Matrix, *more: object) -> Matrix:
    return Matrix.of(plain_binary.matched(op, left, right, *more), left.steps)  # type: ignore[arg-type]


def ranged(of: blocks.Range, semantics: str) -> Range:
    block = of.block
    parts = [slice(a, b) for a, b in zip(block.offsets[:-1], block.offsets[1:], strict=True)]
    windows = tuple(
        cut(labels, block.times[part], block.values[part], of.start, of.end, semantics)  # type: ignore[arg-type]
        for labels, part in zip(block.labels, parts, strict=True)
    )
    return Range(windows, of.start, of.end, of.length)


def _plain(function: Callable[[Range], Matrix], place: int = 0) -> Callable[[Arguments], Matrix]:
    return lambda given: function(ranged(given.range(place), given.semantics))


def _absent_over_time(given: Arguments) -> Matrix:
    held: Mask = np.zeros(len(given.at), dtype=np.bool_)
    for window in ranged(given.range(0), given.semantics).windows:
        held |= window.count > 0
    return calls._absence(given.nodes[0], ~held)


def _holt(given: Arguments) -> Matrix:
    of = ranged(given.range(0), given.semantics)
    return over_time.double_exponential_smoothing(of, given.scalar(1), given.scalar(2))


NAMES = [
    name for name in calls.FUNCTIONS if hasattr(over_time, name) and (hasattr(fast, name) or hasattr(line, name))
]
FUNCTIONS: dict[str, calls.Function] = {
    **{name: _plain(getattr(over_time, name)) for name in NAMES},
    **{name: _plain(getattr(rate, name)) for name in ("irate", "idelta")},
    "rate": lambda given: rate.rate(ranged(given.range(0), given.semantics), given.semantics),
    "increase": lambda given: rate.increase(ranged(given.range(0), given.semantics), given.semantics),
    "delta": lambda given: rate.delta(ranged(given.range(0), given.semantics), given.semantics),
    "quantile_over_time": lambda given: over_time.quantile_over_time(
        given.scalar(0), ranged(given.range(1), given.semantics)
    ),
    "predict_linear": lambda given: over_time.predict_linear(
        ranged(given.range(0), given.semantics), given.scalar(1), given.at
    ),
    "holt_winters": _holt,
    "double_exponential_smoothing": _holt,
    "absent_over_time": _absent_over_time,
    "histogram_quantile": lambda given: histogram.histogram_quantile(given.scalar(0), given.vector(1)),
    "histogram_fraction": lambda given: histogram.histogram_fraction(
        given.scalar(0), given.scalar(1), given.vector(2)
    ),
}
