"""A nightly job that is as loud as an incident: only the hour tells them apart.

Tempting and wrong: a ``for`` longer than the job, since incidents are no longer.
"""

from __future__ import annotations

from rulegen.train.chance import pick
from rulegen.train.noise import every_day
from rulegen.train.plot import Answer, Kind, Plot, Signal, Stage, Trap, Truth, changed, number
from rulegen.train.signals import lay, ramp, steady


def plant(stage: Stage) -> Plot:
    rng, measure = stage.rng, stage.measure("seasonal")
    limit = pick(rng, measure.thresholds)
    hour = int(rng.integers(1, 5))
    level = steady(rng, stage.axis, 0.3 * limit, 0.75 * limit)
    for ticks in every_day(rng, stage.axis, hour + 0.25, 8, (25, 55)):
        if stage.free[ticks[0] : ticks[1]].all():
            length = ticks[1] - ticks[0]
            lay(level, ticks, ramp(length, 3, 1.3 * limit, limit) * rng.uniform(0.93, 1.07, length))

    incidents = []
    for opening in stage.openings:
        incident, ticks = stage.incident(opening, int(rng.integers(18, 40)))
        incidents.append(incident)
        length = ticks[1] - ticks[0]
        lay(level, ticks, ramp(length, 3, 1.3 * limit, 1.05 * limit) * rng.uniform(0.97, 1.05, length))

    expr = f"{stage.select(measure.name)} > {number(limit)}"
    summary = f"{{{{ $labels.{stage.dialect.service} }}}} is busy: {{{{ $value }}}}"
    rule = stage.page(pick(rng, measure.alerts), expr, 1, summary)
    muted = changed(rule, f"{expr} unless on () (hour() >= {hour} and hour() < {hour + 2})")
    trap = Trap("hold", changed(rule, hold=60), tuple(i.id for i in incidents)) if stage.hidden else None
    truth = Truth(stage.kind, rule.name, "seasonal", Answer("seasonal_mute", muted), trap)
    signals = (Signal(measure, stage.service.whole, level, stage.every),)
    return Plot(signals, (rule,), (truth,), tuple(incidents))


KIND = Kind("seasonal", "data", plant, replicas=(1, 1), daytime=True)
