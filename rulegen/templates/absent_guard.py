"""absent_guard: a scrape that is missed is no reason to page.

Where a sample is missing, the last one counts for a while (``last_over_time``); what asks for absence asks for a
longer one (``absent_over_time``); and a target is down once it did not answer at all for a while (``max_over_time``).

A condition that holds through gaps is one page then, and lasts: alone that adds paging minutes. But gaps also begin
the waiting anew, so that a long ``for`` would lose what is real; once they are bridged, it may be longer.
"""

from __future__ import annotations

from dataclasses import replace

import promql_parser as pp

from rulegen.core.candidate import Slot, Slots
from rulegen.core.cluster import Cluster, Grade
from rulegen.core.durations import MINUTE
from rulegen.core.rule import Rule
from rulegen.promql.windows import bridged
from rulegen.templates.hold import waits
from rulegen.templates.template import Template, duration, durations

GAPS = (10 * MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE)


def slots(cluster: Cluster) -> tuple[Slot, ...] | None:
    rule = cluster.rule
    try:
        gaps = [gap for gap in GAPS if gap >= 2 * cluster.interval and _guarded(rule.expr, gap) is not None]
    except ValueError:
        return None
    if not gaps:
        return None
    torn = cluster.facts.vanished_share > 0
    return (Slot("gap", durations(*gaps)), *([Slot("for", waits(rule.hold))] if torn else []))


def render(cluster: Cluster, filled: Slots) -> tuple[Rule, ...]:
    expr = _guarded(cluster.rule.expr, duration(filled, "gap"))
    if expr is None:
        raise ValueError("the expression reads no single samples")
    hold = duration(filled, "for") if "for" in filled else cluster.rule.hold
    return (replace(cluster.rule, expr=expr, hold=hold),)


def _guarded(expr: str, gap: int) -> str | None:
    """``expr`` that stands gaps of up to ``gap`` ms; None where it stands them already."""
    wanted = bridged(expr, gap, answers="max_over_time")
    return wanted if wanted != pp.parse(expr).prettify() else None


TEMPLATE = Template(
    name="absent_guard",
    summary="stand gaps in the data: count the last sample for a while, or ask for a longer absence",
    change="tuning",
    grades=frozenset({Grade.METRICS}),
    slots=slots,
    render=render,
)
