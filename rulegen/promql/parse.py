"""Text → syntax tree. The parser is promql-parser's; here are its gaps closed and its errors made readable."""

from __future__ import annotations

import math
import re
from datetime import timedelta
from functools import cache, lru_cache

import promql_parser as ast
from promql_parser import Expr

from rulegen.promql.place import place
from rulegen.promql.tree import nodes

# promql-parser recurses on the native stack and would end the process somewhere above 3,000 levels; a level costs at
# least one of these tokens. The evaluator recurses in Python, a few frames a level, and wants a lower limit.
MAX_TOKENS = 2_000
MAX_DEPTH = 200

_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"|' + r"'(?:[^'\\]|\\.)*'|`[^`]*`|#[^\n]*", re.DOTALL)
_NESTING = re.compile(r"[-+*/%^<>=!(\[]|\b(?:and|or|unless|atan2)\b", re.IGNORECASE)
_MATCHERS = re.compile(r"\{[^{}]*\}")
_NEGATIVE_AT = re.compile(r"@\s*[-+]*-\s*\d")
_NUMBER = r"(?:0x[0-9a-f]+|(?:\d[\d.]*|\.\d+)(?:e[-+]?\d+)?|nan|inf)(?![\w.])"
_EXPONENT = re.compile(r"(?<![\w.])(?:\d[\d.]*|\.\d+)e\+?\d+(?![\w.])", re.IGNORECASE)
# A number in place of a duration is seconds; promql-parser panics over large ones.
_SECONDS = re.compile(rf'(?:\[(?:[^\]:]*:)?|\boffset\b)(?:\s|""|[-+])*({_NUMBER})', re.IGNORECASE)
_LONGEST = timedelta(milliseconds=2**63 // 1_000_000)  # Go's durations: 292 years
_SECONDS_LIMIT = _LONGEST.total_seconds()
_TOO_LONG = "duration out of range: more than 292 years"


class ExpressionError(ValueError):
    """A text that is not PromQL. ``text`` is the expression, ``message`` says what is wrong with it; ``str()`` is the
    message, with the line and a caret below it where the place is known."""

    def __init__(self, text: str, message: str, at: int | None = None) -> None:
        self.text, self.message, self.at = text, message, at
        super().__init__(message if at is None else f"{message}\n{_caret(text, at)}")


@lru_cache(maxsize=4096)  # trees do not change, and a search reads the same few texts again and again
def parse(text: str) -> Expr:
    """The syntax tree of ``text``. Raises ExpressionError for whatever cannot be read, hostile text included."""
    _register()
    bare = _QUOTED.sub('""', text)
    if len(_NESTING.findall(_MATCHERS.sub("{}", bare))) > MAX_TOKENS:
        raise ExpressionError(text, f"more than {MAX_TOKENS} operators and brackets in one expression")
    if _NEGATIVE_AT.search(bare):
        raise ExpressionError(text, "a time before 1970 after @ cannot be read")
    if any(not abs(_number(n)) < _SECONDS_LIMIT for n in _SECONDS.findall(bare)):
        raise ExpressionError(text, _TOO_LONG)
    if any(float(number) == math.inf for number in _EXPONENT.findall(bare)):
        raise ExpressionError(text, "a number that is out of range")
    try:
        expr = ast.parse(text)
    except (ValueError, OverflowError) as error:
        message = str(error).strip() or "invalid promql query"
        raise ExpressionError(text, message, place(text, message, _complaint)) from None
    for node, level in nodes(expr):
        if level > MAX_DEPTH:
            raise ExpressionError(text, f"nested more than {MAX_DEPTH} levels deep")
        if wrong := _wrong_time(node):
            raise ExpressionError(text, wrong)
    return expr


def _wrong_time(node: Expr) -> str:
    """What is wrong with the durations and times of a node: those that Prometheus refuses too, and those that Python
    has no date for. "": nothing."""
    if not isinstance(node, ast.MatrixSelector | ast.SubqueryExpr | ast.VectorSelector):
        return ""
    timed = node.vector_selector if isinstance(node, ast.MatrixSelector) else node
    lengths = [] if isinstance(node, ast.VectorSelector) else [node.range]
    lengths += [node.step] if isinstance(node, ast.SubqueryExpr) else []
    try:
        if timed.at is not None and timed.at.at is not None:
            timed.at.at.timestamp()
        if any(length is not None and length < timedelta(milliseconds=1) for length in lengths):
            return "duration must be greater than 0"
        lengths.append(timed.offset)
        return _TOO_LONG if any(length is not None and abs(length) > _LONGEST for length in lengths) else ""
    except (ValueError, OverflowError):
        return "a time or a duration that is out of range"


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


def _number(text: str) -> float:
    return float(int(text, 16)) if text[:2].lower() == "0x" else float(text)
