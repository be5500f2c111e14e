"""Rules over a history."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rulegen.core.cluster import Grade, Service
from rulegen.core.durations import HOUR
from rulegen.core.history import History
from rulegen.core.labels import EMPTY, Labels
from rulegen.core.outcome import Firings
from rulegen.core.rule import Rule, RuleRef, RuleSet
from rulegen.core.series import Samples
from rulegen.core.spans import Grid, Span
from rulegen.errors import QueryError, UnsupportedError
from rulegen.promql import Evaluator, ExpressionError, Matrix, Scalar, select, selectors
from rulegen.promql.rewrite import comparison
from rulegen.promql.windows import bridged
from rulegen.replay import observed
from rulegen.replay.groups import CELLS, aligned, replay_groups
from rulegen.replay.identity import alert_labels, changing
from rulegen.replay.latch import latch, replay_latch
from rulegen.replay.reads import blind, reads_alerts
from rulegen.replay.recorded import OF_ALERTS, Shelf, fixed_labels, written_names
from rulegen.replay.service import service
from rulegen.replay.sweep import Variant, sweep

LOOKBACK = 300_000  # ms, Prometheus' --query.lookback-delta
GAP = HOUR  # what was missing for longer was not just missed


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
        base = Evaluator(samples, semantics=history.semantics, lookback_ms=LOOKBACK)
        # What the server itself recorded is the truth; the others are worked out as far as something reads them.
        self._known = frozenset(samples.by_name)
        self._groups = {ref: group for ref, group, _ in self.rules}
        wanted = {ref for ref, _, rule in history.rules if rule.kind == "record" or reads_alerts(rule)}
        ran = replay_groups(history.rules, base, history.span, known=self._known, wanted=wanted)
        self._written = {result.ref: result.written for result in ran.results if result.written}
        self._bare, self._without = base, dict[RuleRef, Evaluator]()
        assert isinstance(ran.engine, Evaluator)
        self._evaluator = ran.engine
        broken = [result for result in ran.results if result.error]
        self._broken = {name: one.error for one in broken for name in set(written_names(one.rule)) - self._known}
        self._grades = {
            ref: Grade.ALERTS
            if _is_observed(ref) or (rule.name in recorded_names and blind(rule, self._evaluator.samples))
            else Grade.METRICS
            for ref, _, rule in self.rules
        }
        recording = [rule for _, _, rule in history.rules if rule.kind == "record"]
        writers = Counter(rule.name for rule in recording)
        self._recorded = {one.name: one.expr for one in recording if not one.labels and writers[one.name] == 1}
        self._originals = {ref: rule for ref, _, rule in self.rules}
        self._names = Counter(rule.name for rule in self._originals.values() if rule.kind == "alert")

    @property
    def raw(self) -> Samples:
        """What was read of the history, recorded alerts as ``ALERTS`` among it."""
        return self._bare.samples

    @property
    def stored(self) -> Samples:
        """:attr:`raw`, and what the rules recorded."""
        return self._evaluator.samples

    def _apart(self, ref: RuleRef) -> Mapping[str, str]:
        """The labels that tell the recorded alerts of the rule at ``ref`` from those of others of its name."""
        rule = self._originals[ref]
        return fixed_labels(rule) if self._names[rule.name] > 1 else EMPTY

    def grade(self, ref: RuleRef) -> Grade:
        return self._grades[ref]

    def replay(self, ref: RuleRef, rules: Sequence[Rule], interval: int) -> tuple[Firings, ...]:
        """What each alerting rule of ``rules``, put in the place of the one at ``ref``, did.

        Recording rules among them are worked out first, in order. Raises UnsupportedError (or QueryError, its kind)
        when a rule can't be evaluated.
        """
        if self._grades[ref] is Grade.ALERTS and not _is_observed(ref):
            rules = [observed.stand_in(rule, self._originals[ref], self._apart(ref)) for rule in rules]
            interval = min(interval, self._interval)  # between two evaluations a recorded alert would be overlooked
        group = replace(self._groups[ref], rules=tuple(rules), interval=interval)
        if len(rules) == 1 and not group.limit and (sides := latch(rules[0])):
            engine, grid = self._before(ref), aligned(group, self._history.span)
            offset = group.query_offset
            return (replay_latch(rules[0], *sides, engine, grid, offset=offset, lookback=LOOKBACK, cells=CELLS),)
        alerting = {group.ref(at) for at, rule in enumerate(rules) if rule.kind == "alert"}
        ran = replay_groups(
            RuleSet((group,)),
            self._before(ref),
            self._history.span,
            known=self._known,
            broken=self._broken,
            wanted=alerting,
        )
        found = []
        for result in ran.results:
            if result.error:
                raise QueryError(result.error)
            if result.firings is not None:
                found.append(result.firings)
        return tuple(found)

    def sweep(
        self, ref: RuleRef, several: Sequence[Sequence[Rule]], interval: int
    ) -> tuple[tuple[Firings, ...] | None, ...]:
        """What :meth:`replay` gives for each of ``several``, where at least two differ only in threshold, comparison
        or waits: those are worked out together. None for all others, and for what can't be evaluated."""
        found: list[tuple[Firings, ...] | None] = [None] * len(several)
        group = replace(self._groups[ref], interval=interval)
        if self._grades[ref] is Grade.ALERTS or group.limit:
            return tuple(found)
        alike: dict[tuple[str, Rule], list[tuple[int, Variant]]] = {}
        for index, rules in enumerate(several):
            if len(rules) == 1 and (read := _as_variant(rules[0])):
                left, variant = read
                bare = replace(rules[0], expr="", hold=0, keep_firing_for=0)
                alike.setdefault((left, bare), []).append((index, variant))
        for (left, rule), members in alike.items():
            if len(members) > 1 and self._at_once(left):
                swept = self._swept(
                    ref, left, rule, [variant for _, variant in members], aligned(group, self._history.span)
                )
                for (index, _), one in zip(members, swept, strict=True):
                    found[index] = None if one is None else (one,)
        return tuple(found)

    def _at_once(self, left: str) -> bool:
        """Whether ``left`` gives the same when all evaluations are worked out together, and reads nothing broken."""
        return all(
            one.name is not None
            and one.name not in (*OF_ALERTS, *self._broken)
            and not {"start", "end"} & set(one.fixed)
            for one in selectors(left)
        )

    def _swept(
        self, ref: RuleRef, left: str, rule: Rule, variants: Sequence[Variant], grid: Grid
    ) -> Sequence[Firings | None]:
        evaluator, offset = self._before(ref), self._groups[ref].query_offset
        try:
            if evaluator.width(left) * len(grid) > CELLS:
                return [None] * len(variants)
            level = evaluator.evaluate(left, Grid(grid.start - offset, grid.end - offset, grid.step))
            window = max((one.before_ms for one in selectors(left, lookback_ms=0)), default=0)
            if isinstance(level, Scalar):
                return [None] * len(variants)
            return sweep(rule, level, variants, grid, grid.start + window)
        except UnsupportedError:  # replaying one after the other tells which of them fail, and why
            return [None] * len(variants)

    def peaks(self, ref: RuleRef, firings: Firings) -> NDArray[np.float64]:
        """[firings] the most extreme value of the deciding comparison's left side while each was pending or fired.

        NaN where the rule at ``ref`` has no such comparison, or is judged by its recorded alerts.
        """
        peaks = np.full(len(firings), np.nan)
        rule = self._originals[ref]
        found = comparison(rule.expr)
        judged_by_alerts = self._grades[ref] is Grade.ALERTS
        if found is None or not found.ordered or judged_by_alerts or changing(rule) or not len(firings):
            return peaks
        grid, offset = firings.grid, self._groups[ref].query_offset
        level = self._evaluator.evaluate(found.left, Grid(grid.start - offset, grid.end - offset, grid.step))
        if isinstance(level, Scalar):
            return peaks
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

    def vanished(self, ref: RuleRef, firings: Firings) -> NDArray[np.float64]:
        """[firings] 1 where the deciding comparison's left side was gone at the evaluation after each, 0 where it was
        there (and no longer beyond the threshold); NaN where that can't be told.

        A rule that keeps firing says nothing about when its expression ended, and the last evaluation has none after.
        """
        gone = np.full(len(firings), np.nan)
        rule = self._originals[ref]
        found = comparison(rule.expr)
        if found is None or rule.keep_firing_for or self._grades[ref] is Grade.ALERTS or changing(rule):
            return gone
        level = self.level(ref, found.left, firings.grid)
        if level is None:
            return gone
        rows = _rows(rule, firings, level)
        after = (firings.end - firings.grid.start) // firings.grid.step + 1
        known = (rows >= 0) & (after < len(firings.grid))
        gone[known] = ~level.present[rows[known], after[known]]
        return gone

    def unseen(self, ref: RuleRef, firings: Firings) -> NDArray[np.float64]:
        """[firings] 1 where each fired only since something was missing: once every sample stands for ``GAP``, and
        absence has to last as long, the expression holds at no evaluation of the firing or of the wait before it. 0
        where it holds at some; NaN where that can't be told."""
        found = np.full(len(firings), np.nan)
        rule = self._originals[ref]
        if self._grades[ref] is Grade.ALERTS or changing(rule) or not len(firings):
            return found
        try:
            expr = bridged(rule.expr, GAP)
        except ValueError:
            return found
        level = self.level(ref, expr, firings.grid)
        if level is None:
            return found
        rows = _rows(rule, firings, level)
        held = np.zeros((len(level.labels) + 1, len(firings.grid) + 1), dtype=np.int64)  # the last row: never
        np.cumsum(level.present, axis=1, out=held[:-1, 1:])
        first, last = ((one - firings.grid.start) // firings.grid.step for one in (firings.since, firings.end))
        found[:] = held[rows, last + 1] == held[rows, first]
        return found

    def service(self, ref: RuleRef, spans: Sequence[Span], incidents: Sequence[Span] = ()) -> Service | None:
        """The service level behind the rule at ``ref``, measured within ``spans`` outside ``incidents``; None without
        one."""
        return service(self._originals[ref].expr, self._recorded, self._evaluator, spans, incidents)

    def watched(self, ref: RuleRef, grid: Grid) -> int:
        """How many series the rule at ``ref`` compares; 0 where that can't be told."""
        found = comparison(self._originals[ref].expr)
        level = None if found is None or self._grades[ref] is Grade.ALERTS else self.level(ref, found.left, grid)
        return 0 if level is None else int(level.present.any(axis=1).sum())

    def level(self, ref: RuleRef, expr: str, grid: Grid) -> Matrix | None:
        """What ``expr`` is at each evaluation of the rule at ``ref``, whose grid is ``grid``; None where that can't
        be told: it is not supported, is no vector, or is too much to hold at once."""
        offset = self._groups[ref].query_offset
        try:
            if self._evaluator.width(expr) * len(grid) > CELLS:
                return None
            found = self._evaluator.evaluate(expr, Grid(grid.start - offset, grid.end - offset, grid.step))
        except (ExpressionError, UnsupportedError):
            return None
        return None if isinstance(found, Scalar) else found

    @property
    def metrics(self) -> dict[str, tuple[Labels, ...]]:
        """The label sets of each metric of the history."""
        return {name: tuple(one.labels for one in series) for name, series in self._history.samples.by_name.items()}

    def unmatched(self, rule: Rule) -> tuple[str, ...]:
        """The selectors of ``rule`` that match nothing in the history."""
        return tuple(s.text for s in selectors(rule.expr) if not select(self._evaluator.samples, s))

    def _before(self, ref: RuleRef) -> Evaluator:
        """What is there without what the rule at ``ref`` wrote: a change of it writes its own."""
        if ref not in self._written:
            return self._evaluator
        if ref not in self._without:
            shelf = Shelf()
            for other, written in self._written.items():
                if other != ref:
                    shelf.put(written)
            self._without[ref] = self._bare.with_series(shelf)
        return self._without[ref]


def _rows(rule: Rule, firings: Firings, level: Matrix) -> NDArray[np.int64]:
    """[firings] the row of ``level`` that each alert of ``rule`` comes from; -1 where there is none."""
    row_of = {alert_labels(rule.name, rule.labels, labels): row for row, labels in enumerate(level.labels)}
    rows = np.array([row_of.get(labels, -1) for labels in firings.labels], dtype=np.int64)
    return rows[firings.series]


def _as_variant(rule: Rule) -> tuple[str, Variant] | None:
    """What the whole expression of an alerting rule compares, and with what; None where it is no such comparison."""
    found = comparison(rule.expr)
    if rule.kind != "alert" or found is None or not found.ordered or found.index or changing(rule):
        return None
    return found.left, Variant(found.op, found.threshold, rule.hold, rule.keep_firing_for)


def _is_observed(ref: RuleRef) -> bool:
    """Whether no file holds the rule: it stands for alerts that were recorded and that no rule explains."""
    return not ref.path and ref.group == observed.GROUP


def _alerts(samples: Samples) -> frozenset[object]:
    return frozenset(one.labels for one in samples.by_name.get(observed.ALERTS, ()))
