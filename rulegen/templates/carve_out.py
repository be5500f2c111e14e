"""carve_out: exclude the noisy few, or give them a looser threshold, and leave the rule as it is for the rest."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from rulegen.core.candidate import Choice, Slot, Slots
from rulegen.core.cluster import Cluster, Grade
from rulegen.core.rule import Rule
from rulegen.promql.reselect import excluding, only, target
from rulegen.promql.rewrite import alternatives, comparison, fill, with_comparison
from rulegen.templates.template import (
    Template,
    picks,
    selector_choices,
    selector_places,
    thresholds,
    word,
)

MOST_TARGETS = 3
MOST_FAMILIES = 2
SEPARATORS = "-._/:"


def slots(cluster: Cluster) -> tuple[Slot, ...] | None:
    values = cluster.inventory.values
    if not values or cluster.facts.series < 2:
        return None
    found = comparison(cluster.rule.expr)
    looser = thresholds(cluster) if found is not None and found.ordered else ()
    targets = tuple(Choice(f"v{i}", f"{label}={value}") for i, (label, value) in enumerate(values))
    targets += tuple(Choice(f"f{i}", family) for i, family in enumerate(families(values)))
    limits = (Choice("exclude", "exclude"), *(Choice(limit.token, limit.token) for limit in looser))
    where = selector_choices(cluster.rule.expr)
    wanted = Slot("targets", targets, most=min(MOST_TARGETS, len(targets))), Slot("limit", limits)
    return (*wanted, Slot("selectors", where)) if where else wanted


def families(values: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    """``pod~web-.*`` where several values of one label begin alike up to a separator, the commonest first: a list of
    names that a restart changes would be out of date at once."""
    stems = Counter((label, value[: _stem(value)]) for label, value in values if _stem(value))
    shared = sorted((one for one in stems.items() if one[1] > 1), key=lambda one: (-one[1], one[0]))
    return tuple(f"{label}~{alternatives([stem])}.*" for (label, stem), _ in shared[:MOST_FAMILIES])


def _stem(value: str) -> int:
    """How long the part of ``value`` up to and with its last separator is; 0 without one."""
    return 1 + max(value.rfind(one) for one in SEPARATORS)


def render(cluster: Cluster, filled: Slots) -> tuple[Rule, ...]:
    rule = cluster.rule
    few = [target(word) for word in picks(filled, "targets")]
    where = selector_places(rule.expr, filled)
    rest = excluding(rule.expr, few, where)
    limit = word(filled, "limit")
    if limit == "exclude":
        return (replace(rule, expr=rest),)
    found = comparison(rule.expr)
    if found is None:
        raise ValueError("the expression has no threshold")
    threshold = {choice.token: choice.value for choice in thresholds(cluster)}[limit]
    assert isinstance(threshold, float)
    looser = with_comparison(only(rule.expr, few, where), only(found.left, few, where), found.op, threshold)
    return (replace(rule, expr=fill("A or B", A=rest, B=looser)),)


def remarks(cluster: Cluster, filled: Slots) -> tuple[str, ...]:
    """Whether what is named will still be there after the next rollout."""
    named = {word.partition("=")[0] for word in picks(filled, "targets") if "~" not in word.partition("=")[0]}
    ages = sorted(named & set(cluster.facts.volatile))
    return tuple(f"{label} is replaced by a restart: from then on the rule pages as it did before" for label in ages)


TEMPLATE = Template(
    name="carve_out",
    summary="exclude the noisy few, or loosen the threshold for them alone",
    change="tuning",
    grades=frozenset({Grade.METRICS, Grade.ALERTS}),
    slots=slots,
    render=render,
    remarks=remarks,
)
