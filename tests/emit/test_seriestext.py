"""Series written in promtool's notation and read back: by our reader, and by promtool."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from histories import promtool, unhurried
from hypothesis import given
from hypothesis import strategies as st

from rulegen.core.labels import METRIC_NAME, Labels
from rulegen.core.series import STALE, Series, is_stale
from rulegen.emit import scalar
from rulegen.emit.seriestext import metric_text, values_text
from rulegen.ingest.seriestext import parse_metric, parse_series

STEP = 15_000
NUMBERS = st.one_of(
    st.floats(),
    st.integers(-3, 3).map(float),
    st.integers(-(2**60), 2**60).map(float),
    st.sampled_from([-0.0, 0.1, 1e300, 5e-324, STALE, math.inf, -math.inf]),
)


@st.composite
def made(draw: st.DrawFn) -> tuple[list[int], list[float]]:
    """Places on the grid, rising, and a value for each: runs, equal steps, holes and anything else."""
    at, places, values = 0, [], []
    for _ in range(draw(st.integers(0, 6))):
        at += draw(st.integers(0, 5))
        first, step, count = (
            draw(NUMBERS),
            draw(st.sampled_from([0.0, 1.0, -2.0, 0.25, 0.1])),
            draw(st.integers(1, 6)),
        )
        for _ in range(count):
            places.append(at)
            values.append(first)
            first = first + step if step else first
            at += 1
    return places, values


@unhurried
@given(made())
def test_what_is_written_reads_back_to_the_bit(given: tuple[list[int], list[float]]) -> None:
    places, values = given
    labels = Labels({METRIC_NAME: "m", "a": "b"})
    series = Series(labels, np.array(places, dtype=np.int64) * STEP, np.array(values, dtype=np.float64))
    read = parse_series(metric_text(labels), " ".join(values_text(series, STEP)), 0, STEP)
    assert read.labels == labels
    assert read.times.tolist() == series.times.tolist()
    here, there = np.array(values, dtype=np.float64), read.values
    assert is_stale(there).tolist() == is_stale(here).tolist()
    numbers = ~np.isnan(here)  # which NaN it is nobody can tell, but for the staleness marker
    assert (np.isnan(there) == np.isnan(here)).all()
    assert there[numbers].tobytes() == here[numbers].tobytes()


@unhurried
@given(st.dictionaries(st.from_regex(r"[a-z_][a-z0-9_]{0,5}", fullmatch=True), st.text(min_size=1), max_size=4))
def test_any_label_value_stays_one(labels: dict[str, str]) -> None:
    given = Labels({**labels, METRIC_NAME: "m"})
    assert parse_metric(metric_text(given)) == given


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([5.0] * 11, "5x10"),
        ([1.0, 2.0, 3.0, 4.0], "1+1x3"),
        ([9.0, 7.0, 5.0], "9-2x2"),
        ([1.0, 1.0], "1 1"),
        ([0.1, 0.2, 0.30000000000000004, 0.4], "0.1+0.1x3"),  # as adding up gives it
        ([0.1, 0.2, 0.3, 0.4], "0.1 0.2 0.3 0.4"),
        ([0.52, 0.54, 0.56], "0.52 0.54 0.56"),
        ([STALE, math.nan, 1e22, -0.0], "stale NaN 1e+22 -0"),
    ],
)
def test_compact_only_where_exact(values: list[float], text: str) -> None:
    series = Series(Labels({METRIC_NAME: "m"}), np.arange(len(values), dtype=np.int64) * STEP, np.array(values))
    assert " ".join(values_text(series, STEP)) == text


def test_holes() -> None:
    series = Series(Labels({METRIC_NAME: "m"}), np.array([1, 5]) * STEP, np.array([1.0, 2.0]))
    assert " ".join(values_text(series, STEP)) == "_ 1 _x3 2"
    with pytest.raises(ValueError, match="not on the grid"):
        values_text(series, 2 * STEP)


HOSTILE = [
    '"',
    "\\",
    "\n",
    "{{ .Value }}",
    "'; drop",
    "a: b # c",
    "\u2028\u202e",
    "\x7f\x01",
    "é☃",
    "%s$1",
    "- x",
    "}",
]


def test_promtool_reads_the_same_samples(tmp_path: Path) -> None:
    """Every sample of forty random series is asked for by its time, and so is every hole."""
    random = np.random.default_rng(7)
    asked = []
    lines = ["rule_files: []", "evaluation_interval: 1m", "tests:", "  - interval: 1m", "    input_series:"]
    for row in range(40):
        there = random.random(30) < 0.7
        kind = row % 4
        values = {
            0: random.integers(-5, 5, 30).astype(float),
            1: random.normal(size=30) * 10.0 ** random.integers(-300, 300),
            2: np.cumsum(np.full(30, 0.1)),
            3: np.repeat([1.0, STALE, 7.25], 10),
        }[kind]
        labels = Labels({METRIC_NAME: "m", "row": str(row), "hostile": HOSTILE[row % len(HOSTILE)]})
        series = Series(labels, np.flatnonzero(there) * 60_000, values[there])
        lines += [f"      - series: {scalar.scalar(metric_text(labels))}"]
        lines += [f"        values: {scalar.single(' '.join(values_text(series, 60_000)))}"]
        asked += [(labels, at, None if not there[at] or values[at] != values[at] else values[at]) for at in range(30)]
    lines.append("    promql_expr_test:")
    for labels, at, value in asked:
        text = metric_text(labels)
        lines += [f"      - expr: {scalar.scalar(f'last_over_time({text}[30s])')}", f"        eval_time: {at}m"]
        if value is not None:
            lines += [
                "        exp_samples:",
                f"          - labels: {scalar.scalar(text)}",
                f"            value: {float(value)!r}",
            ]
    path = tmp_path / "test.yml"
    path.write_text("\n".join(lines) + "\n")
    done = promtool("test", "rules", path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert sum(value is not None for _, _, value in asked) > 500


def test_promtool_tells_the_next_number_from_it(tmp_path: Path) -> None:
    """So that the check before could fail."""
    head = "rule_files: []\nevaluation_interval: 1m\ntests:\n  - interval: 1m\n    input_series:\n"
    body = "      - series: m\n        values: '1 2 3'\n    promql_expr_test:\n      - expr: last_over_time(m[30s])\n"
    path = tmp_path / "test.yml"
    path.write_text(
        head + body + "        eval_time: 1m\n        exp_samples: [{labels: m, value: 2.0000000000000004}]\n"
    )
    assert promtool("test", "rules", path).returncode == 1
