"""Rewriting expressions: by their text, and by evaluating both sides."""

from __future__ import annotations

import re

import numpy as np
import promql_parser as pp
import pytest
from histories import series, unhurried
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from rulegen.core.durations import MINUTE
from rulegen.core.labels import Labels
from rulegen.core.series import Samples
from rulegen.core.spans import Grid
from rulegen.promql import Evaluator, Matrix
from rulegen.promql.regex import compile_regex
from rulegen.promql.reselect import Target, excluding, only, target
from rulegen.promql.rewrite import (
    Comparison,
    aggregated,
    alternatives,
    comparison,
    fill,
    number,
    with_comparison,
    with_deciding,
    without_matchers,
)
from rulegen.promql.windows import averaged, windows, with_window

HOSTILE = [
    'a"b',
    "a\\",
    "a\nb",
    "a|b",
    ".*",
    "a.b",
    "(x)",
    "[x]",
    "{}",
    "^$",
    "é ü",
    "-",
    "a b",
    "\\d",
    "'",
    "`",
    "\t",
]


@pytest.mark.parametrize(
    ("expr", "left", "op", "threshold"),
    [
        ("x > 5", "x", ">", 5),
        ("5 < x", "x", ">", 5),
        ("5 >= x", "x", "<=", 5),
        ("0 == x", "x", "==", 0),
        ("(x > 5)", "x", ">", 5),
        ("x > (5)", "x", ">", 5),
        ("x > -5", "x", ">", -5),
        ("x > -(-5)", "x", ">", 5),
        ("x > 1e3", "x", ">", 1000),
        ("x > 0x10", "x", ">", 16),
        ("x + y > 5", "x + y", ">", 5),
        ("sum by (a) (rate(x[5m])) / 2 >= 0.5", "sum by (a) (rate(x[5m])) / 2", ">=", 0.5),
        ("x > 5 and y > 6", "x", ">", 5),
        ("(x > 5 unless y > 6) and z > 7", "x", ">", 5),
        ("((x) > 5) and on (a) y", "(x)", ">", 5),
        ("x > 1 > 2", "x > 1", ">", 2),
    ],
)
def test_the_deciding_comparison(expr: str, left: str, op: str, threshold: float) -> None:
    found = comparison(expr)
    assert found is not None
    assert (_same(found.left), found.op, found.threshold) == (_same(left), op, threshold)
    # And it can be put back: the same left side, operator and number change nothing.
    assert shown(with_comparison(expr, found.left, found.op, found.threshold)) == shown(expr)


def _same(expr: str) -> str:
    node = pp.parse(expr)
    while isinstance(node, pp.ParenExpr):
        node = node.expr
    return re.sub(r"\s+", " ", node.prettify())


@pytest.mark.parametrize(
    "expr", ["x", "x > y", "x > bool 5", "x or y > 5", "absent(x)", "1 > bool 2", "-(x > 5)", "sum(x > 5)", "x + 5"]
)
def test_without_a_deciding_comparison(expr: str) -> None:
    assert comparison(expr) is None
    with pytest.raises(ValueError, match="no comparison"):
        with_comparison(expr, "x", ">", 1)


def test_rising_and_ordered() -> None:
    flags = {
        op: (Comparison("x", op, 1, 0).rising, Comparison("x", op, 1, 0).ordered) for op in (">", "<=", "==", "!=")
    }
    assert flags == {">": (True, True), "<=": (False, True), "==": (False, False), "!=": (False, False)}


@pytest.mark.parametrize(
    ("expr", "want"),
    [
        ("x > 5", "y / z >= 7"),
        ("5 < x", "y / z >= 7"),
        ("x > 5 and on (a) (p > 1 unless q > 2)", "y / z >= 7 and on (a) (p > 1 unless q > 2)"),
        ("(x > 5 unless y > 6) and z > 7", "(y / z >= 7 unless y > 6) and z > 7"),
        ("(x - (y > 3)) > 5", "y / z >= 7"),  # the deciding one is on top, not the first that is read
        ("x > 5 unless x > 5", "y / z >= 7 unless x > 5"),  # only the deciding one of two that look alike
        ("((x > 5) and y) unless z", "((y / z >= 7) and y) unless z"),
    ],
)
def test_only_the_deciding_comparison_changes(expr: str, want: str) -> None:
    assert text(with_comparison(expr, "y / z", ">=", 7)) == text(want)


def text(expr: str) -> str:
    return re.sub(r"\s+", "", pp.parse(expr).prettify())


@pytest.mark.parametrize(
    ("pattern", "parts", "want"),
    [
        ("A / B", {"A": "x + y", "B": "x * y"}, "(x + y) / (x * y)"),
        ("A / B", {"A": "x * y", "B": "sum(x)"}, "(x * y) / sum(x)"),
        ("A > 5", {"A": "x > 3"}, "(x > 3) > 5"),
        ("A or B", {"A": "x and y", "B": "x or y"}, "x and y or (x or y)"),
        ("A and B", {"A": "x or y", "B": "x > 1"}, "(x or y) and x > 1"),
        ("sum(A)", {"A": "x + y"}, "sum(x + y)"),
        ("A ^ B", {"A": "-x", "B": "y"}, "(-x) ^ y"),
        ("A - B", {"A": "x - y", "B": "x - y"}, "(x - y) - (x - y)"),
        ("A > 1", {"A": 'x{a="A"}'}, 'x{a="A"} > 1'),
    ],
)
def test_parts_stay_whole(pattern: str, parts: dict[str, str], want: str) -> None:
    assert text(fill(pattern, **parts)) == text(want)


def test_a_part_that_is_named_like_a_hole_stays_as_it_is() -> None:
    assert text(fill("A / B", A="B", B="A")) == text("B / A")


def test_offsets_and_at_are_kept() -> None:
    expr = "rate(x[5m] offset 1h) + y @ 1600000000.5 + z offset -90s + rate(w[1m] @ end())"
    expr += " > max_over_time(v[1h:1m] offset 5m)"
    found = excluding(expr, [Target("a", "b")])
    for part in ("[5m] offset 1h", "@ 1600000000.500", "offset -1m30s", "[1m] @ end()", "[1h:1m] offset 5m"):
        assert part in found, found
    assert found.count('a!="b"') == 5
    assert "rate(x[10m] offset 1h)" in with_window(expr, 5 * MINUTE, 10 * MINUTE)


def test_matchers_of_all_kinds_are_kept() -> None:
    expr = 'x{a="1",b!="2",c=~"3.*",d!~"4|\\\\.",e=""} > 1'
    added = excluding(expr, [Target("f", "v")])
    assert text(added) == text('x{a="1",b!="2",c=~"3.*",d!~"4|\\\\.",e="",f!="v"} > 1')
    assert text(excluding(added, [Target("f", "v")])) == text(added)  # once is enough


def test_a_selector_without_a_plain_name_keeps_it() -> None:
    assert text(only('{__name__=~"x|y",a="1"}', [Target("b", "v")])) == text('{__name__=~"x|y",a="1",b="v"}')


@pytest.mark.parametrize("name", ['a"b', "a b", "", "1a", "a-b", "a}b", "a\n"])
def test_names_that_are_no_labels_never_get_in(name: str) -> None:
    for rewrite in (lambda: target(f"{name}=v"), lambda: aggregated("x", "max", [name])):
        with pytest.raises(ValueError, match="not a label name"):
            rewrite()


def test_windows() -> None:
    expr = "rate(x[5m]) + rate(y[1h]) + max_over_time(rate(z[5m])[1d:1m])"
    assert windows(expr) == (5 * MINUTE, 60 * MINUTE)
    widened = with_window(expr, 5 * MINUTE, 15 * MINUTE)
    assert windows(widened) == (15 * MINUTE, 60 * MINUTE) and "[1d:1m]" in widened


def test_without_matchers_loosens_ranges_alone() -> None:
    expr = 'rate(x{code="500",job="j"}[5m] offset 1m) > y{code="500"}'
    assert text(without_matchers(expr, ["code"])) == text('rate(x{job="j"}[5m] offset 1m) > y{code="500"}')


@pytest.mark.parametrize(
    ("value", "want"),
    [
        (5.0, "5"),
        (-3.0, "-3"),
        (0.1, "0.1"),
        (0.00001, "0.00001"),
        (1e12, "1000000000000"),
        (0.30000000000000004, None),
        (1e300, None),
        (1.5e-20, None),
    ],
)
def test_numbers_are_written_as_people_do(value: float, want: str | None) -> None:
    assert want is None or number(value) == want


@given(st.floats(allow_nan=False))
@example(6.103515625e-05)
@example(float("inf"))
@unhurried
def test_numbers_mean_what_they_were(value: float) -> None:
    found = comparison(f"x > {number(value)}")
    assert found is not None and found.threshold == value


@given(st.lists(st.text(min_size=1), min_size=1, max_size=4), st.text())
@unhurried
def test_alternatives_match_exactly_what_they_name(values: list[str], other: str) -> None:
    regex = compile_regex(alternatives(values))
    for value in [*values, other, "".join(values), values[0] + "x"]:
        assert (regex.fullmatch(value) is not None) == (value in values)


# Both sides evaluated

GRID = Grid(10 * MINUTE, 40 * MINUTE, MINUTE)
CHANCE = np.random.default_rng(5)


def wave(name: str, **labels: str) -> object:
    return series(name, [float(v) for v in CHANCE.integers(0, 10, 60)], **labels)


SAMPLES = Samples.of(wave(name, a=a, v=v) for name in "xyzpq" for a in ("1", "2") for v in ("u", "w"))  # type: ignore[misc]
EVALUATOR = Evaluator(SAMPLES)
Rows = dict[Labels, list[float | str | None]]


def shown(expr: str, evaluator: Evaluator = EVALUATOR) -> Rows:
    value = evaluator.evaluate(expr, GRID)
    assert isinstance(value, Matrix)
    return {
        labels: [
            ("NaN" if np.isnan(v) else float(v)) if here else None for v, here in zip(values, present, strict=True)
        ]
        for labels, values, present in zip(value.labels, value.values, value.present, strict=True)
    }


left_sides = st.recursive(
    st.sampled_from(["x", "y", 'z{v="u"}', "x offset 2m", "rate(x[5m])", "avg_over_time(y[4m] offset 1m)"]),
    lambda inner: st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from("+-*/"), inner),
        st.builds("{} + {}".format, inner, inner),
        st.builds("{} * {}".format, inner, inner),
        st.builds("-{}".format, inner),
        st.builds("sum by (a, v) ({})".format, inner),
        st.builds("abs({})".format, inner),
    ),
    max_leaves=4,
)
conditions = st.one_of(
    st.just(""),
    st.builds(
        " {} {} > {}".format,
        st.sampled_from(["and", "unless", "and on (a)"]),
        st.sampled_from(["p", "q"]),
        st.integers(0, 9),
    ),
)
comparisons = st.sampled_from([">", ">=", "<", "<=", "!="])


@given(left_sides, comparisons, st.integers(-5, 20), conditions, st.booleans(), left_sides, st.integers(-5, 20))
@hypothesis_settings(unhurried, max_examples=60)
def test_a_new_comparison_evaluates_as_written_by_hand(
    left: str, op: str, threshold: int, condition: str, mirrored: bool, new: str, limit: int
) -> None:
    old = f"{threshold} {op} ({left})" if mirrored else f"({left}) {op} {threshold}"
    rewritten = with_comparison(f"({old}){condition}", new, ">=", limit)
    assert shown(rewritten) == shown(f"(({new}) >= {limit}){condition}")


@given(left_sides, comparisons, st.integers(-5, 20), conditions, st.sampled_from(["max", "count", "sum"]))
@hypothesis_settings(unhurried, max_examples=60)
def test_wrapping_the_deciding_side_evaluates_as_by_hand(
    left: str, op: str, threshold: int, condition: str, aggregation: str
) -> None:
    rewritten = with_deciding(
        f"({left}) {op} {threshold}{condition}", lambda e: aggregated(e, aggregation, ["a", "v"])
    )
    assert shown(rewritten) == shown(f"{aggregation} by (a, v) ({left}) {op} {threshold}{condition}")


@given(
    left_sides,
    left_sides,
    st.sampled_from(["A / B", "A - B", "A * B", "A + B", "A > B", "A or B", "A unless B", "A ^ B", "-A - B"]),
)
@hypothesis_settings(unhurried, max_examples=60)
def test_filled_patterns_evaluate_as_by_hand(first: str, second: str, pattern: str) -> None:
    by_hand = pattern.replace("A", f"({first})").replace("B", f"({second})")
    assert shown(fill(pattern, A=first, B=second)) == shown(by_hand)


@given(left_sides, st.integers(2, 6))
@hypothesis_settings(unhurried, max_examples=40)
def test_a_mean_evaluates_as_the_subquery(left: str, minutes: int) -> None:
    bare = re.fullmatch(r"[a-z](\{[^}]*\})?( offset \w+)?", left)
    mean = averaged(left, minutes * MINUTE, MINUTE)
    if bare:  # the samples themselves, not evaluations of them: as many here, a minute apart
        assert ":" not in mean
    got, want = shown(mean), shown(f"avg_over_time(({left})[{minutes}m:1m])")
    assert got.keys() == want.keys()
    for labels, values in got.items():
        for one, other in zip(values, want[labels], strict=True):
            assert one == (pytest.approx(other) if isinstance(other, float) else other)


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_values_are_matched_exactly(value: str) -> None:
    others = sorted({*HOSTILE, "plain", value + "x", value * 2} - {value})
    given = [series("x", [1.0] * 60, v=one) for one in [value, *others]]
    evaluator = Evaluator(Samples.of(given))
    assert [labels["v"] for labels in shown(only("x > 0", [Target("v", value)]), evaluator)] == [value]
    assert [labels["v"] for labels in shown(excluding("x > 0", [Target("v", value)]), evaluator)] == others
    assert {labels["v"] for labels in shown(only("x", [Target("v", value), Target("v", others[0])]), evaluator)} == {
        value,
        others[0],
    }
