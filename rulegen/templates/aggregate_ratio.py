"""aggregate_ratio: fire when a share of a group is affected at once."""

from __future__ import annotations

from dataclasses import replace

from rulegen.core.candidate import Choice, Slot, Slots
from rulegen.core.cluster import Cluster, Grade
from rulegen.core.rule import Rule
from rulegen.promql.rewrite import aggregated, comparison, fill, number
from rulegen.templates.hold import waits
from rulegen.templates.template import Template, duration, label_names, picks, real

SHARES = (0.5, 0.25, 0.34, 0.67, 0.1)
MOST_LABELS = 2


def slots(cluster: Cluster) -> tuple[Slot, ...] | None:
    names = label_names(cluster)
    if comparison(cluster.rule.expr) is None or cluster.facts.series < 2 or len(names) < 2:
        return None
    return (
        Slot("by", names, most=min(MOST_LABELS, len(names) - 1)),
        Slot("share", tuple(Choice(number(share), share) for share in SHARES)),
        Slot("for", waits(cluster.rule.hold)),
    )


def render(cluster: Cluster, filled: Slots) -> tuple[Rule, ...]:
    found = comparison(cluster.rule.expr)
    if found is None:
        raise ValueError("without a comparison all members count as affected")
    by = picks(filled, "by")
    affected, members = aggregated(cluster.rule.expr, "count", by), aggregated(found.left, "count", by)
    expr = fill(f"A / B >= {number(real(filled, 'share'))}", A=affected, B=members)
    return (replace(cluster.rule, expr=expr, hold=duration(filled, "for")),)


TEMPLATE = Template(
    name="aggregate_ratio",
    summary="fire when a share of a group is affected at once",
    change="tuning",
    grades=frozenset({Grade.METRICS}),
    slots=slots,
    render=render,
)
