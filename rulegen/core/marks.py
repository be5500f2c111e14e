"""Labels by which a routing tells alerts apart: what a rule may be given to have its alerts muted or inhibited."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rulegen.core.labels import ALERT_NAME
from rulegen.core.routing import Matcher, Routing

USUAL = frozenset({ALERT_NAME, "severity"})  # of these a rule has its own, for other reasons


def marks(routing: Routing) -> tuple[tuple[str, str], ...]:
    """Label pairs that alone bring an alert under a time interval, an inhibition or a route of its own.

    Those that mute at certain times come first, then those that inhibit, then the other routes.
    """
    timed, other = list[tuple[Matcher, ...]](), list[tuple[Matcher, ...]]()
    for route in routing.root.walk():
        (timed if route.mute or route.active else other).append(route.matchers)
    targets = [inhibition.target for inhibition in routing.inhibitions]
    return tuple(dict.fromkeys(_pairs([*timed, *targets, *other])))


def _pairs(found: Iterable[tuple[Matcher, ...]]) -> Iterator[tuple[str, str]]:
    for matchers in found:
        wanted = [one for one in matchers if one.name not in USUAL]
        if len(wanted) == 1 and wanted[0].operator == "=" and wanted[0].value:
            yield wanted[0].name, wanted[0].value
