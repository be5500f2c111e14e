"""Which annotations every version of Prometheus writes alike.

Averages, rates and quotients are rounded in another order from one version to the next, so that the last digits of a
value differ. An annotation that prints them can't be expected in a test.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import promql_parser as ast

from rulegen.core.labels import ALERT_NAME
from rulegen.core.rule import Rule, RuleSet
from rulegen.core.series import Series, is_stale
from rulegen.errors import UnsupportedError
from rulegen.gotemplate import TemplateError
from rulegen.promql import parse
from rulegen.promql.tree import children
from rulegen.replay.identity import Around, expanded
from rulegen.ruletest import Alert

_APART = 64  # units in the last place by which versions may differ
_ROUNDED = frozenset(("/", "^", "atan2", "avg", "stddev", "stdvar", "quantile"))  # operators and aggregations
_FILTERS = frozenset(("and", "unless", ">", "<", ">=", "<=", "==", "!="))  # the value is that of the left side
_EXACT = frozenset(
    (
        *("abs", "ceil", "floor", "clamp", "clamp_max", "clamp_min", "sgn", "scalar", "vector", "time", "timestamp"),
        *("changes", "resets", "count_over_time", "max_over_time", "min_over_time", "last_over_time"),
        *("sum_over_time", "present_over_time", "absent", "absent_over_time", "label_replace", "label_join"),
        *("sort", "sort_desc", "hour", "minute", "month", "year", "day_of_week", "day_of_month", "days_in_month"),
    )
)


def firm(alerts: Iterable[Alert], rules: RuleSet, series: Iterable[Series]) -> bool:
    """Whether the annotations of all ``alerts`` of ``rules``, which read ``series``, are the same everywhere."""
    inputs = tuple(series)
    return all(_firm(alert, rules, inputs) for alert in alerts)


def _firm(alert: Alert, rules: RuleSet, series: tuple[Series, ...]) -> bool:
    name = alert.labels[ALERT_NAME]
    named = [rule for _, _, rule in rules if rule.kind == "alert" and rule.name == name]
    below = [rule for _, _, rule in rules if rule.kind == "record"]
    exact = not any(_rounds(parse(rule.expr)) for rule in (*named, *below))
    # A sample as it was scraped, or whole numbers that were counted, added and compared.
    if exact and (any((one.values == alert.value).any() for one in series) or all(map(_whole, series))):
        return True
    low = high = alert.value
    for _ in range(_APART):
        low, high = math.nextafter(low, -math.inf), math.nextafter(high, math.inf)
    both = [(_texts(rule, alert, low), _texts(rule, alert, high)) for rule in named]
    return all(left is not None and left == right for left, right in both)


def _rounds(node: ast.Expr) -> bool:
    """Whether the value of an expression may be rounded; what it is only compared with does not count."""
    if isinstance(node, ast.Call) and node.func.name not in _EXACT:
        return True
    if isinstance(node, ast.BinaryExpr | ast.AggregateExpr) and str(node.op) in _ROUNDED:
        return True
    if isinstance(node, ast.BinaryExpr) and str(node.op) in _FILTERS and not isinstance(node.lhs, ast.NumberLiteral):
        return _rounds(node.lhs)
    return any(map(_rounds, children(node)))


def _whole(series: Series) -> bool:
    values = series.values[~is_stale(series.values)]
    return bool((values == np.floor(values)).all())


def _texts(rule: Rule, alert: Alert, value: float) -> list[str] | None:
    try:
        return [expanded(text, alert.series, value, 0, Around()) for text in rule.annotations.values()]
    except (TemplateError, UnsupportedError):  # it asks for more than the value
        return None
