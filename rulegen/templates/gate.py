"""gate: page only together with another condition, or not while one holds (``and``, ``unless``)."""

from __future__ import annotations

from dataclasses import replace

from rulegen.core.candidate import Choice, Slot, Slots
from rulegen.core.cluster import SECOND_SIGNAL, Cluster, Condition, Grade
from rulegen.core.durations import MINUTE
from rulegen.core.rule import Rule
from rulegen.promql.rewrite import gated
from rulegen.promql.windows import within
from rulegen.templates.template import Template, duration, durations, word

# Two signs of one trouble need not show at one evaluation: they are scraped and averaged at different times.
APART = (0, 2 * MINUTE, 5 * MINUTE)


def slots(cluster: Cluster) -> tuple[Slot, ...] | None:
    choices = tuple(Choice(token, token) for token in _named(cluster))
    if not choices:
        return None
    return Slot("condition", choices), Slot("within", durations(*APART))


def render(cluster: Cluster, filled: Slots) -> tuple[Rule, ...]:
    condition, window = _named(cluster)[word(filled, "condition")], duration(filled, "within")
    expr, other = cluster.rule.expr, condition.expr
    if window:
        if condition.kind != SECOND_SIGNAL:
            raise ValueError("only a second signal may come a little sooner or later")
        expr, other = (within(side, window, cluster.interval) for side in (expr, other))
    return (replace(cluster.rule, expr=gated(expr, condition.join, other, condition.on)),)


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
