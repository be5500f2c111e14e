"""carve_out: exclude the noisy few, or give them a looser threshold, and leave the rule as it is for the rest."""

from __future__ import annotations

from dataclasses import replace

from rulegen.core.candidate import Choice, Slot, Slots
from rulegen.core.cluster import Cluster, Grade
from rulegen.core.rule import Rule
from rulegen.promql.rewrite import comparison, excluding, fill, only, with_comparison, with_deciding
from rulegen.templates.template import Template, picks, thresholds, word

MOST_TARGETS = 3


def slots(cluster: Cluster) -> tuple[Slot, ...] | None:
    values = cluster.inventory.values
    if not values or cluster.facts.series < 2:
        return None
    found = comparison(cluster.rule.expr)
    looser = thresholds(cluster) if found is not None and found.ordered else ()
    targets = tuple(Choice(f"v{i}", f"{label}={value}") for i, (label, value) in enumerate(values))
    limits = (Choice("exclude", "exclude"), *(Choice(limit.token, limit.token) for limit in looser))
    return Slot("targets", targets, most=min(MOST_TARGETS, len(targets))), Slot("limit", limits)


def render(cluster: Cluster, filled: Slots) -> tuple[Rule, ...]:
    rule = cluster.rule
    pairs = [
        (label, value) for label, value in cluster.inventory.values if f"{label}={value}" in picks(filled, "targets")
    ]
    labels = {label for label, _ in pairs}
    if len(labels) != 1:
        raise ValueError("targets must differ in one label only")
    label, values = labels.pop(), [value for _, value in pairs]
    rest = with_deciding(rule.expr, lambda left: excluding(left, label, values))
    limit = word(filled, "limit")
    if limit == "exclude":
        return (replace(rule, expr=rest),)
    found = comparison(rule.expr)
    if found is None:
        raise ValueError("the expression has no threshold")
    threshold = {choice.token: choice.value for choice in thresholds(cluster)}[limit]
    assert isinstance(threshold, float)
    few = with_comparison(rule.expr, only(found.left, label, values), found.op, threshold)
    return (replace(rule, expr=fill("A or B", A=rest, B=few)),)


TEMPLATE = Template(
    name="carve_out",
    summary="exclude the noisy few, or loosen the threshold for them alone",
    change="tuning",
    grades=frozenset({Grade.METRICS, Grade.ALERTS}),
    slots=slots,
    render=render,
)
