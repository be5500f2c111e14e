"""A dependency of the whole service hiccups and every pod pages for it: one alert for the service is right.

Tempting and wrong: a long ``for``, when one incident is no longer than the hiccups.
"""

from __future__ import annotations

import numpy as np

from rulegen.train.chance import pick
from rulegen.train.noise import spells
from rulegen.train.plot import Answer, Kind, Plot, Signal, Stage, Trap, Truth, changed, number, selector
from rulegen.train.signals import arrivals
from rulegen.train.vocabulary import Measure


def plant(stage: Stage) -> Plot:
    rng, measure, service = stage.rng, stage.measure("errors"), stage.dialect.service
    limit = pick(rng, measure.thresholds)
    rates = [np.full(stage.axis.n, 0.02 * limit) for _ in stage.service.targets]
    for ticks in spells(rng, stage.axis, stage.per_day, (7, 12), stage.free, apart=30):
        for rate in rates:
            late = int(rng.integers(0, 3))
            rate[ticks[0] + late : ticks[1]] = rng.uniform(2.5, 4.5) * limit

    incidents = []
    for opening in stage.openings:
        short = opening.id == stage.hidden
        incident, ticks = stage.incident(opening, 10 if short else int(rng.integers(20, 50)))
        incidents.append(incident)
        for rate in rates:
            rate[ticks[0] : ticks[1]] = rng.uniform(3.0, 5.0) * limit

    each = f"rate({selector(f'{measure.name}_total', measure.labels)}[5m])"
    summary = f"{{{{ $labels.{stage.dialect.pod} }}}}: {{{{ $value | humanize }}}} per second"
    rule = stage.page(pick(rng, measure.alerts), f"{each} > {number(limit)}", 1, summary)
    answer = Answer("collapse", changed(rule, f"max by ({service}) ({each}) > {number(limit)}"), ("aggregate_count",))
    trap = Trap("hold", changed(rule, hold=20), (stage.hidden,)) if stage.hidden else None
    signals = tuple(
        Signal(Measure(measure.name, "counter", measure.help), t, arrivals(rng, rate), stage.every, measure.labels)
        for t, rate in zip(stage.service.targets, rates, strict=True)
    )
    return Plot(signals, (rule,), (Truth(stage.kind, rule.name, "storm", answer, trap),), tuple(incidents))


KIND = Kind("storm_effect", "dependencies", plant, replicas=(3, 6), per_day=(1.0, 3.0))
