"""demote: keep the alert, as a ticket instead of a page."""

from __future__ import annotations

from dataclasses import replace

from rulegen.core.candidate import Choice, Slot, Slots
from rulegen.core.cluster import Cluster, Grade
from rulegen.core.rule import Rule
from rulegen.templates.template import Template, word

SEVERITY = "severity"
# What comes below a severity in the usual scales; else it becomes a ticket. On a scale of four, two are paged for.
LOWER = {"critical": "warning", "warning": "info", "high": "medium", "s1": "s3", "s2": "s3", "p1": "p3", "p2": "p3"}


def slots(cluster: Cluster) -> tuple[Slot, ...] | None:
    if not cluster.ref.path:
        return None  # no rule file holds it: a new rule beside the old one would take no page away
    return (Slot(SEVERITY, lower(cluster.rule)),)


def lower(rule: Rule) -> tuple[Choice, ...]:
    """The severity that ``rule`` may be lowered to."""
    below = LOWER.get(rule.labels.get(SEVERITY, ""), "ticket")
    return (Choice(below, below),)


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
