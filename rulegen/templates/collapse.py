"""collapse: one alert for all that share the labels that stay, so that a restarted pod is no new alert."""

from __future__ import annotations

from dataclasses import replace

from rulegen.core.candidate import Slot, Slots
from rulegen.core.cluster import Cluster, Grade
from rulegen.core.rule import Rule
from rulegen.promql.rewrite import aggregated, comparison, with_comparison
from rulegen.templates.hold import waits
from rulegen.templates.template import Template, duration, label_names, picks

MOST_LABELS = 3


def slots(cluster: Cluster) -> tuple[Slot, ...] | None:
    names = label_names(cluster)
    if cluster.facts.series < 2 or len(names) < 2:
        return None
    return Slot("by", names, most=min(MOST_LABELS, len(names) - 1)), Slot("for", waits(cluster.rule.hold))


def render(cluster: Cluster, filled: Slots) -> tuple[Rule, ...]:
    rule, by = cluster.rule, picks(filled, "by")
    found = comparison(rule.expr)
    if found is None or not found.ordered or found.index:
        # Also below `and` and `unless`: their other side may need the labels that go.
        expr = aggregated(rule.expr, "min" if found is not None and found.op in ("<", "<=") else "max", by)
    else:
        # The worst member decides, so the aggregate crosses the threshold whenever any member does.
        left = aggregated(found.left, "max" if found.rising else "min", by)
        expr = with_comparison(rule.expr, left, found.op, found.threshold)
    return (replace(rule, expr=expr, hold=duration(filled, "for")),)


TEMPLATE = Template(
    name="collapse",
    summary="one alert for all that share the labels that stay",
    change="tuning",
    grades=frozenset({Grade.METRICS, Grade.ALERTS}),
    slots=slots,
    render=render,
)
