"""gate: page only together with another condition, or not while one holds (``and``, ``unless``)."""

from __future__ import annotations

from dataclasses import replace

from rulegen.core.candidate import Choice, Slot, Slots
from rulegen.core.cluster import Cluster, Condition, Grade
from rulegen.core.rule import Rule
from rulegen.promql.rewrite import gated
from rulegen.templates.hold import waits
from rulegen.templates.template import Template, duration, word


def slots(cluster: Cluster) -> tuple[Slot, ...] | None:
    choices = tuple(Choice(token, token) for token in _named(cluster))
    if not choices:
        return None
    return Slot("condition", choices), Slot("for", waits(cluster.rule.hold))


def render(cluster: Cluster, filled: Slots) -> tuple[Rule, ...]:
    condition = _named(cluster)[word(filled, "condition")]
    expr = gated(cluster.rule.expr, condition.join, condition.expr, condition.on)
    return (replace(cluster.rule, expr=expr, hold=duration(filled, "for")),)


def _named(cluster: Cluster) -> dict[str, Condition]:
    """The inventory's conditions, named g0, g1, …"""
    return {f"g{i}": condition for i, condition in enumerate(cluster.inventory.conditions)}


TEMPLATE = Template(
    name="gate",
    summary="page only with a minimum of traffic or a second signal, or not while the target is down or rolled out",
    change="tuning",
    grades=frozenset({Grade.METRICS}),
    slots=slots,
    render=render,
)
