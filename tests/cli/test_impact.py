from __future__ import annotations

from histories import series

from rulegen.core.durations import MINUTE
from rulegen.core.labels import Labels
from rulegen.core.spans import Span
from rulegen.ingest.impact import held

WHOLE = Span(0, 20 * MINUTE)


def test_each_unbroken_run_of_each_series_is_an_incident() -> None:
    a = series("x", [None, 1, 1, None, None, 0, None], service="a")
    b = series("x", [2, None, None, None, None, None, float("nan")], service="b")
    found = held([a, b], MINUTE, WHOLE)
    assert [
        (one.id, one.span.start // MINUTE, one.span.end // MINUTE, one.labels["service"]) for one in found.incidents
    ] == [
        ("IMPACT-001", 0, 0, "b"),
        ("IMPACT-002", 1, 2, "a"),
        ("IMPACT-003", 5, 5, "a"),  # a value of 0 holds too: what counts is that the series exists
        ("IMPACT-004", 6, 6, "b"),
    ]
    assert found.judged == (WHOLE,)
    assert found.incidents[0].labels == Labels({"service": "b"})


def test_nothing_held() -> None:
    assert held([], MINUTE, WHOLE).incidents == held([series("x", [None])], MINUTE, WHOLE).incidents == ()
