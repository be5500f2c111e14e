"""Expressions over stretches of time: their windows, and what stands in for a sample that is missing."""

from __future__ import annotations

import promql_parser as pp

from rulegen.core.durations import format_duration
from rulegen.promql.needs import ms
from rulegen.promql.rewrite import comparison, remembered, selector_text, unwrapped, with_comparison

ANSWERS = frozenset({"up", "probe_success"})  # 1 where a target answered, 0 where it did not


def windows(expr: str) -> tuple[int, ...]:
    """The distinct range windows in ``expr``, subqueries left out, rising, ms."""
    found: set[int] = set()

    def look(node: pp.Expr) -> None:
        if isinstance(node, pp.MatrixSelector):
            found.add(ms(node.range))

    pp.walk(pp.parse(expr), look)
    return tuple(sorted(found))


def with_window(expr: str, old: int, new: int) -> str:
    """``expr`` with every range window of ``old`` ms made ``new`` ms."""

    def widen(node: pp.Expr) -> pp.Expr | None:
        if isinstance(node, pp.MatrixSelector) and ms(node.range) == old:
            return pp.parse(selector_text(node.vector_selector, window=new))
        return None

    return pp.transform(pp.parse(expr), None, widen).prettify()


def averaged(expr: str, window: int, step: int) -> str:
    """The mean of ``expr`` over ``window`` ms: a range of a bare selector, else a subquery every ``step`` ms."""
    return over_time("avg_over_time", expr, window, step)


@remembered
def over_time(function: str, expr: str, window: int, step: int, offset: int = 0) -> str:
    """``function`` of ``expr`` over ``window`` ms that end ``offset`` ms ago: of a range of a bare selector, else of
    a subquery every ``step`` ms."""
    node = unwrapped(pp.parse(expr))
    back = f" offset {format_duration(offset)}" if offset else ""
    if isinstance(node, pp.VectorSelector) and not (offset and (node.offset or node.at)):
        return pp.parse(f"{function}({selector_text(node, window=window)}{back})").prettify()
    inner = f"({node.prettify()})" if isinstance(node, (pp.BinaryExpr, pp.UnaryExpr)) else node.prettify()
    # A subquery's operand cannot be put in by transform; it is text that the parser itself has just printed.
    return pp.parse(f"{function}({inner}[{format_duration(window)}:{format_duration(step)}]{back})").prettify()


def bridged(expr: str, gap: int, answers: str = "last_over_time") -> str:
    """``expr`` for which a sample stands as long as it is at most ``gap`` ms old, and nothing is absent before it has
    been for so long.

    Every selector of single samples, ``ALERTS`` left out, becomes ``last_over_time`` of it, and one that says whether
    a target answered (``up``, ``probe_success``) the function ``answers``. Ranges stay as they are. Raises ValueError
    as :func:`selector_text` does.
    """
    ranged = False  # a range is visited right before the selector in it; what is put in is visited too

    def bridge(node: pp.Expr) -> pp.Expr | None:
        nonlocal ranged
        if isinstance(node, pp.Call) and (longer := _absent(node, gap)):
            return pp.parse(longer)
        if isinstance(node, pp.MatrixSelector):
            ranged = True
        elif isinstance(node, pp.VectorSelector):
            single, ranged = not ranged, False
            if single and node.name not in ("ALERTS", "ALERTS_FOR_STATE"):
                function = answers if node.name in ANSWERS else "last_over_time"
                return pp.parse(f"{function}({selector_text(node, window=gap)})")
        return None

    return pp.transform(pp.parse(expr), bridge).prettify()


def _absent(node: pp.Call, gap: int) -> str:
    """The call that asks for an absence of ``gap`` ms; empty where ``node`` asks for none, or for as long a one."""
    if node.func.name not in ("absent", "absent_over_time"):
        return ""
    inner = unwrapped(node.args[0])
    if isinstance(inner, pp.MatrixSelector) and ms(inner.range) < gap:
        inner = inner.vector_selector
    return f"absent_over_time({selector_text(inner, window=gap)})" if isinstance(inner, pp.VectorSelector) else ""


def within(expr: str, window: int, step: int) -> str:
    """``expr``, a comparison with a number, for each series that fulfilled it at some time in the last ``window`` ms
    (looked at every ``step`` ms, where it is no bare selector). Raises ValueError for what is no such comparison.
    """
    found = comparison(expr)
    if found is None or found.index or not found.ordered:
        raise ValueError("the expression is no comparison with a number")
    extreme = "max_over_time" if found.rising else "min_over_time"
    return with_comparison(expr, over_time(extreme, found.left, window, step), found.op, found.threshold)
