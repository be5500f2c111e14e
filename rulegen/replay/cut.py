"""A piece of a history as a unit test needs it: the series that rules read, on promtool's fixed grid."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rulegen.core.labels import ALERT_NAME, METRIC_NAME, Labels
from rulegen.core.rule import Rule, RuleGroup, RuleSet
from rulegen.core.series import Samples, Series
from rulegen.core.spans import Span
from rulegen.promql import Selector, select, selectors
from rulegen.replay.reads import closure, readers
from rulegen.replay.recorded import OF_ALERTS, fixed_labels

LOOKBACK = 300_000  # ms


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What some alerting rules of one file read: ``series`` as they are stored, none of which the file's rules write,
    and how far before an evaluation a sample or an alert's state still counts (``behind``, ms)."""

    series: tuple[Series, ...]
    behind: int


def reading(rules: RuleSet, alerts: Collection[str], raw: Samples, stored: Samples) -> Reading:
    """Of the alerting rules named ``alerts`` and of everything in ``rules`` that they read, directly or not.

    ``raw`` are the samples of the history, ``stored`` those with what rules recorded: a recording rule of the file is
    worked out again where the history has what it reads, else what it recorded is taken. Raises UnsupportedError and
    ExpressionError for a rule that can't be read.
    """
    items = [rule for _, _, rule in rules]
    reads = [selectors(rule.expr, lookback_ms=LOOKBACK) for rule in items]
    edges = readers(items, reads, frozenset())
    wanted = {at for at, rule in enumerate(items) if rule.kind == "alert" and rule.name in alerts}
    needed = closure(wanted, edges)
    fed = {at for at in needed if any(select(raw, one) for one in reads[at])}
    for _ in needed:  # a rule that reads what another of them writes is fed as that one is
        fed |= {at for at in needed if edges[at] & fed}
    kept = {at for at in needed if items[at].kind == "alert" or at in fed}
    chosen: dict[Labels, Series] = {}
    for at in kept:
        for selector in reads[at]:
            for one in select(stored, selector):
                if not any(_writes(items[writer], one.labels) for writer in kept):
                    chosen[one.labels] = one
    behind = _behind(wanted, edges, items, reads)
    return Reading(tuple(chosen[labels] for labels in sorted(chosen)), behind)


def _writes(rule: Rule, labels: Labels) -> bool:
    name = labels.get(METRIC_NAME, "")
    if rule.kind == "record":
        return name == rule.name
    fixed = fixed_labels(rule)
    return name in OF_ALERTS and labels.get(ALERT_NAME) == rule.name and labels.keep(fixed) == Labels(fixed)


def _behind(
    wanted: Iterable[int], edges: Sequence[set[int]], items: Sequence[Rule], reads: Sequence[Sequence[Selector]]
) -> int:
    """The longest way from an evaluation back through windows, lookback and the waits of alerts that are read."""

    def longest(at: int, above: frozenset[int]) -> int:
        window = max((one.before_ms for one in reads[at]), default=0)
        below = [
            items[other].hold + items[other].keep_firing_for + longest(other, above | {at})
            for other in edges[at] - above - {at}
        ]
        return window + max(below, default=0)

    return max((longest(at, frozenset()) for at in wanted), default=0)


def touched(rules: RuleSet, alerts: Collection[str], given: Iterable[Labels]) -> RuleSet:
    """Those of ``rules`` that say something about a test of ``alerts``: these alerts, whatever they read, and all
    that read one of the metrics ``given``, since a rule that fails fails the test."""
    items = [rule for _, _, rule in rules]
    reads = [selectors(rule.expr) for rule in items]
    names = {one.get(METRIC_NAME, "") for one in given}
    wanted = {
        at
        for at, rule in enumerate(items)
        if rule.name in alerts or any(one.name is None or one.name in names for one in reads[at])
    }
    needed = closure(wanted, readers(items, reads, frozenset()))
    kept = iter(at in needed for at in range(len(items)))
    groups = [replace(group, rules=tuple(rule for rule in group.rules if next(kept))) for group in rules.groups]
    return RuleSet(tuple(group for group in groups if group.rules))


def without_records(rules: RuleSet, given: Collection[str]) -> RuleSet:
    """``rules`` less the recording rules whose series are ``given`` as they were recorded."""

    def thinned(group: RuleGroup) -> RuleGroup:
        return replace(group, rules=tuple(r for r in group.rules if r.kind == "alert" or r.name not in given))

    return RuleSet(tuple(thinned(group) for group in rules.groups))


def near(series: Sequence[Series], labels: Labels) -> tuple[Series, ...]:
    """Those that may belong to the target that an alert with ``labels`` is about: no label that both have differs."""
    return tuple(
        one
        for one in series
        if all(labels.get(name, value) == value for name, value in one.labels.pairs if name != METRIC_NAME)
    )


def cut(series: Iterable[Series], span: Span, since: int, interval: int) -> tuple[Series, ...]:
    """The samples in ``span``, from ``since`` on, on a grid of ``interval`` ms; times count from the span's start.

    A sample moves to the next time of the grid, at which it is there for sure; of several that meet the last stays.
    Series without a sample are left out.
    """
    found = []
    for one in series:
        first, last = np.searchsorted(one.times, [max(since, span.start), span.end + 1])
        cells = -(-(one.times[first:last] - span.start) // interval)  # [samples] rounded up
        final = np.append(cells[1:] != cells[:-1], True)[: len(cells)]
        kept = final & (cells * interval <= span.length)
        if kept.any():
            found.append(Series(one.labels, cells[kept] * interval, one.values[first:last][kept]))
    return tuple(found)


def intervals(series: Iterable[Series], span: Span, step: int) -> tuple[int, ...]:
    """Grids (ms) to try for a cut whose rules are evaluated each ``step`` ms, the best first.

    Those on which no sample of ``series`` meets another, coarsest first, down to a second; then coarser ones that
    thin them out, finest first. All divide ``step`` or are multiples of it, so that evaluations lie on the grid.
    """
    gap = step
    for one in series:
        first, last = np.searchsorted(one.times, [span.start, span.end + 1])
        if last - first > 1:
            gap = min(gap, max(1, int(np.median(np.diff(one.times[first:last])))))
    fine = [step // parts for parts in (1, 2, 3, 4, 6, 12, 20, 30, 60) if step % (parts * 1000) == 0]
    usual = [one for one in fine if one <= gap] or [min(fine, default=step)]
    coarse = sorted({one for one in (*fine, 2 * step, 4 * step) if one > usual[0]})
    return tuple(dict.fromkeys((*usual, *coarse)))
