"""Whole rule groups over a span of time: what every rule recorded and when every alert fired.

Rules see what earlier ones wrote at the same evaluation. One that reads a later rule, or itself, sees the evaluation
before: such rules are worked out evaluation by evaluation, all others for the whole time at once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Protocol, runtime_checkable

import numpy as np

from rulegen.core.labels import EMPTY, METRIC_NAME, Labels
from rulegen.core.outcome import Firings
from rulegen.core.rule import Rule, RuleGroup, RuleRef, RuleSet
from rulegen.core.series import Series
from rulegen.core.spans import Grid, Span, Times
from rulegen.errors import QueryError, UnsupportedError
from rulegen.gotemplate import Sample, StringMap, TemplateError
from rulegen.promql import ExpressionError, Matrix, Scalar, Selector, selectors
from rulegen.replay.alerting import Activity, Machine, Runs, limited, merged
from rulegen.replay.identity import Around, alerts
from rulegen.replay.reads import closure, components, readers
from rulegen.replay.recorded import Shelf, Written, alert_samples, alert_series, record, written_names

CELLS = 8_000_000  # series × steps that one evaluation may read
UNKNOWN_WIDTH = 1_000  # series that an expression is taken to read where the engine can't say


class Engine(Protocol):
    """What evaluates expressions: :class:`rulegen.promql.Evaluator`, or a server."""

    def evaluate(self, expr: str, grid: Grid, /) -> Matrix | Scalar:
        """The value at every step. Raises UnsupportedError or ExpressionError, also where one step only fails."""

    def with_series(self, more: Iterable[Series], /) -> Engine:
        """One that sees ``more`` too. Raises ValueError for a series that is there already."""


@runtime_checkable
class Measuring(Protocol):
    """An engine that knows beforehand what an expression costs."""

    def width(self, expr: str) -> int:
        """How many series ``expr`` reads."""


@dataclass(frozen=True, slots=True, eq=False)
class RuleResult:
    """What one rule did.

    ``firings`` and ``pending`` are None for a recording rule and where ``error`` says why the rule could not be
    replayed: that is not a rule that never fired. ``pending`` has each run of pending evaluations, whether it came to
    fire or not, as ``start`` and ``end``. ``failed`` [n] are the evaluations (ms) that failed as they do in
    Prometheus because the group's limit was exceeded. ``written`` is what the rule added to the storage.
    """

    ref: RuleRef
    group: RuleGroup
    rule: Rule
    firings: Firings | None
    pending: Firings | None
    failed: Times
    error: str = ""
    written: tuple[Series, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Replayed:
    """``results`` in reading order; ``engine`` sees everything that the rules wrote."""

    results: tuple[RuleResult, ...]
    engine: Engine

    def __getitem__(self, ref: RuleRef) -> RuleResult:
        """Raises KeyError."""
        for result in self.results:
            if result.ref == ref:
                return result
        raise KeyError(ref)


def aligned(group: RuleGroup, span: Span) -> Grid:
    """A group's evaluations: multiples of its interval, from the last at or before the span's start.

    Prometheus adds an offset of its own to each group, from a hash of its name and file: compare with recorded alerts
    within one interval.
    """
    return Grid(span.start // group.interval * group.interval, span.end, group.interval)


def replay_groups(
    rules: RuleSet,
    engine: Engine,
    span: Span,
    *,
    known: Collection[str] = (),
    broken: Mapping[str, str] = MappingProxyType({}),
    wanted: Collection[RuleRef] | None = None,
    external_labels: Labels = EMPTY,
    external_url: str = "",
    cells: int = CELLS,
    grid_of: Callable[[RuleGroup, Span], Grid] = aligned,
) -> Replayed:
    """All of ``rules`` over ``span``, groups in their order.

    ``known`` are metric names of which the engine has the truth (``ALERTS`` may be one): no rule writes them anew.
    ``broken`` are names that can't be had, and why: what reads them can't be replayed. With ``wanted`` only those
    rules and what they read are worked out and returned, and alerts are written only where one of them reads alerts.
    ``external_labels`` and ``external_url`` are what label templates see as the server's.
    ``cells`` bounds the memory of one evaluation: time is cut into pieces, with the same result.
    """
    replay = _Replay(rules, engine, span, set(known), broken, cells, grid_of, Around(external_labels, external_url))
    return replay.run(wanted)


@dataclass(slots=True, eq=False)
class _Item:
    """One rule while it is replayed. ``stamps`` [steps] are the times of what it reads and writes."""

    ref: RuleRef
    group: RuleGroup
    rule: Rule
    grid: Grid
    selectors: tuple[Selector, ...]
    error: str
    stamps: Times
    writes: bool = True
    reach: int = 0  # how much data before an evaluation counts, through what it reads too; ms
    made: tuple[Series, ...] = ()
    found: Activity | None = None
    failed: tuple[int, ...] = ()

    @classmethod
    def of(cls, ref: RuleRef, group: RuleGroup, rule: Rule, grid: Grid) -> _Item:
        wanted: tuple[Selector, ...] = ()
        error = ""
        try:
            wanted = selectors(rule.expr, lookback_ms=0)
            if any(selector.after_ms and not selector.fixed for selector in wanted):
                # That data was not there yet when the rule was evaluated; nobody knows how much of it came in time.
                error = str(UnsupportedError("a rule that looks into the future (a negative offset)"))
        except (UnsupportedError, ExpressionError) as problem:
            error = str(problem)
        return cls(ref, group, rule, grid, wanted, error, grid.times() - group.query_offset)

    def result(self) -> RuleResult:
        times = self.grid.times()[list(self.failed)]
        if self.found is None or self.error:
            return RuleResult(self.ref, self.group, self.rule, None, None, times, self.error, self.made)
        warm = self.grid.start + self.reach
        firings, pending = self.found.firings(self.grid, warm), self.found.pending(self.grid, warm)
        return RuleResult(self.ref, self.group, self.rule, firings, pending, times, written=self.made)


class _Replay:
    def __init__(
        self,
        rules: RuleSet,
        engine: Engine,
        span: Span,
        known: set[str],
        broken: Mapping[str, str],
        cells: int,
        grid_of: Callable[[RuleGroup, Span], Grid],
        around: Around,
    ) -> None:
        self.bare = self.engine = engine
        self.around = around
        self.known, self.broken, self.cells = known, broken, cells
        self.items = [_Item.of(ref, group, rule, grid_of(group, span)) for ref, group, rule in rules]
        self.reads = readers([item.rule for item in self.items], [item.selectors for item in self.items], known)
        self.shelf = Shelf()
        self.fresh: set[int] = set()  # rules whose series self.engine does not see yet

    def run(self, wanted: Collection[RuleRef] | None) -> Replayed:
        for item in self.items:
            item.writes = not self.known.issuperset(written_names(item.rule))
        chosen = {at for at, item in enumerate(self.items) if wanted is None or item.ref in wanted}
        needed = closure(chosen, self.reads)
        if wanted is not None:
            read = {other for at in needed for other in self.reads[at]}
            for at in needed - read:
                self.items[at].writes &= self.items[at].rule.kind == "record"
        for members in components(needed, dict(enumerate(self.reads))):
            self._work_out(members)
        self._flush()
        return Replayed(tuple(self.items[at].result() for at in sorted(needed)), self.engine)

    def _work_out(self, members: tuple[int, ...]) -> None:
        items = [self.items[at] for at in members]
        for at, item in zip(members, items, strict=True):
            item.error = item.error or self._broken(at)
            item.reach = max((one.before_ms + self._reach(at, one.name) for one in item.selectors), default=0)
        if errors := [item for item in items if item.error]:
            for item in items:
                item.error = item.error or f"{errors[0].rule.name}, with which it goes in circles: {errors[0].error}"
            return
        try:
            if all(self._plain(at, read) for at in members for read in self.reads[at]):
                self._at_once(members[0])
            else:
                self._step_by_step(members)
            for at in members:
                self.shelf.put(self.items[at].made)
                if self.items[at].made:
                    self.fresh.add(at)
        except (UnsupportedError, ExpressionError) as error:
            for item in items:
                item.error, item.made = str(error), ()

    def _reach(self, at: int, name: str | None) -> int:
        """How far back (ms) the rules look that write the metric ``name`` (None: any) for the rule ``at`` to read."""
        read = [self.items[j] for j in self.reads[at]]
        return max((one.reach for one in read if name is None or name in written_names(one.rule)), default=0)

    def _broken(self, at: int) -> str:
        """Why a rule can't be replayed because of what it reads, "" where nothing is wrong."""
        for selector in self.items[at].selectors:
            if selector.name is not None and selector.name in self.broken:
                why = f"{selector.name}, as its recording rule could not be replayed: {self.broken[selector.name]}"
                return str(UnsupportedError(why))
        for read in sorted(self.reads[at]):
            rule, error = self.items[read].rule, self.items[read].error
            if error:
                what = rule.name if rule.kind == "record" else f"the alerts of {rule.name}"
                kind = "recording" if rule.kind == "record" else "alerting"
                return str(UnsupportedError(f"{what}, as its {kind} rule could not be replayed: {error}"))
        return ""

    def _plain(self, reader: int, read: int) -> bool:
        """Whether at every evaluation ``reader`` sees all that ``read`` ever writes up to the time it looks at."""
        earlier = self.items[read].group.query_offset <= self.items[reader].group.query_offset
        return read < reader and earlier

    def _flush(self) -> None:
        if self.fresh:
            self.engine = _seeing(self.bare, self.shelf)
            self.fresh.clear()

    # For the whole time at once

    def _at_once(self, at: int) -> None:
        item = self.items[at]
        if item.rule.kind == "record" and not item.writes:
            return
        if self.reads[at] & self.fresh:
            self._flush()
        if item.rule.kind == "alert":
            times, around = item.grid.times(), asking(self.engine, self.around)
            pieces = self._pieces(item, self.engine)
            runs = [
                Runs.of(alerts(item.rule, value, times[at : at + value.steps], around), at) for at, value in pieces
            ]
            self._alerts(item, merged(runs))
            return
        written, failed = Written(), []
        for step, value in self._pieces(item, self.engine):
            rows, over = record(item.rule, value, item.group.limit)
            failed += (np.flatnonzero(over) + step).tolist()
            for labels, values, present in zip(rows.labels, rows.values, rows.present & ~over, strict=True):
                here = np.flatnonzero(present)
                if len(here):
                    written.put(labels, here + step, values[here])
        item.failed = tuple(failed)
        item.made = tuple(written.series(item.stamps, item.failed))

    def _alerts(self, item: _Item, runs: Runs) -> None:
        step, steps = item.grid.step, len(item.grid)
        item.found = limited(item.rule, runs, step, steps, item.group.limit)
        item.failed = item.found.failed
        if item.writes:
            written = alert_series(item.rule, item.found, item.grid.times())
            item.made = self._unknown(written.series(item.stamps, item.failed))

    def _pieces(self, item: _Item, engine: Engine) -> Iterator[tuple[int, Matrix]]:
        """(first step, value) of pieces of the time that follow one another."""
        steps, at = len(item.stamps), 0
        rows = engine.width(item.rule.expr) if isinstance(engine, Measuring) else UNKNOWN_WIDTH
        # To a rule `@ start()` and `@ end()` are the time of the evaluation.
        alone = any(pin in ("start", "end") for selector in item.selectors for pin in selector.fixed)
        while at < steps:
            count = 1 if alone else min(steps - at, max(1, self.cells // max(rows, 1)))
            first = int(item.stamps[at])
            value = _value(engine, item.rule, Grid(first, first + (count - 1) * item.grid.step, item.grid.step))
            yield at, value
            rows, at = max(rows, len(value.labels)), at + count

    # Evaluation by evaluation

    def _step_by_step(self, members: tuple[int, ...]) -> None:
        """Rules that see the evaluation before of one another, or of rules that stand later."""
        writers = {at: _Writer(self.items[at], self.around) for at in members}
        bases = {at: self._base(at, members) for at in members}
        late = {at: [j for j in self.reads[at] - set(members) if not self._plain(at, j)] for at in members}
        evaluations = sorted(
            (time, at, step) for at in members for step, time in enumerate(self.items[at].grid.times().tolist())
        )
        for time, at, step in evaluations:
            shelf = Shelf()
            for read in late[at]:
                shelf.put(self._before(read, time, at))
            for read in self.reads[at] & set(members):
                shelf.put(self._unknown(writers[read].so_far()))
            writers[at].evaluate(step, _seeing(bases[at], shelf))
        for at, writer in writers.items():
            self.items[at].made = self._unknown(writer.so_far()) if self.items[at].writes else ()
            writer.finish()

    def _base(self, at: int, members: tuple[int, ...]) -> Engine:
        """What a rule sees of the rules whose output is there in whole."""
        shelf = Shelf()
        for read in sorted(self.reads[at] - set(members)):
            if self._plain(at, read):
                shelf.put(self.items[read].made)
        return _seeing(self.bare, shelf)

    def _before(self, read: int, time: int, reader: int) -> Iterator[Series]:
        """What the rule ``read`` has written when ``reader`` is evaluated at ``time``."""
        newest = time - self.items[read].group.query_offset
        for series in self.items[read].made:
            end = int(np.searchsorted(series.times, newest, side="right" if read < reader else "left"))
            yield Series(series.labels, series.times[:end], series.values[:end])

    def _unknown(self, made: Iterable[Series]) -> tuple[Series, ...]:
        return tuple(series for series in made if series.labels[METRIC_NAME] not in self.known)


class _Writer:
    """One rule that is evaluated step by step."""

    def __init__(self, item: _Item, around: Around) -> None:
        self._item, self._times, self._around = item, item.grid.times(), around
        self._machine = Machine(item.rule, item.grid.step, item.group.limit)
        self._written, self._failed, self._done = Written(), list[int](), 0

    def evaluate(self, step: int, engine: Engine) -> None:
        item, stamp = self._item, int(self._item.stamps[step])
        value = _value(engine, item.rule, Grid(stamp, stamp, 1))
        self._done = step + 1
        if item.rule.kind == "alert":
            around = asking(engine, self._around)
            holding = alerts(item.rule, value, self._times[step : step + 1], around).labels
            if not self._machine.evaluate(step, holding):
                self._failed.append(step)
                return
            for labels, firing, begun in self._machine.active():
                since = int(self._times[begun])
                for one, _, _, number in alert_samples(labels, step, step if firing else step + 1, step, since):
                    self._put(one, step, number)
            return
        rows, over = record(item.rule, value, item.group.limit)
        if over.any():
            self._failed.append(step)
            return
        for labels, number in zip(rows.labels, rows.values[:, 0].tolist(), strict=True):
            self._put(labels, step, number)

    def so_far(self) -> Iterator[Series]:
        return self._written.series(self._item.stamps[: self._done], self._failed)

    def finish(self) -> None:
        self._item.failed = tuple(self._failed)
        if self._item.rule.kind == "alert":
            self._item.found = self._machine.finish(self._done)

    def _put(self, labels: Labels, step: int, value: float) -> None:
        self._written.put(labels, np.array([step], dtype=np.int64), np.array([value]))


def _value(engine: Engine, rule: Rule, grid: Grid) -> Matrix:
    value = engine.evaluate(rule.expr, grid)
    if isinstance(value, Scalar):  # a rule takes a number as a series without labels
        return Matrix((EMPTY,), value.values[None, :], np.ones((1, len(grid)), dtype=np.bool_))
    return value


def asking(engine: Engine, around: Around) -> Around:
    """``around`` with ``engine`` to answer the queries of templates."""

    def query(expr: str, time: int) -> list[Sample]:
        try:
            value = engine.evaluate(expr, Grid(time, time, 1))
        except (ExpressionError, QueryError) as error:  # Prometheus too can't expand the template then
            raise TemplateError(f"query {expr!r}: {error}") from None
        if isinstance(value, Scalar):
            return [Sample(StringMap(), float(value.values[0]))]
        numbers = value.values[:, 0].tolist()
        return [Sample(StringMap(one), number) for one, number in zip(value.labels, numbers, strict=True)]

    return replace(around, query=query)


def _seeing(engine: Engine, more: Iterable[Series]) -> Engine:
    try:
        return engine.with_series(more)
    except ValueError as error:
        raise UnsupportedError(f"a rule writes a series that the history has already: {error}") from None
