"""One expression, asked of a real Prometheus and of the engine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import httpx
import numpy as np
import promql_parser as ast

from rulegen.core.labels import EMPTY, Labels
from rulegen.core.series import Values
from rulegen.core.spans import Grid, Mask
from rulegen.errors import QueryError, UnsupportedError
from rulegen.promql import Evaluator, ExpressionError, Scalar, parse

CLOSE = 1e-9  # relative
# Prometheus 2.42 adds up the series of a group without compensation (its ranges, and Prometheus 3, compensate), and
# its mathematics are Go's, ours the C library's: the last bits differ. Where an expression takes the difference of
# almost equal numbers, or asks whether they are equal, the last bits are all that counts. Such a point is
# *undecided*: each result of those operators is moved by this share, and if ours then moves as far as the two are
# apart, the point says nothing.
SHAKE = 2e-13
INEXACT = frozenset({"sum", "avg", "stddev", "stdvar", "quantile"})
INEXACT_CALLS = frozenset(
    [
        "acos",
        "acosh",
        "asin",
        "asinh",
        "atan",
        "atanh",
        "cos",
        "cosh",
        "exp",
        "ln",
        "log10",
        "log2",
        "sin",
        "sinh",
        "sqrt",
        "tan",
        "tanh",
        "deg",
        "rad",
        "rate",
        "increase",
        "delta",
        "irate",
        "deriv",
        "predict_linear",
        "holt_winters",
        "stddev_over_time",
        "stdvar_over_time",
        "avg_over_time",
        "sum_over_time",
        "quantile_over_time",
        "histogram_quantile",
    ]
)

Verdict = Literal["alike", "empty", "both refuse", "undecided", "unsupported", "different"]
Rows = dict[Labels, tuple[Values, Mask]]  # values [steps], present [steps]


@dataclass(frozen=True, slots=True)
class Comparison:
    """``verdict`` on ``expr``. "undecided": a value differs where the last bits decide. "unsupported": the engine
    says so. ``detail`` says what differs."""

    expr: str
    grid: Grid
    verdict: Verdict
    detail: str = ""

    def __str__(self) -> str:
        when = f"from {self.grid.start} to {self.grid.end}, step {self.grid.step}"
        return f"{self.verdict}: {self.expr}\n    {when}\n    {self.detail}"


@dataclass(frozen=True, slots=True)
class Server:
    """A Prometheus at ``url``."""

    url: str
    client: httpx.Client

    def ask(self, expr: str, grid: Grid) -> Rows | str:
        """What ``query_range`` gives, or its error."""
        params = {
            "query": expr,
            "start": f"{grid.start / 1000:.3f}",
            "end": f"{grid.end / 1000:.3f}",
            "step": f"{grid.step / 1000:.3f}",
        }
        answer = self.client.post(f"{self.url}/api/v1/query_range", data=params, timeout=150).json()
        if answer["status"] != "success":
            return f"{answer['errorType']}: {answer['error']}"
        rows: Rows = {}
        for series in answer["data"]["result"]:
            values, present = np.full(len(grid), np.nan), np.zeros(len(grid), dtype=np.bool_)
            at = [(round(time * 1000) - grid.start) // grid.step for time, _ in series["values"]]
            values[at], present[at] = [float(value) for _, value in series["values"]], True
            rows[Labels(series["metric"])] = values, present
        return rows


def compare(server: Server, evaluator: Evaluator, expr: str, grid: Grid) -> Comparison:
    """``expr`` at every step of ``grid``, of both; at its start only where more steps would ask for luck."""
    with suppress(ExpressionError):
        luck = _by_luck(parse(expr))
        if luck == "always":
            return Comparison(expr, grid, "undecided", "topk of equal values that have no order")
        if luck == "in steps":
            grid = Grid(grid.start, grid.start, grid.step)
    theirs = server.ask(expr, grid)
    try:
        ours: Rows | str = _rows(evaluator, expr, grid)
    except (ExpressionError, QueryError) as error:
        ours = str(error)
    except UnsupportedError as error:
        return Comparison(expr, grid, "unsupported", str(error))
    if isinstance(theirs, str) or isinstance(ours, str):
        if isinstance(theirs, str) and isinstance(ours, str):
            return Comparison(expr, grid, "both refuse", f"{theirs} | {ours}")
        what = f"Prometheus: {theirs if isinstance(theirs, str) else 'an answer'}; here: "
        return Comparison(expr, grid, "different", what + (ours if isinstance(ours, str) else "an answer"))
    apart = list(_apart(theirs, ours))
    if not apart:
        return Comparison(expr, grid, "alike" if theirs else "empty")
    unexplained = _unexplained(evaluator, expr, grid, ours, apart)
    return Comparison(expr, grid, "different" if unexplained else "undecided", (unexplained or apart)[0].said(grid))


def features(expr: str) -> tuple[str, ...]:
    """What ``expr`` is made of: its functions, operators and modifiers, each once."""
    try:
        tree = parse(expr)
    except ExpressionError:
        return ("unreadable",)
    found: Counter[str] = Counter()

    def look(node: ast.Expr) -> None:
        if isinstance(node, ast.Call):
            found[f"{node.func.name}()"] += 1
        elif isinstance(node, ast.AggregateExpr):
            found[str(node.op)] += 1
        elif isinstance(node, ast.BinaryExpr):
            found[str(node.op)] += 1
            found.update(_modifiers(node.modifier))
        elif isinstance(node, ast.UnaryExpr):
            found["unary -"] += 1
        elif isinstance(node, ast.SubqueryExpr):
            found["subquery"] += 1
        if isinstance(node, ast.VectorSelector | ast.SubqueryExpr):
            found.update(["offset"] if node.offset else [])
            found.update(["@"] if node.at else [])

    ast.walk(tree, look)
    return tuple(sorted(found))


def _modifiers(modifier: ast.BinModifier | None) -> Iterator[str]:
    if modifier is None:
        return
    if modifier.return_bool:
        yield "bool"
    if modifier.matching is not None:
        yield "on" if modifier.matching.type == ast.LabelModifierType.Include else "ignoring"
    if modifier.card == ast.VectorMatchCardinality.ManyToOne:
        yield "group_left"
    if modifier.card == ast.VectorMatchCardinality.OneToMany:
        yield "group_right"


@dataclass(frozen=True, slots=True)
class _Apart:
    """One series at one step. None: not there."""

    labels: Labels
    step: int
    theirs: float | None
    ours: float | None

    def said(self, grid: Grid) -> str:
        return (
            f"{self.labels} at {grid.start + self.step * grid.step}: Prometheus {self.theirs!r}, here {self.ours!r}"
        )


def _rows(evaluator: Evaluator, expr: str, grid: Grid) -> Rows:
    value = evaluator.evaluate(expr, grid)
    if isinstance(value, Scalar):
        return {EMPTY: (value.values, np.ones(len(grid), dtype=np.bool_))}
    return {
        labels: (values, present)
        for labels, values, present in zip(value.labels, value.values, value.present, strict=True)
    }


def _apart(theirs: Rows, ours: Rows) -> Iterator[_Apart]:
    for labels in sorted({*theirs, *ours}):
        one, other = theirs.get(labels), ours.get(labels)
        if one is None or other is None:
            values, present = one or other or (np.zeros(0), np.zeros(0, dtype=np.bool_))
            for step in np.flatnonzero(present).tolist():
                value = float(values[step])
                yield _Apart(labels, step, value if one else None, value if other else None)
            continue
        for step in np.flatnonzero(~_alike(*one, *other)).tolist():
            yield _Apart(labels, step, _at(one, step), _at(other, step))


def _at(row: tuple[Values, Mask], step: int) -> float | None:
    return float(row[0][step]) if row[1][step] else None


def _alike(left: Values, left_here: Mask, right: Values, right_here: Mask) -> Mask:
    """[steps]: both absent, or both NaN, the same infinity, or within 1e-9 relative. Near zero too: nothing is
    compared absolutely, a tiny number is as good as a large one."""
    with np.errstate(all="ignore"):
        near = np.abs(left - right) <= CLOSE * np.maximum(np.abs(left), np.abs(right))
    same: Mask = (left == right) | (np.isnan(left) & np.isnan(right)) | near
    alike: Mask = (left_here == right_here) & (same | ~left_here)
    return alike


def _unexplained(evaluator: Evaluator, expr: str, grid: Grid, ours: Rows, apart: list[_Apart]) -> list[_Apart]:
    """Those of ``apart`` that stand where the last bits do not decide."""
    left = apart
    for alternate in (False, True):
        for share in (
            f"{SHAKE}",
            f"-{SHAKE}",
            f"{SHAKE} * scalar(sin(vector(time())))",
        ):  # the last moves each step by its own
            try:
                shaken = _rows(evaluator, _shaken(expr, share, alternate=alternate), grid)
            except (UnsupportedError, ExpressionError):
                return left
            left = [one for one in left if not _moved(one, ours, shaken)]
    return left


def _moved(one: _Apart, ours: Rows, shaken: Rows) -> bool:
    row = shaken.get(one.labels)
    value = _at(row, one.step) if row else None
    if one.theirs is None or one.ours is None:
        return (value is None) != (one.ours is None)
    if value is None or np.isnan(value) != np.isnan(one.ours):
        return True
    return abs(value - one.ours) * 10 >= abs(one.theirs - one.ours)


def _by_luck(tree: ast.Expr) -> Literal["never", "in steps", "always"]:
    """When it is luck which of equal values topk and bottomk keep: over several steps (of a subquery too) Prometheus
    hands on the series of most operators in the order of a Go map, which is none; those of histograms always."""
    found: list[bool] = []  # of each such topk, whether luck decides at a single step too
    inside = 0

    def enter(node: ast.Expr) -> None:
        nonlocal inside
        inside += isinstance(node, ast.SubqueryExpr)
        if isinstance(node, ast.AggregateExpr) and str(node.op) in ("topk", "bottomk") and not _ordered(node.expr):
            found.append(inside > 0 or "histogram_quantile(" in node.prettify())

    def leave(node: ast.Expr) -> None:
        nonlocal inside
        inside -= isinstance(node, ast.SubqueryExpr)

    ast.walk(tree, enter, leave)
    return "never" if not found else "always" if any(found) else "in steps"


def _ordered(node: ast.Expr) -> bool:
    """Whether Prometheus keeps the series of ``node`` in order: as stored, or one range function away."""
    if isinstance(node, ast.ParenExpr):
        return _ordered(node.expr)
    return isinstance(node, ast.VectorSelector) or (
        isinstance(node, ast.Call) and any(isinstance(one, ast.MatrixSelector) for one in node.args)
    )


def _shaken(expr: str, moved: str, *, alternate: bool) -> str:
    """``expr`` with every result that is exact but for its last bits ``moved`` by a share; ``alternate``: every other
    one by the contrary."""
    count = 0

    def shake(node: ast.Expr) -> ast.Expr | None:
        nonlocal count
        inexact = (
            (isinstance(node, ast.AggregateExpr) and str(node.op) in INEXACT)
            or (isinstance(node, ast.Call) and node.func.name in INEXACT_CALLS)
            or (isinstance(node, ast.BinaryExpr) and str(node.op) in ("^", "atan2"))
        )
        if not inexact:
            return None
        count += 1
        text, share = node.prettify(), f"{'-' if alternate and count % 2 else '+'} {moved}"
        if isinstance(node, ast.AggregateExpr) and str(node.op) in ("sum", "avg"):
            text += f" {share} * {_grouped('stddev', node)}"  # numbers may cancel within
        elif isinstance(node, ast.Call):
            args = ", ".join(one.prettify() for one in node.args)
            if node.func.name in ("avg_over_time", "sum_over_time"):
                text += f" {share} * stddev_over_time({args})"
            elif node.func.name in ("deriv", "predict_linear"):  # the least-squares line of what is nearly flat
                text += f" {share} * max_over_time({node.args[0].prettify()})"
            elif node.func.name in ("stddev_over_time", "stdvar_over_time"):
                text += f" + 0 * {text}"  # Prometheus 2.42 answers NaN, 3 infinity where the squares overflow
            elif node.func.name in ("ln", "log2", "log10"):  # of the smallest numbers Go 1.19 has the wrong logarithm
                text = f"{node.func.name}(({args}) unless abs({args}) < 2.3e-308)"
        return ast.parse(f"(({text}) * (1 {share}))")

    parse(expr)
    return ast.transform(ast.parse(expr), None, shake).prettify()


def _grouped(op: str, node: ast.AggregateExpr) -> str:
    """Another aggregation of the same groups."""
    if node.modifier is None:
        return f"{op}({node.expr.prettify()})"
    kind = "by" if node.modifier.type == ast.AggModifierType.By else "without"
    return f"{op} {kind} ({', '.join(node.modifier.labels)}) ({node.expr.prettify()})"
