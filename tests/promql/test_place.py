"""Where the caret stands: the expression, and below it the place of the error (no caret: not known)."""

from __future__ import annotations

import pytest

from rulegen.promql import ExpressionError, parse

CASES = [
    ("rate(x)", "^"),
    ("sum(rate(x)) / sum(rate(y[5m]))", "    ^"),
    ("1 + foo(x)", "    ^"),
    ("1 + sum(x", "       ^"),
    ("x + y)", "     ^"),
    ("x[5m", "    ^"),
    ('x{a="b"', "       ^"),
    ('x{a="b",}}', "         ^"),
    ('"abc', "^"),
    ("x $ y", "  ^"),
    ('x{c="(", a=~"("}', ""),
    ('x{a=~"(y"}', "      ^"),
    ("x{a=b}", "    ^"),
    ("x[5z]", "  ^"),
    ("x + 1 > bool 2 and", "                  ^"),
    ("1 > 2", "  ^"),
    ("x and 1", "  ^"),
    ("topk(x)", "^"),
    ("sum by (a) (1)", "^"),
    ('y{a=")"} + avg_over_time(x)', "           ^"),
    ("x y", ""),
]


@pytest.mark.parametrize(("text", "caret"), CASES)
def test_caret(text: str, caret: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    lines = str(caught.value).split("\n")
    assert lines[1:] == ([f"  {text}", f"  {caret}"] if caret else [])
