"""From signals to samples: what a Prometheus that scrapes every so often, and fails now and then, would hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from rulegen.core.durations import SECOND
from rulegen.core.labels import METRIC_NAME
from rulegen.core.series import Samples, Series, Values
from rulegen.train.axis import Axis
from rulegen.train.plot import Signal
from rulegen.train.vocabulary import MetricType

_SUFFIX: dict[MetricType, str] = {"counter": "_total", "histogram": "_bucket", "gauge": "", "summary": ""}

Stream = Callable[[str], np.random.Generator]


def scrape(
    axis: Axis, signals: tuple[Signal, ...], missed: float, down: NDArray[np.bool_], stream: Stream
) -> Samples:
    """The samples of ``signals``: one series a signal and pod, cut where scrapes fail.

    A scrape fails for a whole target with probability ``missed`` (each failure takes one to three scrapes with it)
    and for every target during ``down`` [n]. ``stream`` gives the randomness that belongs to a target's name.
    """
    failing: dict[str, NDArray[np.bool_]] = {}
    series: list[Series] = []
    for signal in signals:
        name = signal.target.name
        if name not in failing:
            failing[name] = _failures(stream(name), axis.n, missed) | down
        series.extend(_series(axis, signal, failing[name]))
    return Samples.of(series)


def _failures(rng: np.random.Generator, n: int, missed: float) -> NDArray[np.bool_]:
    first = rng.random(n) < missed / 2  # two scrapes are lost with each, on average
    length = rng.integers(1, 4, size=n)
    failing = first.copy()
    for more in (1, 2):
        failing[more:] |= first[:-more] & (length[:-more] > more)
    return failing


def _series(axis: Axis, signal: Signal, failing: NDArray[np.bool_]) -> Iterator[Series]:
    times, measure = axis.times() + signal.target.phase * SECOND, signal.measure
    counts = measure.type in ("counter", "histogram")
    for life in signal.target.lives:
        ticks = np.arange(*life.ticks)
        scraped = ticks[(ticks % signal.every == 0) & ~failing[ticks]]
        if not counts:
            scraped = scraped[~np.isnan(signal.values[scraped])]
        if not len(scraped):
            continue
        if counts:  # a new pod counts from nothing
            values = np.cumsum(signal.values[life.ticks[0] : life.ticks[1]])[scraped - life.ticks[0]].astype(
                np.float64
            )
        else:
            values = rounded(signal.values[scraped], measure.quantum)
        name = {METRIC_NAME: f"{measure.name}{_SUFFIX[measure.type]}"}
        yield Series(life.labels.updated(measure.labels).updated(signal.labels).updated(name), times[scraped], values)


def rounded(values: Values, quantum: float) -> Values:
    """``values`` [n] to multiples of ``quantum`` (a power of ten below 1, or a whole number): they print short."""
    if quantum < 1:
        near: Values = np.round(values, round(-np.log10(quantum)))
        return near
    whole: Values = np.round(values / quantum) * quantum
    return whole
