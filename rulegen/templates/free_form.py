"""free_form: an expression of the proposer's own, over what exists. Offered only where somebody asks for it.

Not among ``TEMPLATES``, so that search never enumerates it. Whatever way the text came, it is held against the
vocabulary here: that a grammar was asked for proves nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

import promql_parser as ast

from rulegen.core.candidate import Slot, Slots, Vocabulary
from rulegen.core.cluster import Cluster, Grade
from rulegen.core.labels import METRIC_NAME
from rulegen.core.rule import Rule
from rulegen.promql.needs import selectors
from rulegen.promql.parse import parse
from rulegen.promql.rewrite import comparison
from rulegen.promql.tree import nodes
from rulegen.templates.hold import waits
from rulegen.templates.template import Template, duration, word

AGGREGATIONS = ("sum", "avg", "min", "max", "count")
OVER_COUNTERS = ("rate", "increase")
OVER_TIME = ("avg_over_time", "max_over_time", "min_over_time", "sum_over_time", "count_over_time")
FUNCTIONS = (*OVER_COUNTERS, *OVER_TIME)

# Of arithmetic and comparisons, and of and, or, unless.
_PLAIN_MATCHES = (ast.VectorMatchCardinality.OneToOne, ast.VectorMatchCardinality.ManyToMany)
_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]{0,99}")
_LABEL = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]{0,59}")
_VALUE = re.compile(r"[A-Za-z0-9_./:@-]{1,60}")  # no quote, space or escape: nothing that a grammar must spell


def vocabulary(cluster: Cluster) -> Vocabulary:
    """What an expression for ``cluster`` may name: metrics, labels and values that are there. What is called in a way
    that plain text cannot hold is left out."""
    inventory, found = cluster.inventory, selectors(cluster.rule.expr)
    matchers = [one for selector in found for one in selector.matchers if one.name != METRIC_NAME]
    metrics = [*inventory.metrics, *(one.name or "" for one in found)]
    labels = [*(name for name, _ in inventory.labels), *(one.name for one in matchers)]
    pairs = [*inventory.values, *inventory.telling]
    pairs += [(one.name, one.value) for one in matchers if one.op in ("=", "!=")]
    plain = [one for one in pairs if _LABEL.fullmatch(one[0]) and _VALUE.fullmatch(one[1])]
    return Vocabulary(_plain(_METRIC, metrics), _plain(_LABEL, labels), tuple(dict.fromkeys(plain)))


def slots(cluster: Cluster) -> tuple[Slot, ...] | None:
    known = vocabulary(cluster)
    if not known.metrics:
        return None
    return Slot("expr", vocabulary=known), Slot("for", waits(cluster.rule.hold))


def render(cluster: Cluster, filled: Slots) -> tuple[Rule, ...]:
    """Raises ValueError for an expression that names what is not there, or that is no condition."""
    expr = word(filled, "expr")
    if (wrong := foreign(expr, vocabulary(cluster))) is not None:
        raise ValueError(f"the expression has {wrong}")
    if comparison(expr) is None:
        raise ValueError("the expression compares nothing with a number")
    return (replace(cluster.rule, expr=expr, hold=duration(filled, "for")),)


def foreign(expr: str, known: Vocabulary) -> str | None:
    """What in ``expr`` is not made of ``known``; None when everything is. Raises ExpressionError."""
    for node, _ in nodes(parse(expr)):
        if isinstance(node, ast.MatrixSelector):
            wrong = _selector(node.vector_selector, known)
        elif isinstance(node, ast.VectorSelector):
            wrong = _selector(node, known)
        elif isinstance(node, ast.AggregateExpr):
            allowed = str(node.op) in AGGREGATIONS and node.param is None
            wrong = (
                _labels(node.modifier.labels if node.modifier else (), known) if allowed else "another aggregation"
            )
        elif isinstance(node, ast.Call):
            wrong = None if node.func.name in FUNCTIONS else "another function"
        elif isinstance(node, ast.BinaryExpr):
            wrong = _matching(node.modifier, known)
        else:
            wrong = None if isinstance(node, ast.NumberLiteral | ast.ParenExpr) else "another kind of node"
        if wrong is not None:
            return wrong
    return None


def _selector(node: ast.VectorSelector, known: Vocabulary) -> str | None:
    if node.name not in known.metrics:
        return "a metric that is not there"
    if node.matchers.or_matchers or node.at is not None:
        return "another kind of selector"
    for one in node.matchers.matchers:
        if one.op not in (ast.MatchOp.Equal, ast.MatchOp.NotEqual) or (one.name, one.value) not in known.pairs:
            return "a matcher that is not there"
    return None


def _labels(names: Iterable[str], known: Vocabulary) -> str | None:
    return None if set(names) <= set(known.labels) else "a label that is not there"


def _matching(modifier: ast.BinModifier | None, known: Vocabulary) -> str | None:
    if modifier is None:
        return None
    if modifier.card not in _PLAIN_MATCHES or modifier.return_bool:
        return "another kind of matching"
    return _labels(modifier.matching.labels if modifier.matching else (), known)


def _plain(pattern: re.Pattern[str], names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in names if pattern.fullmatch(name)))


TEMPLATE = Template(
    name="free_form",
    summary="another expression over the same metrics and labels",
    change="tuning",
    grades=frozenset({Grade.METRICS}),
    slots=slots,
    render=render,
)
