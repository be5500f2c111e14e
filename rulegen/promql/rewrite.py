"""Rewriting expressions through the syntax tree.

promql-parser's nodes cannot be constructed, so every new piece is parsed from text in which each outside name or
value is quoted, and put into place with ``transform``. Expressions never meet as strings.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

import promql_parser as pp

from rulegen.core.durations import format_duration
from rulegen.core.labels import METRIC_NAME, quote

_FILTERS = (">", ">=", "<", "<=", "==", "!=")
_MIRRORED = {">": "<", ">=": "<=", "<": ">", "<=": ">=", "==": "==", "!=": "!="}
_SET_OPERATORS = ("and", "unless")
# https://prometheus.io/docs/prometheus/latest/querying/operators/#binary-operator-precedence
_PRECEDENCE = {
    **dict.fromkeys(("or",), 1),
    **dict.fromkeys(("and", "unless"), 2),
    **dict.fromkeys(_FILTERS, 3),
    **dict.fromkeys(("+", "-"), 4),
    **dict.fromkeys(("*", "/", "%", "atan2"), 5),
    "^": 6,
}
_ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "^": operator.pow,
}
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_MATCH_OPERATORS = (  # a tuple, since the parser's enums cannot be hashed
    (pp.MatchOp.Equal, "="),
    (pp.MatchOp.NotEqual, "!="),
    (pp.MatchOp.Re, "=~"),
    (pp.MatchOp.NotRe, "!~"),
)
# RE2's metacharacters. Python's re.escape also escapes "-" and space, which RE2 refuses in some positions.
_META = re.compile(r"([\\.+*?()|\[\]{}^$])")


# Text in, text out. The candidates of a rule are made of the same pieces, and offered again for each part of the
# history.
remembered = lru_cache(maxsize=2**16)


@dataclass(frozen=True, slots=True)
class Comparison:
    """The comparison with a number that decides whether a rule fires: ``left op threshold``.

    ``left`` is PromQL; ``index`` counts binary expressions in pre-order, to find the place again.
    """

    left: str
    op: str
    threshold: float
    index: int

    @property
    def rising(self) -> bool:
        """Whether larger values fire."""
        return self.op in (">", ">=")

    @property
    def ordered(self) -> bool:
        return self.op in (">", ">=", "<", "<=")


@remembered
def comparison(expr: str) -> Comparison | None:
    """The deciding comparison of ``expr``: at the top, or leftmost below ``and`` / ``unless``. None without one.

    Only a filter (no ``bool``) between something and one number counts.
    """
    node, index = pp.parse(expr), 0
    while True:
        if isinstance(node, pp.ParenExpr):
            node = node.expr
        elif isinstance(node, pp.BinaryExpr) and str(node.op) in _SET_OPERATORS:
            node, index = node.lhs, index + 1
        else:
            break
    if not isinstance(node, pp.BinaryExpr) or str(node.op) not in _FILTERS:
        return None
    if node.modifier is not None and node.modifier.return_bool:
        return None
    op = str(node.op)
    left, right = _number(node.lhs), _number(node.rhs)
    if right is not None and left is None:
        return Comparison(node.lhs.prettify(), op, right, index)
    if left is not None and right is None:
        return Comparison(node.rhs.prettify(), _MIRRORED[op], left, index)
    return None


@remembered
def with_comparison(expr: str, left: str, op: str, threshold: float) -> str:
    """``expr`` with its deciding comparison replaced by ``left op threshold``.

    Raises ValueError when ``expr`` has no such comparison.
    """
    found = comparison(expr)
    if found is None:
        raise ValueError("the expression has no comparison with a number")
    new = fill(f"A {op} {number(threshold)}", A=left)
    return _replace_binary(expr, found.index, new)


def with_threshold(expr: str, threshold: float) -> str:
    """``expr`` with another number in its deciding comparison. Raises ValueError as :func:`with_comparison` does."""
    found = comparison(expr)
    if found is None:
        raise ValueError("the expression has no threshold")
    return with_comparison(expr, found.left, found.op, threshold)


def with_left(expr: str, change: Callable[[str], str]) -> str:
    """``expr`` with ``change`` made to its deciding comparison's left side. Raises ValueError without one."""
    found = comparison(expr)
    if found is None:
        raise ValueError("the expression has no threshold")
    return with_comparison(expr, change(found.left), found.op, found.threshold)


def with_deciding(expr: str, wrap: Callable[[str], str]) -> str:
    """``expr`` with ``wrap`` applied to its deciding comparison's left side, or to all of it when there is none."""
    found = comparison(expr)
    if found is None:
        return fill("A", A=wrap(expr))
    return with_comparison(expr, wrap(found.left), found.op, found.threshold)


@remembered
def fill(pattern: str, **parts: str) -> str:
    """PromQL ``pattern`` in which the metric names ``A``, ``B``, … stand for whole expressions, filled in.

    A part that is an operation comes in parentheses where the operator around it would tear it apart.
    """
    around: dict[str | None, int] = {}

    def look(node: pp.Expr) -> None:
        if isinstance(node, pp.BinaryExpr):
            for side in (node.lhs, node.rhs):
                if isinstance(side, pp.VectorSelector):
                    around[side.name] = _PRECEDENCE[str(node.op)]
        elif isinstance(node, pp.UnaryExpr) and isinstance(node.expr, pp.VectorSelector):
            around[node.expr.name] = _PRECEDENCE["*"]

    pp.walk(pp.parse(pattern), look)
    filled = {}
    for name, text in parts.items():
        node = pp.parse(text)
        if _binding(node) <= around.get(name, 0):
            node = pp.parse(f"({node.prettify()})")
        filled[name] = node

    def place(node: pp.Expr) -> pp.Expr | None:
        if isinstance(node, pp.VectorSelector) and node.name in filled and not node.matchers.matchers:
            return filled[node.name]
        return None

    return pp.transform(pp.parse(pattern), place).prettify()


def without_matchers(expr: str, labels: Iterable[str]) -> str:
    """``expr`` with every matcher on one of ``labels`` left out of its range selectors."""
    unwanted = set(labels)

    def loosen(node: pp.Expr) -> pp.Expr | None:
        if not isinstance(node, pp.MatrixSelector):
            return None
        selector = node.vector_selector
        selector.matchers = pp.Matchers([m for m in selector.matchers.matchers if m.name not in unwanted])
        return pp.parse(selector_text(selector, window=round(node.range.total_seconds() * 1000)))

    return pp.transform(pp.parse(expr), None, loosen).prettify()


def alternatives(values: Iterable[str]) -> str:
    """An RE2 expression that matches exactly ``values``, whatever characters they hold."""
    return "|".join(_META.sub(r"\\\1", value) for value in values)


def literals(expr: str) -> tuple[float, ...]:
    """The numbers that stand in ``expr``, in reading order."""
    found: list[float] = []

    def look(node: pp.Expr) -> pp.Expr | None:
        if isinstance(node, pp.NumberLiteral):
            found.append(node.val)
        return None

    pp.transform(pp.parse(expr), look)
    return tuple(found)


def with_literal(expr: str, at: int, value: float) -> str:
    """``expr`` with ``value`` in the place of the number at ``at``, as :func:`literals` counts them."""
    seen = -1

    def place(node: pp.Expr) -> pp.Expr | None:
        nonlocal seen
        if not isinstance(node, pp.NumberLiteral):
            return None
        seen += 1
        return pp.parse(number(value)) if seen == at else None

    return pp.transform(pp.parse(expr), None, place).prettify()


def aggregated(expr: str, op: str, by: Sequence[str]) -> str:
    """``op by (labels) (expr)``; without labels ``op (expr)``."""
    grouping = f" by ({', '.join(checked_label(name) for name in by)}) " if by else ""
    return fill(f"{op}{grouping}(A)", A=expr)


def ratio(expr: str) -> tuple[str, str] | None:
    """The two sides of ``expr`` where it is a quotient, else None."""
    node = unwrapped(pp.parse(expr))
    if not isinstance(node, pp.BinaryExpr) or str(node.op) != "/" or _number(node.rhs) is not None:
        return None
    return node.lhs.prettify(), node.rhs.prettify()


def counted(expr: str) -> str:
    """``expr`` with each per-second ``rate`` made the number of events in its window."""

    def count(node: pp.Expr) -> pp.Expr | None:
        if isinstance(node, pp.Call) and node.func.name == "rate":
            return pp.parse(f"increase({node.args[0].prettify()})")
        return None

    return pp.transform(pp.parse(expr), None, count).prettify()


def grouping(expr: str) -> tuple[str, ...] | None:
    """The labels by which ``expr`` is aggregated, also both sides of a quotient alike; None where it is not."""
    parts = ratio(expr)
    if parts is not None:
        left, right = map(grouping, parts)
        return left if left == right else None
    node = unwrapped(pp.parse(expr))
    if not isinstance(node, pp.AggregateExpr) or node.modifier is None or node.modifier.type != pp.AggModifierType.By:
        return None
    return tuple(node.modifier.labels)


def regrouped(expr: str, by: Sequence[str]) -> str:
    """``expr`` aggregated by other labels. Raises ValueError where :func:`grouping` finds none."""
    if grouping(expr) is None:
        raise ValueError("the expression is not aggregated by labels")
    parts = ratio(expr)
    if parts is not None:
        return fill("A / B", A=regrouped(parts[0], by), B=regrouped(parts[1], by))
    node = unwrapped(pp.parse(expr))
    assert isinstance(node, pp.AggregateExpr)
    if node.param is not None:
        raise ValueError(f"{node.op} takes a parameter")
    return aggregated(node.expr.prettify(), str(node.op), by)


def gated(expr: str, join: str, condition: str, on: Sequence[str] | None) -> str:
    """``expr join on (labels) (condition)``, ``join``: ``and`` or ``unless``; without ``on`` all labels match."""
    matching = "" if on is None else f" on ({', '.join(checked_label(name) for name in on)})"
    return fill(f"A {join}{matching} B", A=expr, B=condition)


def beside(expr: str) -> str | None:
    """``and on (…) B`` or ``unless … B``, on one line, where that is what ``expr`` joins last; else None."""
    node = pp.parse(expr)
    if not isinstance(node, pp.BinaryExpr) or str(node.op) not in _SET_OPERATORS:
        return None
    whole, left = (" ".join(side.prettify().split()) for side in (node, node.lhs))
    return whole.removeprefix(left).strip()


def number(value: float) -> str:
    """``value`` as people write it in a rule: whole numbers without a point, no exponents from 1e-9 to 1e15."""
    value = float(value)
    if value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    text = repr(value)
    return f"{Decimal(text):f}" if "e-" in text and abs(value) > 1e-9 else text


def selector_text(
    node: pp.VectorSelector, extra: Sequence[str] = (), window: int | None = None, offset: int | None = None
) -> str:
    """A selector's PromQL from its parts, with ``extra`` matchers and, when given, a range ``window`` and in place of
    its own an ``offset``, in ms. Raises ValueError where matchers are joined by ``or``."""
    if node.matchers.or_matchers:
        raise ValueError("selectors with `or` between matchers are not rewritten")
    matchers = [f"{m.name}{_operator(m)}{quote(m.value)}" for m in node.matchers.matchers]
    plain = node.name is not None and re.fullmatch(r"[a-zA-Z_:][a-zA-Z0-9_:]*", node.name)
    if node.name is not None and not plain:
        matchers.insert(0, f"{METRIC_NAME}={quote(node.name)}")
    matchers += [text for text in extra if text not in matchers]
    text = (node.name or "") if plain else ""
    if matchers or not text:
        text += "{" + ",".join(matchers) + "}"
    if window is not None:
        text += f"[{format_duration(window)}]"
    if node.at is not None:
        kind = str(node.at.type)
        text += " @ start()" if "Start" in kind else " @ end()" if "End" in kind else ""
        if node.at.at is not None:
            text += f" @ {node.at.at.timestamp():.3f}"
    if offset is None:
        offset = round(node.offset.total_seconds() * 1000) if node.offset is not None else 0
    if offset:
        text += f" offset {'-' if offset < 0 else ''}{format_duration(abs(offset))}"
    return text


def checked_label(name: str) -> str:
    """``name``. Raises ValueError when it is not a label name."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"not a label name: {name!r}")
    return name


def unwrapped(node: pp.Expr) -> pp.Expr:
    """``node`` without the parentheses around it."""
    while isinstance(node, pp.ParenExpr):
        node = node.expr
    return node


def _replace_binary(expr: str, index: int, new: str) -> str:
    replacement, seen = pp.parse(new), -1

    def place(node: pp.Expr) -> pp.Expr | None:
        nonlocal seen
        if isinstance(node, pp.BinaryExpr):
            seen += 1
            if seen == index:
                return replacement
        return None

    return pp.transform(pp.parse(expr), place).prettify()


def _binding(node: pp.Expr) -> int:
    """How tightly the outermost operator of ``node`` binds; calls, selectors and aggregations hold together."""
    if isinstance(node, pp.BinaryExpr):
        return _PRECEDENCE[str(node.op)]
    return 5 if isinstance(node, pp.UnaryExpr) else 7


def _number(node: pp.Expr) -> float | None:
    if isinstance(node, pp.ParenExpr):
        return _number(node.expr)
    if isinstance(node, pp.UnaryExpr):
        inner = _number(node.expr)
        return None if inner is None else -inner
    if isinstance(node, pp.BinaryExpr) and (work := _ARITHMETIC.get(str(node.op))) is not None:
        left, right = _number(node.lhs), _number(node.rhs)
        try:
            return None if left is None or right is None else float(work(left, right))
        except (ArithmeticError, TypeError):
            return None  # dividing by zero, or a root of a negative number
    return node.val if isinstance(node, pp.NumberLiteral) else None


def _operator(matcher: pp.Matcher) -> str:
    return next(text for op, text in _MATCH_OPERATORS if matcher.op == op)
