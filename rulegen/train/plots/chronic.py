"""A small fault that nobody mends pages for hours every working day: a ticket is right.

Tempting and wrong (where the plot has incidents): the ticket, when the same rule is the only one that sees a real
incident elsewhere; then the known fault has to be carved out.
"""

from __future__ import annotations

from rulegen.core.labels import Labels
from rulegen.train.chance import pick
from rulegen.train.noise import every_day
from rulegen.train.plot import Answer, Kind, Plot, Signal, Stage, Trap, Truth, changed, number
from rulegen.train.signals import lay, ramp, steady


def plant(stage: Stage) -> Plot:
    rng, measure, dialect = stage.rng, stage.measure("chronic"), stage.dialect
    limit = pick(rng, measure.thresholds)
    known, other = ("reporting", "primary") if rng.random() < 0.5 else ("archive", "main")
    levels = {name: steady(rng, stage.axis, 0.05 * limit, 0.5 * limit) for name in (known, other)}
    for day in every_day(rng, stage.axis, 9, 40, (300, 480)):
        start = day[0]
        while start < day[1]:  # it comes and goes a few times a day
            end = min(day[1], start + int(rng.integers(60, 200)))
            if stage.free[start:end].all():
                lay(levels[known], (start, end), ramp(end - start, 10, rng.uniform(1.3, 1.9) * limit, limit))
            start = end + int(rng.integers(15, 40))

    incidents = []
    for opening in stage.openings:
        incident, ticks = stage.incident(opening, int(rng.integers(25, 55)))
        incidents.append(incident)
        lay(levels[other], ticks, ramp(ticks[1] - ticks[0], 3, rng.uniform(1.4, 1.8) * limit, limit))

    summary = f"{{{{ $labels.{dialect.service} }}}} {{{{ $labels.role }}}}: {{{{ $value }}}}"
    rule = stage.page(pick(rng, measure.alerts), f"{stage.select(measure.name)} > {number(limit)}", 5, summary)
    demoted = changed(rule, severity=dialect.ticket)
    answer, trap = Answer("demote", demoted), None
    if incidents:
        others = stage.select(measure.name, but={"role": known})
        carved = changed(rule, f"{others} > {number(limit)}")
        answer = Answer("carve_out", carved)
        trap = Trap("demote", demoted, tuple(i.id for i in incidents))
    signals = tuple(
        Signal(measure, stage.service.whole, level, stage.every, Labels({"role": name}))
        for name, level in levels.items()
    )
    return Plot(signals, (rule,), (Truth(stage.kind, rule.name, "chronic", answer, trap),), tuple(incidents))


KIND = Kind("chronic", "data", plant, replicas=(1, 1), incidents=(0, 2))
