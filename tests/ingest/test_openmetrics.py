from __future__ import annotations

import gzip
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from rulegen.core.labels import Labels
from rulegen.core.series import Samples, is_stale
from rulegen.errors import InputError
from rulegen.ingest.openmetrics import read_metrics


def write(folder: Path, text: str) -> Path:
    path = folder / "metrics.om"
    path.write_bytes(text.encode())
    return path


def contents(samples: Samples) -> dict[str, list[tuple[int, str]]]:
    """Series as text → (ms, value as text)."""
    return {
        str(one.labels): [(int(t), str(float(v))) for t, v in zip(one.times, one.values, strict=True)]
        for one in samples
    }


# name → (text, what is read)
GOOD = {
    "two samples": ("# TYPE a gauge\na 1 1\na 2 2\n# EOF\n", {"a{}": [(1000, "1.0"), (2000, "2.0")]}),
    "no newline at the end": ("a 1 1\n# EOF", {"a{}": [(1000, "1.0")]}),
    "crlf": ("a 1 1\r\na 2 2\r\n# EOF\r\n", {"a{}": [(1000, "1.0"), (2000, "2.0")]}),
    "labels in any order are one series": (
        'a{x="1",y="2"} 1 1\na{y="2",x="1"} 2 2\na{y="2",x="1",z=""} 3 3\n# EOF\n',
        {'a{x="1",y="2"}': [(1000, "1.0"), (2000, "2.0"), (3000, "3.0")]},
    ),
    "empty braces": ("a{} 1 1\n# EOF\n", {"a{}": [(1000, "1.0")]}),
    "a comma at the end": ('a{x="1",} 1 1\n# EOF\n', {'a{x="1"}': [(1000, "1.0")]}),
    "escapes": (
        'a{x="q\\"b\\\\n\\nz\\w"} 1 1\n# EOF\n',
        {'a{x="q\\"b\\\\n\\nz\\\\w"}': [(1000, "1.0")]},
    ),
    "what looks like syntax in a value": (
        'a{x="} 1 2 # {"} 1 1\na{x="} 1 2 # {"} 2 2\n# EOF\n',
        {'a{x="} 1 2 # {"}': [(1000, "1.0"), (2000, "2.0")]},
    ),
    "fractions of a second are rounded to ms": (
        "a 1 1.0004\na 2 1.0016\na 3 -1.5\na 4 1e2\n# EOF\n",
        {"a{}": [(-1500, "3.0"), (1000, "1.0"), (1002, "2.0"), (100000, "4.0")]},
    ),
    "special values": (
        "a NaN 1\na +Inf 2\na -Inf 3\na -0 4\na 1e-400 5\n# EOF\n",
        {"a{}": [(1000, "nan"), (2000, "inf"), (3000, "-inf"), (4000, "-0.0"), (5000, "0.0")]},
    ),
    "exemplars": (
        'a_bucket{le="1"} 1 1 # {trace="x y"} 0.5 1.5\na_bucket{le="1"} 2 2 # {} 0.5\n# EOF\n',
        {'a_bucket{le="1"}': [(1000, "1.0"), (2000, "2.0")]},
    ),
    "a counter keeps the names of its lines": (
        "# TYPE a counter\n# HELP a some help\n# UNIT a \na_total 1 1\na_created 0 1\n# EOF\n",
        {"a_created{}": [(1000, "0.0")], "a_total{}": [(1000, "1.0")]},
    ),
    "quoted names": (
        '{"a.b","x.y"="1"} 1 1\n{"a.b",z="1"} 1 1\n# EOF\n',
        {'a.b{x.y="1"}': [(1000, "1.0")], 'a.b{z="1"}': [(1000, "1.0")]},
    ),
    "the same sample twice": (
        "a 1 1\na 1 1\nb NaN 1\nb NaN 1\n# EOF\n",
        {"a{}": [(1000, "1.0")], "b{}": [(1000, "nan")]},
    ),
}
SORTED = {"fractions of a second are rounded to ms", "the same sample twice"}


@pytest.mark.parametrize("name", GOOD)
def test_what_is_read(name: str, tmp_path: Path) -> None:
    text, expected = GOOD[name]
    samples, problems = read_metrics(write(tmp_path, text))
    assert contents(samples) == expected
    assert bool(problems) == (name in SORTED)


# line → the problem it makes between good lines
BAD_LINES = {
    "": "not a sample: ''",
    "a": "not a sample: 'a'",
    "a{": "not a sample: 'a{'",
    'a{x="1} 1 1': "not a sample: 'a{x=\"1} 1 1'",
    "<html> 1 1": "not a metric name: '<html>': '<html> 1 1'",
    "a 1": "no timestamp, and a history needs times: 'a 1'",
    'a{x="b c"} 1': "no timestamp, and a history needs times: 'a{x=\"b c\"} 1'",
    "a one 1": "not a number: 'one'",
    "a 1_0 1": "not a number: '1_0'",
    "a 1 now": "not a number: 'now'",
    "a 1 NaN": "the time NaN is not in the years up to 9999 (OpenMetrics writes seconds)",
    "a 1 1661140434000": "the time 1661140434000 is not in the years up to 9999 (OpenMetrics writes seconds)",
    "a 1 2 3": "not a sample: 'a 1 2 3'",
    "a{x=1} 1 1": "the labels cannot be read: 'a{x=1} 1 1'",
    'a{x="1" y="2"} 1 1': 'the labels cannot be read: \'a{x="1" y="2"} 1 1\'',
    'a{x="1",x="2"} 1 1': "label 'x' is given twice: 'a{x=\"1\",x=\"2\"} 1 1'",
    'a{__name__="b"} 1 1': "two metric names: 'a{__name__=\"b\"} 1 1'",
    '{x="1"} 1 1': "no metric name: '{x=\"1\"} 1 1'",
    "9a 1 1": "not a metric name: '9a': '9a 1 1'",
    "a 2 1": "a{}: a second value for one time (1.0, then 2.0)",
    "x" * 200: f"not a sample: '{'x' * 77}…'",
}


@pytest.mark.parametrize("line", BAD_LINES)
def test_a_bad_line_among_good_ones(line: str, tmp_path: Path) -> None:
    path = write(tmp_path, f"a 1 1\n{line}\na 3 3\n# EOF\n")
    samples, problems = read_metrics(path)
    assert contents(samples) == {"a{}": [(1000, "1.0"), (3000, "3.0")]}
    assert str(problems[0]) == f"{path}:2: {BAD_LINES[line]}"


def test_many_bad_lines_are_named_up_to_twenty_and_counted(tmp_path: Path) -> None:
    path = write(tmp_path, "a 1 1\n" + "bad\n" * 50 + "# EOF\n")
    _, problems = read_metrics(path)
    assert len(problems) == 21
    assert [problem.line for problem in problems] == [*range(2, 22), 0]
    assert str(problems[-1]) == f"{path}: 30 more bad lines"


def test_samples_out_of_order_are_sorted_and_counted(tmp_path: Path) -> None:
    path = write(tmp_path, "a 3 3\na 1 1\na 2 2\na 4 4\nb 2 2\nb 1 1\n# EOF\n")
    samples, problems = read_metrics(path)
    assert contents(samples) == {
        "a{}": [(1000, "1.0"), (2000, "2.0"), (3000, "3.0"), (4000, "4.0")],
        "b{}": [(1000, "1.0"), (2000, "2.0")],
    }
    assert [str(problem) for problem in problems] == [f"{path}:2: 3 samples are not in order of time; sorted"]


UNUSABLE = {
    "cut off": ("a 1 1\na 2 2\n", "{path}: no # EOF at the end: the file is cut off, or is not OpenMetrics"),
    "cut in a line": ("a 1 1\na 2", "{path}: no # EOF at the end: the file is cut off, or is not OpenMetrics"),
    "text format": (
        "# TYPE a gauge\na 1 1661140434000\n",
        "{path}: no # EOF at the end: this looks like Prometheus' text format; "
        "write OpenMetrics (times in seconds, # EOF at the end)",
        "{path}:2: the time 1661140434000 is not in the years up to 9999 (OpenMetrics writes seconds)",
    ),
    "text format without times": (
        "# TYPE a gauge\na 1\n",
        "{path}: no # EOF at the end: this looks like Prometheus' text format; "
        "write OpenMetrics (times in seconds, # EOF at the end)",
        "{path}:2: no timestamp, and a history needs times: 'a 1'",
    ),
    "no times": (
        "a 1\n# EOF\n",
        "{path}: no sample that can be used",
        "{path}:1: no timestamp, and a history needs times: 'a 1'",
    ),
    "nothing": ("# EOF\n", "{path}: no sample that can be used"),
    "another format": (
        "{}\n",
        "{path}: no # EOF at the end: the file is cut off, or is not OpenMetrics",
        "{path}:1: not a sample: '{{}}'",
    ),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_file_that_cannot_be_used(name: str, tmp_path: Path) -> None:
    text, *messages = UNUSABLE[name]
    path = write(tmp_path, text)
    with pytest.raises(InputError) as caught:
        read_metrics(path)
    assert caught.value.messages == tuple(message.format(path=path) for message in messages)


def test_what_follows_the_end_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, "a 1 1\n# EOF\na 2 2\n\n# EOF\n")
    samples, problems = read_metrics(path)
    assert contents(samples) == {"a{}": [(1000, "1.0")]}
    assert [problem.line for problem in problems] == [3, 5]
    assert {problem.message for problem in problems} == {"text after # EOF"}


names = st.from_regex(r"[a-z_][a-z0-9_]{0,5}", fullmatch=True)
labels = st.dictionaries(names.filter(lambda name: not name.startswith("__")), st.text(min_size=1), max_size=3)
series = st.dictionaries(
    st.tuples(names, labels.map(lambda found: tuple(sorted(found.items())))),
    st.dictionaries(st.integers(0, 10**12), st.floats(), min_size=1, max_size=5),
    min_size=1,
    max_size=5,
)


@given(found=series)
def test_any_labels_and_values_survive_and_the_reference_parser_agrees(
    found: dict[tuple[str, tuple[tuple[str, str], ...]], dict[int, float]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    lines = []
    for (name, pairs), points in found.items():
        inner = ",".join(
            '{}="{}"'.format(label, text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"'))
            for label, text in pairs
        )
        for ms, value in sorted(points.items()):
            shown = {math.inf: "+Inf", -math.inf: "-Inf"}.get(value, "NaN" if math.isnan(value) else repr(value))
            lines.append(f"{name}{{{inner}}} {shown} {ms // 1000}.{ms % 1000:03d}")
    text = "\n".join([*lines, "# EOF\n"])
    samples, problems = read_metrics(write(tmp_path_factory.mktemp("om"), text))
    assert not problems
    ours = {(one.labels, int(t)): float(v) for one in samples for t, v in zip(one.times, one.values, strict=True)}
    written = {
        (Labels([("__name__", name), *pairs]), ms): value
        for (name, pairs), points in found.items()
        for ms, value in points.items()
    }
    assert ours.keys() == written.keys()
    assert all(ours[key] == value or (math.isnan(value) and math.isnan(ours[key])) for key, value in written.items())
    for line in lines:  # one by one: the reference wants families together and in order
        for family in text_string_to_metric_families(f"{line}\n# EOF\n"):
            for sample in family.samples:
                key = Labels({"__name__": sample.name, **sample.labels}), round(float(sample.timestamp) * 1000)
                assert ours[key] == sample.value or math.isnan(sample.value)


def test_the_shop_history(shared_data: Path) -> None:
    path = shared_data / "nezha-onlineboutique" / "metrics.om.gz"
    samples, problems = read_metrics(path)
    assert not problems
    assert len(samples) == 165 and sum(len(one.times) for one in samples) == 289_062
    assert not any(is_stale(one.values).any() for one in samples)
    first = next(iter(samples))
    with gzip.open(path, "rt") as lines:
        wanted = [line.split(" ") for line in lines if line.startswith(str(first.labels) + " ")]
    assert np.array_equal(first.times, [int(parts[2]) * 1000 for parts in wanted])
    assert np.array_equal(first.values, [float(parts[1]) for parts in wanted])
