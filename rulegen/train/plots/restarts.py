"""A page for every single restart: ``> 0`` wants to be ``> N``, since a crash loop restarts many times.

Tempting and wrong: an N that only the fastest crash loops reach.
"""

from __future__ import annotations

import numpy as np

from rulegen.train.chance import pick
from rulegen.train.noise import spells
from rulegen.train.plot import Answer, Kind, Plot, Signal, Stage, Trap, Truth, changed
from rulegen.train.vocabulary import Measure

_CRASH_LOOP = (
    0,
    1,
    2,
    3,
    5,
    8,
    13,
    18,
)  # minutes after the first: the kubelet doubles its back-off up to five minutes


def plant(stage: Stage) -> Plot:
    rng, measure = stage.rng, stage.measure("restarts")
    counts = [np.zeros(stage.axis.n, dtype=np.int64) for _ in stage.service.targets]
    for ticks in spells(rng, stage.axis, stage.per_day, (1, 1), stage.free, apart=15):
        counts[int(rng.integers(len(counts)))][ticks[0]] += 1 + int(rng.random() < 0.15)

    incidents = []
    for opening in stage.openings:
        mild = opening.id == stage.hidden
        incident, ticks = stage.incident(opening, int(rng.integers(22, 40)))
        incidents.append(incident)
        for count in counts[:1] if mild else counts:
            count[[ticks[0] + minute for minute in (_CRASH_LOOP[:4] if mild else _CRASH_LOOP)]] += 1
            if not mild:
                count[ticks[0] + 1 : ticks[0] + 4] += 2

    metric = stage.select(f"{measure.name}_total", measure.labels)
    summary = f"{{{{ $labels.{stage.dialect.pod} }}}} restarted {{{{ $value | humanize }}}} times in ten minutes"
    rule = stage.page(pick(rng, measure.alerts), f"increase({metric}[10m]) > 0", summary=summary)
    answer = Answer("retune", changed(rule, f"increase({metric}[10m]) > 2.5"), ("demote",))
    trap = Trap("retune", changed(rule, f"increase({metric}[10m]) > 6"), (stage.hidden,)) if stage.hidden else None
    signals = tuple(
        Signal(Measure(measure.name, "counter", measure.help), t, count, stage.every, measure.labels)
        for t, count in zip(stage.service.targets, counts, strict=True)
    )
    truth = Truth(stage.kind, rule.name, "tight threshold", answer, trap)
    return Plot(signals, (rule,), (truth,), tuple(incidents))


KIND = Kind("restarts", "resources", plant, per_day=(2.0, 4.0))
