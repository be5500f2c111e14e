from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rulegen.emit.expression import canonical, flush, merged, same, tokens

LAID = """sum(   # total
  rate(x{job='a',host="b"}[5m])
) by (instance)
/ 3   # one in three
> 0.5"""


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("x > 80", "x > 95", "x > 95"),
        ("foo{b='x', a=\"y\"}>80", 'foo{a="y",b="x"} > 95', "foo{b='x', a=\"y\"}>95"),
        ("x > 80", "avg_over_time(x[5m]) > 80", "avg_over_time(x[5m]) > 80"),
        ("avg_over_time(x[5m]) > 80", "x > 80", "x > 80"),
        ("a\n  and\nb > 1", "a and b > 2 unless on(job) c", "a\n  and\nb > 2 unless on (job) c"),
        ("sum(x) > 1", "sum by (job) (x) > 1", "sum by (job) (x) > 1"),
        ("sum by (pod, job) (x) > 1", "sum by (job) (x) > 1", "sum by (job) (x) > 1"),
        ("a # one\n> 1 # two", "a > 2", "a # one\n> 2 # two"),
        (LAID, LAID.replace("5m", "10m").replace("0.5", "0.9"), LAID.replace("5m", "10m").replace("0.5", "0.9")),
        (
            LAID,
            canonical(LAID.replace('host="b"', 'host="b",zone!~"c|d"')),
            LAID.replace('host="b"', 'host="b",zone!~"c|d"'),
        ),
    ],
)
def test_layout_is_kept(old: str, new: str, wanted: str) -> None:
    found = merged(old, old, canonical(new))
    assert found == wanted
    assert same(found, new)


PARTS = st.sampled_from(
    [
        "x",
        'x{a="b",c=~"d.*"}',
        "sum by (job) (x)",
        "sum(rate(x[5m])) by (job)",
        "max_over_time(x[1h:5m])",
        "x / on (a) group_left (b) y",
        "-x ^ 2",
        'label_replace(x, "a", "$1", "b", "(.*)")',
        "x offset 5m",
        "(x)",
        "1e3",
    ]
)
EXPRS = st.builds("{} {} {}".format, PARTS, st.sampled_from(["+", "> bool", "and", "unless", "==", "/"]), PARTS)


def parses(expr: str) -> bool:
    try:
        return bool(canonical(expr))
    except ValueError:
        return False


@given(EXPRS.filter(parses), EXPRS.filter(parses))
def test_a_merge_means_the_new_expression(old: str, new: str) -> None:
    written = old.replace(" ", "\n  ").replace(")", ") # note\n")
    if not same(written, old):
        return
    found = merged(written, old, new)
    assert found is None or same(found, new)


@given(st.text())
def test_any_text_has_tokens(text: str) -> None:
    found = tokens(text)
    assert all(one.start < one.end for one in found)
    assert all(one.end <= other.start for one, other in pairwise(found))


def test_what_does_not_parse_is_not_the_same() -> None:
    assert not same("x >", "x > 1")
    assert same("x{a='b'}", 'x{a="b"}')
    assert merged("x >", "x >", "x > 1") is None
    assert merged("# nothing", "x", "x > 1") is None


def test_a_printed_expression_stands_flush() -> None:
    printed = canonical(
        "sum by (job) (rate(http_requests_total{code=~'5..'}[5m])) / sum by (job) (rate(http_requests_total[5m])) > 1"
    )
    assert printed.startswith("    ")
    errors, every = (
        'sum by (job) (rate(http_requests_total{code=~"5.."}[5m]))',
        "sum by (job) (rate(http_requests_total[5m]))",
    )
    wanted = f"{errors}\n/\n{every}\n>\n1"
    assert flush(printed) == flush(printed.strip()) == wanted
    assert flush("sum(\n  x # mine\n) > 1\n") == "sum(\n  x # mine\n) > 1"
    assert flush(" x\n>") == "x\n>"
