"""smooth: judge a longer window, so that one odd sample does not decide."""

from __future__ import annotations

from dataclasses import replace

from rulegen.core.candidate import Choice, Slot, Slots
from rulegen.core.cluster import Cluster, Grade
from rulegen.core.durations import HOUR, MINUTE
from rulegen.core.rule import Rule
from rulegen.promql.rewrite import comparison, with_deciding, with_left, with_threshold
from rulegen.promql.windows import averaged, windows, with_window
from rulegen.templates.hold import waits
from rulegen.templates.template import Template, duration, durations, real, thresholds

MEANS = (5 * MINUTE, 10 * MINUTE, 3 * MINUTE, 15 * MINUTE, 2 * MINUTE, 30 * MINUTE, HOUR)
STRETCHES = (2, 3, 6)


def slots(cluster: Cluster) -> tuple[Slot, ...] | None:
    rule = cluster.rule
    found, ranges = comparison(rule.expr), _ranges(rule.expr)
    ordered = found is not None and found.ordered
    if not ranges and not ordered:
        return None
    if ranges:
        lengths = durations(*dict.fromkeys(window * stretch for stretch in STRETCHES for window in ranges))
    else:
        lengths = durations(*(mean for mean in MEANS if mean >= 2 * cluster.interval))
    wanted = [Slot("window", lengths)]
    if len(ranges) > 1:
        wanted.append(Slot("range", durations(*ranges)))
    if found is not None and ordered:
        wanted.append(Slot("threshold", (Choice("same", found.threshold), *thresholds(cluster))))
    return (*wanted, Slot("for", waits(rule.hold)))


def render(cluster: Cluster, filled: Slots) -> tuple[Rule, ...]:
    rule, window = cluster.rule, duration(filled, "window")
    ranges = _ranges(rule.expr)
    if not ranges:
        expr = with_left(rule.expr, lambda left: averaged(left, window, cluster.interval))
    else:
        old = duration(filled, "range") if "range" in filled else ranges[0]
        expr = with_deciding(rule.expr, lambda left: with_window(left, old, window))
    if "threshold" in filled:
        expr = with_threshold(expr, real(filled, "threshold"))
    return (replace(rule, expr=expr, hold=duration(filled, "for")),)


def _ranges(expr: str) -> tuple[int, ...]:
    """The range windows of what is judged, rising."""
    found = comparison(expr)
    return windows(expr if found is None else found.left)


TEMPLATE = Template(
    name="smooth",
    summary="judge the mean of a longer window, so that one odd sample does not decide",
    change="tuning",
    grades=frozenset({Grade.METRICS}),
    slots=slots,
    render=render,
)
