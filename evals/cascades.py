"""Lagged pairs against a true causal graph, beside plain baselines: ``python -m evals.cascades [DATA]``.

DATA is the directory with ``alarm.csv``, ``topology.npy`` and ``true_graph.npy`` (default:
../shared/data/alarm-cascades). An edge is directed, from type to type. The true graph has no type that brings on
itself, and so none counts on either side: 59 × 58 edges may be right or wrong. Ours runs at its defaults, which no
truth chose; each baseline gets the window, the use of the topology and the threshold under which it is best against
the truth. Granger's test is statsmodels' (``pip install '.[compare]'``) on counts in bins, of all devices together
and, with ``--panel`` (20 minutes), of each device and its neighbours.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from rulegen.cluster import lagged
from rulegen.cluster.lagged import Cascades, cascades
from rulegen.core.durations import HOUR, MINUTE, SECOND

Values = NDArray[np.float64]
WINDOWS = (30, 60, 120, 300)  # s
BINS = (30, 60)  # s


class Data:
    """The alarms as columns, the devices around each, and the truth [types, types]."""

    def __init__(self, home: Path) -> None:
        rows = np.loadtxt(home / "alarm.csv", delimiter=",", skiprows=1).astype(np.int64)
        rows = rows[np.argsort(rows[:, 2], kind="stable")]
        self.kind, self.place, self.time = (np.ascontiguousarray(rows[:, k]) for k in range(3))
        self.truth = np.load(home / "true_graph.npy") > 0
        topology = np.load(home / "topology.npy") > 0
        self.neighbours = [np.flatnonzero(row).tolist() for row in topology]
        self.close = topology | np.eye(len(topology), dtype=bool)
        self.kinds = len(self.truth)

    def found(self, **how: Any) -> Cascades:
        given: dict[str, Any] = {"place": self.place, "neighbours": self.neighbours, **how}
        return cascades(self.kind, self.time * SECOND, kinds=self.kinds, **given)


def scores(found: Cascades, kinds: int) -> Values:
    """[types, types] the strength of each pair that was weighed; 0 elsewhere."""
    out = np.zeros((kinds, kinds))
    for one in found.weighed:
        out[one.first, one.then] = one.gain
    return out


def together(data: Data, window: int, near: bool) -> Values:
    """[types, types] how often one of the second follows one of the first within ``window`` s; ``near``: on the same
    device or one next to it."""
    out = np.zeros((data.kinds, data.kinds))
    last = np.searchsorted(data.time, data.time + window, side="right")
    for row, end in enumerate(last.tolist()):
        after = slice(row + 1, end)
        kinds = data.kind[after][data.time[after] > data.time[row]]
        if near:
            kinds = data.kind[after][
                (data.time[after] > data.time[row]) & data.close[data.place[row], data.place[after]]
            ]
        np.add.at(out[data.kind[row]], kinds, 1)
    return out


def granger(data: Data, width: int, panel: bool) -> Values:
    """[types, types] the F of Granger's test with two lags, on counts in bins of ``width`` s."""
    from statsmodels.tsa.stattools import grangercausalitytests

    bins = int(data.time.max()) // width + 1
    at = data.time // width
    out = np.zeros((data.kinds, data.kinds))
    counts = np.zeros((data.kinds, len(data.close), bins))
    np.add.at(counts, (data.kind, data.place, at), 1)
    for first in range(data.kinds):
        cause = np.tensordot(data.close.astype(float), counts[first], axes=1) if panel else counts[first].sum(0)
        for then in range(data.kinds):
            if first != then:
                effect = counts[then] if panel else counts[then].sum(0)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    tested = grangercausalitytests(np.column_stack((effect.ravel(), cause.ravel())), [2])
                # As many degrees of freedom for each pair: F orders as p does, and does not underflow.
                out[first, then] = tested[2][0]["ssr_ftest"][0]
    return out


def off_diagonal(matrix: NDArray[np.generic]) -> NDArray[np.generic]:
    return matrix[~np.eye(len(matrix), dtype=bool)]


def curve(score: Values, truth: NDArray[np.bool_]) -> tuple[Values, Values]:
    """Precision and recall at every distinct score, from the highest down."""
    values, right = off_diagonal(score), off_diagonal(truth)
    order = np.argsort(-1 * values, kind="stable")
    values, right = values[order], right[order]
    ends = np.flatnonzero(np.concatenate((np.diff(values) != 0, [True])))
    hits = np.cumsum(right)[ends].astype(float)
    return hits / (ends + 1), hits / right.sum()


def average_precision(score: Values, truth: NDArray[np.bool_]) -> float:
    precision, recall = curve(score, truth)
    return float((np.diff(recall, prepend=0) * precision).sum())


def best(score: Values, truth: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Precision, recall and F1 at the threshold that makes F1 largest."""
    precision, recall = curve(score, truth)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    at = int(np.argmax(f1))
    return float(precision[at]), float(recall[at]), float(f1[at])


def measured(found: Cascades, truth: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Precision, recall and F1 of the pairs that stand."""
    right = sum(bool(truth[one.first, one.then]) for one in found.pairs)
    precision, recall = right / max(1, len(found.pairs)), right / int(truth.sum())
    return precision, recall, 2 * precision * recall / max(precision + recall, 1e-12)


def _row(name: str, figures: tuple[float, float, float], average: float) -> tuple[str, ...]:
    return name, *(f"{one:.3f}" for one in (*figures, average))


def _baselines(data: Data, panel: bool) -> Iterator[tuple[str, str, Values]]:
    """(baseline, how, scores)"""
    rates = np.bincount(data.kind, minlength=data.kinds).astype(float)
    for near in (True, False):
        for window in WINDOWS:
            how = f"{window} s, {'along the topology' if near else 'anywhere'}"
            count = together(data, window, near)
            yield "co-occurrence count", how, count
            yield "lift", how, count / np.outer(rates, rates)
    for width in BINS:
        yield "Granger (statsmodels)", f"bins of {width} s", granger(data, width, panel=False)
    if panel:
        yield "Granger (statsmodels)", "bins of 120 s, along the topology", granger(data, 120, panel=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "data", nargs="?", type=Path, default=Path(__file__).parents[2] / "shared/data/alarm-cascades"
    )
    parser.add_argument("--panel", action="store_true")
    parser.add_argument("--ours-only", action="store_true")
    asked = parser.parse_args()
    data, console = Data(asked.data), Console(width=130)
    edges = int(data.truth.sum())
    console.print(f"{len(data.kind)} alarms, {data.kinds} types, {len(data.close)} devices, {edges} true edges")
    table = Table("method", "precision", "recall", "F1", "average precision")
    ours = data.found()
    table.add_row(
        *_row(
            "rulegen, defaults", measured(ours, data.truth), average_precision(scores(ours, data.kinds), data.truth)
        )
    )
    top: dict[str, tuple[float, tuple[str, ...]]] = {}
    for name, how, score in () if asked.ours_only else _baselines(data, asked.panel):
        figures, average = best(score, data.truth), average_precision(score, data.truth)
        row = _row(f"{name}, its best threshold ({how})", figures, average)
        top[name] = max(top.get(name, (-1.0, ())), (figures[2], row))
    for _, row in top.values():
        table.add_row(*row)
    console.print(table)
    _sensitivity(data, console)


def _sensitivity(data: Data, console: Console) -> None:
    table = Table("changed", "scale s", "pairs", "precision", "recall", "F1")

    def add(name: str, **how: object) -> None:
        found = data.found(**how)
        figures = (f"{one:.3f}" for one in measured(found, data.truth))
        table.add_row(name, str(found.scale // SECOND), str(len(found.pairs)), *figures)

    add("nothing")
    for q in (0.0001, 0.001, 0.05, 0.1):
        add(f"false discovery {q}", false_discovery=q)
    for scale in (15, 20, 45, 60, 120):
        add(f"scale {scale} s", scale=scale * SECOND)
    for own in (15 * MINUTE, 4 * HOUR):
        with mock.patch.object(lagged, "OWN", own):
            add(f"own rate within {own // MINUTE} min")
    for around in (6, 24):
        with mock.patch.object(lagged, "AROUND", around):
            add(f"a cause's rate within {around} times the scale")
    for near in (1.0,):
        with mock.patch.object(lagged, "NEAR", near):
            add(f"weighed from {near} deviations")
    add("no topology, all devices one", place=None, neighbours=None)
    add("no topology, each device alone", neighbours=None)
    console.print(table)


if __name__ == "__main__":
    main()
