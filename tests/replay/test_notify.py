"""Cases of Alertmanager's behaviour, one file each, and what has to hold for any alerts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from rulegen.core.durations import MINUTE, WEEK, format_duration, parse_duration
from rulegen.core.labels import Labels
from rulegen.core.notification import Alerts, Notification, sent
from rulegen.core.outcome import NEVER, Firings
from rulegen.core.routing import Receiver, Route, Routing
from rulegen.core.spans import Grid
from rulegen.ingest.alertmanager import read_alertmanager
from rulegen.replay.notify import by_week, first_told, notify

CASES = sorted((Path(__file__).parent / "notify").glob("*.yml"))
Row = tuple[int, int, int]  # series, start, end; minutes


def made(labels: Sequence[dict[str, str]], rows: Sequence[tuple[int, int, int]], until: int) -> Alerts:
    """Alerts of an evaluation interval of one minute; rows [n] of series, start and resolved, in ms."""
    series, start, over = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    interval = np.full(len(rows), MINUTE, dtype=np.int64)
    return Alerts(tuple(map(Labels, labels)), series, start, over, interval, until)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path: Path, tmp_path: Path) -> None:
    yaml = YAML(typ="safe")
    case = yaml.load(path)
    with (tmp_path / "alertmanager.yml").open("w") as file:
        yaml.dump(case["alertmanager"], file)
    given = case["alerts"]
    rows = [(index, parse_duration(one["from"]), parse_duration(one["to"])) for index, one in enumerate(given)]
    alerts = made([one["labels"] for one in given], rows, parse_duration(case["until"]))
    told = notify(read_alertmanager(tmp_path / "alertmanager.yml"), alerts)
    with_kinds = any("by" in one for one in case["expected"])
    seen = sorted((shown(one, with_kinds) for one in told), key=str)
    assert seen == sorted(case["expected"], key=str)


def shown(one: Notification, with_kinds: bool) -> dict[str, Any]:
    row: dict[str, Any] = {"at": format_duration(one.time), "to": one.receiver, "why": one.reason}
    for name in ("firing", "resolved"):
        if hosts := [labels["host"] for labels in getattr(one, name)]:
            row[name] = hosts
    return row | ({"by": list(one.integrations)} if with_kinds else {})


def routing(**route: Any) -> Routing:
    return Routing(Route("a", **route), {"a": Receiver("a")})


HOSTS = [{"job": job, "host": host} for job in "xy" for host in "123"]
rows = st.lists(
    st.tuples(st.integers(0, len(HOSTS) - 1), st.integers(0, 300), st.integers(1, 60)).map(
        lambda row: (row[0], row[1] * MINUTE, (row[1] + row[2]) * MINUTE)
    ),
    max_size=25,
)


@settings(max_examples=150, deadline=None)
@given(rows, st.sampled_from([MINUTE, 5 * MINUTE]), st.sampled_from([0, 30_000]))
def test_what_outlasts_both_timers_is_told_of_in_time(found: list[Row], interval: int, wait: int) -> None:
    alerts = made(HOSTS, found, 24 * 60 * MINUTE)
    told = first_told(
        notify(routing(group_by=("job",), group_interval=interval, group_wait=wait), alerts), len(found)
    )
    late = np.where(told == NEVER, NEVER, told - alerts.start)
    # One that flaps between two flushes is not told of again: to Alertmanager it never went away.
    once = np.bincount(alerts.series, minlength=len(HOSTS))[alerts.series] == 1
    lasting = once & (alerts.resolved - alerts.start > max(interval, wait))
    assert (late[lasting] <= max(interval, wait)).all()
    assert (told[told < NEVER] < alerts.resolved[told < NEVER].max(initial=0)).all()


@settings(max_examples=150, deadline=None)
@given(rows)
def test_a_group_never_speaks_twice_within_group_interval(found: list[Row]) -> None:
    alerts = made(HOSTS, found, 24 * 60 * MINUTE)
    told = notify(routing(group_by=("job",), group_interval=7 * MINUTE, group_wait=7 * MINUTE), alerts)
    assert list(told) == sorted(told, key=lambda one: one.time)
    for group in {one.group for one in told}:
        assert (np.diff([one.time for one in told if one.group == group]) >= 7 * MINUTE).all()
    for one in told:
        assert len({*one.firing, *one.resolved}) == len(one.firing) + len(one.resolved) > 0


@settings(max_examples=100, deadline=None)
@given(rows)
def test_the_order_in_which_firings_are_given_does_not_matter(found: list[Row]) -> None:
    def bare(which: list[Row]) -> list[tuple[int, Labels, str, tuple[Labels, ...], tuple[Labels, ...]]]:
        told = notify(routing(group_by=("job",)), made(HOSTS, which, 24 * 60 * MINUTE))
        return sorted((one.time, one.group, one.reason, one.firing, one.resolved) for one in told)

    assert bare(found) == bare(found[::-1])


def test_repeats_cost_nothing_in_between() -> None:
    """A month of one alert at an interval of 1s: 2.6 million flushes, 180 of them with something to say."""
    alerts = made(HOSTS, [(0, 0, int(NEVER))], 30 * 24 * 60 * MINUTE)
    told = notify(routing(group_interval=1000), alerts)
    assert [one.reason for one in told] == ["new"] + ["repeat"] * 179
    assert by_week(told, 0, alerts.until)["a"].tolist() == [42, 42, 42, 42, 12]
    assert alerts.until > 4 * WEEK


def test_prometheus_tells_one_evaluation_late_that_an_alert_is_over() -> None:
    grid = Grid(0, 60 * MINUTE, 2 * MINUTE)
    at = np.array([0, 0], dtype=np.int64)
    start = np.array([0, 50 * MINUTE], dtype=np.int64)
    end = np.array([10 * MINUTE, 60 * MINUTE], dtype=np.int64)
    alerts = sent([Firings(grid, (Labels({"a": "b"}),), at, start, start, end, 0)])
    assert alerts.resolved.tolist() == [12 * MINUTE, int(NEVER)]
    assert alerts.until == 60 * MINUTE
