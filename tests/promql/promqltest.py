"""Runs Prometheus' own test language (``load``, ``eval instant``, ``eval range``, …) against the evaluator.

The language: https://github.com/prometheus/prometheus/blob/main/promql/promqltest/README.md. Each case ends as passed
(an expected error also when the parser is what refuses), failed, or skipped with the reason: what promql-parser
cannot read, native histograms, experimental features.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import promql_parser

from rulegen.core.durations import parse_duration
from rulegen.core.labels import METRIC_NAME, Labels
from rulegen.core.series import STALE, Samples, Series
from rulegen.core.spans import Grid
from rulegen.errors import QueryError, UnsupportedError
from rulegen.promql import Evaluator, ExpressionError, Matrix, Scalar, Semantics, parse, selectors

EPSILON = 1e-6  # as Prometheus' own runner
MINUTE = 60_000

_EVAL = re.compile(
    r"eval(?:_(?P<how>fail|warn|ordered|info))?\s+(?:instant\s+at\s+(?P<at>\S+)"
    r"|range\s+from\s+(?P<start>\S+)\s+to\s+(?P<end>\S+)\s+step\s+(?P<step>\S+))\s+(?P<expr>.+)"
)
_LOAD = re.compile(r"load(?P<nhcb>_with_nhcb)?\s+(?P<step>\S+)")
_QUOTED = r'"(?:[^"\\]|\\.)*"' + r"|'(?:[^'\\]|\\.)*'|`[^`]*`"
_LABELS = re.compile(r"(?P<name>[A-Za-z_:][\w:.]*)?(?:\{(?!\{)(?P<inner>(?:[^}\"'`]|" + _QUOTED + r")*)\})?")
_PAIR = re.compile(rf"(?P<name>{_QUOTED}|[\w.:]+)\s*(?:=\s*(?P<value>{_QUOTED}))?\s*(?:,|$)\s*")
_NUMBER = r"[-+]?(?:Inf|inf|NaN|nan|(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"
_POINT = re.compile(rf"(?P<first>{_NUMBER}|_|stale)(?P<delta>[-+]{_NUMBER[5:]})?(?:x(?P<times>\d+))?")


@dataclass(frozen=True)
class Case:
    """One ``eval``: where it stands, what it asks, what must come out."""

    line: int
    expr: str
    grid: Grid
    instant: bool
    fails: bool
    ordered: bool
    rows: tuple[tuple[Labels, tuple[float | None, ...]], ...]
    scalar: float | None
    unsupported: str | None


@dataclass(frozen=True)
class Outcome:
    line: int
    expr: str
    verdict: Literal["passed", "failed", "skipped"]
    reason: str = ""


@dataclass
class Storage:
    """What ``load`` has loaded since the last ``clear``."""

    points: dict[Labels, dict[int, float]] = field(default_factory=dict)
    native: set[Labels] = field(default_factory=set)  # series with native histograms, which are not loaded
    started: bool = False  # start timestamps (experimental) were loaded

    def samples(self) -> Samples:
        return Samples.of(
            Series(
                labels,
                np.array(sorted(points), dtype=np.int64),
                np.array([points[at] for at in sorted(points)], dtype=np.float64),
            )
            for labels, points in self.points.items()
        )

    def load(self, step: int, lines: list[str], *, nhcb: bool) -> None:
        for line in lines:
            labels, rest = read_labels(line)
            if rest.startswith("@"):
                self.started = True
                continue
            if "{{" in rest:
                self.native.add(labels)
                continue
            points = self.points.setdefault(labels, {})
            for k, value in enumerate(read_points(rest)):
                if value is not None:
                    points[k * step] = value
            if nhcb and labels.get(METRIC_NAME, "").endswith("_bucket"):
                self.native.add(labels.updated({METRIC_NAME: labels[METRIC_NAME].removesuffix("_bucket"), "le": ""}))


def run_file(path: Path, semantics: Semantics, *, memory_bytes: int = 64 << 20) -> list[Outcome]:
    storage, outcomes = Storage(), []
    evaluator = Evaluator(Samples(), semantics=semantics, memory_bytes=memory_bytes)
    for number, head, body in commands(path.read_text(encoding="utf-8")):
        if head == "clear":
            storage, evaluator = Storage(), Evaluator(Samples(), semantics=semantics, memory_bytes=memory_bytes)
        elif load := _LOAD.fullmatch(head):
            storage.load(read_time(load["step"]), body, nhcb=load["nhcb"] is not None)
            evaluator = Evaluator(storage.samples(), semantics=semantics, memory_bytes=memory_bytes)
        else:
            outcomes.append(run_case(read_case(number, head, body), storage, evaluator))
    return outcomes


def commands(text: str) -> Iterator[tuple[int, str, list[str]]]:
    """(line number, first line, indented lines below it), without comments."""
    number, head, body = 0, "", list[str]()
    for at, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if line.startswith("#"):
            continue
        if re.match(r"(eval|load|clear)(_\w+)?\b", line):
            if head:
                yield number, head, body
            number, head, body = at, line, []
        elif line:
            body.append(line)
    if head:
        yield number, head, body


def read_time(text: str) -> int:
    """Seconds or a duration → ms."""
    try:
        return round(float(text) * 1000)
    except ValueError:
        return parse_duration(text)


def read_labels(line: str) -> tuple[Labels, str]:
    """``name{a="b"} rest`` → (labels, ``rest``)."""
    match = _LABELS.match(line)
    assert match is not None
    labels = {METRIC_NAME: match["name"] or ""}
    for pair in _PAIR.finditer(match["inner"] or ""):
        name = unquote(pair["name"])
        labels |= {METRIC_NAME: name} if pair["value"] is None else {name: unquote(pair["value"])}
    return Labels(labels), line[match.end() :].strip()


def unquote(text: str) -> str:
    if text[0] not in "\"'`":
        return text
    literal = promql_parser.parse(text)
    assert isinstance(literal, promql_parser.StringLiteral)
    return literal.val


def read_points(text: str) -> list[float | None]:
    """``1+2x3 _ stale`` → [1, 3, 5, 7, None, STALE]."""
    out: list[float | None] = []
    for token in text.split():
        match = _POINT.fullmatch(token)
        assert match is not None, token
        times = int(match["times"]) if match["times"] else None
        if match["first"] == "_":
            out += [None] * (1 if times is None else times)
            continue
        value = STALE if match["first"] == "stale" else float(match["first"])
        for _ in range((times or 0) + 1):
            out.append(value)
            value += float(match["delta"]) if match["delta"] else 0
    return out


def read_case(line: int, head: str, body: list[str]) -> Case:
    match = _EVAL.fullmatch(head)
    assert match is not None, head
    instant = match["at"] is not None
    start, end = (match["at"], match["at"]) if instant else (match["start"], match["end"])
    grid = Grid(read_time(start), read_time(end), 1 if instant else read_time(match["step"]))
    fails, ordered = match["how"] == "fail", match["how"] == "ordered"
    rows, scalar, unsupported = [], None, None
    for text in body:
        if text.startswith(("expected_fail_message", "expected_fail_regexp")):
            continue
        if text.startswith("expect "):
            what = text.split()[1]
            fails, ordered = fails or what == "fail", ordered or what == "ordered"
            if what in ("range", "string"):
                unsupported = f"a {what} vector as the result" if what == "range" else "a string as the result"
            continue
        if "{{" in text:
            unsupported = unsupported or "native histograms"
        elif re.fullmatch(_NUMBER, text):
            scalar = float(text)
        elif not unsupported:
            labels, values = read_labels(text)
            rows.append((labels, tuple(read_points(values))))
    return Case(line, match["expr"], grid, instant, fails, ordered, tuple(rows), scalar, unsupported)


def run_case(case: Case, storage: Storage, evaluator: Evaluator) -> Outcome:
    def outcome(verdict: Literal["passed", "failed", "skipped"], reason: str = "") -> Outcome:
        return Outcome(case.line, case.expr, verdict, reason)

    try:
        read = selectors(parse(case.expr))
    except ExpressionError as error:
        return outcome("passed") if case.fails else outcome("skipped", f"parser: {error.message}")
    except UnsupportedError as error:
        return outcome("passed") if case.fails else outcome("skipped", str(error))
    if case.unsupported:
        return outcome("skipped", case.unsupported)
    if any(all(m.accepts(labels) for m in one.matchers) for labels in storage.native for one in read):
        return outcome("skipped", "native histograms")
    if storage.started:
        return outcome("skipped", "start timestamps")
    try:
        value = evaluator.evaluate(case.expr, case.grid)
        wrong = check(case, value)
        # start() and end() are not those of the instant there, and a range query has no order of its own.
        alike = not case.ordered and not re.search(r"(start|end)\(\)", case.expr)
        if not wrong and not case.fails and case.instant and alike:
            around = Grid(case.grid.start - MINUTE, case.grid.start + MINUTE, MINUTE)
            wrong = check(case, column(evaluator.evaluate(case.expr, around), 1))
            wrong = wrong and f"as the column of a range: {wrong}"
    except QueryError as error:
        return outcome("passed") if case.fails else outcome("failed", f"error: {error}")
    except UnsupportedError as error:
        return outcome("skipped", str(error))
    if case.fails:
        return outcome("failed", f"must be an error, is {shown(value)}")
    return outcome("failed", wrong) if wrong else outcome("passed")


def column(value: Matrix | Scalar, step: int) -> Matrix | Scalar:
    if isinstance(value, Scalar):
        return Scalar(value.values[[step]])
    return Matrix(value.labels, value.values[:, [step]], value.present[:, [step]]).pruned()


def check(case: Case, value: Matrix | Scalar) -> str:
    """What is wrong with ``value``; empty when nothing is."""
    if case.fails:
        return ""
    if isinstance(value, Scalar):
        if case.instant:
            fine = case.scalar is not None and close(float(value.values[0]), case.scalar)
            return "" if fine else f"scalar {value.values[0]}, not {case.scalar}"
        value = Matrix((Labels(),), value.values[None, :], np.ones((1, len(value.values)), dtype=np.bool_))
    if case.scalar is not None:
        return f"a vector, not the scalar {case.scalar}"
    steps = len(case.grid)
    wanted = {labels: (*points, *[None] * (steps - len(points))) for labels, points in case.rows}
    got = {
        labels: tuple(float(v) if here else None for v, here in zip(values, present, strict=True))
        for labels, values, present in zip(value.labels, value.values, value.present, strict=True)
    }
    wanted = {labels: points for labels, points in wanted.items() if any(p is not None for p in points)}
    if case.ordered and tuple(wanted) != value.labels:
        return f"order: {', '.join(map(str, value.labels))}"
    same = wanted.keys() == got.keys() and all(
        len(points) == len(got[labels]) and all(map(close, got[labels], points)) for labels, points in wanted.items()
    )
    return "" if same else f"got {shown(value)}"


def close(got: float | None, wanted: float | None) -> bool:
    if got is None or wanted is None:
        return got is wanted
    if math.isnan(got) or math.isnan(wanted):
        return math.isnan(got) and math.isnan(wanted)
    return got == wanted or abs(got - wanted) <= EPSILON * (abs(got) + abs(wanted)) or abs(got - wanted) < 1e-300


def shown(value: Matrix | Scalar) -> str:
    if isinstance(value, Scalar):
        return f"scalar {value.values}"
    rows = zip(value.labels, value.values, value.present, strict=True)
    return "; ".join(
        f"{labels} {[float(v) if h else None for v, h in zip(vs, hs, strict=True)]}" for labels, vs, hs in rows
    )
