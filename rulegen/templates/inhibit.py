"""inhibit: no notification while the alert that explains it fires, where both speak of the same thing."""

from __future__ import annotations

from rulegen.core.candidate import Choice, RoutingChange, Slot, Slots
from rulegen.core.cluster import Cluster, Companion, Grade, Relation
from rulegen.core.labels import ALERT_NAME
from rulegen.core.routing import Inhibition
from rulegen.core.rule import Rule
from rulegen.promql.rewrite import checked_label
from rulegen.templates.template import Template, alerts_of, word

EXPLAINING = (Relation.LEADS, Relation.COVERS)


def slots(cluster: Cluster) -> tuple[Slot, ...] | None:
    sources = tuple(
        Choice(token, token)
        for token, one in _companions(cluster).items()
        # Without labels in common it would silence everybody's alert for anybody's cause.
        if one.relation in EXPLAINING and one.equal and one.ref != cluster.ref
    )
    return (Slot("source", sources),) if sources else None


def render(cluster: Cluster, filled: Slots) -> tuple[Rule, ...]:
    return (cluster.rule,)


def route(cluster: Cluster, filled: Slots) -> tuple[RoutingChange, ...]:
    source = _companions(cluster)[word(filled, "source")]
    equal = tuple(sorted(map(checked_label, source.equal)))
    target = alerts_of(cluster.rule.name, cluster.rule.labels)
    return (Inhibition(alerts_of(source.labels[ALERT_NAME], source.labels), target, equal),)


def _companions(cluster: Cluster) -> dict[str, Companion]:
    return {f"c{number}": one for number, one in enumerate(cluster.companions)}


TEMPLATE = Template(
    name="inhibit",
    summary="no notification while the alert that explains it fires for the same target (Alertmanager)",
    change="routing",
    grades=frozenset({Grade.METRICS, Grade.ALERTS}),
    slots=slots,
    render=render,
    route=route,
)
