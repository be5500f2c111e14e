"""What the report draws is what was judged."""

from __future__ import annotations

import numpy as np
from histories import history
from test_pipeline import DEEP, INCIDENTS, NOISE, WRONG, levels, search

from rulegen.core.durations import HOUR, MINUTE
from rulegen.core.routing import Receiver, Route, Routing
from rulegen.core.settings import Settings
from rulegen.picture import picture
from rulegen.pipeline import study


def test_lanes_hold_what_was_counted() -> None:
    given = history([levels(*WRONG, *NOISE)], DEEP, incidents=INCIDENTS)
    routing = Routing(Route("night shift"), {"night shift": Receiver("night shift")})
    desk, report = study(given, Settings(), search(), lambda *_: None, routing=routing)
    drawn = picture(desk, report, routing)
    (lane,) = drawn.lanes
    assert report.suggestions and lane.suggestion == report.suggestions[0].id
    assert lane.receivers == ("night shift",) and not drawn.plain
    assert (lane.before.noise, lane.after.noise) == report.together.pages == (len(NOISE), lane.after.noise)
    assert lane.after.noise < lane.before.noise
    assert lane.minutes == report.together.minutes
    assert lane.caught == (len(WRONG), len(WRONG))
    assert [id for id, _ in drawn.targets] == [one.id for one in INCIDENTS]
    starts = np.array([at * MINUTE for at, _ in (*WRONG, *NOISE)])
    assert sorted(lane.before.spans[:, 0].tolist()) == sorted(starts.tolist())
    # The epoch, at which this history begins, was a Thursday.
    hours = np.bincount([(3 * 24 + at * MINUTE // HOUR) % 168 for at, _ in NOISE], minlength=168)
    assert lane.before.week.tolist() == hours.tolist()


def test_without_a_change_both_sides_are_the_same() -> None:
    given = history([levels(*WRONG)], DEEP, incidents=INCIDENTS)
    desk, report = study(given, Settings(), search(), lambda *_: None)
    drawn = picture(desk, report, None)
    assert drawn.plain and not report.suggestions
    for lane in drawn.lanes:
        assert lane.before is lane.after and not lane.suggestion and not lane.receivers
