"""absent_guard: a scrape that is missed is no reason to page.

Where a sample is missing, the last one counts for a while (``last_over_time``); what asks for absence asks for a
longer one (``absent_over_time``); and a target is down once it did not answer at all for a while (``max_over_time``).
"""

from __future__ import annotations

from dataclasses import replace

import promql_parser as pp

from rulegen.core.candidate import Slot, Slots
from rulegen.core.cluster import Cluster, Grade
from rulegen.core.durations import MINUTE, format_duration
from rulegen.core.rule import Rule
from rulegen.promql import selectors
from rulegen.promql.rewrite import bridged
from rulegen.promql.sli import indicator
from rulegen.templates.template import Template, duration, durations

GAPS = (10 * MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE)


def slots(cluster: Cluster) -> tuple[Slot, ...] | None:
    try:
        fits = _guarded(cluster.rule.expr, GAPS[0]) is not None
    except ValueError:
        return None
    return (Slot("gap", durations(*(gap for gap in GAPS if gap >= 2 * cluster.interval))),) if fits else None


def render(cluster: Cluster, filled: Slots) -> tuple[Rule, ...]:
    expr = _guarded(cluster.rule.expr, duration(filled, "gap"))
    if expr is None:
        raise ValueError("the expression reads no single samples")
    return (replace(cluster.rule, expr=expr),)


def _guarded(expr: str, gap: int) -> str | None:
    """``expr`` that stands gaps of up to ``gap`` ms; None where it reads ranges alone."""
    node = pp.parse(expr)
    while isinstance(node, pp.ParenExpr):
        node = node.expr
    if isinstance(node, pp.Call) and node.func.name in ("absent", "absent_over_time"):
        return _absent(node, gap)
    sli = indicator(expr)
    down = sli is not None and sli.kind == "answers"
    wanted = bridged(expr, "max_over_time" if down else "last_over_time", gap)
    return wanted if wanted != pp.parse(expr).prettify() else None


def _absent(node: pp.Call, gap: int) -> str | None:
    (inner,) = node.args
    plain = isinstance(inner, (pp.VectorSelector, pp.MatrixSelector))
    if not plain or len(selectors(node)) != 1:
        return None
    (selector,) = selectors(inner, lookback_ms=0)
    if selector.after_ms or selector.fixed or selector.before_ms >= gap:
        return None
    return pp.parse(f"absent_over_time({selector.text}[{format_duration(gap)}])").prettify()


TEMPLATE = Template(
    name="absent_guard",
    summary="stand gaps in the data: count the last sample for a while, or ask for a longer absence",
    change="tuning",
    grades=frozenset({Grade.METRICS}),
    slots=slots,
    render=render,
)
