"""group: one notification for a storm: coarser ``group_by``, and timers that wait for the rest of it."""

from __future__ import annotations

from rulegen.core.candidate import Choice, Grouping, RoutingChange, Slot, Slots
from rulegen.core.cluster import Cluster, Grade
from rulegen.core.durations import DAY, HOUR, MINUTE, SECOND
from rulegen.core.labels import ALERT_NAME
from rulegen.core.rule import Rule
from rulegen.promql.rewrite import checked_label
from rulegen.templates.template import Template, alerts_of, duration, durations, label_names, picks

ALONE = "alertname"  # the token, and what is grouped by where no label stays
MOST_LABELS = 2
WAITS = (30 * SECOND, MINUTE, 2 * MINUTE)
INTERVALS = (5 * MINUTE, 10 * MINUTE, 30 * MINUTE)
REPEATS = (4 * HOUR, 12 * HOUR, DAY)


def slots(cluster: Cluster) -> tuple[Slot, ...] | None:
    facts = cluster.facts
    if facts.together_share == 0 and facts.duration_p90 < REPEATS[0]:
        return None  # nothing starts together, and nothing lasts until it is repeated
    names = tuple(one for one in label_names(cluster) if one.value != ALERT_NAME)
    by = (Choice(ALONE, ALERT_NAME), *names)
    return (
        Slot("by", by, most=min(MOST_LABELS, len(by))),
        Slot("group_wait", durations(*WAITS)),
        Slot("group_interval", durations(*INTERVALS)),
        Slot("repeat_interval", durations(*REPEATS)),
    )


def render(cluster: Cluster, filled: Slots) -> tuple[Rule, ...]:
    return (cluster.rule,)


def route(cluster: Cluster, filled: Slots) -> tuple[RoutingChange, ...]:
    by = {ALERT_NAME, *map(checked_label, picks(filled, "by"))}
    timers = (duration(filled, name) for name in ("group_wait", "group_interval", "repeat_interval"))
    return (Grouping(alerts_of(cluster.rule.name, cluster.rule.labels), tuple(sorted(by)), *timers),)


TEMPLATE = Template(
    name="group",
    summary="one notification for what starts together: coarser grouping, longer timers (Alertmanager)",
    change="routing",
    grades=frozenset({Grade.METRICS, Grade.ALERTS}),
    slots=slots,
    render=render,
    route=route,
)
