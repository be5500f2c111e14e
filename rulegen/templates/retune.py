"""retune: another threshold, with a ``for`` that fits it."""

from __future__ import annotations

from dataclasses import replace

from rulegen.core.candidate import Slot, Slots
from rulegen.core.cluster import Cluster, Grade
from rulegen.core.rule import Rule
from rulegen.promql.rewrite import comparison, with_threshold
from rulegen.templates.hold import waits
from rulegen.templates.template import Template, duration, real, thresholds


def slots(cluster: Cluster) -> tuple[Slot, ...] | None:
    found = comparison(cluster.rule.expr)
    if found is None or not found.ordered or not cluster.inventory.thresholds:
        return None
    return Slot("threshold", thresholds(cluster)), Slot("for", waits(cluster.rule.hold))


def render(cluster: Cluster, filled: Slots) -> tuple[Rule, ...]:
    tuned = with_threshold(cluster.rule.expr, real(filled, "threshold"))
    return (replace(cluster.rule, expr=tuned, hold=duration(filled, "for")),)


TEMPLATE = Template(
    name="retune",
    summary="move the threshold, and wait long enough for it to mean something",
    change="tuning",
    grades=frozenset({Grade.METRICS}),
    slots=slots,
    render=render,
)
