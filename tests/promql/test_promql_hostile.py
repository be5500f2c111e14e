"""Hostile expressions, label values and shapes: a right answer or a clear refusal, never anything else."""

from __future__ import annotations

import time
from functools import cache

import numpy as np
import pytest
from histories import series
from hypothesis import example, given, settings
from hypothesis import strategies as st

from evals.differential.awkward import SPAN, awkward_samples
from evals.differential.grow import Grower
from evals.differential.mutate import mutated
from rulegen.core.durations import HOUR, MINUTE, YEAR
from rulegen.core.labels import Labels, quote
from rulegen.core.series import Samples, Series
from rulegen.core.spans import Grid
from rulegen.errors import UnsupportedError
from rulegen.promql import Evaluator, ExpressionError, Matrix, Scalar, Semantics

REFUSALS = (ExpressionError, UnsupportedError)  # QueryError is a kind of the latter
AWKWARD = awkward_samples(11)


def answer(evaluator: Evaluator, expr: str, grid: Grid) -> Matrix | Scalar | str:
    """The value, its shape checked, or the refusal, its message checked."""
    try:
        value = evaluator.evaluate(expr, grid)
    except REFUSALS as error:
        assert str(error).strip()
        return str(error)
    if isinstance(value, Scalar):
        assert value.values.shape == (len(grid),)
    else:
        assert value.values.shape == value.present.shape == (len(value.labels), len(grid))
        assert len(set(value.labels)) == len(value.labels)
        assert value.present.any(axis=1).all()
    return value


@pytest.mark.parametrize("block", range(4))
def test_almost_promql(block: int) -> None:
    """Grown expressions with tokens moved about: most are refused, none does anything else."""
    evaluators: dict[Semantics, Evaluator] = {
        "open": Evaluator(AWKWARD, semantics="open"),
        "closed": Evaluator(AWKWARD, semantics="closed"),
    }
    answered = refused = 0
    for number in range(250):
        grower = Grower(AWKWARD, SPAN, f"{block}/{number}")
        text, grid = mutated(grower.expression(), grower.expression(), number), grower.grid()
        for evaluator in evaluators.values():
            if isinstance(answer(evaluator, text, grid), str):
                refused += 1
            else:
                answered += 1
    assert answered > 30 and refused > 200


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["a", "rate(a[5m])", "sum(a) by (b)", "a and b", "max_over_time(a[5m:1m])", "1", '"x"', "a @ 5"]),
    st.sampled_from(["%s", "(%s)", "-%s", "%s + 1", "abs(%s)", "sum(%s)", "%s offset 5m", "%s @ end()", "%s[5m]"]),
    st.sampled_from(["%s", "rate(%s)", "%s or a", "topk(2, %s)", "a == bool %s", "%s[5m:]", "vector(%s)", "%s{}"]),
)
def test_whatever_stands_in_whatever(core: str, inner: str, outer: str) -> None:
    answer(Evaluator(Samples.of([series("a", [1, 2, 3])])), outer % (inner % core), Grid(0, 3 * MINUTE, MINUTE))


any_text = st.text(st.characters(codec="utf-8"), max_size=12)  # all of Unicode but halves of surrogate pairs


@settings(max_examples=300, deadline=None)
@given(any_text, any_text)
@example("\x00\n\r\t\x7f\u2028", 'a"b')
@example("", "\\")
@example("{{ $labels.x }}", "`")
def test_label_values_of_any_text(value: str, other: str) -> None:
    """What is matched, joined, replaced, grouped and counted is the value to the last byte; empty is no label."""
    one = Series(Labels({"__name__": "m", "v": value, "i": "1"}), np.array([0]), np.array([1.0]))
    two = Series(Labels({"__name__": "m", "v": other, "i": "2"}), np.array([0]), np.array([2.0]))
    evaluator, grid = Evaluator(Samples.of([one, two])), Grid(0, 0, 1)

    def labels(expr: str) -> set[Labels]:
        found = answer(evaluator, expr, grid)
        assert isinstance(found, Matrix), found
        return set(found.labels)

    same = {one.labels, two.labels} if value == other else {one.labels}
    assert labels(f"m{{v={quote(value)}}}") == same
    assert labels(f"m{{v!={quote(value)}}}") == {one.labels, two.labels} - same
    assert labels("sum by (v) (m)") == {Labels({"v": value}), Labels({"v": other})}
    joined = labels(f'label_join(m{{i="1"}}, "j", {quote(other)}, "v", "i")')
    assert joined == {one.labels.updated({"j": f"{value}{other}1"})}
    replaced = labels('label_replace(m{i="1"}, "r", "<$1>", "v", "(?s:(.*))")')
    assert replaced == {one.labels.updated({"r": f"<{value}>"})}
    assert labels('m * on (v, i) group_left m{i="1"}') == {one.labels.drop(["__name__"])}
    assert labels(f'absent(m{{v={quote(value)}, i="3"}})') == {Labels({"v": value, "i": "3"})}


@given(any_text)
@settings(max_examples=300, deadline=None)
def test_regular_expressions_of_any_text(pattern: str) -> None:
    """As a pattern anything may be refused; what is escaped matches itself."""
    evaluator = Evaluator(Samples.of([series("m", [1.0], v="x")]))
    answer(evaluator, f"m{{v=~{quote(pattern)}}}", Grid(0, 0, 1))
    answer(evaluator, f'label_replace(m, "r", {quote(pattern)}, "v", {quote(pattern)})', Grid(0, 0, 1))


def values(expr: str, grid: Grid, *, semantics: Semantics = "open") -> list[list[float | None]]:
    minutes = series("m", list(range(60)))
    found = answer(Evaluator(Samples.of([minutes]), semantics=semantics), expr, grid)
    assert isinstance(found, Matrix), found
    rows = zip(found.values, found.present, strict=True)
    return [[float(v) if here else None for v, here in zip(*row, strict=True)] for row in rows]


def test_odd_times() -> None:
    one = Grid(10 * MINUTE, 10 * MINUTE, MINUTE)
    assert values("m offset 292y", one) == []
    assert values("m offset -292y", one) == []
    assert values("m offset -20m", one) == [[30]]
    assert values("m @ 0", one) == [[0]]
    assert values("m @ 253402300799", one) == []
    assert values("count_over_time(m[292y])", one) == [[11]]
    assert values("count_over_time(m[1ms])", one) == [[1]]
    assert values("count_over_time(m[1ms])", Grid(one.start + 1, one.start + 1, 1), semantics="closed") == [[1]]
    assert values("count_over_time(m[1ms])", Grid(one.start + 1, one.start + 1, 1)) == []
    assert values("sum_over_time(m[5m:292y])", one) == []
    # Steps longer than all the data, and grids that end before they go on.
    assert values("m", Grid(0, YEAR, YEAR)) == [[0, None]]
    assert values("m", Grid(5 * MINUTE, 5 * MINUTE + 1, HOUR)) == [[5]]
    assert values("increase(m[10m])", Grid(0, 20 * MINUTE, 20 * MINUTE)) == [[None, 10]]
    # Before 1970 and at the end of what Prometheus can name.
    assert values("m", Grid(-5 * MINUTE, MINUTE, 5 * MINUTE)) == [[None, 0]]
    assert values("m", Grid(2**53, 2**53 + 10, 10)) == []


@pytest.mark.parametrize("expr", ["max_over_time(m[292y:1ms])", "m[5m]", '"text"', "topk(NaN, m)", "m + on () n"])
def test_what_cannot_be_is_refused(expr: str) -> None:
    samples = Samples.of([series("m", [1]), *(series("n", [1], i=str(i)) for i in range(2))])
    with pytest.raises(UnsupportedError):
        Evaluator(samples).evaluate(expr, Grid(0, 0, 1))


def test_no_series_no_steps_no_samples() -> None:
    empty = Series(Labels({"__name__": "m"}), np.zeros(0, dtype=np.int64), np.zeros(0))
    for samples in (Samples.of([]), Samples.of([empty])):
        evaluator = Evaluator(samples)
        for number in range(150):
            grower = Grower(AWKWARD, SPAN, number)
            answer(evaluator, grower.expression(), grower.grid())
        for expr in ("m", "rate(m[5m])", "sum(m)", "m or m", "topk(1, m)", "histogram_quantile(0.9, m)", "-m"):
            found = evaluator.evaluate(expr, Grid(0, HOUR, MINUTE))
            assert isinstance(found, Matrix) and found.labels == ()
        found = evaluator.evaluate("absent(m) * scalar(m)", Grid(0, HOUR, MINUTE))
        assert isinstance(found, Matrix) and np.isnan(found.values).all() and found.present.all()


MANY = ("m", "sum by (half) (m)", "rate(m[5m])", "m > 5", "m / m", "topk(5, m)", "m * on (half) group_left () h")


@pytest.mark.parametrize("expr", MANY)
def test_many_series_of_one_sample(expr: str) -> None:
    """10⁵ series with one sample each: the right answer, in a time that grows as their number does."""
    few, many = 10_000, 100_000
    seconds = {count: _measured(expr, count) for count in (few, many)}
    assert seconds[many] < 40 * seconds[few] + 0.5, seconds  # quadratic would be 100 times


def _measured(expr: str, count: int) -> float:
    evaluator = Evaluator(_series_of_one(count))
    began = time.process_time()
    found = answer(evaluator, expr, Grid(0, MINUTE, MINUTE))
    spent = time.process_time() - began
    assert isinstance(found, Matrix)
    rows = {"topk(5, m)": 5, "sum by (half) (m)": 2, "m > 5": 0, "rate(m[5m])": 0}
    assert len(found.labels) == rows.get(expr, count)
    return spent


@cache
def _series_of_one(count: int) -> Samples:
    at, one = np.array([0]), np.array([1.0])
    made = [Series(Labels({"__name__": "m", "i": str(i), "half": str(i % 2)}), at, one) for i in range(count)]
    return Samples.of([*made, *(series("h", [2], half=half) for half in "01")])


@pytest.mark.parametrize(
    "text",
    [
        "a" * 1_000_000,
        "sum(" + "a+" * 900 + "a)",
        "a{" + ",".join(f'l{i}="v"' for i in range(5_000)) + "}",
        'a{l=~"' + "|".join(map(str, range(20_000))) + '"}',
        "sum by (" + ",".join(f"l{i}" for i in range(20_000)) + ") (a)",
        "a" + "\n" * 500_000,
        "1" * 400,
        "a offset " + "1m" * 3_000,
    ],
    ids=lambda text: f"{text[:6].strip()}…{len(text)}",
)
def test_long_texts(text: str) -> None:
    answer(Evaluator(Samples.of([series("a", [1.0])])), text, Grid(0, 0, 1))
