"""The PromQL engine: a plain evaluator over a time grid, and the reference for any faster one.

``parse`` reads an expression, ``Evaluator(samples).evaluate(expr, grid)`` gives its value at each step, ``selectors``
names the series that it reads.
"""

from rulegen.core.semantics import Semantics
from rulegen.promql.evaluate import Evaluator
from rulegen.promql.matrix import Matrix, Scalar
from rulegen.promql.needs import Matcher, Selector, select, selectors
from rulegen.promql.parse import ExpressionError, parse

__all__ = [
    "Evaluator",
    "ExpressionError",
    "Matcher",
    "Matrix",
    "Scalar",
    "Selector",
    "Semantics",
    "parse",
    "select",
    "selectors",
]
