"""hold: wait longer before firing, or keep firing through short gaps (``for``, ``keep_firing_for``)."""

from __future__ import annotations

from dataclasses import replace

from rulegen.core.candidate import Choice, Slot, Slots
from rulegen.core.cluster import Cluster, Grade
from rulegen.core.durations import HOUR, MINUTE
from rulegen.core.rule import Rule
from rulegen.templates.template import Template, duration, durations

# People triple ``for`` at the median; 5m → 10m and 5m → 15m lead.
WAITS = (5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 2 * MINUTE, 3 * MINUTE, MINUTE, 30 * MINUTE, HOUR)
KEEPS = (0, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE)


def waits(hold: int) -> tuple[Choice, ...]:
    """What ``for`` may become when it is ``hold`` ms today: as it is, or longer."""
    return durations(hold, *(wait for wait in WAITS if wait > hold))


def slots(cluster: Cluster) -> tuple[Slot, ...]:
    keep = cluster.rule.keep_firing_for
    keeps = durations(keep, *(longer for longer in KEEPS if longer > keep))
    return Slot("for", waits(cluster.rule.hold)), Slot("keep_firing_for", keeps)


def render(cluster: Cluster, filled: Slots) -> tuple[Rule, ...]:
    wait, keep = duration(filled, "for"), duration(filled, "keep_firing_for")
    return (replace(cluster.rule, hold=wait, keep_firing_for=keep),)


TEMPLATE = Template(
    name="hold",
    summary="wait longer before firing, or keep firing through short gaps",
    change="tuning",
    grades=frozenset({Grade.METRICS, Grade.ALERTS}),
    slots=slots,
    render=render,
)
