"""Rules over a history."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rulegen.core.cluster import Grade
from rulegen.core.history import History
from rulegen.core.labels import METRIC_NAME
from rulegen.core.outcome import Firings
from rulegen.core.rule import Rule, RuleRef, RuleSet
from rulegen.core.series import Samples, Series
from rulegen.core.spans import Grid
from rulegen.errors import UnsupportedError
from rulegen.promql import Evaluator, Matrix, Scalar, select, selectors
from rulegen.promql.rewrite import comparison
from rulegen.replay import observed
from rulegen.replay.alerting import alert_labels, fire

LOOKBACK = 300_000  # ms, Prometheus' --query.lookback-delta


class Replayer:
    """Evaluates rules over one history; remembers subexpressions, so that similar rules cost little.

    ``rules`` are the history's, and one more for each recorded alert that none of them explains. A rule none of whose
    series are in the history, while its alerts are, is judged by those: its evidence has grade ``alerts``.
    """

    def __init__(self, history: History, interval: int) -> None:
        """``interval`` (ms) is how often recorded alerts are taken to have been evaluated."""
        self._history = history
        recorded_names = {episode.name for episode in history.episodes}
        known = {rule.name for _, _, rule in history.rules if rule.kind == "alert"}
        unexplained = sorted(recorded_names - known)
        more = (observed.group(unexplained, interval),) if unexplained else ()
        self.rules = RuleSet((*history.rules.groups, *more))
        samples = history.samples.with_series(
            one for one in observed.series(history.episodes, interval) if one.labels not in _alerts(history.samples)
        )
        self._evaluator = self._evaluating(samples)
        for group in history.rules.groups:
            recorded = self._record(self._evaluator, [r for r in group.rules if r.kind == "record"], group.interval)
            fresh = [one for one in recorded if one.labels[METRIC_NAME] not in samples.by_name]
            if fresh:  # what the server itself recorded is the truth; only what is missing is worked out again
                self._evaluator = self._evaluating(self._evaluator.samples.with_series(fresh))
        self._grades = {
            ref: Grade.ALERTS
            if ref.group == observed.GROUP or (rule.name in recorded_names and self._blind(rule))
            else Grade.METRICS
            for ref, _, rule in self.rules
        }
        self._originals = {ref: rule for ref, _, rule in self.rules}

    def grade(self, ref: RuleRef) -> Grade:
        return self._grades[ref]

    def grid(self, interval: int) -> Grid:
        """Evaluation times every ``interval`` ms over the history, at multiples of it.

        Prometheus adds an offset of its own to each group, from a hash of its name and file: compare with recorded
        alerts within one interval.
        """
        span = self._history.span
        return Grid(span.start // interval * interval, span.end, interval)

    def replay(self, ref: RuleRef, rules: Sequence[Rule], interval: int) -> tuple[Firings, ...]:
        """What each alerting rule of ``rules``, put in the place of the one at ``ref``, did.

        Recording rules among them are worked out first, in order. Raises UnsupportedError (or QueryError, its kind)
        when a rule can't be evaluated.
        """
        original = self._originals[ref]
        if self._grades[ref] is Grade.ALERTS and ref.group != observed.GROUP:
            rules = [observed.stand_in(rule, original) for rule in rules]
        records = [rule for rule in rules if rule.kind == "record"]
        evaluator = self._evaluator
        if records:
            evaluator = self._evaluating(evaluator.samples.with_series(self._record(evaluator, records, interval)))
        reach = max((_window(rule.expr) for rule in records), default=0)
        grid = self.grid(interval)
        return tuple(
            fire(rule, self._vector(evaluator, rule.expr, grid), grid, grid.start + _window(rule.expr) + reach)
            for rule in rules
            if rule.kind == "alert"
        )

    def peaks(self, ref: RuleRef, firings: Firings) -> NDArray[np.float64]:
        """[firings] the most extreme value of the deciding comparison's left side while each was pending or fired.

        NaN where the rule at ``ref`` has no such comparison, or is judged by its recorded alerts.
        """
        peaks = np.full(len(firings), np.nan)
        rule = self._originals[ref]
        found = comparison(rule.expr)
        if found is None or not found.ordered or self._grades[ref] is Grade.ALERTS or not len(firings):
            return peaks
        level = self._vector(self._evaluator, found.left, firings.grid)
        row_of = {alert_labels(rule.name, rule.labels, labels): row for row, labels in enumerate(level.labels)}
        worst = np.fmax.reduce if found.rising else np.fmin.reduce
        first = (firings.since - firings.grid.start) // firings.grid.step
        last = (firings.end - firings.grid.start) // firings.grid.step
        for index in range(len(firings)):
            row = row_of.get(firings.labels[int(firings.series[index])])
            if row is not None:
                at = slice(int(first[index]), int(last[index]) + 1)
                seen = level.values[row, at][level.present[row, at]]
                peaks[index] = worst(seen) if len(seen) else np.nan
        return peaks

    def unmatched(self, rule: Rule) -> tuple[str, ...]:
        """The selectors of ``rule`` that match nothing in the history."""
        return tuple(s.text for s in selectors(rule.expr) if not select(self._evaluator.samples, s))

    def _blind(self, rule: Rule) -> bool:
        wanted = selectors(rule.expr)
        return bool(wanted) and not any(select(self._evaluator.samples, selector) for selector in wanted)

    def _vector(self, evaluator: Evaluator, expr: str, grid: Grid) -> Matrix:
        value = evaluator.evaluate(expr, grid)
        if isinstance(value, Scalar):
            raise UnsupportedError("a rule whose expression is a scalar, not a vector")
        return value

    def _record(self, evaluator: Evaluator, rules: Sequence[Rule], interval: int) -> tuple[Series, ...]:
        grid = self.grid(interval)
        times = grid.times()
        found: list[Series] = []
        for rule in rules:
            matrix = self._vector(evaluator, rule.expr, grid)
            made = [
                Series(labels.updated({**rule.labels, METRIC_NAME: rule.name}), times[present], values[present])
                for labels, values, present in zip(matrix.labels, matrix.values, matrix.present, strict=True)
            ]
            found += made
            evaluator = self._evaluating(evaluator.samples.with_series(made))
        return tuple(found)

    def _evaluating(self, samples: Samples) -> Evaluator:
        return Evaluator(samples, semantics=self._history.semantics, lookback_ms=LOOKBACK)


def _alerts(samples: Samples) -> frozenset[object]:
    return frozenset(one.labels for one in samples.by_name.get(observed.ALERTS, ()))


def _window(expr: str) -> int:
    """How much data before an evaluation time ``expr`` looks at by its range windows and offsets, ms."""
    return max((selector.before_ms for selector in selectors(expr, lookback_ms=0)), default=0)
