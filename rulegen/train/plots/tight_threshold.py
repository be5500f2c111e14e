"""Memory that passes its threshold whenever there is work: the next higher threshold is right.

Tempting and wrong: the threshold after that, above the peak of one incident. A twin rule by another team says nearly
the same (``twin``): one of the two is enough.
"""

from __future__ import annotations

import numpy as np

from rulegen.core.labels import Labels
from rulegen.train.chance import pick
from rulegen.train.noise import spells
from rulegen.train.plot import Answer, Kind, Plot, Signal, Stage, Trap, Truth, changed, number
from rulegen.train.signals import lay, ramp, steady, wander
from rulegen.train.vocabulary import MEMORY_LIMITS, Measure


def plant(stage: Stage) -> Plot:
    rng, measure, dialect = stage.rng, stage.measure("memory"), stage.dialect
    size = pick(rng, (512, 1024, 2048)) * 2**20
    limit = pick(rng, measure.thresholds)
    higher, highest = round(1.12 * limit, 2), round(1.19 * limit, 2)
    shares = [steady(rng, stage.axis, 0.75 * limit, 0.95 * limit) for _ in stage.service.targets]
    for ticks in spells(rng, stage.axis, stage.per_day, (25, 110), stage.free):
        busy = shares[int(rng.integers(len(shares)))]
        lay(
            busy,
            ticks,
            np.clip((1.04 + wander(rng, ticks[1] - ticks[0], 0.03, 5)) * limit, 0.95 * limit, 1.09 * limit),
        )

    incidents = []
    for opening in stage.openings:
        modest = opening.id == stage.hidden
        incident, ticks = stage.incident(opening, int(rng.integers(20, 55)))
        incidents.append(incident)
        top = (1.16 if modest else 1.235) * limit
        for share in shares:
            lay(
                share,
                ticks,
                ramp(ticks[1] - ticks[0], 4, top, 0.95 * limit) + rng.uniform(-0.01, 0.01, ticks[1] - ticks[0]),
            )

    used = stage.select(measure.name, measure.labels)
    capacity_name, capacity_labels = MEMORY_LIMITS[measure.name]
    capacity = Measure(capacity_name, "gauge", "Most that may be used.", quantum=2**20)
    ratio = f"{used} / on ({dialect.service}, {dialect.pod}) {stage.select(capacity_name, capacity_labels)}"
    summary = f"{{{{ $labels.{dialect.pod} }}}} uses {{{{ $value | humanizePercentage }}}} of its memory"
    rule = stage.page(measure.alerts[0], f"{ratio} > {number(limit)}", 1, summary)
    trap = Trap("retune", changed(rule, f"{ratio} > {number(highest)}"), (stage.hidden,)) if stage.hidden else None
    answer = Answer("retune", changed(rule, f"{ratio} > {number(higher)}"))
    rules, truths = [rule], [Truth(stage.kind, rule.name, "tight threshold", answer, trap)]
    early = stage.ticket(f"{measure.alerts[0]}Early", f"{ratio} > {number(round(0.93 * limit, 2))}", 15, summary)
    rules.append(early)
    truths.append(stage.healthy(early))
    if stage.twin:
        twin = stage.page(measure.alerts[1], f"{ratio} > {number(round(1.02 * limit, 3))}", 2, summary)
        rules.append(twin)
        truths.append(Truth(stage.kind, twin.name, "duplicate", Answer("dedupe", answer.rule, ("retune",))))

    signals = []
    for target, share in zip(stage.service.targets, shares, strict=True):
        signals.append(Signal(measure, target, share * size, stage.every, measure.labels))
        whole = np.full(stage.axis.n, size)
        signals.append(Signal(capacity, target, whole, 4, Labels(capacity_labels)))
    return Plot(tuple(signals), tuple(rules), tuple(truths), tuple(incidents))


KIND = Kind("tight_threshold", "resources", plant, replicas=(2, 3), per_day=(2.0, 5.0))
