"""The evaluator: one function for each PromQL construct, over a grid of evaluation times.

Every node of the syntax tree gives all steps of all series at once. Rules that it follows are Prometheus' own,
release 3 ("open") or 2 ("closed"); where the two differ beyond the edges of windows, the same choice decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import promql_parser as ast
from promql_parser import Expr

from rulegen.core.semantics import Semantics
from rulegen.core.series import Samples, Series
from rulegen.core.spans import Grid, Times
from rulegen.errors import QueryError, UnsupportedError
from rulegen.promql.aggregate import aggregate
from rulegen.promql.binary import scalars, vector_scalar, vectors
from rulegen.promql.block import Block, Range
from rulegen.promql.calls import Arguments, Value, call, supported, unwrapped
from rulegen.promql.instant import latest
from rulegen.promql.matrix import MAX_CELLS, Matrix, Scalar, unnamed
from rulegen.promql.memo import Memo
from rulegen.promql.needs import Selector, bare, ms, pinned, select, selectors
from rulegen.promql.parse import parse
from rulegen.promql.tree import children


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """Where an expression is evaluated: ``grid``, its ``times`` [steps], and the ``query``'s own grid, to which
    ``@ start()`` and ``@ end()`` refer also inside subqueries."""

    grid: Grid
    times: Times
    query: Grid

    @classmethod
    def of(cls, grid: Grid, query: Grid | None = None) -> Moment:
        """Raises QueryError for a grid with too many steps (a subquery over years by the millisecond)."""
        if len(grid) > MAX_CELLS:
            raise QueryError(f"{len(grid)} steps are too many to evaluate at")
        return cls(grid, grid.times(), query or grid)

    def read_at(self, node: ast.VectorSelector | ast.SubqueryExpr) -> Times:
        """When a selector or subquery looks: the evaluation times, or the pinned one, less the offset. [steps]"""
        pin = pinned(node.at)
        if pin is not None:
            when = self.query.start if pin == "start" else self.query.end if pin == "end" else pin
            return np.full(len(self.times), when - ms(node.offset), dtype=np.int64)
        return self.times - ms(node.offset)


class Evaluator:
    """Evaluates PromQL over ``samples``.

    ``semantics``: "open" as Prometheus 3, "closed" as Prometheus 2. ``lookback_ms``: how long a sample counts.
    ``subquery_step_ms``: the step of subqueries that name none (Prometheus: the global evaluation interval).
    ``memory_bytes``: bound on the results that are kept, so that a sweep over thresholds (``expr > 1``,
    ``expr > 2``, …) evaluates ``expr`` once; 0 keeps none. The arrays handed out may be shared: they are read-only.
    """

    def __init__(
        self,
        samples: Samples,
        *,
        semantics: Semantics = "open",
        lookback_ms: int = 300_000,
        subquery_step_ms: int = 60_000,
        memory_bytes: int = 256 << 20,
    ) -> None:
        self.samples, self.semantics = samples, semantics
        self.lookback_ms, self.subquery_step_ms = lookback_ms, subquery_step_ms
        self._memory_bytes = memory_bytes
        self._memo = Memo(memory_bytes)
        self._blocks: dict[tuple[Selector, bool], Block] = {}
        self._evaluators: dict[type, Callable[[Any, Moment], Value]] = {
            ast.NumberLiteral: self._number,
            ast.StringLiteral: self._string,
            ast.ParenExpr: self._paren,
            ast.UnaryExpr: self._unary,
            ast.BinaryExpr: self._binary,
            ast.AggregateExpr: self._aggregate,
            ast.Call: self._call,
            ast.VectorSelector: self._instant,
            ast.MatrixSelector: self._window,
            ast.SubqueryExpr: self._subquery,
        }

    def with_series(self, more: Iterable[Series]) -> Evaluator:
        """One with the same settings over these samples and ``more``. Raises ValueError for a series given twice."""
        return Evaluator(
            self.samples.with_series(more),
            semantics=self.semantics,
            lookback_ms=self.lookback_ms,
            subquery_step_ms=self.subquery_step_ms,
            memory_bytes=self._memory_bytes,
        )

    def width(self, expr: str) -> int:
        """How many series ``expr`` reads, one read twice counted twice: what its evaluation costs at each step."""
        return sum(len(select(self.samples, one, dot_all=self.semantics == "open")) for one in selectors(expr))

    def evaluate(self, expr: str | Expr, grid: Grid) -> Matrix | Scalar:
        """The value of ``expr`` at every step of ``grid``.

        Rows are sorted by labels; a grid of one step is an instant query, whose rows come as Prometheus orders them.

        Raises ExpressionError for a text that is not PromQL, UnsupportedError for what this engine does not evaluate
        (a range vector or a string as the result among it) and QueryError where Prometheus fails too, be it at one
        step only; ValueError for a tree that does not print as what it means.
        """
        tree = parse(expr) if isinstance(expr, str) else _as_printed(expr)
        with np.errstate(all="ignore"):
            value = self._value(tree, Moment.of(grid))
        if isinstance(value, Scalar):
            return value
        if not isinstance(value, Matrix):
            raise UnsupportedError(f"a {'string' if isinstance(value, str) else 'range vector'} as the result")
        if len(grid) == 1 or len(value.labels) < 2:
            return value
        return value.take(sorted(range(len(value.labels)), key=value.labels.__getitem__))

    def _value(self, node: Expr, moment: Moment) -> Value:
        """``node`` evaluated, or remembered. What costs less than remembering it is not kept."""
        evaluate = self._evaluators[type(node)]
        if not isinstance(node, ast.AggregateExpr | ast.Call | ast.VectorSelector):
            return evaluate(node, moment)
        key = node.prettify(), moment.grid, moment.query
        value: Value | None = self._memo.get(key)
        if value is None:
            value = evaluate(node, moment)
            if isinstance(value, Matrix | Scalar):
                self._memo.put(key, value)
        return value

    def _vector(self, node: Expr, moment: Moment) -> Matrix:
        value = self._value(node, moment)
        assert isinstance(value, Matrix)  # the parser checks types
        return value

    # Literals and brackets

    def _number(self, node: ast.NumberLiteral, moment: Moment) -> Scalar:
        return Scalar(np.full(len(moment.times), node.val))

    def _string(self, node: ast.StringLiteral, _: Moment) -> str:
        return node.val

    def _paren(self, node: ast.ParenExpr, moment: Moment) -> Value:
        return self._value(node.expr, moment)

    # Selectors

    def _block(self, node: ast.VectorSelector, steps: int, *, stale: bool) -> Block:
        """The samples that a selector reads, kept from one expression to the next; with staleness markers or not."""
        selector = bare(node)
        if (selector, stale) not in self._blocks:
            found = select(self.samples, selector, dot_all=self.semantics == "open")
            block = Block.of([series for series in found if len(series.times)])
            self._blocks[selector, True] = block
            self._blocks[selector, False] = block.without_stale()
        block = self._blocks[selector, stale]
        if len(block) * steps > MAX_CELLS:
            raise QueryError(f"{selector.text}: {len(block)} series at {steps} steps are too many samples")
        return block

    def _latest(self, node: ast.VectorSelector, at: Times, *, tell_time: bool) -> Matrix:
        oldest = at - self.lookback_ms + (1 if self.semantics == "open" else 0)
        return latest(self._block(node, len(at), stale=True), at, oldest, tell_time=tell_time)

    def _instant(self, node: ast.VectorSelector, moment: Moment) -> Matrix:
        return self._latest(node, moment.read_at(node), tell_time=False).merged()

    def _timestamp(self, node: ast.VectorSelector, moment: Moment) -> Matrix:
        """``timestamp(selector)``: when (s) the samples are from. Where ``@`` pins it, the offset is forgotten."""
        at = moment.read_at(node) + (0 if node.at is None else ms(node.offset))
        found = self._latest(node, at, tell_time=True)
        return Matrix(unnamed(found.labels), found.values, found.present).merged()

    def _window(self, node: ast.MatrixSelector, moment: Moment) -> Range:
        end = moment.read_at(node.vector_selector)
        return self._range(self._block(node.vector_selector, len(end), stale=False), end, ms(node.range))

    def _range(self, block: Block, end: Times, length: int) -> Range:
        return Range(block, end - length + (1 if self.semantics == "open" else 0), end, length)

    def _subquery(self, node: ast.SubqueryExpr, moment: Moment) -> Range:
        """The inner expression at multiples of the step, whatever the query's own grid is."""
        end = moment.read_at(node)
        length, step = ms(node.range), ms(node.step) or self.subquery_step_ms
        if not len(end):
            return self._range(Block.of(()), end, length)
        edge = int(end[0]) - length
        start = -(-edge // step) * step  # the first multiple at or after the left edge
        if self.semantics == "open" and start == edge:
            start += step
        inner = Moment.of(Grid(start, int(end[-1]), step), moment.query)
        vector = self._vector(node.expr, inner) if len(inner.times) else Matrix.empty(0)
        return self._range(Block.of_matrix(vector, inner.times), end, length)

    # Operators

    def _unary(self, node: ast.UnaryExpr, moment: Moment) -> Matrix | Scalar:
        value = self._value(node.expr, moment)
        if isinstance(value, Matrix):
            return value.map(np.negative)
        assert isinstance(value, Scalar)
        return Scalar(-value.values)

    def _binary(self, node: ast.BinaryExpr, moment: Moment) -> Matrix | Scalar:
        op, modifier = str(node.op), node.modifier
        left, right = self._value(node.lhs, moment), self._value(node.rhs, moment)
        if isinstance(left, Matrix) and isinstance(right, Matrix):
            return vectors(op, left, right, modifier, self.semantics)
        if isinstance(left, Scalar) and isinstance(right, Scalar):
            return scalars(op, left, right)
        assert isinstance(left, Matrix | Scalar) and isinstance(right, Matrix | Scalar)
        as_bool = modifier is not None and modifier.return_bool
        return vector_scalar(op, left, right, self.semantics, as_bool=as_bool)

    def _aggregate(self, node: ast.AggregateExpr, moment: Moment) -> Matrix:
        param = None if node.param is None else self._value(node.param, moment)
        assert param is None or isinstance(param, Scalar | str)
        return aggregate(str(node.op), self._vector(node.expr, moment), node.modifier, param, self.semantics)

    def _call(self, node: ast.Call, moment: Moment) -> Matrix | Scalar:
        nodes = tuple(node.args)
        if node.func.name == "timestamp":
            selector = unwrapped(nodes[0])
            if isinstance(selector, ast.VectorSelector):
                return self._timestamp(selector, moment)
        supported(node.func.name)
        values = tuple(self._value(arg, moment) for arg in nodes)
        return call(node.func.name, Arguments(moment.times, values, nodes, self.semantics))


def _as_printed(tree: Expr) -> Expr:
    """A tree read again from its own text. ValueError when that would mean something else, as a tree can after
    ``transform`` that lacks brackets: what is judged here must be what is written into rule files."""
    read = parse(tree.prettify())
    if not _same_shape(read, tree):
        raise ValueError(f"the tree does not mean what it prints: {tree.prettify()}")
    return read


def _same_shape(left: Expr, right: Expr) -> bool:
    """Of two trees that print alike: whether they are alike."""
    below = children(left), children(right)
    if type(left) is not type(right) or len(below[0]) != len(below[1]):
        return False
    return all(map(_same_shape, *below)) if below[0] else left.prettify() == right.prettify()
