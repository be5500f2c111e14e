"""A signal that jumps over its threshold and back every few minutes: averaging over minutes is right.

Tempting and wrong: a ``for`` longer than the jumps, when the real incident jumps as well.
"""

from __future__ import annotations

import numpy as np

from rulegen.train.chance import pick
from rulegen.train.noise import peaks, spells
from rulegen.train.plot import Answer, Kind, Plot, Signal, Stage, Trap, Truth, changed, number
from rulegen.train.signals import lay, steady


def plant(stage: Stage) -> Plot:
    rng, measure = stage.rng, stage.measure("latency")
    limit = pick(rng, measure.thresholds)
    levels = [steady(rng, stage.axis, 0.3 * limit, 0.6 * limit) for _ in stage.service.targets]
    for ticks in spells(rng, stage.axis, stage.per_day, (20, 80), stage.free):
        noisy = levels[int(rng.integers(len(levels)))]
        lay(noisy, ticks, peaks(rng, ticks[1] - ticks[0], 0.4 * limit, (1.3 * limit, 1.9 * limit), (5, 8)))

    incidents = []
    for opening in stage.openings:
        incident, ticks = stage.incident(opening, int(rng.integers(18, 45)))
        incidents.append(incident)
        length = ticks[1] - ticks[0]
        dips = np.arange(length) % 3 == 2 if opening.id == stage.hidden else np.zeros(length, dtype=np.bool_)
        for level in levels:
            lay(level, ticks, np.where(dips, 0.7, rng.uniform(1.8, 2.1, length)) * limit)

    metric = stage.select(measure.name, measure.labels)
    summary = f"{{{{ $labels.{stage.dialect.pod} }}}} is slow: {{{{ $value }}}}"
    rule = stage.page(pick(rng, measure.alerts), f"{metric} > {number(limit)}", summary=summary)
    answer = Answer("smooth", changed(rule, f"avg_over_time({metric}[5m]) > {number(limit)}"), ("hold",))
    trap = Trap("hold", changed(rule, hold=5), (stage.hidden,)) if stage.hidden else None
    signals = tuple(
        Signal(measure, t, level, stage.every, measure.labels)
        for t, level in zip(stage.service.targets, levels, strict=True)
    )
    return Plot(signals, (rule,), (Truth(stage.kind, rule.name, "flapping", answer, trap),), tuple(incidents))


KIND = Kind("flapping", "latency", plant, per_day=(1.0, 3.0))
