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
from rulegen.promql import selectors
from rulegen.promql.rewrite import comparison, fill, number, windows, with_window, without_matchers
from rulegen.templates.template import Template, real

OBJECTIVES = (0.999, 0.995, 0.99, 0.98, 0.95, 0.9)
ERROR_LABELS = frozenset({"code", "status", "status_code", "grpc_code", "http_status", "response_code", "result"})
# Values of a result's label that say "the server failed": 5xx however it is written, and words for it.
FAILED = re.compile(r"5(xx|\.\.|\.\*|\.\+|\[0-9\]\{2\}|\\d\{2\}|\\d\\d|\d\d)|(?i:errors?|fail(ed|ure)?)")

FAILURES = re.compile(r"(^|_)(errs?|errors?|failed|failures?)(_|$)")


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
    """The share of failed events behind ``expr`` as PromQL with one range window; None unless it is sure.

    The whole expression must be a comparison with a number. Its left side is either the quotient of the failed events
    and all events, or the first alone, and then the same without the label for the result is all.
    """
    found = comparison(expr)
    if found is None or found.index or not found.rising or len(windows(found.left)) != 1:
        return None  # conditions beside the comparison (a floor of traffic, a maintenance) would be lost
    node = pp.parse(found.left)
    while isinstance(node, pp.ParenExpr):
        node = node.expr
    if isinstance(node, pp.BinaryExpr):
        if str(node.op) != "/" or not 0 < found.threshold < 1:
            return None
        return found.left if _share(node.lhs.prettify(), node.rhs.prettify()) else None
    if not _counts_failures(found.left):
        return None
    return fill("A / B", A=found.left, B=without_matchers(found.left, ERROR_LABELS))


def _share(failed: str, total: str) -> bool:
    """Whether ``failed`` counts a part of what ``total`` counts: the same without the result's label, or the same sum
    of a metric that is named for failures over one that is not."""
    if _counts_failures(failed):
        return without_matchers(failed, ERROR_LABELS) == total
    names = [{one.name or "" for one in selectors(side)} for side in (failed, total)]
    sums = [
        node
        for node in map(pp.parse, (failed, total))
        if isinstance(node, pp.AggregateExpr) and str(node.op) == "sum"
    ]
    named = [any(FAILURES.search(name) for name in some) for some in names]
    return len(sums) == 2 and all(len(some) == 1 for some in names) and named == [True, False]


def _counts_failures(expr: str) -> bool:
    """Whether ``expr`` is a sum of rates of events picked out as failed, with the result's label summed away."""
    node = pp.parse(expr)
    if not isinstance(node, pp.AggregateExpr) or str(node.op) != "sum":
        return False
    by = node.modifier
    if by is not None and (by.type != pp.AggModifierType.By or set(by.labels) & ERROR_LABELS):
        return False
    results = [m for one in selectors(expr) for m in one.matchers if m.name in ERROR_LABELS]
    return len(results) == 1 and results[0].op in ("=", "=~") and bool(FAILED.fullmatch(results[0].value))


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
