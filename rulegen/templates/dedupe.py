"""dedupe: switch off a rule that another one always covers. It is kept in the file, as a comment."""

from __future__ import annotations

from rulegen.core.candidate import Choice, Slot, Slots
from rulegen.core.cluster import Cluster, Grade, Relation
from rulegen.core.labels import ALERT_NAME
from rulegen.core.rule import Rule
from rulegen.templates.template import Template, word

COVERING = (Relation.DUPLICATE, Relation.COVERS)


def slots(cluster: Cluster) -> tuple[Slot, ...] | None:
    if not cluster.ref.path:
        return None  # no rule file holds it, so there is nothing to switch off
    covers = tuple(
        Choice(f"c{number}", f"c{number}")
        for number, one in enumerate(cluster.companions)
        if one.relation in COVERING and one.ref != cluster.ref
    )
    return (Slot("cover", covers),) if covers else None


def render(cluster: Cluster, filled: Slots) -> tuple[Rule, ...]:
    word(filled, "cover")  # which rule covers it is checked by the replay; here it only has to be one
    return ()


def remarks(cluster: Cluster, filled: Slots) -> tuple[str, ...]:
    """Who sends its pages from now on."""
    named = word(filled, "cover")
    one = next(one for number, one in enumerate(cluster.companions) if f"c{number}" == named)
    return (f"its pages are left to {one.labels.get(ALERT_NAME, '')} ({one.ref})",)


TEMPLATE = Template(
    name="dedupe",
    summary="switch off a rule whose every page another rule sends too; it stays in the file as a comment",
    change="retirement",
    grades=frozenset({Grade.METRICS, Grade.ALERTS}),
    slots=slots,
    render=render,
    remarks=remarks,
)
