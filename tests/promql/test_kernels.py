"""The kernels against the plain reference, over series made to be awkward."""

from __future__ import annotations

import numpy as np
import pytest
from plain import aggregate
from plain.evaluator import plainly

from rulegen.core.labels import Labels
from rulegen.core.semantics import Semantics
from rulegen.core.series import STALE, Samples, Series
from rulegen.core.spans import Grid
from rulegen.errors import QueryError
from rulegen.promql import Evaluator, Matrix, Scalar

KINDS = ("counter", "gauge", "level", "wild", "spiky")


def awkward(seed: int) -> Samples:
    """Counters that restart, gauges with NaN, ±Inf, markers, gaps, constants, one sample, magnitudes from 1e-12 to
    1e12; irregular times."""
    rng = np.random.default_rng(seed)
    out = []
    for k in range(30):
        kind = KINDS[k % len(KINDS)]
        size = int(rng.choice([1, 2, 40, 400]))
        times = np.cumsum(rng.choice([2_000, 9_000, 15_000, 15_000, 15_000, 400_000], size)).astype(np.int64)
        values = rng.normal(size=size) * 10
        if kind == "counter":
            values = np.cumsum(rng.poisson(2, size)).astype(np.float64) % int(rng.integers(3, 200))
        elif kind == "level":
            values = np.full(size, float(rng.choice([0.0, 0.1, 3e9])))
        elif kind == "wild":
            values *= 10.0 ** rng.integers(-12, 12, size)
        elif kind == "spiky":
            values = np.where(rng.random(size) < 0.1, rng.choice([np.nan, np.inf, -np.inf, STALE], size), values)
        labels = Labels({"__name__": "m", "kind": kind, "i": str(k), "job": str(k % 3)})
        out.append(Series(labels, times, values))
    for k, bound in enumerate(("0.1", "0.5", "1", "1.0", "5", "+Inf", "odd")):
        for job in "012":
            times = np.arange(0, 4_000_000, 15_000, dtype=np.int64)
            values = np.cumsum(rng.poisson(1 + k, len(times))).astype(np.float64)
            kept = rng.random(len(times)) < 0.98
            labels = Labels({"__name__": "h_bucket", "le": bound, "job": job})
            out.append(Series(labels, times[kept], values[kept]))
    return Samples.of(out)


def answer(expr: str, samples: Samples, grid: Grid, semantics: Semantics) -> Matrix | Scalar | str:
    try:
        return Evaluator(samples, semantics=semantics, memory_bytes=0).evaluate(expr, grid)
    except QueryError as error:
        return str(error)


def same(fast: Matrix | Scalar | str, plain: Matrix | Scalar | str, within: float = 1e-9) -> None:
    if isinstance(fast, str) or isinstance(plain, str):
        assert fast == plain
    elif isinstance(fast, Scalar) or isinstance(plain, Scalar):
        assert isinstance(fast, Scalar) and isinstance(plain, Scalar)
        np.testing.assert_allclose(fast.values, plain.values, rtol=within)
    else:
        # Only sort and topk order an instant query's rows, and they have no kernels.
        fast, plain = (one.take(sorted(range(len(one.labels)), key=one.labels.__getitem__)) for one in (fast, plain))
        assert fast.labels == plain.labels
        assert (fast.present == plain.present).all()
        np.testing.assert_allclose(fast.values[fast.present], plain.values[fast.present], rtol=within, atol=1e-12)


ONE = ("sum", "avg", "min", "max", "count", "present", "last", "first", "stddev", "stdvar", "mad")
RANGED = [
    *(f"{name}_over_time" for name in (*ONE, "ts_of_max", "ts_of_min", "ts_of_last", "ts_of_first", "absent")),
    *("changes", "resets", "rate", "increase", "delta", "irate", "idelta"),
]
FOLDS = ("sum", "avg", "min", "max", "count", "group", "stddev", "stdvar")
EXPRESSIONS = [
    "m",
    "timestamp(m)",
    *(f"{name}(m[{window}])" for name in RANGED for window in ("1s", "40s", "5m", "1h")),
    *(f"{name}_over_time(rate(m[1m])[10m:30s])" for name in ONE),
    *(f"quantile_over_time({share}, m[{window}])" for share in (-1, 0, 0.3, 1, 2, "NaN") for window in ("40s", "1h")),
    # Not through values of very different size: such a line is not well determined.
    *(f'{call.replace("m[", f"{selector}[")}' for selector in ('m{kind=~"counter|level|gauge"}', 'm{kind="spiky"}')
      for call in ("deriv(m[5m])", "deriv(m[1h])", "predict_linear(m[10m], 3600)", "predict_linear(m[1h], -60)")),
    "double_exponential_smoothing(m[5m], 0.3, 0.6)",
    *(f"{op} {by} (m)" for op in FOLDS for by in ("", "by (job)", "by (kind)", "without (i)")),
    *(f"quantile by (job) ({share}, m)" for share in (-1, 0, 0.3, 1, 2, "NaN")),
    *(f"histogram_quantile({share}, {of})" for share in (-1, 0, 0.3, 0.99, 1, 2, "NaN")
      for of in ("h_bucket", "rate(h_bucket[5m])", "sum by (le) (h_bucket)", 'h_bucket{le!="1.0"}')),
    *(f"histogram_fraction({low}, {high}, h_bucket)" for low, high in ((0, 0.3), (0.2, 7), (-1, "Inf"), (3, 1))),
    "m + m",
    "m / on (job) group_left m",
    'm / on (job) group_left (kind) max by (job, kind) (m{kind="gauge"})',
    "sum by (job) (m) > on (job) m",
    "m >= bool m",
    'm{kind="gauge"} == ignoring (kind, i) group_right () max by (job) (m)',
    "m + ignoring (kind, i, job) m",
]  # fmt: skip


@pytest.mark.parametrize("semantics", ["open", "closed"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_as_the_plain_reference(seed: int, semantics: Semantics) -> None:
    samples = awkward(seed)
    grids = (Grid(0, 4_000_000, 60_000), Grid(7, 4_000_000, 13_001), Grid(600_000, 600_000, 1))
    for expr in EXPRESSIONS:
        for grid in grids:
            fast = answer(expr, samples, grid, semantics)
            with plainly():
                plain = answer(expr, samples, grid, semantics)
            try:
                # Far from few samples the plain line is the less exact of the two.
                same(fast, plain, within=1e-6 if expr.startswith("predict_linear") else 1e-9)
            except AssertionError as error:
                raise AssertionError(f"{expr} at {grid}: {error}") from error


def test_the_reference_is_another_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison above can fail: a reference that is wrong is noticed."""
    monkeypatch.setitem(aggregate.FOLDS, "count", lambda layers, steps: np.zeros(steps))
    samples, grid = awkward(1), Grid(0, 600_000, 60_000)
    with plainly():
        plain = answer("count(m)", samples, grid, "open")
    with pytest.raises(AssertionError):
        same(answer("count(m)", samples, grid, "open"), plain)


def test_work_split_over_threads_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    samples, grid = awkward(4), Grid(0, 4_000_000, 10_000)
    exprs = ("sum by (job) (rate(m[5m]))", "max_over_time(m[1h])", "histogram_quantile(0.9, h_bucket)")
    alone = [answer(expr, samples, grid, "open") for expr in exprs]
    monkeypatch.setattr("rulegen.promql.rows.WORTH_SPLITTING", 1)
    monkeypatch.setattr("rulegen.promql.rows.CORES", 3)
    for one, expr in zip(alone, exprs, strict=True):
        same(answer(expr, samples, grid, "open"), one, within=0)
