"""Single pods go away now and then and come back; only several at once are an incident: a count over pods is right.

Tempting and wrong: to ask for more than half of them, when one incident takes exactly two.
"""

from __future__ import annotations

import numpy as np

from rulegen.train.chance import pick
from rulegen.train.noise import spells
from rulegen.train.plot import Answer, Kind, Plot, Signal, Stage, Trap, Truth, changed, selector


def plant(stage: Stage) -> Plot:
    rng, measure, service = stage.rng, stage.measure("probe"), stage.dialect.service
    states = [np.ones(stage.axis.n) for _ in stage.service.targets]
    for ticks in spells(rng, stage.axis, stage.per_day, (4, 22), stage.free):
        states[int(rng.integers(len(states)))][ticks[0] : ticks[1]] = 0

    incidents = []
    for opening in stage.openings:
        two = opening.id == stage.hidden
        incident, ticks = stage.incident(opening, int(rng.integers(12, 45)))
        incidents.append(incident)
        for state in states[:2] if two else states[: max(2, int(rng.integers(3, len(states) + 1)))]:
            state[ticks[0] : ticks[1]] = 0

    metric = selector(measure.name, {**measure.labels, service: stage.service.name})
    summary = f"{{{{ $labels.{stage.dialect.pod} }}}} does not answer"
    rule = stage.page(pick(rng, measure.alerts), f"{metric} == 0", 1, summary)
    answer = Answer(
        "aggregate_count", changed(rule, f"count by ({service}) ({metric} == 0) >= 2"), ("aggregate_ratio",)
    )
    half = changed(rule, f"count by ({service}) ({metric} == 0) / count by ({service}) ({metric}) > 0.5")
    trap = Trap("aggregate_ratio", half, (stage.hidden,)) if stage.hidden else None
    signals = tuple(
        Signal(measure, t, state, stage.every, measure.labels)
        for t, state in zip(stage.service.targets, states, strict=True)
    )
    return Plot(signals, (rule,), (Truth(stage.kind, rule.name, "storm", answer, trap),), tuple(incidents))


KIND = Kind("storm_single", "availability", plant, replicas=(4, 6), per_day=(2.0, 5.0))
