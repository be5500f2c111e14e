"""The PromQL engine: an expression over a time grid, all steps of all series at once.

``parse`` reads an expression, ``Evaluator(samples).evaluate(expr, grid)`` gives its value at each step, ``selectors``
names the series that it reads. Work over samples is done by kernels (``rows.kernel``) over series laid end to end
(``block.Block``); a plain reference for them stands with the tests.
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
