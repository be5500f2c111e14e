"""Walking the syntax tree. (promql-parser's own walk copies the whole tree at each node: cubic in the depth.)"""

from __future__ import annotations

from collections.abc import Iterator

import promql_parser as ast
from promql_parser import Expr


def children(node: Expr) -> tuple[Expr, ...]:
    """The expressions right below ``node`` in reading order; a matrix selector counts as one piece."""
    if isinstance(node, ast.BinaryExpr):
        return node.lhs, node.rhs
    if isinstance(node, ast.AggregateExpr):
        return (node.expr,) if node.param is None else (node.param, node.expr)
    if isinstance(node, ast.Call):
        return tuple(node.args)
    if isinstance(node, ast.ParenExpr | ast.UnaryExpr | ast.SubqueryExpr):
        return (node.expr,)
    return ()


def nodes(expr: Expr) -> Iterator[tuple[Expr, int]]:
    """Every node and how many levels below the top it is (from 1); a node comes before those below it."""
    waiting = [(expr, 1)]
    while waiting:
        node, level = waiting.pop()
        yield node, level
        waiting += [(child, level + 1) for child in reversed(children(node))]
