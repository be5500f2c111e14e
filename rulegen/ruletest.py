"""Runs unit tests of rules: what fires and what expressions give, beside what is expected (promtool, unittest.go)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from rulegen.core.durations import format_duration
from rulegen.core.labels import EMPTY, Labels
from rulegen.core.rule import RuleSet
from rulegen.core.semantics import Semantics
from rulegen.core.series import Samples
from rulegen.core.spans import Grid, Span
from rulegen.core.unittest import AlertCheck, ExprCheck, UnitTest, UnitTestFile
from rulegen.errors import UnsupportedError
from rulegen.gotemplate import TemplateError
from rulegen.promql import Evaluator, ExpressionError, Matrix, Scalar, selectors
from rulegen.replay.groups import Engine, Replayed, RuleResult, asking, replay_groups
from rulegen.replay.identity import Around, alert_labels, expanded
from rulegen.replay.reads import readers

LOOKBACK = 300_000  # ms


@dataclass(frozen=True, slots=True)
class Alert:
    """``series`` and ``value`` are what the annotations were written from; two alerts may differ in them."""

    labels: Labels
    annotations: tuple[tuple[str, str], ...]
    series: Labels = field(default=EMPTY, compare=False)
    value: float = field(default=math.nan, compare=False)


@dataclass(frozen=True, slots=True)
class Failure:
    """One check that does not hold. ``what`` names it; ``expected`` and ``got`` are what the other side lacks, or
    ``why`` says why it could not be checked."""

    line: int
    test: str
    what: str
    expected: tuple[Alert | tuple[Labels, float], ...] = ()
    got: tuple[Alert | tuple[Labels, float], ...] = ()
    why: str = ""


def run(file: UnitTestFile, rules: RuleSet, semantics: Semantics) -> tuple[Failure, ...]:
    """Everything that fails; nothing where all is as expected."""
    order = {name: at for at, name in enumerate(file.group_order)}
    groups = sorted(rules.groups, key=lambda group: order.get(group.name, 0))
    # promtool evaluates every group at the file's interval, whatever the group says.
    timed = RuleSet(tuple(replace(group, interval=file.interval) for group in groups))
    return tuple(failure for test in file.tests for failure in _Run(file, test, timed, semantics).failures())


class _Run:
    def __init__(self, file: UnitTestFile, test: UnitTest, rules: RuleSet, semantics: Semantics) -> None:
        self.test, self.interval, self.fuzzy = test, file.interval, file.fuzzy
        engine = Evaluator(
            Samples.of(test.series), semantics=semantics, lookback_ms=LOOKBACK, subquery_step_ms=file.interval
        )
        span = Span(test.start, test.start + test.length)
        grid = Grid(span.start, span.end, file.interval)
        self.ran: Replayed = replay_groups(
            rules,
            engine,
            span,
            external_labels=test.external_labels,
            external_url=test.external_url,
            grid_of=lambda _group, _span: grid,
        )

    def failures(self) -> Iterator[Failure]:
        # As promtool: a rule that fails while it is evaluated ends the test, asked for or not. What only rulegen does
        # not evaluate matters where it is asked for.
        failed = [result for result in self.ran.results if len(result.failed) or _fails(result)]
        for result in failed:
            yield Failure(self.test.line, self.test.name, f"rule {result.rule.name}", why=_reason(result))
        if failed:
            return
        for check in self.test.alerts:
            yield from self._alerts(check)
        for expression in self.test.expressions:
            yield from self._expression(expression)

    def _alerts(self, check: AlertCheck) -> Iterator[Failure]:
        what = f"alert {check.name} at {format_duration(check.at)}"
        time = self.test.start + check.at // self.interval * self.interval
        got: list[Alert] = []
        try:
            for result in self._rules(check.name):
                got += self._firing(result, time)
        except UnsupportedError as error:
            yield Failure(check.line, self.test.name, what, why=str(error))
            return
        # An annotation that the rule file leaves empty is none to rulegen, and may be expected as empty.
        written = {name for one in self._rules(check.name) for name in one.rule.annotations}
        expected = [
            Alert(
                one.labels, tuple(sorted((name, text) for name, text in one.annotations if text or name in written))
            )
            for one in check.alerts
        ]
        missing, surplus = Counter(expected) - Counter(got), Counter(got) - Counter(expected)
        if missing or surplus:
            yield Failure(check.line, self.test.name, what, tuple(missing.elements()), tuple(surplus.elements()))

    def _rules(self, name: str) -> list[RuleResult]:
        return [one for one in self.ran.results if one.rule.kind == "alert" and one.rule.name == name]

    def _firing(self, result: RuleResult, time: int) -> Iterator[Alert]:
        if result.firings is None:
            raise UnsupportedError(f"rule {result.rule.name}: {result.error}")
        firings = result.firings
        here = (firings.start <= time) & (time <= firings.end)
        wanted = {firings.labels[int(row)] for row in firings.series[here]}
        annotations = self._annotations(result, wanted, time)
        for labels in sorted(wanted):
            yield annotations[labels]

    def _annotations(self, result: RuleResult, wanted: set[Labels], time: int) -> dict[Labels, Alert]:
        """The firing alerts ``wanted`` with their annotations: those of the last evaluation at which each held."""
        rule, engine = result.rule, self.ran.engine
        around = asking(engine, Around(self.test.external_labels, self.test.external_url))
        found: dict[Labels, Alert] = {}
        while len(found) < len(wanted) and time >= self.test.start:
            for series, value in _vector(engine, rule.expr, time - result.group.query_offset):
                labels = alert_labels(rule.name, rule.labels, series, value, time, around)
                if labels in wanted and labels not in found:
                    texts = {
                        name: _text(text, series, value, time, around) for name, text in rule.annotations.items()
                    }
                    found[labels] = Alert(labels, tuple(sorted(texts.items())), series, value)
            time -= self.interval
        return found

    def _expression(self, check: ExprCheck) -> Iterator[Failure]:
        what = f"{check.expr} at {format_duration(check.at)}"
        try:
            self._readable(check.expr)
            got = _vector(self.ran.engine, check.expr, self.test.start + check.at)
        except (UnsupportedError, ExpressionError) as error:
            yield Failure(check.line, self.test.name, what, why=str(error))
            return
        rest = list(got)
        missing = []
        for labels, value in check.samples:
            at = next((i for i, one in enumerate(rest) if one[0] == labels and self._same(one[1], value)), None)
            if at is None:
                missing.append((labels, value))
            else:
                rest.pop(at)
        if missing or rest:
            yield Failure(check.line, self.test.name, what, tuple(missing), tuple(sorted(rest)))

    def _readable(self, expr: str) -> None:
        """Raises UnsupportedError for an expression that reads what a rule would write that can't be replayed."""
        results = self.ran.results
        for at in sorted(readers([one.rule for one in results], [selectors(expr)], frozenset())[0]):
            if results[at].error:
                raise UnsupportedError(
                    f"{expr}: it reads what rule {results[at].rule.name} writes: {results[at].error}"
                )

    def _same(self, left: float, right: float) -> bool:
        """Exactly, so that NaN is never the same, as promtool has it; ``fuzzy_compare`` allows one ulp."""
        if left == right or not self.fuzzy:
            return left == right
        return right in (math.nextafter(left, -math.inf), math.nextafter(left, math.inf))


def _fails(result: RuleResult) -> bool:
    return bool(result.error) and not result.error.startswith("unsupported: ")


def _reason(result: RuleResult) -> str:
    return result.error or f"the group's limit of {result.group.limit} is exceeded"


def _vector(engine: Engine, expr: str, time: int) -> Sequence[tuple[Labels, float]]:
    value: Matrix | Scalar = engine.evaluate(expr, Grid(time, time, 1))
    if isinstance(value, Scalar):
        return [(Labels(), float(value.values[0]))]
    return list(zip(value.labels, value.values[:, 0].tolist(), strict=True))


def _text(text: str, series: Labels, value: float, time: int, around: Around) -> str:
    try:
        return expanded(text, series, value, time, around)
    except TemplateError as error:
        return f"<error expanding template: {error}>"
