"""aggregate_count: fire when at least N members of a group are affected at once."""

from __future__ import annotations

from dataclasses import replace

from rulegen.core.candidate import Choice, Slot, Slots
from rulegen.core.cluster import Cluster, Grade
from rulegen.core.rule import Rule
from rulegen.promql.rewrite import aggregated, fill, number
from rulegen.templates.hold import waits
from rulegen.templates.template import Template, duration, label_names, picks, real

COUNTS = (2.0, 3.0, 4.0, 5.0, 10.0)
MOST_LABELS = 2


def slots(cluster: Cluster) -> tuple[Slot, ...] | None:
    names = label_names(cluster)
    counts = tuple(Choice(number(n), n) for n in COUNTS if n <= cluster.facts.series)
    if not counts or len(names) < 2:
        return None
    return (
        Slot("by", names, most=min(MOST_LABELS, len(names) - 1)),
        Slot("at_least", counts),
        Slot("for", waits(cluster.rule.hold)),
    )


def render(cluster: Cluster, filled: Slots) -> tuple[Rule, ...]:
    affected = aggregated(cluster.rule.expr, "count", picks(filled, "by"))
    expr = fill(f"A >= {number(real(filled, 'at_least'))}", A=affected)
    return (replace(cluster.rule, expr=expr, hold=duration(filled, "for")),)


TEMPLATE = Template(
    name="aggregate_count",
    summary="fire when at least N of a group are affected at once",
    change="tuning",
    grades=frozenset({Grade.METRICS, Grade.ALERTS}),
    slots=slots,
    render=render,
)
