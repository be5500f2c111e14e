"""latch: a counter never comes down again; judge how much it grew of late, not what it stands at."""

from __future__ import annotations

from dataclasses import replace

from rulegen.core.candidate import Choice, Slot, Slots
from rulegen.core.cluster import Cluster, Grade
from rulegen.core.durations import HOUR, MINUTE
from rulegen.core.rule import Rule
from rulegen.promql.reselect import bare, increased
from rulegen.promql.rewrite import comparison, number, with_comparison
from rulegen.templates.template import Template, duration, durations, real

WINDOWS = (HOUR, 15 * MINUTE, 5 * MINUTE, 30 * MINUTE, 10 * MINUTE, 6 * HOUR)
GROWTHS = (0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)


def slots(cluster: Cluster) -> tuple[Slot, ...] | None:
    found = comparison(cluster.rule.expr)
    if found is None or not found.rising:
        return None
    raw = bare(found.left)
    if not raw or not set(raw) <= set(cluster.inventory.counters):
        return None
    growths = tuple(Choice(number(growth), growth) for growth in GROWTHS)
    windows = durations(*(window for window in WINDOWS if window >= 2 * cluster.interval))
    return Slot("window", windows), Slot("threshold", growths)


def render(cluster: Cluster, filled: Slots) -> tuple[Rule, ...]:
    rule = cluster.rule
    found = comparison(rule.expr)
    if found is None:
        raise ValueError("the expression has no threshold")
    left = increased(found.left, duration(filled, "window"))
    return (replace(rule, expr=with_comparison(rule.expr, left, found.op, real(filled, "threshold"))),)


TEMPLATE = Template(
    name="latch",
    summary="judge how much a counter grew of late, not what it stands at",
    change="tuning",
    grades=frozenset({Grade.METRICS}),
    slots=slots,
    render=render,
)
