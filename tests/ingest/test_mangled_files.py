"""A file that was cut, doubled or scribbled over gives items or one InputError, and never anything else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rulegen.errors import InputError
from rulegen.ingest.alerts import read_alerts
from rulegen.ingest.incidents import read_incidents
from rulegen.ingest.openmetrics import read_metrics
from rulegen.ingest.rulefile import read_rules

ALERT = {"status": "firing", "labels": {"alertname": "A"}, "startsAt": "2024-05-01T10:00:00Z"}
SHOWN = {**ALERT, "updatedAt": ALERT["startsAt"], "endsAt": ALERT["startsAt"], "status": {"state": "active"}}
RULES = """\
groups:
- name: g
  interval: 1m
  rules:
  - &a
    alert: A
    expr: |
      up == 0
    for: 5m
    labels: {severity: page, "x": 'y'}
  - <<: *a
    alert: B
    expr: "sum(up)"
---
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
spec: {groups: [{name: h, rules: [{alert: B, expr: up}]}]}
"""
FILES: dict[str, tuple[Callable[[Path], tuple[Any, ...]], str]] = {
    "rules.yml": (lambda path: read_rules([path]), RULES),
    "metrics.om": (
        read_metrics,
        '# TYPE a gauge\na{x="1\\n",y="2"} 1.5 1\na{x="1\\n",y="2"} NaN 2 # {t="z"} 1\n# EOF\n',
    ),
    "alerts.jsonl": (
        read_alerts,
        "".join(json.dumps(one) + "\n" for one in ({"version": "4", "alerts": [ALERT]}, [SHOWN])),
    ),
    "alerts.json": (read_alerts, json.dumps({"version": "4", "alerts": [ALERT]}, indent=1)),
    "incidents.csv": (
        read_incidents,
        'id,start,end,pod\nA,1,2,"x ""y"\nB,2024-05-01T10:00:00Z,2024-05-01T10:00:00.5-02:00,\n',
    ),
    "incidents.yaml": (read_incidents, "incidents:\n- {id: A, start: 1, end: 2}\n- id: B\n  start: 3\n  end: 4\n"),
}
PIECES = st.one_of(
    st.sampled_from(
        ['"', "'", "{", "}", "[", "]", ":", ",", "\n", "\t", "- ", "#", "*a", "&a ", "<<: ", "|", "!", "\\u0000"]
    ),
    st.sampled_from(
        [
            "NaN",
            "1e999",
            "-",
            "null",
            "\\ud800",
            "9" * 400,
            "\0",
            "\x85",
            "\ufeff",
            "\U0001f600",
            "\x1b[2J",
            '"\\e[31m"',
            "\u202e",
        ]
    ),
    st.text(max_size=3),
)


@st.composite
def mangled(draw: st.DrawFn, text: str) -> bytes:
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 12)))
        text = text[:start] + draw(PIECES) + text[end:]
    data = text[: draw(st.integers(len(text) // 2, 2 * len(text)))].encode(errors="surrogatepass")
    return data + draw(st.sampled_from([b"", b"", b"", b"\xff"]))


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_traceback(name: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    read, text = FILES[name]
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(data.draw(mangled(text)))
    try:
        messages = [str(problem) for problem in read(path)[-1]]
    except InputError as error:
        messages = [*error.messages]
        assert messages
    for message in messages:
        assert message.startswith(f"{path}:") and message.isprintable(), "one error, one line, nothing hidden in it"


@pytest.mark.parametrize("name", FILES)
def test_as_it_is_the_file_is_good(name: str, tmp_path: Path) -> None:
    read, text = FILES[name]
    path = tmp_path / name
    path.write_text(text)
    result = read(path)
    assert result[0] and result[-1] == ()
