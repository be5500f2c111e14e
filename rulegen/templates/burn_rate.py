"""burn_rate: page for how fast the error budget is spent, over two windows a tier, instead of for a symptom.

Tiers and factors are those of the SRE workbook, chapter 5, table 5-8, and of sloth: with a budget for 30 days, 14.4
spends 2% of it in an hour, 6 spends 5% in six hours, 3 and 1 spend 10% in one and three days.

A tier pages once more than ``factor × (1 − objective)`` of the events are bad. Of N events one bad one is the share
1/N: with fewer than 1 / (factor × (1 − objective)) events in the long window, 70 an hour for 99.9%, it pages alone
(workbook, chapter 5, "Low-Traffic Services and Error Budget Alerting"). The floor asks for k bad events there. At the
limit that is a floor of k / (factor × (1 − objective)) events; but an outage in which all events fail still pages
with k of them, which a floor under the traffic would hide.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from itertools import accumulate

from rulegen.core.candidate import Choice, Slot, Slots
from rulegen.core.cluster import Cluster, Grade, Level
from rulegen.core.durations import DAY, HOUR, MINUTE, format_duration
from rulegen.core.rule import Rule
from rulegen.promql.rewrite import fill, number
from rulegen.promql.sli import Sli, indicator, slow, slower_than
from rulegen.templates.template import Template, real, word

OBJECTIVES = (0.9999, 0.9995, 0.999, 0.995, 0.99, 0.98, 0.95, 0.9)  # that people write, strictest first
USUAL = 0.999
LEAST_BAD = (0, 2, 3, 5, 10)
PERIOD = 30 * DAY  # of the error budget


@dataclass(frozen=True, slots=True)
class Tier:
    """Fires when both windows (ms) burn faster than ``factor`` times what the objective allows."""

    severity: str  # "page" keeps the old rule's labels
    long: int
    short: int
    factor: float

    def reachable(self, budget: float) -> bool:
        """Whether a share can exceed the tier's limit: it never exceeds 1."""
        return round(self.factor * budget, 9) < 1


TIERS = (
    Tier("page", HOUR, 5 * MINUTE, 14.4),
    Tier("page", 6 * HOUR, 30 * MINUTE, 6.0),
    Tier("ticket", DAY, 2 * HOUR, 3.0),
    Tier("ticket", 3 * DAY, 6 * HOUR, 1.0),
)


def slots(cluster: Cluster) -> tuple[Slot, ...] | None:
    service = cluster.inventory.service
    expr = service.expr if service else cluster.rule.expr
    levels = service.levels if service else ()
    bounds = tuple(Choice(f"b{i}", level.bound) for i, level in enumerate(levels) if level.bound)
    if slow(expr) is not None:
        if not bounds:
            return None  # which buckets there are is not known
    elif indicator(expr) is None:
        return None
    level = levels[0] if levels else None
    objectives = tuple(Choice(_percent(one), one) for one in _objectives(level))
    found = [Slot("objective_percent", objectives)]
    if bounds:
        found.append(Slot("bound", bounds))
    sli = _sli(expr, levels[0].bound if bounds else "")
    if sli.bad_events(HOUR) is not None:
        found.append(Slot("least_bad", _least_bad(level, objectives[0].value)))
    return tuple(found)


def _objectives(level: Level | None) -> tuple[float, ...]:
    """The strictest that the service meets first, then those next to it, stricter ones before easier ones."""
    good = level.good if level else USUAL
    best = next((at for at, one in enumerate(OBJECTIVES) if one <= good + 1e-12), len(OBJECTIVES) - 1)
    near = sorted(range(len(OBJECTIVES)), key=lambda at: (abs(at - best), at))
    return tuple(OBJECTIVES[at] for at in near)


def _least_bad(level: Level | None, objective: object) -> tuple[Choice, ...]:
    """None first, unless one bad event in a quiet hour would page."""
    assert isinstance(objective, float)
    few = level is not None and level.quiet * TIERS[0].factor * (1 - objective) < 1
    order = (*LEAST_BAD[1:], 0) if few else LEAST_BAD
    return tuple(Choice(str(least), float(least)) for least in order)


def _sli(expr: str, bound: str) -> Sli:
    alert = slow(expr)
    found = slower_than(alert, bound) if alert is not None else indicator(expr)
    if found is None:
        raise ValueError("the expression has no error ratio")
    return found


def render(cluster: Cluster, filled: Slots) -> tuple[Rule, ...]:
    rule, service = cluster.rule, cluster.inventory.service
    sli = _sli(service.expr if service else rule.expr, word(filled, "bound") if "bound" in filled else "")
    budget = 1 - real(filled, "objective_percent")
    least_bad = real(filled, "least_bad") if "least_bad" in filled else 0.0
    tiers = [tier for tier in TIERS if tier.reachable(budget)]
    stem = re.sub(r"[^a-zA-Z0-9_]", "_", rule.name) + "_" + hashlib.sha256(rule.expr.encode()).hexdigest()[:6]

    def named(window: int) -> str:
        return recorded_name(stem, window)

    shortest = TIERS[0].short
    windows = sorted({shortest, *(window for tier in tiers for window in (tier.long, tier.short))})
    recorded = [Rule(named(window), sli.ratio(window), "record") for window in windows]
    # What is left of the budget: as sloth does, the mean of the shortest window over the whole period.
    period = fill("A", A=f"avg_over_time({named(shortest)}[{format_duration(PERIOD)}])")
    recorded.append(Rule(named(PERIOD), period, "record"))
    alerts = []
    for severity in ("page", "ticket"):
        burning = [
            _burning(tier, named(tier.long), named(tier.short), sli, budget, least_bad)
            for tier in tiers
            if tier.severity == severity
        ]
        if burning:
            *_, expr = accumulate(burning, lambda left, right: fill("A or B", A=left, B=right))
            labels = rule.labels if severity == "page" else rule.labels.updated({"severity": severity})
            alerts.append(replace(rule, expr=expr, hold=0, keep_firing_for=0, labels=labels))
    return (*recorded, *alerts)


def recorded_name(stem: str, window: int) -> str:
    """What the share of errors over ``window`` (ms) is recorded as; ``stem`` tells one rule's from another's."""
    return f"rulegen:{stem}:error_ratio_rate{format_duration(window)}"


def _burning(tier: Tier, long: str, short: str, sli: Sli, budget: float, least_bad: float) -> str:
    limit = number(round(tier.factor * budget, 9))
    burning = fill(f"A > {limit} and B > {limit}", A=long, B=short)
    bad = sli.bad_events(tier.long)
    if not least_bad or bad is None:
        return burning
    # rate() extrapolates to the window's edges: one event may count as 1.02, two as 1.9999999999999998.
    return fill(f"A and B > {number(least_bad - 0.5)}", A=burning, B=bad)


def remarks(_: Cluster, filled: Slots) -> tuple[str, ...]:
    """Which tiers are left out, and why."""
    objective = real(filled, "objective_percent")
    return tuple(
        f"no alert for {number(tier.factor)} × the budget over {format_duration(tier.long)}: at an objective of "
        f"{_percent(objective)}% that is an error ratio of {number(round(tier.factor * (1 - objective), 9))}, "
        "and none exceeds 1"
        for tier in TIERS
        if not tier.reachable(1 - objective)
    )


def _percent(objective: float) -> str:
    return number(round(objective * 100, 6))


TEMPLATE = Template(
    name="burn_rate",
    summary="page for the error budget's burn rate over two windows, instead of for a symptom",
    change="tuning",
    grades=frozenset({Grade.METRICS}),
    slots=slots,
    render=render,
    remarks=remarks,
)
