"""One cluster as a flat row of numbers and words, for what learns from tables: boosted trees and their like."""

from __future__ import annotations

import math
import re

from rulegen.core.cluster import Cluster, Relation
from rulegen.core.durations import MINUTE
from rulegen.promql.rewrite import comparison, literals

Row = dict[str, float | str]

_FUNCTIONS = re.compile(r"([a-z_]+)\s*(?:(?:by|without)\s*\([^)]*\)\s*)?\(")
_COUNTED = (
    *("rate", "increase", "irate", "delta", "deriv", "changes", "predict_linear", "histogram_quantile", "absent"),
    *("avg_over_time", "max_over_time", "min_over_time", "time", "hour", "sum", "max", "min", "avg", "count"),
)
_WINDOW = re.compile(r"\[(\d+)([smhd])")
_UNIT = {"s": 1 / 60, "m": 1.0, "h": 60.0, "d": 1440.0}  # minutes


def facts_row(cluster: Cluster) -> Row:
    """The figures of ``cluster`` by name: durations in minutes, shares from 0 to 1, what is unknown left out.

    Nothing in it names a metric, a label or a value.
    """
    rule, facts, inventory = cluster.rule, cluster.facts, cluster.inventory
    found = comparison(rule.expr)
    row: Row = {
        "pattern": cluster.pattern.value,
        "grade": cluster.grade.value,
        "interval": cluster.interval / MINUTE,
        "for": rule.hold / MINUTE,
        "keep_firing_for": rule.keep_firing_for / MINUTE,
        "episodes": facts.episodes,
        "minutes": facts.minutes,
        "per_week": facts.per_week,
        "series": facts.series,
        "watched": facts.watched,
        "duration_median": facts.duration_median / MINUTE,
        "duration_p90": facts.duration_p90 / MINUTE,
        "gap_median": facts.gap_median / MINUTE,
        "flapping_share": facts.flapping_share,
        "together_share": facts.together_share,
        "top_share": facts.top_share,
        "firing_share": facts.firing_share,
        "margin": facts.margin,
        "incidents": facts.incidents_touched,
        "vanished_share": facts.vanished_share,
        "season": 0.0 if facts.season is None else facts.season.share,
        "volatile": len(facts.volatile),
        "indicator": float(bool(facts.indicator)),
        "labels": len(rule.labels),
        "firing_labels": len(inventory.labels),
        "metrics": len(inventory.metrics),
        "values": len(inventory.values),
        "telling": len(inventory.telling),
        "counters": len(inventory.counters),
        "conditions": len(inventory.conditions),
        "condition": inventory.conditions[0].kind if inventory.conditions else "",
        "quiet_hours": len(inventory.quiet_hours),
        "service": float(inventory.service is not None),
        "numbers": len(literals(rule.expr)),
        "length": len(rule.expr),
        "comparison": "" if found is None else found.op,
        "threshold": math.nan if found is None else found.threshold,
        "window": max((float(n) * _UNIT[unit] for n, unit in _WINDOW.findall(rule.expr)), default=0.0),
        "selectors": rule.expr.count("{"),
        "set_operator": float(bool(re.search(r"\b(and|or|unless)\b", rule.expr))),
    }
    called = _FUNCTIONS.findall(rule.expr)
    row |= {f"calls_{name}": called.count(name) for name in _COUNTED}
    for relation in Relation:
        shares = [one.share for one in cluster.companions if one.relation is relation]
        row |= {f"{relation.value}_share": max(shares, default=0.0), f"{relation.value}_rules": len(shares)}
    return {name: value for name, value in row.items() if not (isinstance(value, float) and math.isnan(value))}
