"""One queue of several makes nearly all the noise: a rule of its own for that one is right.

Tempting and wrong: to leave the noisy one out altogether, when it has a real incident as well.
"""

from __future__ import annotations

from rulegen.core.labels import Labels
from rulegen.train.chance import pick
from rulegen.train.noise import spells
from rulegen.train.plot import Answer, Kind, Plot, Signal, Stage, Trap, Truth, changed, number
from rulegen.train.signals import lay, ramp, steady
from rulegen.train.vocabulary import QUEUES

_LOOSER = 5  # times the threshold: what the noisy one gets of its own


def plant(stage: Stage) -> Plot:
    rng, measure = stage.rng, stage.measure("queue")
    limit = pick(rng, measure.thresholds)
    names = [str(name) for name in rng.choice(QUEUES, int(rng.integers(3, 5)), replace=False)]
    levels = [steady(rng, stage.axis, 0.1 * limit, 0.6 * limit) for _ in names]
    for ticks in spells(rng, stage.axis, stage.per_day, (8, 30), stage.free):
        length = ticks[1] - ticks[0]
        lay(levels[0], ticks, ramp(length, 3, rng.uniform(1.6, 3.8) * limit, limit) * rng.uniform(0.92, 1.08, length))

    incidents = []
    for i, opening in enumerate(stage.openings):
        own = opening.id == stage.hidden
        incident, ticks = stage.incident(opening, int(rng.integers(25, 55)))
        incidents.append(incident)
        level = levels[0] if own else levels[1 + i % (len(levels) - 1)]
        lay(level, ticks, ramp(ticks[1] - ticks[0], 3, (9 if own else rng.uniform(1.5, 1.9)) * limit, limit * 1.05))

    noisy, threshold, by = names[0], number(limit), measure.by
    summary = f"{{{{ $value }}}} waiting in {{{{ $labels.{by} }}}}"
    rule = stage.page(pick(rng, measure.alerts), f"{stage.select(measure.name)} > {threshold}", 1, summary)
    only = stage.select(measure.name, {by: noisy})
    rest = f"{stage.select(measure.name, but={by: noisy})} > {threshold}"
    both = f"{rest} or {only} > {number(_LOOSER * limit)}"
    trap = Trap("carve_out", changed(rule, rest), (stage.hidden,)) if stage.hidden else None
    answer = Answer("carve_out", changed(rule, both if stage.hidden else rest))
    signals = tuple(
        Signal(measure, stage.service.whole, level, stage.every, Labels({by: name}))
        for name, level in zip(names, levels, strict=True)
    )
    return Plot(signals, (rule,), (Truth(stage.kind, rule.name, "noisy few", answer, trap),), tuple(incidents))


KIND = Kind("noisy_few", "queues", plant, replicas=(1, 3))
