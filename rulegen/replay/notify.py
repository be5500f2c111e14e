"""Alertmanager in virtual time: from firings to the notifications that people get.

Two functions are the way in::

    routing = read_alertmanager("alertmanager.yml")     # rulegen.ingest.alertmanager; raises InputError
    notifications = notify(routing, sent(firings))      # tuple[Notification, ...], by time

``sent`` (rulegen.core.notification) turns the firings of several rules into what Prometheus sends. Of what comes out,
:func:`by_week` counts notifications by receiver and week, and :func:`first_told` says when each firing was first
told of.

What happens is Alertmanager's ``dispatch/dispatch.go`` (groups and their timers), ``notify`` (inhibition, then time
intervals, then the notification log) and ``nflog``, with one cluster member and without silences. Nothing ticks: a
group is looked at when its timer fires after something changed, when a repeat is due, an inhibition ends or a mute
interval may have ended. So the cost is that of sorting the firings and of writing the notifications.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rulegen.core.durations import MINUTE, WEEK
from rulegen.core.labels import Labels
from rulegen.core.notification import Alerts, Notification
from rulegen.core.outcome import NEVER
from rulegen.core.routing import Route, Routing
from rulegen.core.spans import Times
from rulegen.replay.group import FAR, Alert, Group
from rulegen.replay.inhibit import Episode, Inhibitor
from rulegen.replay.notifylog import NotifyLog, Sent, next_look


def notify(routing: Routing, alerts: Alerts) -> tuple[Notification, ...]:
    """What ``routing`` makes of ``alerts``, up to ``alerts.until``, sorted by time.

    Firings of one label set that overlap or touch are one alert to Alertmanager. At one and the same millisecond
    new alerts arrive first, then what is over, then what is sent again; then timers fire.
    """
    return tuple(_Dispatcher(routing, alerts).run())


def by_week(notifications: Iterable[Notification], start: int, end: int) -> dict[str, NDArray[np.int64]]:
    """Notifications by receiver (those that got any, sorted): counts [weeks] from ``start``; the last week may be
    cut short by ``end`` (ms).
    """
    weeks = max(1, -(-(end - start) // WEEK))
    counts: dict[str, NDArray[np.int64]] = {}
    for one in notifications:
        row = counts.setdefault(one.receiver, np.zeros(weeks, dtype=np.int64))
        row[min(max(0, (one.time - start) // WEEK), weeks - 1)] += 1
    return dict(sorted(counts.items()))


def first_told(notifications: Iterable[Notification], count: int, receivers: Collection[str] | None = None) -> Times:
    """[count] when the first notification (to one of ``receivers``; None: any) went out that contained each firing.

    ``NEVER`` where none did. Beside the firing's start it shows what opened inside a group already open: that
    waits for ``group_interval`` instead of ``group_wait``, and counts as caught late.
    """
    told = np.full(count, NEVER, dtype=np.int64)
    for one in notifications:
        if one.fresh and (receivers is None or one.receiver in receivers):
            which = np.array(one.fresh, dtype=np.int64)
            told[which] = np.minimum(told[which], one.time)
    return told


def _joined(alerts: Alerts) -> list[Alert]:
    """The alerts by series and then start, with firings that overlap or touch joined."""
    order = np.lexsort((alerts.start, alerts.series))
    columns = (alerts.series, alerts.start, alerts.resolved, alerts.interval)
    found: list[Alert] = []
    rows = zip(order.tolist(), *(column[order].tolist() for column in columns), strict=True)
    for firing, series, start, end, interval in rows:
        last = found[-1] if found else None
        if last is not None and last.series == series and start <= last.end:
            last.end = max(last.end, end)
            last.firings.append(firing)
        else:
            found.append(Alert(series, start, end, interval, [firing]))
    return found


class _Dispatcher:
    """Holds the groups and the queue of their wake-ups. Runs once."""

    def __init__(self, routing: Routing, alerts: Alerts) -> None:
        self._root = routing.root
        self._labels = alerts.labels
        self._until = alerts.until
        self._alerts = _joined(alerts)
        episodes: list[list[Episode]] = [[] for _ in alerts.labels]
        for one in self._alerts:
            episodes[one.series].append((one.start, one.end))
        self._inhibitor = Inhibitor(routing.inhibitions, alerts.labels, episodes)
        self._log = NotifyLog(routing)
        self._is_open = _opening_hours(routing)
        self._groups: dict[tuple[int, Labels], Group] = {}  # by the route's identity and the group's labels
        self._of: list[tuple[Group, ...] | None] = [None] * len(alerts.labels)
        self._queue: list[tuple[int, int, Group]] = []  # (when, a number that settles ties, which)
        self._pushed = 0
        self._told: set[tuple[str, int]] = set()  # receiver and firing

    def run(self) -> Iterator[Notification]:
        arrivals = [(one.start, 0, index) for index, one in enumerate(self._alerts)]
        arrivals += [(one.end, 1, index) for index, one in enumerate(self._alerts) if one.end != FAR]
        arrivals.sort()
        for time, is_over, index in arrivals:
            if time > self._until:
                break
            yield from self._timers(time)
            alert = self._alerts[index]
            for group in self._groups_of(alert.series):
                if is_over:
                    group.resolve(alert)
                else:
                    if not group.alive:
                        group.open(time, alert.start)
                    group.fire(alert)
                self._wake(group, group.tick(time))
        yield from self._timers(self._until + 1)

    def _groups_of(self, series: int) -> tuple[Group, ...]:
        found = self._of[series]
        if found is None:
            labels = self._labels[series]
            found = self._of[series] = tuple(self._group(route, labels) for route in self._root.match(labels))
        return found

    def _group(self, route: Route, labels: Labels) -> Group:
        key = id(route), route.group(labels)
        if key not in self._groups:
            self._groups[key] = Group(route, key[1])
        return self._groups[key]

    def _wake(self, group: Group, time: int) -> None:
        """Has ``group`` looked at at ``time``, unless it is looked at before."""
        if time < group.wake:
            group.wake = time
            self._pushed += 1
            heapq.heappush(self._queue, (time, self._pushed, group))

    def _timers(self, before: int) -> Iterator[Notification]:
        while self._queue and self._queue[0][0] < before:
            time, _, group = heapq.heappop(self._queue)
            if group.wake != time:
                continue  # it was looked at earlier
            group.wake = FAR
            if not group.alive:  # what is over was sent once more, and makes a group of its own
                group.open(time, min(one.start for one in group.past.values() if one.resent(time - 1) == time))
                if group.next > time:
                    self._wake(group, group.next)
                    continue
            yield from self._flush(group, time)

    def _flush(self, group: Group, time: int) -> Iterator[Notification]:
        is_open = self._is_open(group.route, time)
        inhibited: dict[int, int] = {}  # series and when that may be over
        free = False
        if is_open:
            present = [*group.over, *(series for series in group.resent(time) if series not in group.over)]
            for series in (*group.firing, *present):
                if until := self._inhibitor.until(series, time):
                    inhibited[series] = until
            firing = [series for series in group.firing if series not in inhibited]
            resolved = [series for series in present if series not in inhibited]
            free = bool(firing)
            if firing or resolved:
                sent = self._log.notify(group, time, firing, resolved)
                if sent is not None:
                    yield self._notification(group, time, firing, resolved, sent)
        group.flushed(time)
        self._look_again(group, time, is_open, free, inhibited)

    def _look_again(self, group: Group, time: int, is_open: bool, free: bool, inhibited: dict[int, int]) -> None:
        """Wakes ``group`` for what may have to be said although nothing more arrives."""
        known = self._log.entries(group, time)
        if not group.alive:
            # Someone still believes that an alert fires: they may hear otherwise when Prometheus sends it once more.
            if any(entry.firing for _, entry in known):
                self._wake(group, min((one.resent(time) for one in group.past.values()), default=FAR))
            return
        if not is_open:
            self._wake(group, group.next)
            return
        times = [next_look(group, known, free, time), *(inhibited[one] for one in group.firing if one in inhibited)]
        if any(self._inhibitor.can(series) for series in group.firing):
            times += [one.resent(time) for one in group.past.values()]
        if (soonest := min(times)) < FAR:
            self._wake(group, group.tick(soonest))

    def _notification(
        self, group: Group, time: int, firing: Sequence[int], resolved: Sequence[int], sent: Sent
    ) -> Notification:
        fresh = []
        for series in firing:
            if series in group.untold:
                group.untold.discard(series)
                fresh += [one for one in group.firing[series].firings if self._is_news(group.route.receiver, one)]
        return Notification(
            time,
            group.route.receiver,
            group.route.key,
            group.labels,
            sent.reason,
            self._named(firing),
            self._named(resolved) if sent.resolved else (),
            sent.integrations,
            tuple(sorted(fresh)),
        )

    def _named(self, series: Iterable[int]) -> tuple[Labels, ...]:
        return tuple(sorted(self._labels[one] for one in series))

    def _is_news(self, receiver: str, firing: int) -> bool:
        before = len(self._told)
        self._told.add((receiver, firing))
        return len(self._told) > before


def _opening_hours(routing: Routing) -> Callable[[Route, int], bool]:
    """Whether a route notifies at a time (ms): in an active interval, if it has any, and in no mute one."""

    @lru_cache(maxsize=100_000)
    def inside(names: tuple[str, ...], minute: int) -> bool:
        return any(one.contains(minute * MINUTE) for name in names for one in routing.intervals[name])

    def is_open(route: Route, time: int) -> bool:
        minute = time // MINUTE
        return (not route.active or inside(route.active, minute)) and not inside(route.mute, minute)

    return is_open
