"""split_severity: page only above a higher threshold; what passes the old one is a ticket."""

from __future__ import annotations

from dataclasses import replace

from rulegen.core.candidate import Slot, Slots
from rulegen.core.cluster import Cluster, Grade
from rulegen.core.rule import Rule
from rulegen.promql.rewrite import comparison, with_threshold
from rulegen.templates.demote import SEVERITY, lower
from rulegen.templates.template import Template, real, thresholds, word


def slots(cluster: Cluster) -> tuple[Slot, ...] | None:
    found = comparison(cluster.rule.expr)
    if not cluster.ref.path or found is None or not found.ordered or not cluster.inventory.thresholds:
        return None
    return Slot("threshold", thresholds(cluster)), Slot(SEVERITY, lower(cluster.rule))


def render(cluster: Cluster, filled: Slots) -> tuple[Rule, ...]:
    rule = cluster.rule
    page = replace(rule, expr=with_threshold(rule.expr, real(filled, "threshold")))
    ticket = replace(rule, labels=rule.labels.updated({SEVERITY: word(filled, SEVERITY)}))
    return page, ticket


TEMPLATE = Template(
    name="split_severity",
    summary="page only above a higher threshold, with a ticket above the old one",
    change="demotion",
    grades=frozenset({Grade.METRICS}),
    slots=slots,
    render=render,
)
