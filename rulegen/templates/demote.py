"""demote: keep the alert, as a ticket instead of a page."""

from __future__ import annotations

from dataclasses import replace

from rulegen.core.candidate import Choice, Slot, Slots
from rulegen.core.cluster import Cluster, Grade
from rulegen.core.rule import Rule
from rulegen.templates.template import Template, word

SEVERITY = "severity"
LOWER = {"critical": "warning"}  # the other half of the pair that the rule's own severity belongs to; else ticket


def slots(cluster: Cluster) -> tuple[Slot, ...] | None:
    if not cluster.ref.path:
        return None  # no rule file holds it: a new rule beside the old one would take no page away
    lower = LOWER.get(cluster.rule.labels.get(SEVERITY, ""), "ticket")
    return (Slot(SEVERITY, (Choice(lower, lower),)),)


def render(cluster: Cluster, filled: Slots) -> tuple[Rule, ...]:
    return (replace(cluster.rule, labels=cluster.rule.labels.updated({SEVERITY: word(filled, SEVERITY)})),)


TEMPLATE = Template(
    name="demote",
    summary="keep the alert as a ticket instead of a page",
    change="demotion",
    grades=frozenset({Grade.METRICS, Grade.ALERTS}),
    slots=slots,
    render=render,
)
