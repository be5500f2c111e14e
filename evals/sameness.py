"""Whether two expressions are the same but for how they are written.

The same are: numbers however written and constant arithmetic; brackets that change nothing; the order of labels, of
matchers, of alternatives in a list, of filters behind ``and`` and ``unless``, and of the sides of ``+``, ``*`` and a
comparison with a number; a list of one value and that value; two lists of what is left out and the two in one.
"""

from __future__ import annotations

import re

import promql_parser as pp

from rulegen.promql.reselect import branches
from rulegen.promql.rewrite import number

_MIRRORED = {">": "<", ">=": "<=", "<": ">", "<=": ">=", "==": "==", "!=": "!="}
_ESCAPED = re.compile(r"\\([\\.+*?()|\[\]{}^$-])")
_GROUP = re.compile(r"(?P<before>[^\\()\[\]]*)\((?P<inside>[^()?\\\[\]][^()\\\[\]]*)\)(?P<after>(?![*+?{])[^()]*)")
_PLAIN = re.compile(r"(?:[^\\.+*?()|\[\]{}^$]|\\[\\.+*?()|\[\]{}^$-])*")


def same(left: str, right: str) -> bool:
    """Whether ``left`` and ``right`` mean the same. Raises ValueError for what does not parse."""
    return normal(left) == normal(right)


def normal(expr: str) -> str:
    """One text for all ways of writing ``expr``."""
    return _text(pp.parse(expr))


def constant(node: pp.Expr) -> float | None:
    """The value of arithmetic between numbers."""
    if isinstance(node, pp.NumberLiteral):
        return node.val
    if isinstance(node, pp.ParenExpr):
        return constant(node.expr)
    if isinstance(node, pp.UnaryExpr):
        value = constant(node.expr)
        return None if value is None else -value
    if not isinstance(node, pp.BinaryExpr):
        return None
    left, right = constant(node.lhs), constant(node.rhs)
    if left is None or right is None:
        return None
    try:
        match str(node.op):
            case "+":
                return left + right
            case "-":
                return left - right
            case "*":
                return left * right
            case "/":
                return left / right
            case "^":
                return float(left**right)
    except ArithmeticError:
        return None
    return None


def _text(node: pp.Expr) -> str:
    value = constant(node)
    if value is not None:
        return number(float(f"{value:.15g}"))
    match node:
        case pp.ParenExpr():
            return _text(node.expr)
        case pp.StringLiteral():
            return repr(node.val)
        case pp.UnaryExpr():
            return f"-({_text(node.expr)})"
        case pp.Call():
            return f"{node.func.name}({', '.join(map(_text, node.args))})"
        case pp.AggregateExpr():
            parameter = "" if node.param is None else _text(node.param) + ", "
            return f"{str(node.op).lower()}{_grouping(node)}({parameter}{_text(node.expr)})"
        case pp.VectorSelector():
            return _selector(node)
        case pp.MatrixSelector():
            return f"{_selector(node.vector_selector)}[{node.range}]"
        case pp.SubqueryExpr():
            return f"({_text(node.expr)})[{node.range}:{node.step}]@{node.at and node.at.at}-{node.offset}"
        case pp.BinaryExpr():
            return _binary(node)
    return node.prettify()


def _grouping(node: pp.AggregateExpr) -> str:
    if node.modifier is None:
        return ""
    without = node.modifier.type != pp.AggModifierType.By
    if not node.modifier.labels and not without:
        return ""
    return f" {'without' if without else 'by'} ({', '.join(sorted(node.modifier.labels))}) "


def _binary(node: pp.BinaryExpr) -> str:
    op = str(node.op)
    if op in ("and", "unless"):
        base, filters = _filtered(node)
        return f"({base} {' '.join(sorted(set(filters)))})"
    how = _matching(node)
    left, right = _text(node.lhs), _text(node.rhs)
    if op in _MIRRORED and constant(node.lhs) is not None:
        op, left, right = _MIRRORED[op], right, left
    elif op in ("+", "*") and "group" not in how and right < left:
        left, right = right, left
    return f"({left} {op}{how} {right})"


def _filtered(node: pp.Expr) -> tuple[str, list[str]]:
    """What a chain of filters begins with, and the filters; each looks at labels alone, so their order is free."""
    while isinstance(node, pp.ParenExpr):
        node = node.expr
    if isinstance(node, pp.BinaryExpr) and str(node.op) in ("and", "unless"):
        base, filters = _filtered(node.lhs)
        return base, [*filters, f"{node.op}{_matching(node)} {_text(node.rhs)}"]
    return _text(node), []


def _matching(node: pp.BinaryExpr) -> str:
    modifier = node.modifier
    if modifier is None:
        return ""
    text = " bool" if modifier.return_bool else ""
    on = modifier.matching is not None and modifier.matching.type == pp.LabelModifierType.Include
    if modifier.matching is not None and (on or modifier.matching.labels):
        text += f" {'on' if on else 'ignoring'} ({', '.join(sorted(modifier.matching.labels))})"
    sides = {"ManyToOne": "left", "OneToMany": "right"}
    if (side := sides.get(str(modifier.card).rpartition(".")[2])) is not None:
        text += f" group_{side} ({', '.join(sorted(modifier.group_labels or ()))})"
    return text


def _selector(node: pp.VectorSelector) -> str:
    found: list[str] = []
    out: dict[str, set[str]] = {}
    for one in node.matchers.matchers:
        if one.op == pp.MatchOp.Equal:
            found.append(f"{one.name}={one.value!r}")
        elif one.op == pp.MatchOp.NotEqual:
            out.setdefault(one.name, set()).add(repr(one.value))
        elif one.op == pp.MatchOp.NotRe:
            out.setdefault(one.name, set()).update(map(_alternative, _spelt_out(one.value)))
        else:
            listed = sorted(map(_alternative, _spelt_out(one.value)))
            found.append(f"{one.name}{'=' if len(listed) == 1 and listed[0][0] != '/' else '=~'}{'|'.join(listed)}")
    found += [f"{name}!~{'|'.join(sorted(values))}" for name, values in out.items()]
    at = "" if node.at is None else f"@{node.at.type}{node.at.at}"
    return f"{node.name or ''}{{{','.join(sorted(found))}}}{at}{f' offset {node.offset}' if node.offset else ''}"


def _spelt_out(pattern: str) -> list[str]:
    """The alternatives of a pattern, those of its one plain group too: ``^(a|b).*`` is ``a.*`` or ``b.*``.

    A matcher is anchored at both ends anyway.
    """
    found = []
    for branch in branches(pattern):
        text = branch.removeprefix("^")
        text = text[:-1] if text.endswith("$") and not text.endswith("\\$") else text
        group = _GROUP.fullmatch(text)
        if group is None:
            found.append(text)
        else:
            found += [group["before"] + one + group["after"] for one in group["inside"].split("|")]
    return found


def _alternative(pattern: str) -> str:
    """A plain value as that, else the pattern between slashes."""
    if _PLAIN.fullmatch(pattern):
        return repr(_ESCAPED.sub(r"\1", pattern))
    return f"/{pattern}/"
