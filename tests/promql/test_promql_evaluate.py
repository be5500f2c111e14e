from __future__ import annotations

import numpy as np
import promql_parser
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rulegen.core.labels import EMPTY, Labels
from rulegen.core.series import STALE, Samples, Series
from rulegen.core.spans import Grid
from rulegen.errors import QueryError, UnsupportedError
from rulegen.promql import Evaluator, Matrix, Scalar, calls, parse, sums
from rulegen.promql.memo import Memo

MINUTE = 60_000


def series(name: str, values: list[float | None], step: int = MINUTE, **labels: str) -> Series:
    at = [k for k, value in enumerate(values) if value is not None]
    return Series(
        Labels({"__name__": name, **labels}),
        np.array(at, dtype=np.int64) * step,
        np.array([values[k] for k in at], dtype=np.float64),
    )


def evaluator(*given: Series, memory_bytes: int = 1 << 20) -> Evaluator:
    return Evaluator(Samples.of(given), memory_bytes=memory_bytes)


def shown(value: Matrix | Scalar) -> dict[Labels, list[float | None]]:
    """By labels, since the order of rows is an instant query's own."""
    if isinstance(value, Scalar):
        return {EMPTY: [float(v) for v in value.values]}
    return {
        labels: [float(v) if here else None for v, here in zip(values, present, strict=True)]
        for labels, values, present in zip(value.labels, value.values, value.present, strict=True)
    }


point = st.one_of(st.none(), st.sampled_from([0.0, 1.0, 2.0, 3.0, 10.0, float("nan"), float("inf"), STALE]))
points = st.lists(point, min_size=1, max_size=25)
selectors = st.sampled_from(
    ["a", "b", 'a{x="1"}', 'a{x!="1"}', '{__name__=~"a|b"}', "a @ 300", "a offset 2m", "b @ end()"]
)
windows = st.sampled_from(["[3m]", "[5m] offset 1m", "[10m]", "[90s] @ 600"])
range_functions = st.one_of(
    st.sampled_from(["rate", "increase", "delta", "irate", "changes", "resets", "deriv"]),
    st.sampled_from(["avg", "stddev", "last", "count", "max", "sum", "absent", "present"]).map("{}_over_time".format),
)


def deeper(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    number = st.sampled_from(["0", "1", "2.5", "NaN", "-Inf"])
    arithmetic = st.sampled_from(["+", "-", "*", "/", "%", "^", ">", "<=", "==", "!= bool", "> bool"])
    return st.one_of(
        st.builds("{}({})".format, st.sampled_from(["abs", "ceil", "sgn", "absent", "timestamp", "hour"]), inner),
        st.builds("{} by (x) ({})".format, st.sampled_from(["sum", "avg", "max", "count", "stddev", "group"]), inner),
        st.builds("topk(1, {})".format, inner),
        st.builds("quantile without (y) (0.4, {})".format, inner),
        st.builds("({}) {} {}".format, inner, arithmetic, number),
        st.builds("({}) {} ({})".format, inner, st.sampled_from(["and", "or", "unless on (x)"]), inner),
        st.builds("({}) {} on (x) group_left () ({})".format, inner, st.sampled_from(["+", "/", ">"]), inner),
        st.builds("{}(({})[{}])".format, range_functions, inner, st.sampled_from(["4m:1m", "5m:", "3m:30s"])),
        st.builds("-({})".format, inner),
    )


base = st.one_of(
    selectors, st.builds('{}(a{{x="1"}}{})'.format, range_functions, windows.filter(lambda w: "@" not in w))
)
expressions = st.recursive(base, deeper, max_leaves=4)
start_or_end = "end()"  # not the instant's own in a range query


@settings(max_examples=300, deadline=None)
@given(expr=expressions, a=points, b=points, c=points)
def test_an_instant_is_a_column_of_a_range(
    expr: str, a: list[float | None], b: list[float | None], c: list[float | None]
) -> None:
    given = (series("a", a, x="1"), series("a", b, x="2"), series("b", c, x="1", y="1"))
    grid = Grid(5 * MINUTE, 12 * MINUTE, MINUTE)
    if start_or_end in expr:
        expr = expr.replace(start_or_end, "720")
    try:
        whole = evaluator(*given).evaluate(expr, grid)
    except QueryError:
        return  # at some step there is no answer
    for column, at in enumerate(grid.times()):
        instant = evaluator(*given, memory_bytes=0).evaluate(expr, Grid(int(at), int(at), MINUTE))
        wanted = {labels: [row[column]] for labels, row in shown(whole).items() if row[column] is not None}
        assert repr(sorted(shown(instant).items())) == repr(sorted(wanted.items()))


@settings(max_examples=200, deadline=None)
@given(exprs=st.lists(expressions, min_size=1, max_size=6), a=points, b=points)
def test_what_is_remembered_is_what_would_be_evaluated(
    exprs: list[str], a: list[float | None], b: list[float | None]
) -> None:
    given = (series("a", a, x="1"), series("a", b, x="2"), series("b", a, x="1", y="1"))
    remembering = evaluator(*given)
    grids = (Grid(5 * MINUTE, 12 * MINUTE, MINUTE), Grid(5 * MINUTE, 12 * MINUTE, 3 * MINUTE))
    for expr in exprs * 2:
        for grid in grids:
            answers = []
            for one in (remembering, evaluator(*given, memory_bytes=0)):
                try:
                    answers.append(repr(shown(one.evaluate(expr, grid))))
                except QueryError as error:
                    answers.append(str(error))
            assert answers[0] == answers[1]


def test_a_sweep_over_thresholds_evaluates_the_left_side_once(monkeypatch: pytest.MonkeyPatch) -> None:
    done = []
    averaged = sums.avg_over_time
    engine = evaluator(series("a", [1.0, 2.0, 3.0, 4.0]))
    counted = calls.FUNCTIONS | {"avg_over_time": lambda given: done.append(1) or averaged(given.range(0))}
    monkeypatch.setattr(calls, "FUNCTIONS", counted)
    grid = Grid(0, 3 * MINUTE, MINUTE)
    sizes = [int(engine.evaluate(f"sum(avg_over_time(a[1m:])) > {k}", grid).present.sum()) for k in range(6)]
    assert sizes == [4, 3, 2, 1, 0, 0]
    assert len(done) == 1


def test_memory_is_bounded() -> None:
    memo = Memo(10_000)
    for key in range(50):
        memo.put(key, Scalar(np.zeros(100)))
    assert 0 < len(memo) <= 10
    assert memo.get(49) is not None
    assert memo.get(0) is None
    memo.put("large", Scalar(np.zeros(10_000)))
    assert memo.get("large") is None


def test_the_same_key_again_is_counted_once() -> None:
    memo = Memo(10_000)
    for _ in range(100):
        memo.put("key", Scalar(np.zeros(100)))
    memo.put("other", Scalar(np.zeros(100)))
    assert len(memo) == 2


def test_shared_results_are_read_only() -> None:
    value = evaluator(series("a", [1.0])).evaluate("a", Grid(0, 0, 1))
    with pytest.raises(ValueError, match="read-only"):
        value.values[0, 0] = 2.0


@pytest.mark.parametrize(
    ("expr", "why"),
    [
        ("a[5m]", "unsupported: a range vector as the result"),
        ('"text"', "unsupported: a string as the result"),
        ("histogram_avg(a)", "unsupported: function histogram_avg()"),
        ("limitk(1, a)", "unsupported: aggregation limitk"),
        ("a + fill(0) a", "unsupported: fill modifiers (experimental in Prometheus)"),
        ('a{x="1" or x="2"}', 'unsupported: "or" between matchers (Prometheus has no such thing)'),
        ('a{x=~"(a+)+"}', "unsupported: regexp '(a+)+': an unbounded repetition inside another"),
    ],
)
def test_what_is_not_evaluated_says_so(expr: str, why: str) -> None:
    with pytest.raises(UnsupportedError) as caught:
        evaluator(series("a", [1.0])).evaluate(expr, Grid(0, 0, 1))
    assert str(caught.value) == why
    assert not isinstance(caught.value, QueryError)


@pytest.mark.parametrize(
    ("expr", "why"),
    [
        ("a * on(k) b", "many-to-many matching not allowed"),
        ("b * on(k) a", 'found duplicate series for the match group {k="1"} on the right hand-side'),
        ("b + on(k) c", "multiple matches for labels: many-to-one matching must be explicit"),
        ('label_replace(a, "x", "same", "", "")', "vector cannot contain metrics with the same labelset"),
        ('rate({x="1"}[5m])', "vector cannot contain metrics with the same labelset"),
        ("topk(NaN, a)", "Parameter value is NaN"),
        ("double_exponential_smoothing(a[5m], 2, 0.5)", "invalid smoothing factor"),
        ('count_values("", a)', "invalid label name"),
        ("sum_over_time(vector(1)[100y:1ms])", "steps are too many"),
    ],
)
def test_what_prometheus_refuses_is_a_query_error(expr: str, why: str) -> None:
    given = [series(name, [1.0, 2.0], x=x, k="1") for name in "ab" for x in "12"] + [series("c", [1.0, 1.0], k="1")]
    with pytest.raises(QueryError) as caught:
        evaluator(*given).evaluate(expr, Grid(MINUTE, MINUTE, 1))
    assert why in str(caught.value)


def test_a_tree_that_prints_as_something_else_is_refused() -> None:
    total = parse("a + b")
    twisted = promql_parser.transform(
        parse("c * 2"),
        lambda node: total if isinstance(node, promql_parser.VectorSelector) and node.name == "c" else None,
    )
    with pytest.raises(ValueError, match="does not mean what it prints: a \\+ b \\* 2"):
        evaluator().evaluate(twisted, Grid(0, 0, 1))
    for same in ("(a) * 2", 'a{y="",x=""} * 2', "-a ^ 1 + 9", "a / 1 / 1 * 2", "sum(a) - -3"):
        assert shown(evaluator(series("a", [3.0])).evaluate(parse(same), Grid(0, 0, 1))) == {EMPTY: [6.0]}


def test_rows_of_a_range_are_sorted_by_labels() -> None:
    engine = evaluator(*(series("a", [float(k)], x=str(9 - k)) for k in range(5)))
    assert list(engine.evaluate("topk(5, a)", Grid(0, MINUTE, MINUTE)).labels) == sorted(
        Labels({"__name__": "a", "x": str(9 - k)}) for k in range(5)
    )


def test_empty_samples_and_empty_grids() -> None:
    for expr in (
        "a",
        "rate(a[5m])",
        "sum(a) / sum(b)",
        "a or b",
        "max_over_time(a[5m:1m])",
        "topk(1, a)",
        "absent(a) > 2",
    ):
        for grid in (Grid(0, MINUTE, MINUTE), Grid(MINUTE, 0, MINUTE)):
            value = evaluator().evaluate(expr, grid)
            assert isinstance(value, Matrix)
            assert value.values.shape == value.present.shape == (0, len(grid))
