"""seasonal_mute: keep back what fires in hours that hold noise every day or week, and never an incident.

In the rule (``unless on () hour() == 2``) or in Alertmanager, where the alert still fires and only nobody is told. An
alert that begins in such an hour and lasts is told when the hours are over.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from rulegen.core.candidate import Choice, Mute, RoutingChange, Slot, Slots
from rulegen.core.cluster import Cluster, Grade
from rulegen.core.durations import HOUR, MINUTE
from rulegen.core.rule import Rule
from rulegen.core.timeinterval import Range, TimeInterval
from rulegen.promql.rewrite import fill
from rulegen.templates.template import Template, alerts_of, word

_HOUR = HOUR // MINUTE


def slots(cluster: Cluster) -> tuple[Slot, ...] | None:
    hours = tuple(Choice(f"h{i}", f"h{i}") for i, one in enumerate(cluster.inventory.quiet_hours) if _plain(one))
    where = (Choice("promql", "promql"), Choice("alertmanager", "alertmanager"))
    return (Slot("hours", hours), Slot("where", where)) if hours else None


def render(cluster: Cluster, filled: Slots) -> tuple[Rule, ...]:
    hours = _chosen(cluster, filled)
    if word(filled, "where") == "alertmanager":
        return (cluster.rule,)
    return (replace(cluster.rule, expr=fill("A unless on () B", A=cluster.rule.expr, B=during(hours))),)


def route(cluster: Cluster, filled: Slots) -> tuple[RoutingChange, ...]:
    hours = _chosen(cluster, filled)
    return (
        (Mute(alerts_of(cluster.rule.name, cluster.rule.labels), (hours,)),)
        if word(filled, "where") == "alertmanager"
        else ()
    )


def remarks(cluster: Cluster, filled: Slots) -> tuple[str, ...]:
    """What a reviewer has to know: how late a real alert may be told, and whose clock it is."""
    held = sum(end - start for start, end in _chosen(cluster, filled).times or ()) // _HOUR  # midnight joins two
    late = f", up to {held}h late" if 0 < held < 24 else ""
    return (
        f"what begins in these hours is told when they are over{late}",
        "they are hours of UTC: noise that follows a local clock moves by one when that is put forward or back",
    )


def _chosen(cluster: Cluster, filled: Slots) -> TimeInterval:
    chosen = word(filled, "hours")
    found = next((one for i, one in enumerate(cluster.inventory.quiet_hours) if f"h{i}" == chosen), None)
    if found is None or not _plain(found):
        raise ValueError(f"there are no quiet hours {chosen}")
    return found


def during(interval: TimeInterval) -> str:
    """PromQL with a value within ``interval``, which must be whole hours of weekdays in UTC, and none outside."""
    parts = []
    if interval.times:
        hours = [(start // _HOUR, end // _HOUR - 1) for start, end in interval.times]
        parts.append(_among("hour()", hours))
    if interval.weekdays:
        parts.append(_among("day_of_week()", interval.weekdays))
    if not parts:
        raise ValueError("the interval has neither hours nor weekdays")
    return parts[0] if len(parts) == 1 else fill("A and B", A=parts[0], B=parts[1])


def _among(clock: str, ranges: Iterable[Range]) -> str:
    """``clock`` where it lies in one of the ranges, both ends included."""
    found = ""
    for first, last in ranges:
        one = f"{clock} == {first}" if first == last else f"{clock} >= {first} <= {last}"
        found = fill("A or B", A=found, B=one) if found else one
    return found


def _plain(interval: TimeInterval) -> bool:
    """Whether the interval is whole hours of weekdays in UTC: all that PromQL's clock tells without effort."""
    times = interval.times or ()
    whole = all(start % _HOUR == end % _HOUR == 0 and start < end for start, end in times)
    other = interval.days_of_month or interval.months or interval.years
    return whole and not other and str(interval.location) == "UTC" and bool(times or interval.weekdays)


TEMPLATE = Template(
    name="seasonal_mute",
    summary="keep the alert back in hours that hold its noise every day or week, and never an incident",
    change="silencing",
    grades=frozenset({Grade.METRICS, Grade.ALERTS}),
    slots=slots,
    render=render,
    route=route,
    remarks=remarks,
)
