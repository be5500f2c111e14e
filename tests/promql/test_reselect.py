"""Changing selectors: by their text; what they then select is tested with the other rewritings."""

from __future__ import annotations

import promql_parser as pp
import pytest

from rulegen.core.durations import MINUTE
from rulegen.promql.reselect import Target, bare, branches, excluding, increased, only, shifted, target


def same(left: str, right: str) -> bool:
    return pp.parse(left).prettify() == pp.parse(right).prettify()


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("a|b", ("a", "b")),
        ("(a|b)", ("a", "b")),
        ("((a|b))", ("a", "b")),
        ("(a|b)c|d", ("(a|b)c", "d")),
        ("(a)|(b)", ("(a)", "(b)")),
        (r"a\|b|[|)]", (r"a\|b", "[|)]")),
        ("(?i:a|b)", ("(?i:a|b)",)),
        ("", ("",)),
    ],
)
def test_alternatives_at_the_top(pattern: str, found: tuple[str, ...]) -> None:
    assert branches(pattern) == found


@pytest.mark.parametrize(
    ("old", "word", "new"),
    [
        ("x", "a=b", 'x{a!="b"}'),
        ("x", "a~b.*", 'x{a!~"b.*"}'),
        ('x{a!="c"}', "a=b.b", 'x{a!~"c|b\\\\.b"}'),
        ('x{a!="b"}', "a=b", 'x{a!="b"}'),
        ('x{a!~"(?i)c"}', "a=b", 'x{a!~"(?i)c",a!="b"}'),
        ('x{a=~"b|c"}', "a=b", 'x{a=~"c"}'),
        ('x{a=~"b|.*"}', "a=b", 'x{a=~"b|.*",a!="b"}'),  # the rest of the list would still let it through
        ('x{a=~"b"}', "a=b", 'x{a=~"b",a!="b"}'),  # nothing would be left of the list
        ('x{a="b"}', "a=b", 'x{a="b",a!="b"}'),
    ],
)
def test_excluding(old: str, word: str, new: str) -> None:
    assert same(excluding(old, [target(word)]), new)


@pytest.mark.parametrize(
    ("old", "word", "new"),
    [
        ("x", "a=b", 'x{a="b"}'),
        ('x{a=~"b.*"}', "a=b1", 'x{a="b1"}'),
        ('x{a=~"c.*"}', "a=b1", 'x{a=~"c.*",a="b1"}'),
        ("rate(x[5m]) / y", "a=b", 'rate(x{a="b"}[5m]) / y{a="b"}'),
    ],
)
def test_only(old: str, word: str, new: str) -> None:
    assert same(only(old, [target(word)]), new)


def test_places() -> None:
    assert same(excluding("x + rate(y[5m]) + z", [Target("a", "b")], [1]), 'x + rate(y{a!="b"}[5m]) + z')
    with pytest.raises(ValueError, match="one label only"):
        only("x", [Target("a", "b"), Target("c", "d")])


@pytest.mark.parametrize("word", ["", "a", "a b=c", "=c", '{a="b"}'])
def test_no_target(word: str) -> None:
    with pytest.raises(ValueError, match="label"):
        target(word)


def test_offsets_add_up() -> None:
    assert same(
        shifted("rate(x[5m]) + y offset 1m + z offset -2m", 2 * MINUTE), "rate(x[5m] offset 2m) + y offset 3m + z"
    )


def test_only_what_has_no_range_becomes_an_increase() -> None:
    assert same(
        increased('sum(x_total{a="b"} offset 1m) / rate(y[5m])', 60 * MINUTE),
        'sum(increase(x_total{a="b"}[1h] offset 1m)) / rate(y[5m])',
    )
    assert bare('sum(x_total{a="b"}) / rate(y[5m]) + x_total + {q="1"}') == ("", "x_total")
