"""Rules over a history."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rulegen.core.cluster import Grade
from rulegen.core.history import History
from rulegen.core.labels import EMPTY, METRIC_NAME, Labels
from rulegen.core.outcome import Firings
from rulegen.core.rule import Rule, RuleRef, RuleSet
from rulegen.core.series import STALE, Samples, Series, Values
from rulegen.core.spans import Grid, Mask, Times
from rulegen.errors import QueryError, UnsupportedError
from rulegen.promql import Evaluator, ExpressionError, Matrix, Scalar, select, selectors
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
        self._history, self._interval = history, interval
        recorded_names = {episode.name for episode in history.episodes}
        known = {rule.name for _, _, rule in history.rules if rule.kind == "alert"}
        unexplained = sorted(recorded_names - known)
        more = (observed.group(unexplained, interval),) if unexplained else ()
        self.rules = RuleSet((*history.rules.groups, *more))
        samples = history.samples.with_series(
            one for one in observed.series(history.episodes, interval) if one.labels not in _alerts(history.samples)
        )
        self._evaluator = self._evaluating(samples)
        self._broken: dict[str, str] = {}  # recorded names and why they are not to be had
        self._groups = {ref: group for ref, group, _ in self.rules}
        for ref, group, rule in history.rules:
            if rule.kind == "record":
                try:
                    self._supported(ref)
                    self._evaluator = self._recording(self._evaluator, rule, group.interval)
                except (UnsupportedError, ExpressionError) as error:
                    self._broken[rule.name] = str(error)
        self._grades = {
            ref: Grade.ALERTS
            if _is_observed(ref) or (rule.name in recorded_names and self._blind(rule))
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
        self._supported(ref)
        if self._grades[ref] is Grade.ALERTS and not _is_observed(ref):
            rules = [observed.stand_in(rule, self._originals[ref]) for rule in rules]
            interval = min(interval, self._interval)  # between two evaluations a recorded alert would be overlooked
        records = [rule for rule in rules if rule.kind == "record"]
        evaluator = self._evaluator
        for rule in records:
            evaluator = self._recording(evaluator, rule, interval)
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

    def _supported(self, ref: RuleRef) -> None:
        """Raises UnsupportedError for a rule in a group with settings that matter and are not replayed."""
        group = self._groups[ref]
        if group.limit or group.query_offset:
            raise UnsupportedError(f"{'limit' if group.limit else 'query_offset'} of the group {group.name}")

    def _blind(self, rule: Rule) -> bool:
        try:
            wanted = selectors(rule.expr)
        except (ExpressionError, UnsupportedError):
            return False  # replaying it gives the reason
        return bool(wanted) and not any(select(self._evaluator.samples, selector) for selector in wanted)

    def _vector(self, evaluator: Evaluator, expr: str, grid: Grid) -> Matrix:
        for name in (selector.name for selector in selectors(expr)):
            if name in self._broken:
                raise UnsupportedError(f"{name}, as its recording rule could not be replayed: {self._broken[name]}")
        value = evaluator.evaluate(expr, grid)
        if isinstance(value, Scalar):  # a rule takes a number as a series without labels
            return Matrix((EMPTY,), value.values[None, :], np.ones((1, len(grid)), dtype=np.bool_))
        return value

    def _recording(self, evaluator: Evaluator, rule: Rule, interval: int) -> Evaluator:
        """One that also has what the recording ``rule`` gives, unless the server itself recorded that: it knows."""
        if rule.name in self._history.samples.by_name:
            return evaluator
        grid = self.grid(interval)
        found = self._vector(evaluator, rule.expr, grid)
        labels = tuple(one.updated({**rule.labels, METRIC_NAME: rule.name}) for one in found.labels)
        rows = Matrix(labels, found.values, found.present).merged()
        if {one.labels for one in evaluator.samples.by_name.get(rule.name, ())} & set(rows.labels):
            raise QueryError(f"two rules record the same series of {rule.name}")
        times = grid.times()
        made = (_recorded(*row, times) for row in zip(rows.labels, rows.values, rows.present, strict=True))
        return self._evaluating(evaluator.samples.with_series(made))

    def _evaluating(self, samples: Samples) -> Evaluator:
        return Evaluator(samples, semantics=self._history.semantics, lookback_ms=LOOKBACK)


def _recorded(labels: Labels, values: Values, present: Mask, times: Times) -> Series:
    """A recorded series from its row [steps]; as Prometheus does, with a staleness marker where it stops."""
    gone = np.concatenate(([False], present[:-1] & ~present[1:]))
    kept = present | gone
    return Series(labels, times[kept], np.where(gone, STALE, values)[kept])


def _is_observed(ref: RuleRef) -> bool:
    """Whether no file holds the rule: it stands for alerts that were recorded and that no rule explains."""
    return not ref.path and ref.group == observed.GROUP


def _alerts(samples: Samples) -> frozenset[object]:
    return frozenset(one.labels for one in samples.by_name.get(observed.ALERTS, ()))


def _window(expr: str) -> int:
    """How much data before an evaluation time ``expr`` looks at by its range windows and offsets, ms."""
    return max((selector.before_ms for selector in selectors(expr, lookback_ms=0)), default=0)
