"""The compiled scan beside the careful reader: the same samples and the same problems, whatever the lines."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rulegen.core.labels import Labels
from rulegen.errors import InputError
from rulegen.ingest import openmetrics
from rulegen.ingest.openmetrics import read_metrics

HEADS = ("a", "ab", "a{}", 'a{x="1"}', 'a{x="b 1 2"}', 'a{x="é\\n"}', '{"a.b"}', "", "a 1", "# HELP a", "2bad")
NUMBERS = st.one_of(
    st.floats().map(repr),
    st.integers(-(10**20), 10**20).map(str),
    st.floats(-1e6, 1e6).map(lambda value: f"{value:.3f}"),
    st.sampled_from(["NaN", "+Inf", "-Inf", "nan", "-0", "+1", "1.", ".5", ".", "", "-", "1e", "1e+", "1e-5", "1_0"]),
    st.sampled_from(["0x1", "1\r", "1e400", "0e400", "00012", "1e22", "1e23", "123456789012345678", "1 # {} 1"]),
    st.text(alphabet="0123456789.eE+-", max_size=24),
)
TIMES = st.one_of(st.integers(-5, 5).map(str), st.floats(0, 2e9).map(lambda value: f"{value:.3f}"), NUMBERS)
LINES = st.lists(
    st.one_of(
        st.builds(lambda head, value, time: f"{head} {value} {time}", st.sampled_from(HEADS), NUMBERS, TIMES),
        st.sampled_from(["# EOF", "", "a 1", "a  1 1", "a 1 1 "]),
    ),
    max_size=30,
)


def outcome(path: Path) -> object:
    try:
        samples, problems = read_metrics(path)
    except InputError as error:
        return error.messages
    series: list[tuple[Labels, bytes, bytes]] = []
    for one in samples:
        # One NaN is as good as another here, and they all come from the text NaN.
        values = np.where(np.isnan(one.values), np.nan, one.values)
        series.append((one.labels, one.times.tobytes(), values.tobytes()))
    return series, problems


@settings(deadline=None)  # the first call may compile
@given(LINES)
def test_reads_as_the_careful_reader(lines: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = Path(folder, "metrics.om")
        path.write_bytes(("\n".join([*lines, "# EOF"])).encode())
        compiled = outcome(path)
        patch.setattr(openmetrics, "scan", lambda *_: None)
        assert compiled == outcome(path)


def test_many_series_of_one_sample(tmp_path: Path) -> None:
    path = tmp_path / "metrics.om"
    count = 100_000
    path.write_text("".join(f'a{{x="{n}"}} {n} 1\n' for n in range(count)) + "# EOF\n")
    samples, problems = read_metrics(path)
    assert len(samples) == count and not problems
    assert {(one.labels["x"], one.values[0]) for one in samples} == {(str(n), float(n)) for n in range(count)}
