"""What a window costs does not grow with its length: the kernels run as plain Python, and their reads are counted."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest

from rulegen.core.labels import Labels
from rulegen.core.series import Values
from rulegen.promql import line, over_time, precise, rate, rows, sums
from rulegen.promql.block import Block, Range
from rulegen.promql.matrix import Matrix, Scalar

SAMPLES, SHORT, LONG = 500, 5, 250  # the windows' lengths are in samples
CONSTANT = np.full(SAMPLES, 0.1)
GAUGE = 10 + np.sin(np.arange(SAMPLES))
SERIES = {
    "constant": CONSTANT,
    "zero": np.zeros(SAMPLES),
    "NaN": np.full(SAMPLES, np.nan),
    "NaN in each window": np.where(np.arange(SAMPLES) % SHORT, CONSTANT, np.nan),
    "gauge with NaN": np.where(np.arange(SAMPLES) % 60, GAUGE, np.nan),
    "gauge": GAUGE,
    "rising": np.arange(SAMPLES, dtype=np.float64),
}
FUNCTIONS: dict[str, Callable[[Range], Matrix]] = {
    "sum_over_time": sums.sum_over_time,
    "avg_over_time": sums.avg_over_time,
    "stddev_over_time": sums.stddev_over_time,
    "max_over_time": over_time.max_over_time,
    "count_over_time": over_time.count_over_time,
    "changes": over_time.changes,
    "deriv": line.deriv,
    "predict_linear": lambda of: line.predict_linear(of, Scalar(np.full(len(of.end), 60.0)), of.end),
    "rate": lambda of: rate.rate(of, "open"),
}
# rate adds up what was reached before each reset of a counter, as Prometheus does: of a gauge, at almost each fall.
CASES = [(name, kind) for name in FUNCTIONS for kind in SERIES if not (name == "rate" and kind.startswith("gauge"))]


class Counted:
    """Samples that count how often one is read."""

    def __init__(self, values: Values) -> None:
        self.values, self.reads = values, 0

    def __getitem__(self, at: int | slice) -> Values | float:
        found = self.values[at]
        self.reads += np.size(found)
        return found


@pytest.fixture
def plain_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is compiled, so that what is given to kernels can be any object."""
    modules: tuple[ModuleType, ...] = (line, over_time, precise, rate, sums)
    for module in modules:
        for name, thing in list(vars(module).items()):
            if hasattr(thing, "py_func"):
                monkeypatch.setattr(module, name, thing.py_func)
    monkeypatch.setattr(rows, "WORTH_SPLITTING", 10**9)


def reads(function: str, values: Values, window: int) -> tuple[int, Matrix]:
    """How many samples are read, and what comes out: a step for each sample."""
    what, times = Counted(values), np.arange(SAMPLES, dtype=np.int64) * 1000
    block = Block((Labels({"a": "b"}),), np.array([0, SAMPLES]), times, what)  # type: ignore[arg-type]
    with np.errstate(all="ignore"):
        found = FUNCTIONS[function](Range(block, times - window * 1000 + 1, times, window * 1000))
    return what.reads, found


@pytest.mark.usefixtures("plain_python")
@pytest.mark.parametrize(("function", "kind"), CASES)
def test_a_long_window_reads_no_more(function: str, kind: str) -> None:
    short, _ = reads(function, SERIES[kind], SHORT)
    long, found = reads(function, SERIES[kind], LONG)
    assert found.present.sum() >= SAMPLES - 1
    assert SAMPLES * (function != "count_over_time") <= long <= short + SAMPLES  # at most one more for each step


@pytest.mark.usefixtures("plain_python")
def test_reads_are_counted() -> None:
    """Windows with an infinity are gone through, as :mod:`rulegen.promql.sums` says: the count shows it."""
    values = np.where(np.arange(SAMPLES) % SHORT, CONSTANT, np.inf)
    short, long = (reads("sum_over_time", values, window)[0] for window in (SHORT, LONG))
    assert long > 10 * short
