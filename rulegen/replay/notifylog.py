"""What each receiver was last told of each group (Alertmanager, ``nflog`` and ``notify``'s dedup stage)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rulegen.core.durations import HOUR
from rulegen.core.labels import Labels
from rulegen.core.notification import Reason
from rulegen.core.routing import Routing
from rulegen.replay.group import FAR, Group

RETENTION = 120 * HOUR  # Alertmanager, --data.retention


@dataclass(frozen=True, slots=True)
class Entry:
    """``firing`` and ``resolved`` are the series of the last notification, which went out at ``time``."""

    time: int
    firing: frozenset[int]
    resolved: frozenset[int]
    repeat: int  # from when on the same is worth saying again
    expires: int


@dataclass(frozen=True, slots=True)
class Sent:
    """What a flush led to: through which kinds of integrations, and whether any of them tells what is over."""

    reason: Reason
    integrations: tuple[str, ...]
    resolved: bool


class NotifyLog:
    """Integrations of one receiver that agree on resolved notices act as one."""

    def __init__(self, routing: Routing) -> None:
        self._kinds: dict[str, dict[bool, tuple[str, ...]]] = {}
        for name in {route.receiver for route in routing.root.walk()}:
            ways = routing.integrations(name)
            by_flag = {flag: tuple(way.kind for way in ways if way.send_resolved is flag) for flag in (True, False)}
            self._kinds[name] = {flag: kinds for flag, kinds in by_flag.items() if kinds}
        self._entries: dict[tuple[str, Labels, str, bool], Entry] = {}

    def entries(self, group: Group, time: int) -> list[tuple[bool, Entry]]:
        """What is remembered of ``group`` at ``time``, and whether it was told to someone who hears what is over.

        Alertmanager forgets at a clean-up every 15m; here at once.
        """
        found = []
        for flag in self._kinds[group.route.receiver]:
            entry = self._entries.get((group.route.key, group.labels, group.route.receiver, flag))
            if entry is not None and entry.expires > time:
                found.append((flag, entry))
        return found

    def notify(self, group: Group, time: int, firing: Sequence[int], resolved: Sequence[int]) -> Sent | None:
        """Tells the receiver of ``group`` what it does not know yet; None where there is nothing to say."""
        route = group.route
        known = dict(self.entries(group, time))
        now_firing, now_resolved = frozenset(firing), frozenset(resolved)
        kinds: list[str] = []
        reasons: list[Reason] = []
        told_resolved = False
        for flag, names in self._kinds[route.receiver].items():
            reason = _reason(known.get(flag), now_firing, now_resolved, flag, time)
            if reason is None:
                continue
            expires = time + min(2 * route.repeat_interval, RETENTION)
            entry = Entry(time, now_firing, now_resolved, time + route.repeat_interval + 1, expires)
            self._entries[route.key, group.labels, route.receiver, flag] = entry
            if flag or firing:  # one that does not tell what is over remembers it without a word
                kinds += names
                reasons.append(reason)
                told_resolved |= flag
        return Sent(reasons[0], tuple(kinds), told_resolved) if reasons else None


def _reason(
    known: Entry | None, firing: frozenset[int], resolved: frozenset[int], send_resolved: bool, time: int
) -> Reason | None:
    """Why to notify; None: not (``DedupStage.needsUpdate``)."""
    if known is None:
        return "new" if firing else None
    if not firing <= known.firing:
        return "changed" if known.firing else "new"
    if not firing:
        return "resolved" if known.firing else None
    if send_resolved and not resolved <= known.resolved:
        return "resolved"
    return "repeat" if time >= known.repeat else None


def next_look(group: Group, known: Sequence[tuple[bool, Entry]], told: bool, time: int) -> int:
    """When, after a flush at ``time``, something may be worth saying though nothing more arrives.

    ``told``: whether any firing alert of the group is not inhibited.
    """
    times = [min(entry.repeat, entry.expires) for _, entry in known] if told else []
    for series, alert in group.past.items():
        if any(flag and series not in entry.resolved for flag, entry in known):
            times.append(alert.resent(time))
    return min(times, default=FAR)
