from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rulegen.promql import ExpressionError, parse


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no expression found in input"),
        ("sum by (x", "unclosed left parenthesis"),
        ("foo(a)", "unknown function with name 'foo'"),
        ("rate(a)", "expected type matrix in call to function 'rate', got vector"),
        ("{}", "vector selector must contain at least one non-empty matcher"),
        ("a @ -5", "a time before 1970 after @ cannot be read"),
        ("a @ - 5", "a time before 1970 after @ cannot be read"),
        ("a @ 1e18", "a time or a duration that is out of range"),
        ("a @ 253402300800", "a time or a duration that is out of range"),
        ("rate(a[293y])", "duration out of range: more than 292 years"),
        ("a offset -293y", "duration out of range: more than 292 years"),
        ("rate(a[1e30])", "duration out of range: more than 292 years"),
        ("rate(a[5m:1e30])", "duration out of range: more than 292 years"),
        ("a offset # words\n - 0xffffffffffff", "duration out of range: more than 292 years"),
        ("a offset NaN", "duration out of range: more than 292 years"),
        ("rate(a[0])", "duration must be greater than 0"),
        ("rate(a[5m:1e-9])", "duration must be greater than 0"),
        ("a > 1e400", "a number that is out of range"),
    ],
)
def test_errors_are_one_clear_message(text: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert caught.value.message == message
    assert str(caught.value).split("\n")[0] == message
    assert caught.value.text == text


def test_a_place_is_shown_with_a_caret() -> None:
    with pytest.raises(ExpressionError) as caught:
        parse("sum(a)\n  + b $ c")
    assert str(caught.value) == "unexpected character: '$'\n    + b $ c\n        ^"


def test_holt_winters_under_both_names() -> None:
    for name in ("holt_winters", "double_exponential_smoothing"):
        assert parse(f"{name}(a[5m], 0.5, 0.5)").prettify() == f"{name}(a[5m], 0.5, 0.5)"


def test_brackets_in_strings_and_matchers_are_no_nesting() -> None:
    parse('a{x=~"' + "(a|b)" * 3000 + '"}')
    parse('label_replace(a, "x", "' + "(" * 5000 + '", "y", "")')
    parse("a # " + "(" * 5000)


def test_large_numbers_where_they_mean_no_duration() -> None:
    for text in ("job:99999999999999999999:rate > 1e300", 'a{b="[1e30]"} # offset 1e30', "topk(1e30, a)", "offset5"):
        parse(text)


HOSTILE = [
    ("'(' * 1_000_000 + 'a' + ')' * 1_000_000"),
    ("'-' * 100_000 + 'a'"),
    ("'+'.join(['a'] * 100_000)"),
    ("'a' + ' or a' * 100_000"),
    ("'a' + '[5m:1m]' * 100_000"),
    ("'abs(' * 2_500 + 'a' + ')' * 2_500"),
    ("'(' * 300 + 'a' + ')' * 300"),
    ("'{' * 100_000"),
    ("'\"' * 100_001"),
    ("'a{x=~\"' + '(' * 100_000 + '\"}'"),
]


def test_hostile_text_does_not_end_the_process() -> None:
    """In a process of its own: what overflows the native stack takes the process with it."""
    code = f"""
from rulegen.promql import ExpressionError, parse
for number, text in enumerate([{", ".join(HOSTILE)}]):
    try:
        parse(text)
    except ExpressionError as error:
        print(number, flush=True)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    refused = [int(line) for line in done.stdout.split()]
    assert (done.returncode, refused) == (0, list(range(len(HOSTILE)))), done.stderr[-500:]


@settings(max_examples=500, deadline=None)
@given(st.text(alphabet="ab(){}[]+-*/=~!\"'`\\@:,. 01e5ms\nxsumratebyonofset#é", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse(text).prettify()
    except ExpressionError as error:
        assert error.message
