"""A rule that counts members pages whenever one of them was not scraped for a while: the last sample should stand.

Tempting and wrong: to page only when two are missing, as they mostly are when something is really wrong; one incident
takes one alone.
"""

from __future__ import annotations

import numpy as np

from rulegen.train.chance import pick
from rulegen.train.noise import spells
from rulegen.train.plot import Answer, Kind, Plot, Signal, Stage, Trap, Truth, changed, selector
from rulegen.train.vocabulary import Measure

_MEMBERS = (
    Measure(
        "etcd_server_has_leader", "gauge", "Whether the member sees a leader.", quantum=1, alerts=("EtcdMembers",)
    ),
    Measure(
        "mysql_global_status_wsrep_ready", "gauge", "Whether the node takes queries.", quantum=1, alerts=("Galera",)
    ),
    Measure("broker_in_sync", "gauge", "Whether the broker keeps up.", quantum=1, alerts=("BrokersInSync",)),
)


def plant(stage: Stage) -> Plot:
    rng, service = stage.rng, stage.dialect.service
    measure = pick(rng, _MEMBERS)
    members = [np.ones(stage.axis.n) for _ in stage.service.targets]
    for ticks in spells(rng, stage.axis, stage.per_day, (7, 9), stage.free, apart=20):
        members[int(rng.integers(len(members)))][ticks[0] : ticks[1]] = np.nan  # longer than the lookback of 5m

    incidents = []
    for opening in stage.openings:
        incident, ticks = stage.incident(opening, int(rng.integers(12, 45)))
        incidents.append(incident)
        # One stays: a count of none is no sample.
        out = 1 if opening.id == stage.hidden or len(members) < 3 else int(rng.integers(2, len(members)))
        for member in members[:out]:
            member[ticks[0] : ticks[1]] = 0

    metric = selector(measure.name, {service: stage.service.name})

    def fewer(metric: str, than: int) -> str:
        return f"count by ({service}) ({metric} == 1) < {than}"

    count = len(members)
    summary = f"{{{{ $value }}}} of {count} members of {{{{ $labels.{service} }}}} are well"
    rule = stage.page(f"{measure.alerts[0]}Missing", fewer(metric, count), 0, summary)
    answer = Answer("absent_guard", changed(rule, fewer(f"last_over_time({metric}[10m])", count)))
    trap = Trap("retune", changed(rule, fewer(metric, count - 1)), (stage.hidden,)) if stage.hidden else None
    signals = tuple(
        Signal(measure, t, member, stage.every) for t, member in zip(stage.service.targets, members, strict=True)
    )
    return Plot(signals, (rule,), (Truth(stage.kind, rule.name, "missing data", answer, trap),), tuple(incidents))


KIND = Kind("missing_data", "availability", plant, replicas=(3, 5), per_day=(2.0, 5.0))
