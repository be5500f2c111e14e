"""relabel: give the alert a label that the routing acts upon already: muted at night, inhibited, sent elsewhere."""

from __future__ import annotations

from dataclasses import replace

from rulegen.core.candidate import Choice, Slot, Slots
from rulegen.core.cluster import Cluster, Grade
from rulegen.core.labels import ALERT_NAME
from rulegen.core.rule import Rule
from rulegen.promql.rewrite import checked_label
from rulegen.templates.template import Template, picks

MOST_LABELS = 2


def slots(cluster: Cluster) -> tuple[Slot, ...] | None:
    choices = tuple(
        Choice(f"r{i}", f"{name}={value}")
        for i, (name, value) in enumerate(cluster.inventory.marks)
        if cluster.rule.labels.get(name, "") != value
    )
    if not cluster.ref.path or not choices:
        return None  # without a rule file there is no rule to give a label to
    return (Slot("labels", choices, most=min(MOST_LABELS, len(choices))),)


def render(cluster: Cluster, filled: Slots) -> tuple[Rule, ...]:
    """A label with an empty value goes."""
    pairs = [word.partition("=") for word in picks(filled, "labels")]
    given = {checked_label(name): value for name, _, value in pairs}
    if len(given) < len(pairs) or ALERT_NAME in given:
        raise ValueError("one value for each label, and not the alert's name")
    return (replace(cluster.rule, labels=cluster.rule.labels.updated(given)),)


TEMPLATE = Template(
    name="relabel",
    summary="give the alert a label that your Alertmanager mutes, inhibits or routes by already",
    change="routing",
    grades=frozenset({Grade.METRICS, Grade.ALERTS}),
    slots=slots,
    render=render,
)
