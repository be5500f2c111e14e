"""Which series an expression reads, and how far around an evaluation time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import lru_cache
from typing import Literal

import promql_parser as ast
from promql_parser import Expr

from rulegen.core.labels import METRIC_NAME, Labels, quote
from rulegen.core.series import Samples, Series
from rulegen.errors import UnsupportedError
from rulegen.promql.parse import parse
from rulegen.promql.regex import compile_regex
from rulegen.promql.tree import children

MANY = 32  # series of one metric, above which it pays to sort them out by a label
Operator = Literal["=", "!=", "=~", "!~"]


@dataclass(frozen=True, slots=True, order=True)
class Matcher:
    """One ``name op "value"``."""

    name: str
    op: Operator
    value: str

    def accepts(self, labels: Labels, *, dot_all: bool = True) -> bool:
        """A label that is missing has the empty value, as in Prometheus."""
        value = labels.get(self.name, "")
        if self.op in ("=", "!="):
            return (value == self.value) == (self.op == "=")
        return (compile_regex(self.value, dot_all=dot_all).fullmatch(value) is not None) == (self.op == "=~")

    def __str__(self) -> str:
        name = self.name if self.name.isascii() and self.name.isidentifier() else quote(self.name)
        return f"{name}{self.op}{quote(self.value)}"


@dataclass(frozen=True, slots=True)
class Selector:
    """One selector of an expression.

    To evaluate at a time t, samples between t − ``before_ms`` and t + ``after_ms`` are read; where an ``@`` modifier
    pins the selector, around the time in ``fixed`` (ms; "start" and "end" are the query's) in place of t. ``text`` is
    the bare selector, without window and modifiers. ``name`` is None unless the metric name is given literally.
    """

    name: str | None
    matchers: tuple[Matcher, ...]  # with the one for __name__
    text: str
    before_ms: int = 0
    after_ms: int = 0
    fixed: tuple[int | Literal["start", "end"], ...] = ()


def selectors(expr: Expr | str, *, lookback_ms: int = 300_000) -> tuple[Selector, ...]:
    """Every selector in ``expr`` in reading order, the same one more than once if it is read in two ways.

    Raises ExpressionError for a text that is not PromQL and UnsupportedError for what promql-parser reads beyond it.
    """
    tree = parse(expr) if isinstance(expr, str) else expr
    return tuple(dict.fromkeys(_collect(tree, _Reach(), lookback_ms)))


def select(samples: Samples, selector: Selector, *, dot_all: bool = True) -> tuple[Series, ...]:
    """The series that ``selector`` matches, sorted by metric name, then labels."""
    names: Iterable[str] = [selector.name] if selector.name is not None else samples.by_name
    return tuple(
        series
        for name in names
        for series in _likely(samples, name, selector)
        if all(matcher.accepts(series.labels, dot_all=dot_all) for matcher in selector.matchers)
    )


def _likely(samples: Samples, name: str, selector: Selector) -> Sequence[Series]:
    """Those of the metric ``name`` among which ``selector`` finds its own: of many, those with an equal label."""
    found: Sequence[Series] = samples.by_name.get(name, ())
    if len(found) > MANY:
        for one in selector.matchers:
            if one.op == "=" and one.value and one.name != METRIC_NAME:
                found = min(found, samples.having(name, one.name, one.value), key=len)
    return found


def matchers_of(node: ast.VectorSelector) -> tuple[Matcher, ...]:
    """The matchers of a selector, the metric name among them. Raises UnsupportedError for ``{a="b" or c="d"}``."""
    if node.matchers.or_matchers:
        raise UnsupportedError('"or" between matchers (Prometheus has no such thing)')
    named = [Matcher(METRIC_NAME, "=", node.name)] if node.name else []
    return (*named, *(Matcher(m.name, _operator(m.op), m.value) for m in node.matchers.matchers))


def _operator(op: ast.MatchOp) -> Operator:
    if op == ast.MatchOp.Equal:
        return "="
    if op == ast.MatchOp.NotEqual:
        return "!="
    return "=~" if op == ast.MatchOp.Re else "!~"


def bare(node: ast.VectorSelector) -> Selector:
    """The selector itself: what it matches, not when it reads."""
    return _bare(matchers_of(node))


@lru_cache(maxsize=4096)
def _bare(matchers: tuple[Matcher, ...]) -> Selector:
    names = [m.value for m in matchers if m.name == METRIC_NAME and m.op == "=" and m.value]
    first = matchers[0] if matchers else None
    plain = first is not None and first.name == METRIC_NAME and first.op == "=" and _is_metric_name(first.value)
    rest = matchers[1:] if plain else matchers
    inner = ",".join(map(str, rest))
    text = (first.value if plain and first else "") + (f"{{{inner}}}" if inner or not plain else "")
    return Selector(names[0] if names else None, matchers, text)


def _is_metric_name(name: str) -> bool:
    return name.isascii() and name.replace(":", "_").isidentifier()


def ms(delta: timedelta | None) -> int:
    """A duration of the syntax tree in ms (they are whole)."""
    return 0 if delta is None else delta // timedelta(milliseconds=1)


def pinned(at: ast.AtModifier | None) -> int | Literal["start", "end"] | None:
    """The time (ms) that an ``@`` modifier names."""
    if at is None:
        return None
    if at.type == ast.AtModifierType.Start:
        return "start"
    if at.type == ast.AtModifierType.End:
        return "end"
    if at.at is None:
        raise UnsupportedError("an @ modifier without a time")
    return round(at.at.timestamp() * 1000)


@dataclass(frozen=True, slots=True)
class _Reach:
    """What an enclosing subquery makes an expression look at: from ``oldest`` to ``newest`` (ms, relative to the
    evaluation time or to the pinned time)."""

    oldest: int = 0
    newest: int = 0
    fixed: tuple[int | Literal["start", "end"], ...] = ()

    def through(self, node: ast.VectorSelector | ast.SubqueryExpr, length: int) -> _Reach:
        """Through a selector or subquery that looks back ``length`` ms."""
        pin, offset = pinned(node.at), ms(node.offset)
        base = self if pin is None else _Reach(fixed=(pin,))
        return _Reach(base.oldest - offset - length, base.newest - offset, base.fixed)


def _collect(node: Expr, reach: _Reach, lookback_ms: int) -> Iterator[Selector]:
    if isinstance(node, ast.VectorSelector):
        yield _read(node, reach.through(node, lookback_ms))
    elif isinstance(node, ast.MatrixSelector):
        yield _read(node.vector_selector, reach.through(node.vector_selector, ms(node.range)))
    else:
        inner = reach.through(node, ms(node.range)) if isinstance(node, ast.SubqueryExpr) else reach
        for child in children(node):
            yield from _collect(child, inner, lookback_ms)


def _read(node: ast.VectorSelector, reach: _Reach) -> Selector:
    return replace(bare(node), before_ms=max(0, -reach.oldest), after_ms=max(0, reach.newest), fixed=reach.fixed)
