"""aggregate_expr: judge the sum, the mean or the pooled ratio of a group; collapse lets its worst member decide.

The aggregate goes around what is measured, so around a rate, never into it: a counter's reset in one member would
look like a fall of all.
"""

from __future__ import annotations

from dataclasses import replace

from rulegen.core.candidate import Choice, Slot, Slots
from rulegen.core.cluster import Cluster, Grade
from rulegen.core.rule import Rule
from rulegen.promql.rewrite import aggregated, comparison, fill, grouping, ratio, regrouped, with_comparison
from rulegen.templates.hold import waits
from rulegen.templates.template import Template, duration, label_names, picks, real, thresholds, word

MOST_LABELS = 3


def slots(cluster: Cluster) -> tuple[Slot, ...] | None:
    names = label_names(cluster)
    found = comparison(cluster.rule.expr)
    if found is None or not found.ordered or cluster.facts.series < 2 or len(names) < 2:
        return None
    if grouping(found.left) is not None:
        how = ["regroup"]
    else:
        how = ["ratio", "avg"] if ratio(found.left) is not None else ["avg", "sum"]
    return (
        Slot("how", tuple(Choice(one, one) for one in how)),
        Slot("by", names, most=min(MOST_LABELS, len(names) - 1)),
        Slot("threshold", (Choice("same", found.threshold), *thresholds(cluster))),
        Slot("for", waits(cluster.rule.hold)),
    )


def render(cluster: Cluster, filled: Slots) -> tuple[Rule, ...]:
    rule, by = cluster.rule, picks(filled, "by")
    found = comparison(rule.expr)
    if found is None:
        raise ValueError("the expression has no threshold")
    if found.index:
        raise ValueError("the other side of `and` or `unless` may need the labels that go")
    left = _judged(found.left, word(filled, "how"), by)
    expr = with_comparison(rule.expr, left, found.op, real(filled, "threshold"))
    return (replace(rule, expr=expr, hold=duration(filled, "for")),)


def _judged(left: str, how: str, by: tuple[str, ...]) -> str:
    parts = ratio(left)
    if how == "regroup":
        return regrouped(left, by)
    if how == "ratio":
        if parts is None:
            raise ValueError("there is no ratio to pool")
        return fill("A / B", A=aggregated(parts[0], "sum", by), B=aggregated(parts[1], "sum", by))
    return aggregated(left, how, by)


TEMPLATE = Template(
    name="aggregate_expr",
    summary="judge the sum, the mean or the pooled ratio of a group instead of each member",
    change="tuning",
    grades=frozenset({Grade.METRICS}),
    slots=slots,
    render=render,
)
