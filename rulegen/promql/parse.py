"""Text → syntax tree. The parser is promql-parser's; here are its gaps closed and its errors made readable."""

from __future__ import annotations

import re
from functools import cache

import promql_parser as ast
from promql_parser import Expr

from rulegen.promql.place import place

# promql-parser recurses on the native stack and would end the process somewhere above 3,000 levels; a level costs at
# least one of these tokens. The evaluator recurses in Python, a few frames a level, and wants a lower limit.
MAX_TOKENS = 2_000
MAX_DEPTH = 200

_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"|' + r"'(?:[^'\\]|\\.)*'|`[^`]*`|#[^\n]*", re.DOTALL)
_NESTING = re.compile(r"[-+*/%^<>=!(\[]|\b(?:and|or|unless|atan2)\b", re.IGNORECASE)
_MATCHERS = re.compile(r"\{[^{}]*\}")
_NEGATIVE_AT = re.compile(r"@\s*[-+]*-\s*\d")


class ExpressionError(ValueError):
    """A text that is not PromQL. ``text`` is the expression, ``message`` says what is wrong with it; ``str()`` is the
    message, with the line and a caret below it where the place is known."""

    def __init__(self, text: str, message: str, at: int | None = None) -> None:
        self.text, self.message, self.at = text, message, at
        super().__init__(message if at is None else f"{message}\n{_caret(text, at)}")


def parse(text: str) -> Expr:
    """The syntax tree of ``text``. Raises ExpressionError for whatever cannot be read, hostile text included."""
    _register()
    bare = _QUOTED.sub('""', text)
    if len(_NESTING.findall(_MATCHERS.sub("{}", bare))) > MAX_TOKENS:
        raise ExpressionError(text, f"more than {MAX_TOKENS} operators and brackets in one expression")
    if _NEGATIVE_AT.search(bare):
        raise ExpressionError(text, "a time before 1970 after @ cannot be read")
    try:
        expr = ast.parse(text)
    except (ValueError, OverflowError) as error:
        message = str(error).strip() or "invalid promql query"
        raise ExpressionError(text, message, place(text, message, _complaint)) from None
    if depth(expr) > MAX_DEPTH:
        raise ExpressionError(text, f"nested more than {MAX_DEPTH} levels deep")
    return expr


def depth(expr: Expr) -> int:
    """How many levels the tree has; a lone selector has 1."""
    level = deepest = 0

    def enter(_: Expr) -> None:
        nonlocal level, deepest
        level += 1
        deepest = max(deepest, level)

    def leave(_: Expr) -> None:
        nonlocal level
        level -= 1

    ast.walk(expr, enter, leave)
    return deepest


@cache
def _register() -> None:
    """Prometheus 2 called double_exponential_smoothing ``holt_winters``; promql-parser knows the new name only."""
    vector, matrix, scalar = ast.ValueType.Vector, ast.ValueType.Matrix, ast.ValueType.Scalar
    ast.register_extra_functions([ast.Function("holt_winters", [matrix, scalar, scalar], vector)])


def _complaint(text: str) -> str | None:
    try:
        ast.parse(text)
    except (ValueError, OverflowError) as error:
        return str(error).strip()
    return None


def _caret(text: str, at: int) -> str:
    start = text.rfind("\n", 0, at) + 1
    line = text[start:].split("\n", 1)[0]
    return f"  {line}\n  {' ' * (at - start)}^"
