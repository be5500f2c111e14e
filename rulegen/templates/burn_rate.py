"""burn_rate: page for how fast the error budget is spent, over two windows a tier, instead of for a symptom.

Tiers and factors are those of the SRE workbook, chapter 5, table 5-8: with a budget for 30 days, 14.4 spends 2% of it
in an hour, 6 spends 5% in six hours, 3 and 1 spend 10% in one and three days.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace

import promql_parser as pp

from rulegen.core.candidate import Choice, Slot, Slots
from rulegen.core.cluster import Cluster, Grade
from rulegen.core.durations import DAY, HOUR, MINUTE, format_duration
from rulegen.core.labels import Labels
from rulegen.core.rule import Rule
from rulegen.promql.rewrite import comparison, fill, number, windows, with_window, without_matchers
from rulegen.templates.template import Template, real

OBJECTIVES = (0.999, 0.995, 0.99, 0.98, 0.95, 0.9)
ERROR_LABELS = frozenset({"code", "status", "status_code", "grpc_code", "http_status", "response_code", "result"})


@dataclass(frozen=True, slots=True)
class Tier:
    """Fires when both windows (ms) burn faster than ``factor`` times what the objective allows."""

    severity: str  # "page" keeps the old rule's labels
    long: int
    short: int
    factor: float


TIERS = (
    Tier("page", HOUR, 5 * MINUTE, 14.4),
    Tier("page", 6 * HOUR, 30 * MINUTE, 6.0),
    Tier("ticket", DAY, 2 * HOUR, 3.0),
    Tier("ticket", 3 * DAY, 6 * HOUR, 1.0),
)


def error_ratio(expr: str) -> str | None:
    """The share of failed events behind ``expr`` as PromQL with one range window; None when none can be told.

    Either the deciding comparison's left side is a quotient of rates with a threshold in (0, 1), or it is a rate of
    events picked out by a label for their result, and the same without that label is the total.
    """
    found = comparison(expr)
    if found is None or not found.rising or len(windows(found.left)) != 1:
        return None
    node = pp.parse(found.left)
    while isinstance(node, pp.ParenExpr):
        node = node.expr
    if isinstance(node, pp.BinaryExpr):
        return found.left if str(node.op) == "/" and 0 < found.threshold < 1 else None
    total = without_matchers(found.left, ERROR_LABELS)
    return None if total == found.left else fill("A / B", A=found.left, B=total)


def slots(cluster: Cluster) -> tuple[Slot, ...] | None:
    if error_ratio(cluster.rule.expr) is None:
        return None
    choices = tuple(Choice(number(round(objective * 100, 6)), objective) for objective in OBJECTIVES)
    return (Slot("objective_percent", choices),)


def render(cluster: Cluster, filled: Slots) -> tuple[Rule, ...]:
    rule = cluster.rule
    ratio = error_ratio(rule.expr)
    if ratio is None:
        raise ValueError("the expression has no error ratio")
    budget = 1 - real(filled, "objective_percent")
    tiers = [tier for tier in TIERS if tier.factor * budget < 1]  # a ratio never exceeds 1: such a tier can't page
    old = windows(ratio)[0]
    stem = re.sub(r"[^a-zA-Z0-9_]", "_", rule.name) + "_" + hashlib.sha256(rule.expr.encode()).hexdigest()[:6]
    recorded = {
        window: Rule(
            f"rulegen:{stem}:error_ratio_rate{format_duration(window)}", with_window(ratio, old, window), "record"
        )
        for window in sorted({window for tier in tiers for window in (tier.long, tier.short)})
    }
    alerts = []
    for severity in ("page", "ticket"):
        burning = [_burning(tier, recorded, budget) for tier in tiers if tier.severity == severity]
        if not burning:
            continue
        expr = burning[0] if len(burning) == 1 else fill("A or B", A=burning[0], B=burning[1])
        labels = rule.labels if severity == "page" else rule.labels.updated({"severity": severity})
        alerts.append(replace(rule, expr=expr, hold=0, keep_firing_for=0, labels=Labels(labels)))
    return (*recorded.values(), *alerts)


def _burning(tier: Tier, recorded: dict[int, Rule], budget: float) -> str:
    limit = number(round(tier.factor * budget, 9))
    long, short = recorded[tier.long].name, recorded[tier.short].name
    return fill(f"A > {limit} and B > {limit}", A=long, B=short)


TEMPLATE = Template(
    name="burn_rate",
    summary="page for the error budget's burn rate over two windows, instead of for a symptom",
    change="tuning",
    grades=frozenset({Grade.METRICS}),
    slots=slots,
    render=render,
)
