from __future__ import annotations

import gzip
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rulegen.core.alert import Episode
from rulegen.core.labels import Labels
from rulegen.core.spans import Span
from rulegen.errors import InputError
from rulegen.ingest.alerts import read_alerts
from rulegen.ingest.sightings import Sighting, episodes

ZERO = "0001-01-01T00:00:00Z"
A = Labels({"alertname": "A", "pod": "p"})


def at(seconds: float) -> str:
    return f"1970-01-01T00:{int(seconds) // 60:02d}:{seconds % 60:06.3f}Z"


def hook(*alerts: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A payload with the keys that Alertmanager sends."""
    return {
        "receiver": "team",
        "status": "firing",
        "alerts": list(alerts),
        "groupLabels": {},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://localhost:9093",
        "version": "4",
        "groupKey": "{}:{}",
        "truncatedAlerts": 0,
        **more,
    }


def fired(start: float, end: float | None = None, **changed: Any) -> dict[str, Any]:
    return {
        "status": "firing" if end is None else "resolved",
        "labels": {"alertname": "A", "pod": "p"},
        "annotations": {"summary": "s"},
        "startsAt": at(start),
        "endsAt": ZERO if end is None else at(end),
        "generatorURL": "",
        "fingerprint": "c0ffee",
        **changed,
    }


def shown(start: float, updated: float, ends: float, **changed: Any) -> dict[str, Any]:
    """An alert of a snapshot."""
    return {
        "labels": {"alertname": "A", "pod": "p"},
        "annotations": {},
        "startsAt": at(start),
        "updatedAt": at(updated),
        "endsAt": at(ends),
        "fingerprint": "c0ffee",
        "receivers": [{"name": "team"}],
        "status": {"state": "active", "silencedBy": [], "inhibitedBy": []},
        **changed,
    }


def lines(*documents: Any) -> str:
    return "".join(json.dumps(document) + "\n" for document in documents)


# name → (file, what is read as (start s, end s, open))
GOOD: dict[str, tuple[str, list[tuple[float, float, bool]]]] = {
    "one payload": (lines(hook(fired(10, 20))), [(10, 20, False)]),
    "pretty JSON": (json.dumps(hook(fired(10, 20)), indent=2), [(10, 20, False)]),
    "an array of payloads": (json.dumps([hook(fired(10)), hook(fired(10, 20))], indent=1), [(10, 20, False)]),
    "byte order mark, crlf, blank lines": (
        "\ufeff\r\n" + lines(hook(fired(10, 20))).replace("\n", "\r\n\r\n"),
        [(10, 20, False)],
    ),
    "sent again and again, then resolved": (
        lines(*[hook(fired(10))] * 3, hook(fired(10, 20)), hook(fired(10, 20))),
        [(10, 20, False)],
    ),
    "resolved first in the file": (lines(hook(fired(10, 20)), hook(fired(10))), [(10, 20, False)]),
    "two periods": (lines(hook(fired(10, 20)), hook(fired(30, 40))), [(10, 20, False), (30, 40, False)]),
    "periods that touch are two": (
        lines(hook(fired(10, 20)), hook(fired(20, 30))),
        [(10, 20, False), (20, 30, False)],
    ),
    "periods that overlap are one": (lines(hook(fired(10, 25)), hook(fired(20, 30))), [(10, 30, False)]),
    "still firing, nobody knows until when": (lines(hook(fired(10))), [(10, 10, True)]),
    "still firing when it was received": (
        lines(hook(fired(10), receivedAt=at(50)), hook(fired(10), timestamp=40.5)),
        [(10, 50, True)],
    ),
    "received before it started (clocks differ)": (lines(hook(fired(10), receivedAt=5)), [(10, 10, True)]),
    "seen firing after its end": (lines(hook(fired(10, 20)), hook(fired(10), receivedAt=30)), [(10, 30, True)]),
    "nanoseconds and offsets": (
        lines(
            hook(fired(0, 0, startsAt="1970-01-01T02:00:10.123456789+02:00", endsAt="1970-01-01T00:00:20.000999Z"))
        ),
        [(10.123, 20, False)],
    ),
    "no alerts": (lines(hook()), []),
    "a snapshot ends with its last update": (lines([shown(10, 50, 290)]), [(10, 50, True)]),
    "silenced fires all the same": (
        lines([shown(10, 50, 290, status={"state": "suppressed", "silencedBy": ["x"], "inhibitedBy": []})]),
        [(10, 50, True)],
    ),
    "an end that was told": (lines([shown(10, 50, 40)]), [(10, 40, False)]),
    "an update before the start (clocks differ)": (lines([shown(10, 9, 290)]), [(10, 10, True)]),
    "gone from the next snapshot": (
        lines([shown(10, 50, 290)], [shown(10, 70, 310)], []),
        [(10, 70, False)],
    ),
    "gone and back": (
        lines([shown(10, 50, 290)], [shown(60, 70, 310)]),
        [(10, 50, False), (60, 70, True)],
    ),
    "pretty snapshot": (json.dumps([shown(10, 50, 290)], indent=4), [(10, 50, True)]),
    "an empty snapshot": ("[]\n", []),
    "snapshots and payloads in one file": (lines([shown(10, 50, 290)], hook(fired(10, 60))), [(10, 60, False)]),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_is_read(name: str, tmp_path: Path) -> None:
    text, expected = GOOD[name]
    path = tmp_path / "alerts"
    for data in (text.encode(), gzip.compress(text.encode())):
        path.write_bytes(data)
        found = tuple(Episode(A, Span(round(s * 1000), round(e * 1000)), is_open) for s, e, is_open in expected)
        assert read_alerts(path)[::2] == (found, ())


NO_TIME = "not a time: 'soon' (write Unix seconds or RFC 3339, as 2024-05-01T10:00:00Z)"
# name → (a document beside a good one, its problem)
PROBLEMS: dict[str, tuple[Any, str]] = {
    "ends first": (hook(fired(30, 20)), f'alert 1: "A": ends ({at(20)}) before it starts ({at(30)})'),
    "no labels": (hook({"status": "firing", "startsAt": at(1)}), "alert 1: labels: field required"),
    "labels null": (hook(fired(30, labels=None)), "alert 1: labels: should be an object"),
    "no name": (hook(fired(30), fired(30, labels={"pod": "p"})), "alert 2: no alertname among its labels"),
    "number as label": (
        hook(fired(30, labels={"alertname": "A", "code": 500})),
        "alert 1: labels.code: input should be a valid string",
    ),
    "half a surrogate": (
        hook(fired(30, labels={"alertname": "\ud800"})),
        "alert 1: half of a surrogate pair in a label",
    ),
    "bad start": (hook(fired(30, startsAt="soon")), f"alert 1: {NO_TIME}"),
    "no start": (hook(fired(30, startsAt=ZERO)), 'alert 1: "A": no startsAt'),
    "no end": (hook(fired(30, 40, endsAt=ZERO)), 'alert 1: "A": resolved, without endsAt'),
    "bad status": (hook(fired(30, status="gone")), "alert 1: status: input should be 'firing' or 'resolved'"),
    "not an alert": (hook("x"), "alert 1: should be an object"),
    "other version": (hook(fired(30), version="3"), 'webhook payload: version "3" is not supported (only 4)'),
    "no version": ({"alerts": []}, "webhook payload: version: field required"),
    "alerts as mapping": (hook(alerts={}), "webhook payload: alerts: input should be a valid list"),
    "cut alerts": (hook(truncatedAlerts=7), "webhook payload: Alertmanager left out 7 alerts (max_alerts)"),
    "bad received": (hook(receivedAt="soon"), f"webhook payload: receivedAt: {NO_TIME}; left out"),
    "prometheus": (
        {"status": "success", "data": {"alerts": []}},
        "an answer of Prometheus' own API; read it from the server (--prometheus URL), or ask Alertmanager",
    ),
    "a mapping": (
        {"a": 1},
        'neither a webhook payload ({… "alerts": […]}) nor a snapshot of Alertmanager\'s /api/v2/alerts ([…])',
    ),
    "a number": (
        7,
        'neither a webhook payload ({… "alerts": […]}) nor a snapshot of Alertmanager\'s /api/v2/alerts ([…])',
    ),
    "snapshot without update": ([fired(1)], "alert 1: updatedAt: field required; status: should be an object"),
    "snapshot state": (
        [shown(1, 2, 3, status={"state": "x"})],
        "alert 1: status.state: input should be 'active', 'suppressed' or 'unprocessed'",
    ),
    "snapshot time": ([shown(1, 2, 3, updatedAt="soon")], f"alert 1: {NO_TIME}"),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_bad_line_among_good_ones(name: str, tmp_path: Path) -> None:
    document, message = PROBLEMS[name]
    path = tmp_path / "alerts.jsonl"
    path.write_text(lines(hook(fired(10, 20)), document))
    found, _, problems = read_alerts(path)
    assert found[0] == Episode(A, Span(10_000, 20_000))
    assert [str(problem) for problem in problems] == [f"{path}:2: {message}"]


def test_a_line_that_is_no_json(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    good = lines(hook(fired(10, 20)))
    for text, problem in {
        good + '{"a": ': f"{path}:2: not JSON: it ends too early (column 7)",
        good + "hello\n": f"{path}:2: not JSON: expecting value (column 1)",
        "garbage\n\n" + good: f"{path}:1: not JSON: expecting value (column 1)",
        good + "[" * 100_000: f"{path}:2: not JSON: nested too deeply",
    }.items():
        path.write_text(text)
        found, _, problems = read_alerts(path)
        assert found == (Episode(A, Span(10_000, 20_000)),)
        assert [str(one) for one in problems] == [problem]


UNUSABLE = {
    "blank": ("\n \n", ": nothing but blank lines"),
    "cut off": (
        json.dumps(hook(fired(10, 20)), indent=1)[:120],
        ":8: not JSON: it ends too early (column 18)",
    ),
    "html": ("<html>\n<body>\n", ":1: not JSON: expecting value (column 1)"),
    "csv": ("alert,start\nA,1\n", ":1: not JSON: expecting value (column 1)"),
    "only bad alerts": (
        lines(hook(fired(30, 20)), hook("x")),
        f':1: alert 1: "A": ends ({at(20)}) before it starts ({at(30)})',
        ":2: alert 1: should be an object",
    ),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_file_that_cannot_be_used(name: str, tmp_path: Path) -> None:
    text, *messages = UNUSABLE[name]
    path = tmp_path / "alerts.json"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_alerts(path)
    assert caught.value.messages == tuple(f"{path}{message}" for message in messages)


sightings = st.builds(
    lambda name, start, length, ended: Sighting(
        Labels({"alertname": name}), start, start + length, start + length if ended else None
    ),
    st.sampled_from("AB"),
    st.integers(0, 20),
    st.integers(0, 10),
    st.booleans(),
)


@given(st.lists(sightings), st.randoms())
def test_episodes_do_not_depend_on_the_order_of_the_file(found: list[Sighting], random: Any) -> None:
    expected = episodes(found)
    random.shuffle(found)
    assert episodes(found + found[:3]) == expected
    for name in "AB":
        for left, right in pairwise(one for one in expected if one.name == name):
            assert left.span.end <= right.span.start
    assert {one.labels for one in found} == {one.labels for one in expected}
    for one in found:
        assert any(e.labels == one.labels and e.span.start <= one.start and one.seen <= e.span.end for e in expected)
