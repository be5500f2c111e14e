"""late_data: look a little further back, so that samples that come late are there when they are judged."""

from __future__ import annotations

from dataclasses import replace

from rulegen.core.candidate import Slot, Slots
from rulegen.core.cluster import Cluster, Grade
from rulegen.core.durations import MINUTE
from rulegen.core.rule import Rule
from rulegen.promql.reselect import shifted
from rulegen.templates.template import Template, duration, durations, selector_choices, selector_places

OFFSETS = (MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE)


def slots(cluster: Cluster) -> tuple[Slot, ...] | None:
    where = selector_choices(cluster.rule.expr)
    if not where:
        return None  # alone it would fire as often, only later
    return Slot("offset", durations(*OFFSETS)), Slot("selectors", where)


def render(cluster: Cluster, filled: Slots) -> tuple[Rule, ...]:
    rule = cluster.rule
    where = selector_places(rule.expr, filled)
    return (replace(rule, expr=shifted(rule.expr, duration(filled, "offset"), where)),)


TEMPLATE = Template(
    name="late_data",
    summary="look further back where one side of an expression comes later than the other",
    change="tuning",
    grades=frozenset({Grade.METRICS}),
    slots=slots,
    render=render,
)
