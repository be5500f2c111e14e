"""OpenMetrics that no exporter should write: read as Prometheus would, or refused with the line."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from servers import binary

from rulegen.core.series import Samples
from rulegen.errors import InputError
from rulegen.ingest.openmetrics import read_metrics

Read = dict[str, list[tuple[int, float]]]

# name → (text, what is read, problems as line and message)
TYPES: dict[str, tuple[str, Read]] = {
    "a counter that becomes a gauge": (
        "# TYPE a counter\na_total 1 1\na_total 2 2\n# TYPE a gauge\na_total 0.5 3\na 7 4\n# EOF\n",
        {"a{}": [(4000, 7)], "a_total{}": [(1000, 1), (2000, 2), (3000, 0.5)]},
    ),
    "a gauge that becomes a counter": (
        "# TYPE a gauge\na 5 1\na 3 2\n# TYPE a counter\na 9 3\n# EOF\n",
        {"a{}": [(1000, 5), (2000, 3), (3000, 9)]},
    ),
    "one type twice": ("# TYPE a gauge\n# TYPE a gauge\na 1 1\n# EOF\n", {"a{}": [(1000, 1)]}),
    "two types": ("# TYPE a gauge\n# TYPE a counter\na 1 1\n# EOF\n", {"a{}": [(1000, 1)]}),
    "a type after the samples": (
        "a 1 1\na 2 2\n# TYPE a counter\na 3 3\n# EOF\n",
        {"a{}": [(1000, 1), (2000, 2), (3000, 3)]},
    ),
    "families that are interleaved": (
        'a{x="1"} 1 1\nb 1 1\na{x="2"} 1 1\nb 2 2\na{x="1"} 2 2\n# EOF\n',
        {'a{x="1"}': [(1000, 1), (2000, 2)], 'a{x="2"}': [(1000, 1)], "b{}": [(1000, 1), (2000, 2)]},
    ),
    "a histogram that becomes a summary": (
        '# TYPE h histogram\nh_bucket{le="+Inf"} 3 1\n# TYPE h summary\nh{quantile="0.5"} 2 2\nh_count 3 2\n# EOF\n',
        {'h_bucket{le="+Inf"}': [(1000, 3)], "h_count{}": [(2000, 3)], 'h{quantile="0.5"}': [(2000, 2)]},
    ),
}


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "metrics.om"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def contents(samples: Samples) -> Read:
    return {str(one.labels): list(zip(one.times.tolist(), one.values.tolist(), strict=True)) for one in samples}


@pytest.mark.parametrize("name", TYPES)
def test_types_change_no_sample(name: str, tmp_path: Path) -> None:
    """A series is its labels and samples, here as in Prometheus' storage: what a TYPE line says changes neither."""
    text, expected = TYPES[name]
    samples, problems = read_metrics(write(tmp_path, text))
    assert contents(samples) == expected
    assert problems == ()


@pytest.mark.parametrize("name", TYPES)
def test_prometheus_stores_the_same(name: str, tmp_path: Path) -> None:
    text, expected = TYPES[name]
    path, blocks = write(tmp_path, text), tmp_path / "blocks"
    promtool = binary("promtool")
    subprocess.run(
        [promtool, "tsdb", "create-blocks-from", "openmetrics", str(path), str(blocks)],
        check=True,
        capture_output=True,
        timeout=60,
    )
    (blocks / "wal").mkdir(exist_ok=True)  # promtool wants one
    dumped = subprocess.run(
        [promtool, "tsdb", "dump", str(blocks)], check=True, capture_output=True, text=True, timeout=60
    )
    found: Read = {}
    for line in dumped.stdout.splitlines():
        match = re.fullmatch(r'\{__name__="(\w+)"(?:, (.*))?\} (\S+) (\d+)', line)
        assert match, line
        key = f"{match[1]}{{{match[2] or ''}}}"
        found.setdefault(key, []).append((int(match[4]), float(match[3])))
    assert found == expected


TIMES: dict[str, tuple[str, list[tuple[int, float]], list[str]]] = {
    "the same sample again": (
        "a 1 1\na 2 2\na 2 2\na 3 3\n# EOF\n",
        [(1000, 1), (2000, 2), (3000, 3)],
        ["{path}:3: 1 samples are not in order of time; sorted"],
    ),
    "another value at a known time": (
        "a 1 1\na 2 2\na 9 2\na 3 3\n# EOF\n",
        [(1000, 1), (2000, 2), (3000, 3)],
        [
            "{path}:3: a{{}}: a second value for one time (2.0, then 9.0)",
            "{path}:3: 1 samples are not in order of time; sorted",
        ],
    ),
    "another value at a time long gone": (
        "a 1 1\na 2 2\na 3 3\na 9 1\na 4 4\n# EOF\n",
        [(1000, 1), (2000, 2), (3000, 3), (4000, 4)],
        [
            "{path}:4: a{{}}: a second value for one time (1.0, then 9.0)",
            "{path}:4: 1 samples are not in order of time; sorted",
        ],
    ),
    "two times within one ms": (
        "a 1 1.0001\na 2 1.0004\na 3 2\n# EOF\n",
        [(1000, 1), (2000, 3)],
        [
            "{path}:2: a{{}}: a second value for one time (1.0, then 2.0)",
            "{path}:2: 1 samples are not in order of time; sorted",
        ],
    ),
    "backwards": (
        "a 4 4\na 3 3\na 2 2\na 1 1\n# EOF\n",
        [(1000, 1), (2000, 2), (3000, 3), (4000, 4)],
        ["{path}:2: 3 samples are not in order of time; sorted"],
    ),
    "a later part that lies before": (
        "a 3 3\na 4 4\na 1 1\na 2 2\n# EOF\n",
        [(1000, 1), (2000, 2), (3000, 3), (4000, 4)],
        ["{path}:3: 2 samples are not in order of time; sorted"],
    ),
}


@pytest.mark.parametrize("name", TIMES)
def test_times_that_do_not_increase(name: str, tmp_path: Path) -> None:
    text, expected, said = TIMES[name]
    path = write(tmp_path, text)
    samples, problems = read_metrics(path)
    assert contents(samples) == {"a{}": expected}
    assert [str(one) for one in problems] == [one.format(path=path) for one in said]


# What a label value may hold: everything that UTF-8 can write but a line feed, a quote and a backslash as they are.
PLANES = [
    chr(code) for plane in range(17) for code in (plane << 16 | 0x10, plane << 16 | 0xFFFD, plane << 16 | 0xFFFF)
]
VALUES = {
    "control characters": "".join(map(chr, [*range(1, 10), *range(11, 32), 127, *range(128, 160)])),
    "NUL": "a\0b",
    "ends of lines elsewhere": "a\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029b",
    "every plane": "".join(PLANES),
    "two, three and four bytes at their bounds": "\x80\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff",
    "marks of order and direction": "\ufeff\u202e\u2066\u200b\u0301",
    "only blanks": " \t\u00a0\u3000",
    "syntax": '} 1 2 # {x="y"} # EOF',
}


@pytest.mark.parametrize("name", VALUES)
def test_a_label_value_of_any_text(name: str, tmp_path: Path) -> None:
    """Twice, since the first line of a series is read by the careful reader and the second by the compiled one."""
    value = VALUES[name]
    written = value.replace("\\", "\\\\").replace('"', '\\"')
    line = f'a{{x="{written}"}} {{}} {{}}\n'
    text = "".join(line.replace("{} {}", f"{n} {n}") for n in (1, 2, 3))
    samples, problems = read_metrics(write(tmp_path, text + "b 1 1\n# EOF\n"))
    assert problems == ()
    odd, plain = samples
    assert odd.labels["x"] == value and odd.times.tolist() == [1000, 2000, 3000]
    assert plain.labels["__name__"] == "b"


NOT_TEXT = {
    "a byte that continues nothing": b"\x80",
    "a slash in two bytes": b"\xc0\xaf",
    "half a surrogate pair": b"\xed\xa0\x80",
    "beyond the last plane": b"\xf4\x90\x80\x80",
    "a character that is cut off": b"\xe2\x82",
    "Latin-1": b"caf\xe9",
}


@pytest.mark.parametrize("place", ["label", "known series", "value", "comment"])
@pytest.mark.parametrize("name", NOT_TEXT)
def test_bytes_that_are_no_text_are_refused_with_their_line(name: str, place: str, tmp_path: Path) -> None:
    bad = NOT_TEXT[name]
    line = {
        "label": b'a{x="%s"} 1 1' % bad,
        "known series": b'a 3 3 # {trace="%s"} 1' % bad,
        "value": b"a %s 3" % bad,
        "comment": b"# HELP a %s" % bad,
    }[place]
    path = write(tmp_path, b"a 1 1\na 2 2\n" + line + b"\nb 1 1\n# EOF\n")
    with pytest.raises(InputError) as caught:
        read_metrics(path)
    (message,) = caught.value.messages
    wrong = next(byte for byte in bad if byte >= 128)
    assert message == f"{path}:3: not UTF-8 text (byte 0x{wrong:02x})"


def test_a_byte_order_mark_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, "\ufeffa 1 1\na 2 2\n# EOF\n")
    samples, problems = read_metrics(path)
    assert contents(samples) == {"a{}": [(2000, 2)]}
    assert [str(one) for one in problems] == [rf"{path}:1: not a metric name: '\ufeffa': '\ufeffa 1 1'"]
