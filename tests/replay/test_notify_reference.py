"""The simulation, which skips what changes nothing, beside a plain one that flushes every group at every tick."""

from __future__ import annotations

import re

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rulegen.core.durations import HOUR, MINUTE
from rulegen.core.labels import Labels
from rulegen.core.notification import Alerts
from rulegen.core.routing import Inhibition, Integration, Matcher, Receiver, Route, Routing
from rulegen.core.timeinterval import TimeInterval
from rulegen.replay.notify import notify

LABELS = tuple(
    Labels({"job": job, "host": host, "kind": kind}) for job in "xy" for host in "12" for kind in ("s", "t")
)
Row = tuple[int, int, int]  # series, start, end; ms
Told = tuple[int, Labels, str, tuple[Labels, ...], tuple[Labels, ...]]


def plain(routing: Routing, rows: list[Row], interval: int, until: int) -> list[Told]:
    """One route, one receiver with one integration."""
    route = routing.root.routes[0]
    flag = routing.receivers[route.receiver].integrations[0].send_resolved
    arrivals: list[tuple[int, int, int, int, int | None]] = []  # time, rank among those of a time, series, start, end
    for series, start, end in rows:
        again = min((other[1] for other in rows if other[0] == series and other[1] > start), default=until + 1)
        arrivals += [(start, 0, series, start, None), (end, 1, series, start, end)]
        last = end
        for now in range(end, min(end + 15 * MINUTE, again - 1, until) + 1, interval):
            if last + MINUTE < now:
                arrivals.append((now, 2, series, start, end))
                last = now
    arrivals.sort(key=lambda one: one[:4])
    groups: dict[Labels, dict[int, int | None]] = {}
    timers: dict[Labels, int] = {}
    log: dict[Labels, tuple[int, set[int], set[int]]] = {}
    told: list[Told] = []

    def inhibited(series: int, now: int) -> bool:
        return any(
            all(one.matches(LABELS[series]) for one in rule.target)
            and all(one.matches(LABELS[source]) for one in rule.source)
            and rule.key(LABELS[series]) == rule.key(LABELS[source])
            and start <= now < end
            for rule in routing.inhibitions
            for source, start, end in rows
        )

    def flush(group: Labels, now: int) -> None:
        there = groups[group]
        timers[group] = now + route.group_interval
        muted = any(one.contains(now) for name in route.mute for one in routing.intervals[name])
        shown = [] if muted else [series for series in there if not inhibited(series, now)]
        firing = {series for series in shown if there[series] is None}
        resolved = set(shown) - firing
        entry = log.get(group)
        if entry is not None and entry[0] + 2 * route.repeat_interval <= now:
            entry = None
        why = ""
        if shown:
            if entry is None:
                why = "new" if firing else ""
            elif not firing <= entry[1]:
                why = "changed" if entry[1] else "new"
            elif not firing:
                why = "resolved" if entry[1] else ""
            elif flag and not resolved <= entry[2]:
                why = "resolved"
            elif entry[0] + route.repeat_interval < now:
                why = "repeat"
        if why:
            log[group] = now, firing, resolved
            sides = [tuple(sorted(LABELS[one] for one in side)) for side in (firing, resolved if flag else set())]
            if flag or firing:
                told.append((now, group, why, sides[0], sides[1]))
        groups[group] = {series: end for series, end in there.items() if end is None}
        if not groups[group]:
            del groups[group], timers[group]

    for now in range(0, until + 1, 30_000):
        while arrivals and arrivals[0][0] <= now:
            _, _, series, start, end = arrivals.pop(0)
            group = route.group(LABELS[series])
            if group not in groups:
                groups[group] = {}
                timers[group] = now if start + route.group_wait < now else now + route.group_wait
            groups[group][series] = end
        for group in [one for one, due in timers.items() if due == now]:
            flush(group, now)
    return sorted(told)


@st.composite
def histories(draw: st.DrawFn) -> list[Row]:
    """Firings of which no two of one series touch."""
    rows = []
    for series in range(len(LABELS)):
        at = 0
        for gap, length in draw(st.lists(st.tuples(st.integers(2, 120), st.integers(1, 90)), max_size=4)):
            rows.append((series, (at + gap) * MINUTE, (at + gap + length) * MINUTE))
            at += gap + length
    return rows


@settings(max_examples=300, deadline=None)
@given(
    histories(),
    st.sampled_from([MINUTE, 3 * MINUTE, 5 * MINUTE]),
    st.sampled_from([0, MINUTE // 2]),
    st.sampled_from([20 * MINUTE, HOUR]),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_skips_nothing_that_matters(
    rows: list[Row], interval: int, wait: int, repeat: int, inhibits: bool, mutes: bool, send_resolved: bool
) -> None:
    route = Route(
        "a", "k", (), ("job",), wait, interval, repeat, mute=("half",) if mutes else (), active=(), goes_on=False
    )
    source, target = Matcher("kind", "=", "s"), Matcher("kind", "=~", "t", re.compile("t"))
    routing = Routing(
        Route("a", routes=(route,)),
        {"a": Receiver("a", (Integration("webhook", send_resolved),))},
        (Inhibition((source,), (target,), ("host",)),) if inhibits else (),
        {"half": (TimeInterval(times=((60, 150), (200, 260), (500, 700))),)},
    )
    until = 16 * HOUR
    table = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    alerts = Alerts(LABELS, table[0], table[1], table[2], np.full(len(rows), MINUTE), until)
    told = sorted((one.time, one.group, str(one.reason), one.firing, one.resolved) for one in notify(routing, alerts))
    assert told == plain(routing, rows, MINUTE, until)
