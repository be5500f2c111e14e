"""A raw rate of errors pages for every blip of a busy service: a burn rate against an objective is right.

Tempting and wrong: a threshold above the blips, when a real outage comes while there is little traffic.
"""

from __future__ import annotations

from rulegen.core.labels import Labels
from rulegen.train.chance import pick
from rulegen.train.noise import spells
from rulegen.train.plot import Answer, Kind, Plot, Signal, Stage, Trap, Truth, changed, number, selector
from rulegen.train.signals import arrivals, daily, wander
from rulegen.train.vocabulary import Measure

_BURN = 14.4  # SRE workbook, chapter 5: 2% of a 30-day budget in an hour
_OBJECTIVE = 0.999


def plant(stage: Stage) -> Plot:
    rng, axis, dialect = stage.rng, stage.axis, stage.dialect
    busiest = pick(rng, (12.0, 20.0, 30.0))  # requests a second of one pod
    traffic = busiest * daily(axis, 0.12) * (1 + wander(rng, axis.n, 0.04))
    pods = len(stage.service.targets)
    limit = round(0.015 * pods * busiest, 1)  # of errors a second, over all pods
    share = 0 * traffic + 0.0004
    for ticks in spells(rng, axis, stage.per_day, (3, 6), stage.free & (daily(axis, 0.0) > 0.3), apart=45):
        share[ticks[0] : ticks[1]] = rng.uniform(0.04, 0.09)

    incidents = []
    for opening in stage.openings:
        incident, ticks = stage.incident(opening, int(rng.integers(15, 45)))
        incidents.append(incident)
        share[ticks[0] : ticks[1]] = rng.uniform(0.35, 0.55)
        if opening.id == stage.hidden:
            traffic[max(0, ticks[0] - 75) : ticks[1]] = 0.12 * busiest  # long enough to fill the burn rate's hour
            share[ticks[0] : ticks[1]] = 0.35

    measure = Measure(dialect.http, "counter", "Requests by status code.", quantum=1)
    signals = []
    for target in stage.service.targets:
        failed = arrivals(rng, traffic * share)
        signals.append(Signal(measure, target, failed, stage.every, Labels({dialect.code: "500"})))
        signals.append(
            Signal(measure, target, arrivals(rng, traffic * (1 - share)), stage.every, Labels({dialect.code: "200"}))
        )

    rule = stage.page(
        "HighErrorRate",
        f"{_errors(stage, '5m')} > {number(limit)}",
        1,
        f"{{{{ $labels.{dialect.service} }}}} answers {{{{ $value | humanize }}}} errors a second",
    )
    windows = " and ".join(f"{_ratio(stage, w)} > {number(_BURN)} * {number(1 - _OBJECTIVE)}" for w in ("1h", "5m"))
    answer = Answer("burn_rate", changed(rule, windows, hold=0))
    trap = None
    if stage.hidden:
        above = round(0.06 * pods * busiest, 1)
        trap = Trap("retune", changed(rule, f"{_errors(stage, '5m')} > {number(above)}"), (stage.hidden,))
    truth = Truth(stage.kind, rule.name, "symptom without SLO", answer, trap)
    return Plot(tuple(signals), (rule,), (truth,), tuple(incidents))


def _errors(stage: Stage, window: str) -> str:
    dialect = stage.dialect
    failed = f'{dialect.http}_total{{{dialect.code}=~"5..",{dialect.service}="{stage.service.name}"}}'
    return f"sum by ({dialect.service}) (rate({failed}[{window}]))"


def _ratio(stage: Stage, window: str) -> str:
    dialect = stage.dialect
    every = selector(f"{dialect.http}_total", {dialect.service: stage.service.name})
    return f"{_errors(stage, window)} / sum by ({dialect.service}) (rate({every}[{window}]))"


KIND = Kind("error_rate", "http", plant, replicas=(2, 3), per_day=(2.0, 4.0))
