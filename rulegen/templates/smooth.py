"""smooth: judge a longer window, so that one odd sample does not decide."""

from __future__ import annotations

from dataclasses import replace

from rulegen.core.candidate import Choice, Slot, Slots
from rulegen.core.cluster import Cluster, Grade
from rulegen.core.durations import HOUR, MINUTE
from rulegen.core.rule import Rule
from rulegen.promql.rewrite import averaged, comparison, windows, with_comparison, with_window
from rulegen.templates.hold import waits
from rulegen.templates.template import Template, duration, durations, real, thresholds

MEANS = (5 * MINUTE, 10 * MINUTE, 3 * MINUTE, 15 * MINUTE, 2 * MINUTE, 30 * MINUTE, HOUR)
STRETCHES = (2, 3, 6)


def slots(cluster: Cluster) -> tuple[Slot, ...] | None:
    found = comparison(cluster.rule.expr)
    if found is None or not found.ordered:
        return None
    ranges = windows(found.left)
    if len(ranges) > 1:
        return None  # which of several windows is meant to smooth cannot be told from the outside
    if ranges:
        lengths = durations(*(ranges[0] * stretch for stretch in STRETCHES))
    else:
        lengths = durations(*(mean for mean in MEANS if mean >= 2 * cluster.interval))
    limits = (Choice("same", found.threshold), *thresholds(cluster))
    return Slot("window", lengths), Slot("threshold", limits), Slot("for", waits(cluster.rule.hold))


def render(cluster: Cluster, filled: Slots) -> tuple[Rule, ...]:
    expr = cluster.rule.expr
    found = comparison(expr)
    if found is None:
        raise ValueError("the expression has no threshold")
    window, ranges = duration(filled, "window"), windows(found.left)
    left = with_window(found.left, ranges[0], window) if ranges else averaged(found.left, window, cluster.interval)
    smoothed = with_comparison(expr, left, found.op, real(filled, "threshold"))
    return (replace(cluster.rule, expr=smoothed, hold=duration(filled, "for")),)


TEMPLATE = Template(
    name="smooth",
    summary="judge the mean of a longer window, so that one odd sample does not decide",
    change="tuning",
    grades=frozenset({Grade.METRICS}),
    slots=slots,
    render=render,
)
