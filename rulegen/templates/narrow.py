"""narrow: page only for the part of the targets where the alert has meant something."""

from __future__ import annotations

from dataclasses import replace

from rulegen.core.candidate import Choice, Slot, Slots
from rulegen.core.cluster import Cluster, Grade
from rulegen.core.rule import Rule
from rulegen.promql.reselect import only, target
from rulegen.templates.template import Template, picks, selector_choices, selector_places

MOST_TARGETS = 3


def slots(cluster: Cluster) -> tuple[Slot, ...] | None:
    kept = cluster.inventory.telling
    if not kept:
        return None
    targets = tuple(Choice(f"k{i}", f"{label}={value}") for i, (label, value) in enumerate(kept))
    wanted = Slot("targets", targets, most=min(MOST_TARGETS, len(targets)))
    where = selector_choices(cluster.rule.expr)
    return (wanted, Slot("selectors", where)) if where else (wanted,)


def render(cluster: Cluster, filled: Slots) -> tuple[Rule, ...]:
    rule = cluster.rule
    some = [target(word) for word in picks(filled, "targets")]
    return (replace(rule, expr=only(rule.expr, some, selector_places(rule.expr, filled))),)


TEMPLATE = Template(
    name="narrow",
    summary="page only for the targets where the alert has caught something",
    change="tuning",
    grades=frozenset({Grade.METRICS, Grade.ALERTS}),
    slots=slots,
    render=render,
)
