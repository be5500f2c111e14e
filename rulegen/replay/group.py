"""One aggregation group: its alerts and its timer (Alertmanager, ``dispatch/dispatch.go``)."""

from __future__ import annotations

from dataclasses import dataclass, field

from rulegen.core.durations import MINUTE
from rulegen.core.labels import Labels
from rulegen.core.outcome import NEVER
from rulegen.core.routing import Route

FAR = int(NEVER)
RESEND_DELAY = MINUTE  # Prometheus, --rules.alert.resend-delay
RETENTION = 15 * MINUTE  # Prometheus, rules/alerting.go: how long it goes on sending that an alert is over


@dataclass(slots=True, eq=False)
class Alert:
    """One active period of one label set, from ``start`` up to and without ``end`` (``NEVER``: open).

    ``interval`` is its rule's, ``firings`` are its indices in what was sent.
    """

    series: int
    start: int
    end: int
    interval: int
    firings: list[int]

    def resent(self, after: int) -> int:
        """The first time after ``after`` at which Prometheus sends again that it is over; ``NEVER`` where it stops.

        It resends at the first evaluation *more than* the delay after the last: every 2m at an interval of 1m.
        """
        every = (RESEND_DELAY // self.interval + 1) * self.interval
        late = max(1, (after - self.end) // every + 1) * every
        return self.end + late if late <= RETENTION else FAR


@dataclass(slots=True, eq=False)
class Group:
    """The alerts of one route with the same group labels, by series: ``firing``, ``over`` (resolved since the last
    flush) and ``past`` (flushed as resolved, but Prometheus still sends them, so that they turn up again).

    The timer fires at ``next`` and every ``group_interval`` from there, while the group is ``alive``; it dies with
    the flush that leaves nothing firing in it. ``wake`` is when it has to be looked at.
    """

    route: Route
    labels: Labels
    firing: dict[int, Alert] = field(default_factory=dict)
    over: dict[int, Alert] = field(default_factory=dict)
    past: dict[int, Alert] = field(default_factory=dict)
    untold: set[int] = field(default_factory=set)  # firing, and in no notification since
    alive: bool = False
    since: int = 0  # what is resent from here on is in the group at its next flush
    next: int = 0
    wake: int = FAR

    def open(self, time: int, start: int) -> None:
        """The first alert, which began at ``start``, arrives at ``time``: old ones do not wait."""
        self.alive, self.since, self.wake = True, time, FAR
        self.next = time if start + self.route.group_wait < time else time + self.route.group_wait

    def fire(self, alert: Alert) -> None:
        self.over.pop(alert.series, None)
        self.past.pop(alert.series, None)
        self.firing[alert.series] = alert
        self.untold.add(alert.series)

    def resolve(self, alert: Alert) -> None:
        self.over[alert.series] = self.firing.pop(alert.series)
        self.untold.discard(alert.series)

    def tick(self, time: int) -> int:
        """When the timer first fires at or after ``time``."""
        late = max(0, time - self.next)
        return self.next + -(-late // self.route.group_interval) * self.route.group_interval

    def resent(self, time: int) -> list[int]:
        """Of the past alerts those that are in the group again at its flush at ``time``."""
        since = max(self.since, time - self.route.group_interval + 1) if time > self.next else self.since
        return [series for series, alert in self.past.items() if alert.resent(since - 1) <= time]

    def flushed(self, time: int) -> None:
        """After a flush: what was resolved has left, whether anyone was told or not."""
        self.past = {series: one for series, one in self.past.items() if one.resent(time) < FAR}
        self.past |= self.over
        self.over = {}
        self.alive = bool(self.firing)
        self.since, self.next = time + 1, time + self.route.group_interval
