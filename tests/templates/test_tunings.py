"""The measure of what templates express: what it calls the same, and that it finds steps without inventing any."""

from __future__ import annotations

import pytest

from evals.placeholders import readable
from evals.sameness import same
from evals.tunings import Change, expressed
from rulegen.core.durations import MINUTE
from rulegen.core.labels import Labels
from rulegen.core.rule import Rule


@pytest.mark.parametrize(
    ("left", "right", "alike"),
    [
        ("x > 2 * 1024", "(x) > 2048", True),
        ("5 < x", "x > 5", True),
        ('x{a="1",b!~"c|d"}', 'x{b!="d",b!="c",a=~"1"}', True),
        ('x{a!~"^(b|c).*"}', 'x{a!~"b.*|c.*"}', True),
        ("sum by (a, b) (x)", "sum(x) by (b, a)", True),
        ("a and b unless c", "(a unless c) and b", True),
        ("a + b", "b + a", True),
        ("a - b", "b - a", False),
        ("a and b", "b and a", False),  # the left side's values and labels stay
        ("a or b", "b or a", False),
        ("a * on (x) group_left () b", "b * on (x) group_left () a", False),
        ("a * on (x) b", "a * ignoring (x) b", False),
        ("x > 5", "x >= 5", False),
        ("x > bool 5", "x > 5", False),
        ("rate(x[5m])", "rate(x[6m])", False),
        ("x offset 5m", "x", False),
        ("sum by (a) (x)", "sum without (a) (x)", False),
        ('x{a=~"b.c"}', 'x{a="b.c"}', False),
        ('x{a!~"b|c"}', 'x{a!~"b"}', False),
        ("topk(1, x)", "topk(2, x)", False),
    ],
)
def test_what_is_the_same(left: str, right: str, alike: bool) -> None:
    assert same(left, right) is alike


@pytest.mark.parametrize(
    "text",
    [
        "rate(x{%(selector)s}[5m]) > 1",
        'x{%(a)s%(b)s, c="d"} == 1',
        "sum by (%s, job) (x) > %(limit)s",
        "avg(x) by(environment) > <%= p('alerts.limit') %>",
        'x{a="{{ .Values.b }}"} > 1',
    ],
)
def test_what_a_program_fills_in_becomes_readable(text: str) -> None:
    assert same(readable(text), readable(text))
    assert not same(readable(text), readable(text.replace("x", "y")))


OLD = Rule(
    "Deep", 'sum by (pod, zone) (rate(x{job="a"}[5m])) > 10', hold=5 * MINUTE, labels=Labels({"severity": "page"})
)


@pytest.mark.parametrize(
    ("expr", "minutes", "steps"),
    [
        ('sum by (pod, zone) (rate(x{job="a"}[5m])) > 10', 15, ("hold",)),
        ('sum by (pod, zone) (rate(x{job="a"}[5m])) > 25', 15, ("retune",)),
        ('sum by (pod, zone) (rate(x{job="a",zone!="z"}[5m])) > 10', 5, ("carve_out",)),
        ('sum by (zone) (rate(x{job="a"}[5m])) > 10', 5, ("aggregate_expr",)),
        ('sum by (pod, zone) (rate(y{job="a"}[5m])) > 10', 5, None),  # another signal
        ('sum by (pod, zone) (rate(x{job="a"}[5m])) < 10', 5, None),
    ],
)
def test_steps(expr: str, minutes: int, steps: tuple[str, ...] | None) -> None:
    after = Rule(OLD.name, expr, hold=minutes * MINUTE, labels=OLD.labels)
    assert expressed(Change(OLD, after, ())) == steps


def test_two_steps_and_none_left() -> None:
    after = Rule(
        OLD.name, 'sum by (pod, zone) (rate(x{job="a",zone!="z"}[5m])) > 40', hold=5 * MINUTE, labels=OLD.labels
    )
    assert sorted(expressed(Change(OLD, after, ())) or ()) == ["carve_out", "retune"]
    assert expressed(Change(OLD, None, ())) == ("dedupe",)
