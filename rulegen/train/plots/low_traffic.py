"""An error ratio where at night one failed request of three is a third: a minimum of traffic is right.

Tempting and wrong: a threshold that one of three does not reach, when a real incident stays below it.
"""

from __future__ import annotations

import numpy as np

from rulegen.core.labels import Labels
from rulegen.train.chance import pick
from rulegen.train.plot import Answer, Kind, Plot, Signal, Stage, Trap, Truth, changed, number
from rulegen.train.signals import arrivals, daily
from rulegen.train.vocabulary import Measure


def plant(stage: Stage) -> Plot:
    rng, axis, dialect = stage.rng, stage.axis, stage.dialect
    limit = pick(rng, (0.05, 0.08))
    night = daily(axis, 0.0) < 0.35
    traffic = daily(axis, 0.05) * rng.uniform(0.8, 1.2)  # requests a second of the whole service
    traffic[night] = 0.008
    share = 0 * traffic + 0.002
    share[night & stage.free] = stage.per_day * axis.days / (traffic[night].sum() * 60)
    share[~stage.free] = 0

    incidents = []
    for opening in stage.openings:
        incident, ticks = stage.incident(opening, int(rng.integers(20, 50)))
        incidents.append(incident)
        share[ticks[0] : ticks[1]] = rng.uniform(0.22, 0.3)
        traffic[ticks[0] : ticks[1]] = np.maximum(traffic[ticks[0] : ticks[1]], 0.4)  # an incident that people notice

    measure = Measure(dialect.http, "counter", "Requests by status code.", quantum=1)
    whole = stage.service.whole
    signals = (
        Signal(measure, whole, arrivals(rng, traffic * share), stage.every, Labels({dialect.code: "500"})),
        Signal(measure, whole, arrivals(rng, traffic * (1 - share)), stage.every, Labels({dialect.code: "200"})),
    )
    own = f'{dialect.service}="{stage.service.name}"'
    total = f"sum by ({dialect.service}) (rate({dialect.http}_total{{{own}}}[10m]))"
    failed = f'sum by ({dialect.service}) (rate({dialect.http}_total{{{dialect.code}=~"5..",{own}}}[10m]))'
    expr = f"{failed} / {total} > {number(limit)}"
    summary = f"{{{{ $value | humanizePercentage }}}} of {{{{ $labels.{dialect.service} }}}}'s requests fail"
    rule = stage.page("HighErrorRatio", expr, 1, summary)
    answer = Answer("gate", changed(rule, f"({expr}) and {total} > 0.05"), ("retune", "burn_rate"))
    trap = None
    if stage.hidden:
        above = changed(rule, f"{failed} / {total} > 0.5")
        trap = Trap("retune", above, tuple(i.id for i in incidents))
    truth = Truth(stage.kind, rule.name, "symptom without SLO", answer, trap)
    return Plot(signals, (rule,), (truth,), tuple(incidents))


KIND = Kind("low_traffic", "http", plant, replicas=(1, 1), daytime=True)
