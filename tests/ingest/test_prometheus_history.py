"""Windows, staleness, outages and pages, against a server that holds a small history and knows its markers.

The server is a loopback one that evaluates just what rulegen asks (selectors, ranges of selectors, the newest ``up``)
by Prometheus' rules: a marker hides what lies before it from an instant query, a range leaves markers out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from servers import Reply, Request, answering

from rulegen.core.alert import Episode
from rulegen.core.durations import HOUR, MINUTE
from rulegen.core.labels import Labels
from rulegen.core.series import Samples, is_stale
from rulegen.core.spans import Grid, Span
from rulegen.errors import Problem, UpstreamError
from rulegen.ingest.prometheus import connect, fetch_alerts, fetch_samples, query_range, staleness

LOOKBACK = 300_000
GONE = "gone"  # a staleness marker in the tables below
STEP = 60_000

Points = dict[int, str]  # ms → value as the API writes it, or GONE


@dataclass
class History:
    series: dict[str, list[tuple[dict[str, str], Points]]]  # by selector
    open: bool = False
    most_samples: int = 10**9
    most_steps: int = 10**9
    asked: list[dict[str, str]] = field(default_factory=list)

    def answer(self, request: Request) -> Reply:
        if request.path == "/api/v1/read":
            return Reply(status=404)
        asked = dict(request.params)
        self.asked.append(asked)
        if request.path == "/api/v1/query_range":
            return self._newest(*(ms(asked[name]) for name in ("start", "end", "step")))
        at = ms(asked["time"])
        if window := re.fullmatch(r"(.*)\[(\d+)s\]", asked["query"]):
            return self._range(window[1], at - int(window[2]) * 1000, at)
        found = [(labels, self._last(points, at)) for labels, points in self.series.get(asked["query"], ())]
        return success("vector", [{"metric": labels, "value": [at / 1000, one]} for labels, one in found if one])

    def _range(self, selector: str, start: int, end: int) -> Reply:
        result, count = [], 0
        for labels, points in self.series.get(selector, ()):
            inside = [t for t in points if start <= t <= end and not (self.open and t == start) and points[t] != GONE]
            count += len(inside)
            result += (
                [{"metric": labels, "values": [[t / 1000, points[t]] for t in sorted(inside)]}] if inside else []
            )
        if count > self.most_samples:
            text = "query processing would load too many samples into memory in query execution"
            return Reply(json.dumps({"status": "error", "errorType": "execution", "error": text}), 422)
        return success("matrix", result)

    def _newest(self, start: int, end: int, step: int) -> Reply:
        if (end - start) // step > self.most_steps:
            text = "exceeded maximum resolution of 11,000 points per timeseries"
            return Reply(json.dumps({"status": "error", "errorType": "bad_data", "error": text}), 400)
        values = []
        for at in range(start, end + 1, step):
            seen = [t for _, points in self.series.get("up", ()) for t in points if at - LOOKBACK <= t <= at]
            values += [[at / 1000, str(max(seen) / 1000)]] if seen else []
        return success("matrix", [{"metric": {}, "values": values}] if values else [])

    def _last(self, points: Points, at: int) -> str | None:
        seen = [t for t in points if at - LOOKBACK <= t <= at]
        value = points[max(seen)] if seen else None
        return None if value == GONE else value


def ms(seconds: str) -> int:
    return round(float(seconds) * 1000)


def success(kind: str, result: Sequence[object]) -> Reply:
    return Reply(json.dumps({"status": "success", "data": {"resultType": kind, "result": result}}))


def every_minute(*minutes: tuple[int, int]) -> Points:
    return {m * STEP + 7: "1" for first, last in minutes for m in range(first, last + 1)}


def gone(*minutes: int) -> Points:
    return {m * STEP + 7: GONE for m in minutes}


def read(history: History, span: Span, selector: str = "m") -> tuple[Samples, tuple[Problem, ...]]:
    with answering(history.answer) as url, connect(url) as conn:
        return fetch_samples(conn, [selector], span)


@pytest.mark.parametrize("left_open", [False, True])
def test_pages_lose_nothing_and_repeat_nothing(left_open: bool) -> None:
    """Samples stand exactly at the edges of the range and of the pages of an hour."""
    times = [0, 1, HOUR - 1, HOUR, HOUR + 1, 2 * HOUR, 5 * HOUR, 6 * HOUR, 6 * HOUR + 1]
    history = History({"m": [({"__name__": "m"}, {t: str(t) for t in times})]}, open=left_open)
    for span in (Span(0, 6 * HOUR), Span(1, 5 * HOUR), Span(HOUR, HOUR), Span(2 * HOUR - 1, 6 * HOUR + 1)):
        samples, problems = read(history, span)
        assert problems == ()
        (one,) = samples
        assert one.times.tolist() == one.values.tolist() == [t for t in times if span.contains(t)]


def test_pages_grow_where_little_is_and_shrink_where_the_server_refuses() -> None:
    dense = dict.fromkeys(range(40 * HOUR, 42 * HOUR, 2000), "1")
    history = History({"m": [({"__name__": "m"}, dense)]}, most_samples=500)
    samples, problems = read(history, Span(0, 60 * HOUR))
    assert problems == ()
    (one,) = samples
    assert one.times.tolist() == list(dense)
    windows = [int(re.findall(r"\[(\d+)s\]", asked["query"])[0]) for asked in history.asked if "[" in asked["query"]]
    assert windows[:3] == [3_601, 4 * 3_600 + 1, 16 * 3_600 + 1]
    assert 400 <= min(windows) <= 1_000  # 500 samples of two seconds are 1,000 s
    assert max(windows[-3:]) > 10 * min(windows)  # and it recovers
    assert len(windows) < 60


def test_values_are_those_of_floats() -> None:
    written = {1: "NaN", 2: "+Inf", 3: "-Inf", 4: "1e-07", 5: "-0"}
    samples, _ = read(History({"m": [({"__name__": "m"}, written)]}), Span(0, 10))
    (one,) = samples
    np.testing.assert_array_equal(one.values, [np.nan, np.inf, -np.inf, 1e-07, -0.0])
    assert not is_stale(one.values).any()


def test_a_series_that_several_selectors_match_is_there_once() -> None:
    one = ({"__name__": "m", "a": "b"}, every_minute((0, 3)))
    history = History({"m": [one], 'm{a="b"}': [one]})
    with answering(history.answer) as url, connect(url) as conn:
        samples, problems = fetch_samples(conn, ["m", 'm{a="b"}'], Span(0, 5 * STEP))
    assert (len(samples), problems) == (1, ())


def test_staleness_is_reconstructed_and_a_missed_scrape_is_not_staleness() -> None:
    table = {
        "stays": every_minute((0, 60)),
        "gone for good": every_minute((0, 30)) | gone(31),
        "flaps": every_minute((0, 10), (12, 20), (22, 60)) | gone(11, 21),
        "missed a scrape": every_minute((0, 10), (12, 60)),
        "crashed": every_minute((0, 20), (40, 60)),
        "ends with the range": every_minute((0, 59)) | gone(60),
    }
    history = History({"m": [({"__name__": "m", "case": case}, points) for case, points in table.items()]})
    samples, problems = read(history, Span(0, 60 * STEP + 7))
    assert problems == ()
    found = {one.labels["case"]: (one.times[is_stale(one.values)] // STEP).tolist() for one in samples}
    assert found == {
        "stays": [],
        "gone for good": [31],
        "flaps": [11, 21],
        "missed a scrape": [],
        "crashed": [],
        "ends with the range": [],  # one minute without a sample tells nothing yet
    }


def test_staleness_is_not_asked_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staleness, "PROBES_BUDGET", 1)
    flaps = every_minute(*((m, m) for m in range(0, 20, 2))) | every_minute((20, 60)) | gone(*range(1, 20, 2))
    history = History({"m": [({"__name__": "m"}, flaps)]})
    samples, problems = read(history, Span(0, HOUR))
    assert sum(is_stale(one.values).sum() for one in samples) == 1
    assert problems[0].message.startswith("selector m: 9 of 10 times at which series end or pause were not checked")


# --- alerts ---

ALERT = {"__name__": "ALERTS", "alertname": "A", "job": "j"}
Firing = tuple[int, int, bool]  # first minute, last minute, open


def alerts(
    firing: Points, pending: Points | None = None, up: Points | None = None, minutes: int = 180
) -> tuple[list[Firing], tuple[Problem, ...]]:
    table = {
        'ALERTS{alertstate="firing"}': [({**ALERT, "alertstate": "firing"}, firing)],
        'ALERTS{alertstate="pending"}': [({**ALERT, "alertstate": "pending"}, pending)] if pending else [],
        "up": [({"__name__": "up", "job": "j"}, every_minute((-10, minutes)) if up is None else up)],
    }
    with answering(History(table).answer) as url, connect(url) as conn:
        episodes, problems = fetch_alerts(conn, Span(0, minutes * STEP + 7), STEP)
    assert all(one.labels == Labels({"alertname": "A", "job": "j"}) for one in episodes)
    return [firing_of(one) for one in episodes], problems


def firing_of(one: Episode) -> Firing:
    return one.span.start // STEP, one.span.end // STEP, one.open


def test_an_alert_resolves_at_its_marker_even_for_one_evaluation() -> None:
    firing = every_minute((10, 20), (22, 30)) | gone(21, 31)
    assert alerts(firing) == ([(10, 20, False), (22, 30, False)], ())


def test_a_missed_evaluation_is_no_resolve() -> None:
    firing = every_minute((10, 20), (22, 30)) | gone(31)
    assert alerts(firing) == ([(10, 30, False)], ())


def test_without_a_marker_an_alert_lasts_no_longer_than_the_lookback() -> None:
    assert alerts(every_minute((10, 20), (30, 40))) == ([(10, 20, False), (30, 40, False)], ())


def test_pending_between_two_firings_is_a_resolve_while_monitoring_ran() -> None:
    firing = every_minute((10, 20), (36, 40)) | gone(21, 41)
    pending = every_minute((5, 9), (31, 35)) | gone(10, 36)
    assert alerts(firing, pending) == ([(10, 20, False), (36, 40, False)], ())


@pytest.mark.parametrize("back_at", [30, 25, 75])
def test_monitoring_that_was_down_is_no_resolve(back_at: int) -> None:
    """Down from minute 20 on; after the start the alert is pending for five minutes, then fires again."""
    firing = every_minute((10, 20), (back_at + 7, 90)) | gone(back_at + 1, 91)
    pending = every_minute((5, 9), (back_at + 2, back_at + 6)) | gone(10, back_at + 7)
    up = every_minute((-10, 20), (back_at, 180))
    assert alerts(firing, pending, up) == ([(10, 90, False)], ())


def test_what_resolved_before_or_does_not_fire_after_an_outage_is_resolved() -> None:
    up = every_minute((-10, 30), (45, 180))
    before = every_minute((10, 20), (46, 60)) | gone(21, 61)
    assert alerts(before, up=up) == ([(10, 20, False), (46, 60, False)], ())
    after = every_minute((10, 30), (60, 70)) | gone(46, 71)
    assert alerts(after, up=up) == ([(10, 30, False), (60, 70, False)], ())


def test_an_outage_of_more_than_an_hour_ends_what_is_known() -> None:
    up = every_minute((-10, 20), (82, 180))
    firing = every_minute((10, 20), (83, 90)) | gone(91)
    assert alerts(firing, up=up) == ([(10, 20, False), (83, 90, False)], ())


def test_what_fires_when_the_range_or_monitoring_ends_is_open() -> None:
    assert alerts(every_minute((10, 180))) == ([(10, 180, True)], ())
    assert alerts(every_minute((10, 100)), up=every_minute((-10, 100))) == ([(10, 100, True)], ())
    assert alerts(every_minute((10, 100)) | gone(101)) == ([(10, 100, False)], ())


def test_without_up_a_hole_is_a_resolve_and_it_is_said() -> None:
    found, problems = alerts(every_minute((10, 20), (40, 180)), up={})
    assert found == [(10, 20, False), (40, 180, True)]
    assert [one.message for one in problems] == [
        "no target has samples of up: a hole in ALERTS is taken for a resolve even where monitoring was down"
    ]


def test_a_range_query_shrinks_where_the_server_has_a_lower_limit() -> None:
    history = History({"up": [({}, every_minute((0, 5_000)))]}, most_steps=700)
    grid = Grid(0, 5_000 * STEP, STEP)
    with answering(history.answer) as url, connect(url) as conn:
        series, _ = query_range(conn, "max(timestamp(up))", grid)
    assert series[0].times.tolist() == grid.times()[1:].tolist()
    assert len(history.asked) < 20


def test_a_server_that_refuses_the_smallest_page_is_told() -> None:
    history = History({"m": [({"__name__": "m"}, dict.fromkeys(range(0, HOUR, 10), "1"))]}, most_samples=500)
    with pytest.raises(UpstreamError, match=r"answered 422: query processing would load too many.*60 s of data"):
        read(history, Span(0, HOUR))
    assert len(history.asked) < 10


def test_a_hole_that_no_question_can_explain_is_left_alone() -> None:
    """Scraped more rarely than the lookback: an instant query would see nothing with or without a marker."""
    points = {t: "1" for t in range(0, 10 * HOUR, 10 * MINUTE) if t != 5 * HOUR}
    samples, _ = read(History({"m": [({"__name__": "m"}, points)]}), Span(0, 10 * HOUR))
    assert not any(is_stale(one.values).any() for one in samples)
