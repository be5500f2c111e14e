"""What no recording was long enough to show: parts of an alert that look back further than anything was recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import promql_parser as pp

from rulegen.core.durations import MINUTE, format_duration
from rulegen.core.rule import Rule
from rulegen.core.spans import Span
from rulegen.errors import UnsupportedError
from rulegen.promql import ExpressionError, parse, selectors


def unseen(rules: Sequence[Rule], recordings: Sequence[Span]) -> tuple[str, ...]:
    """For each alert in ``rules`` an alternative of which (an operand of ``or``) looks back further than the longest
    of ``recordings``, by its own windows or by those of the recording rules among ``rules`` that it reads: a line
    that says so. What that would do has never been seen; that it stayed silent is no evidence.

    Rules that can't be read are left out: the replay names them and the reason.
    """
    longest = max((span.length for span in recordings), default=0)
    try:
        recorded: dict[str, int] = {}
        for rule in rules:
            if rule.kind == "record":
                recorded[rule.name] = _reach(parse(rule.expr), recorded)
        return tuple(line for rule in rules if rule.kind == "alert" for line in _unseen(rule, recorded, longest))
    except (ExpressionError, UnsupportedError):
        return ()


def _unseen(rule: Rule, recorded: Mapping[str, int], longest: int) -> list[str]:
    parts = _alternatives(parse(rule.expr))
    reaches = [_reach(part, recorded) for part in parts]
    far = [reach for reach in reaches if reach > longest]
    severity = f" ({rule.labels['severity']})" if "severity" in rule.labels else ""
    whole = "" if len(far) == len(parts) else f"{len(far)} of {len(parts)} alternatives of "
    seen = format_duration(longest // MINUTE * MINUTE)
    if not far:
        return []
    return [f"{whole}{rule.name}{severity}: looks back {format_duration(max(far))}, the longest recording is {seen}"]


def _alternatives(node: pp.Expr) -> list[pp.Expr]:
    while isinstance(node, pp.ParenExpr):
        node = node.expr
    if isinstance(node, pp.BinaryExpr) and str(node.op) == "or":
        return [*_alternatives(node.lhs), *_alternatives(node.rhs)]
    return [node]


def _reach(node: pp.Expr, recorded: Mapping[str, int]) -> int:
    """How far back (ms) ``node`` looks; ``recorded`` are the reaches of recorded names. A selector without a window
    looks as far as it is offset: its lookback only bridges gaps."""
    found = selectors(node, lookback_ms=0)
    return max((one.before_ms + recorded.get(one.name or "", 0) for one in found), default=0)
