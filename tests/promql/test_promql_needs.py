from __future__ import annotations

import numpy as np
import pytest
from histories import series
from hypothesis import given, settings
from hypothesis import strategies as st

from rulegen.core.durations import HOUR, MINUTE, SECOND
from rulegen.core.labels import Labels
from rulegen.core.series import Samples, Series
from rulegen.core.spans import Grid
from rulegen.errors import UnsupportedError
from rulegen.promql import Evaluator, Matcher, select, selectors


@pytest.mark.parametrize(
    ("expr", "text", "name", "before", "after", "fixed"),
    [
        ("up", "up", "up", 5 * MINUTE, 0, ()),
        ('rate(a{x="1"}[10m] offset 1m)', 'a{x="1"}', "a", 11 * MINUTE, 0, ()),
        ("a offset -1h", "a", "a", 0, HOUR, ()),
        ("a[10m] offset -4m", "a", "a", 6 * MINUTE, 4 * MINUTE, ()),
        ("max_over_time(rate(a[5m])[1h:1m] offset 2m)", "a", "a", 67 * MINUTE, 0, ()),
        ("max_over_time(a[1h:1m] offset -2h)", "a", "a", 0, 2 * HOUR, ()),
        ("max_over_time((a @ end())[1h:1m])", "a", "a", 5 * MINUTE, 0, ("end",)),
        ("max_over_time(a[1h:] @ 90.5)", "a", "a", 65 * MINUTE, 0, (90_500,)),
        ("a @ start() offset 1m", "a", "a", 6 * MINUTE, 0, ("start",)),
        ('{__name__=~"a.*"}', '{__name__=~"a.*"}', None, 5 * MINUTE, 0, ()),
        ('{"a.b", "c d"="e"}', '{__name__="a.b","c d"="e"}', "a.b", 5 * MINUTE, 0, ()),
        ('a{x="\\"\\\\\\n"}', 'a{x="\\"\\\\\\n"}', "a", 5 * MINUTE, 0, ()),
    ],
)
def test_what_a_selector_reads(
    expr: str, text: str, name: str | None, before: int, after: int, fixed: tuple[object, ...]
) -> None:
    (found,) = selectors(expr)
    assert (found.text, found.name, found.before_ms, found.after_ms, found.fixed) == (
        text,
        name,
        before,
        after,
        fixed,
    )
    assert selectors(found.text)[0].matchers == found.matchers  # the text can be read again


def test_every_selector_once() -> None:
    found = selectors("topk(scalar(k), a + a) / on() group_left() (sum(b) > bool -c) and absent_over_time((d[5m:]))")
    assert [one.text for one in found] == ["k", "a", "b", "c", "d"]
    assert [one.before_ms for one in selectors("a + rate(a[1m])")] == [5 * MINUTE, MINUTE]
    assert selectors("time() + 1") == ()


def test_select() -> None:
    samples = Samples.of(
        Series(Labels({"__name__": name, "x": x}), np.array([0]), np.array([1.0]))
        for name in "ab"
        for x in ("1", "2", "")
    )

    def chosen(text: str) -> list[str]:
        return [str(series.labels) for series in select(samples, selectors(text)[0])]

    assert chosen('a{x="1"}') == ['a{x="1"}']
    assert chosen('{__name__=~".+", x!="1"}') == ["a{}", 'a{x="2"}', "b{}", 'b{x="2"}']
    assert chosen('a{x=~"1|3", x!~"3"}') == ['a{x="1"}']
    assert chosen('{__name__=~"b|c", x=""}') == ["b{}"]
    assert chosen("nothing") == []
    assert str(Matcher("a b", "!~", 'x"')) == '"a b"!~"x\\""'


def test_what_prometheus_does_not_know() -> None:
    with pytest.raises(UnsupportedError):
        selectors('a{x="1" or y="2"}')


offsets = st.sampled_from(["", " offset 3m", " offset -7m", " offset 11s"])
inner = st.builds("max_over_time(a[{}]{})".format, st.sampled_from(["30s", "5m", "1h"]), offsets) | st.builds(
    "a{}".format, offsets
)
nested = inner | st.builds(
    "sum_over_time(({})[{}]{})".format, inner, st.sampled_from(["4m:", "10m:90s", "1h:7m"]), offsets
)


@settings(max_examples=150, deadline=None)
@given(expr=nested, at=st.integers(2 * HOUR, 4 * HOUR), closed=st.booleans())
def test_nothing_else_is_read(expr: str, at: int, closed: bool) -> None:
    """What a selector says that it reads is enough for the same answer."""
    times = np.arange(0, 6 * HOUR, 17 * SECOND, dtype=np.int64)
    values = np.random.default_rng(at).random(len(times))
    (need,) = selectors(expr)
    read = (times >= at - need.before_ms) & (times <= at + need.after_ms)
    answers = []
    for keep in (np.ones_like(read), read):
        samples = Samples.of([Series(Labels({"__name__": "a"}), times[keep], values[keep])])
        engine = Evaluator(samples, semantics="closed" if closed else "open")
        answers.append(engine.evaluate(expr, Grid(at, at, 1)))
    assert answers[0].values.tolist() == answers[1].values.tolist()


def test_among_many_series_a_selector_finds_the_same_ones() -> None:
    made = [series("m", [1.0], a=str(k % 7), b=str(k)) for k in range(100)]
    many = Samples.of([*made, series("m", [1.0], c="x"), series("n", [1.0], a="3")])
    for text in (
        'm{a="3"}',
        'm{a="3",b="10"}',
        'm{a="3",b=~"1.*"}',
        'm{a=""}',
        'm{a!="3",c="x"}',
        'm{b="none"}',
        '{a="3"}',
    ):
        (selector,) = selectors(text)
        slow = [one for one in many if all(matcher.accepts(one.labels) for matcher in selector.matchers)]
        assert list(select(many, selector)) == slow
