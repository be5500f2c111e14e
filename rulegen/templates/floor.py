"""floor: fire for at least so many events, not for the first one."""

from __future__ import annotations

from dataclasses import replace

from rulegen.core.candidate import Choice, Slot, Slots
from rulegen.core.cluster import Cluster, Grade
from rulegen.core.rule import Rule
from rulegen.promql.rewrite import comparison, counted, fill, number, ratio, with_comparison
from rulegen.templates.template import Template, real

LEAST = (1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0)


def slots(cluster: Cluster) -> tuple[Slot, ...] | None:
    found = comparison(cluster.rule.expr)
    if found is None or found.op not in (">", ">="):
        return None
    if ratio(found.left) is None and not (found.threshold == 0 and found.op == ">"):
        return None
    return (Slot("least", tuple(Choice(number(least), least) for least in LEAST)),)


def render(cluster: Cluster, filled: Slots) -> tuple[Rule, ...]:
    rule, least = cluster.rule, real(filled, "least")
    found = comparison(rule.expr)
    if found is None:
        raise ValueError("the expression has no threshold")
    parts = ratio(found.left)
    if parts is None:
        expr = with_comparison(rule.expr, counted(found.left), found.op, least)
    else:
        expr = fill(f"A and B > {number(least)}", A=rule.expr, B=counted(parts[0]))
    return (replace(rule, expr=expr),)


TEMPLATE = Template(
    name="floor",
    summary="fire for at least so many events: > 0 becomes > N, a ratio wants N failures too",
    change="tuning",
    grades=frozenset({Grade.METRICS}),
    slots=slots,
    render=render,
)
