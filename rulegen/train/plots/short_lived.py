"""Spikes of one to three minutes, higher than any incident: a ``for`` of a few minutes is right.

Tempting and wrong: a ``for`` of ten minutes or more, when one incident is shorter; a threshold above the spikes.
"""

from __future__ import annotations

from rulegen.train.chance import pick
from rulegen.train.noise import spells
from rulegen.train.plot import Answer, Kind, Plot, Signal, Stage, Trap, Truth, changed, number
from rulegen.train.signals import lay, ramp, steady


def plant(stage: Stage) -> Plot:
    rng, measure = stage.rng, stage.measure("saturation")
    limit = pick(rng, measure.thresholds)
    levels = [steady(rng, stage.axis, 0.4 * limit, 0.8 * limit) for _ in stage.service.targets]
    for ticks in spells(rng, stage.axis, stage.per_day, (1, 3), stage.free):
        noisy = levels[int(rng.integers(len(levels)))]
        lay(noisy, ticks, rng.uniform(1.15, 2.2, ticks[1] - ticks[0]) * limit)

    incidents = []
    for opening in stage.openings:
        short = opening.id == stage.hidden
        incident, ticks = stage.incident(opening, 9 if short else int(rng.integers(20, 55)))
        incidents.append(incident)
        for level in levels:
            height = rng.uniform(1.3, 1.5) * limit
            lay(
                level,
                ticks,
                ramp(ticks[1] - ticks[0], 2, height, limit) * rng.uniform(0.95, 1.05, ticks[1] - ticks[0]),
            )

    metric = stage.select(measure.name, measure.labels)
    summary = f"{{{{ $labels.{stage.dialect.pod} }}}} is saturated ({{{{ $value | humanize }}}})"
    rule = stage.page(pick(rng, measure.alerts), f"{metric} > {number(limit)}", summary=summary)
    trap = Trap("hold", changed(rule, hold=15), (stage.hidden,)) if stage.hidden else None
    truth = Truth(stage.kind, rule.name, "short-lived", Answer("hold", changed(rule, hold=3)), trap)
    signals = tuple(
        Signal(measure, t, level, stage.every, measure.labels)
        for t, level in zip(stage.service.targets, levels, strict=True)
    )
    return Plot(signals, (rule,), (truth,), tuple(incidents))


KIND = Kind("short_lived", "resources", plant, per_day=(4.0, 10.0))
