"""A good rule that must stay as it is: a latency quantile out of a histogram, silent but for incidents."""

from __future__ import annotations

import numpy as np

from rulegen.core.labels import Labels
from rulegen.core.series import Values
from rulegen.train.plot import Kind, Plot, Signal, Stage, number
from rulegen.train.signals import arrivals, daily, wander
from rulegen.train.vocabulary import Measure

_BOUNDS = (0.1, 0.25, 0.5, 1.0, 2.5, float("inf"))
_SHAPE = 3.0  # of a log-logistic distribution: its share below x is 1 / (1 + (x / median)^-shape)


def plant(stage: Stage) -> Plot:
    rng, axis, service = stage.rng, stage.axis, stage.dialect.service
    traffic = 8 * daily(axis, 0.2) * (1 + wander(rng, axis.n, 0.05))
    median = 0.13 * (1 + wander(rng, axis.n, 0.05))
    incidents = []
    for opening in stage.openings:
        incident, ticks = stage.incident(opening, int(rng.integers(25, 55)))
        incidents.append(incident)
        median[ticks[0] : ticks[1]] *= rng.uniform(5, 7)

    buckets = Measure("order_duration_seconds", "histogram", "Time from basket to confirmation.", quantum=1)
    shares = np.diff(np.stack([_below(bound, median) for bound in _BOUNDS]), axis=0, prepend=0)  # [bounds, n]
    counts = np.cumsum(np.stack([arrivals(rng, traffic * share) for share in shares]), axis=0)  # [bounds, n]
    signals = tuple(
        Signal(buckets, stage.service.whole, count, max(2, stage.every), Labels({"le": _le(bound)}))
        for bound, count in zip(_BOUNDS, counts, strict=True)
    )
    limit = 1.0
    inner = f"sum by (le, {service}) (rate({stage.select('order_duration_seconds_bucket')}[10m]))"
    summary = f"one order in twenty takes {{{{ $value | humanizeDuration }}}} in {{{{ $labels.{service} }}}}"
    rule = stage.page("OrdersSlow", f"histogram_quantile(0.95, {inner}) > {number(limit)}", 1, summary)
    return Plot(signals, (rule,), (stage.healthy(rule),), tuple(incidents))


def _below(bound: float, median: Values) -> Values:  # [n]
    share: Values = 1 / (1 + (bound / median) ** -_SHAPE)
    return share


def _le(bound: float) -> str:
    return "+Inf" if np.isinf(bound) else str(bound)


KIND = Kind("slow_histogram", "latency", plant, replicas=(1, 2))
