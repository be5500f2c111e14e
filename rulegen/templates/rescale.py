"""rescale: another number inside the expression: a factor of a limit that is measured, or an inner threshold."""

from __future__ import annotations

from dataclasses import replace

from rulegen.core.candidate import Choice, Slot, Slots
from rulegen.core.cluster import Cluster, Grade
from rulegen.core.rule import Rule
from rulegen.promql.rewrite import comparison, literals, number, with_literal
from rulegen.templates.template import Template, real, word

FACTORS = (1.1, 1.25, 1.5, 2.0, 3.0, 0.9, 0.8, 0.67, 0.5, 0.33)
MOST_NUMBERS = 4
DIGITS = 12  # of a product, so that 0.8 times 1.1 is 0.88


def slots(cluster: Cluster) -> tuple[Slot, ...] | None:
    found = comparison(cluster.rule.expr)
    numbers = literals(cluster.rule.expr)
    inner = [
        f"n{at}"
        for at, value in enumerate(numbers)
        if value and not (found is not None and value == abs(found.threshold))  # that one is moved by retune
    ]
    if not inner:
        return None
    return (
        Slot("number", tuple(Choice(token, token) for token in inner[:MOST_NUMBERS])),
        Slot("factor", tuple(Choice(number(factor), factor) for factor in FACTORS)),
    )


def render(cluster: Cluster, filled: Slots) -> tuple[Rule, ...]:
    rule, at, factor = cluster.rule, int(word(filled, "number").removeprefix("n")), real(filled, "factor")
    numbers = literals(rule.expr)
    if at >= len(numbers):
        raise ValueError(f"the expression has no number n{at}")
    return (replace(rule, expr=with_literal(rule.expr, at, float(f"{numbers[at] * factor:.{DIGITS}g}"))),)


TEMPLATE = Template(
    name="rescale",
    summary="another number inside the expression: a factor of a measured limit, an inner threshold",
    change="tuning",
    grades=frozenset({Grade.METRICS}),
    slots=slots,
    render=render,
)
