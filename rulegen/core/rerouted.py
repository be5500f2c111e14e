"""An Alertmanager configuration with changes added to it, as far as it decides who is notified when."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from rulegen.core.candidate import Grouping, Mute, RoutingChange
from rulegen.core.labels import Labels
from rulegen.core.routing import Inhibition, Matcher, Route, Routing


def rerouted(routing: Routing, changes: Sequence[RoutingChange], alerts: Iterable[Labels]) -> Routing:
    """``routing`` with ``changes`` added in order.

    An inhibition joins the others. A grouping or a mute becomes a child of each route that takes one of ``alerts``
    that it matches today, first among its children, so that the receiver stays what it was.
    """
    known = tuple(dict.fromkeys(alerts))
    for change in changes:
        if isinstance(change, Inhibition):
            routing = replace(routing, inhibitions=(*routing.inhibitions, change))
            continue
        name = ""
        if isinstance(change, Mute):
            name = free_name(routing)
            routing = replace(routing, intervals={**routing.intervals, name: change.times})
        parents = {id(route) for route in takers(routing, change.matchers, known)}
        routing = replace(routing, root=_grown(routing.root, parents, change, name))
    return routing


def takers(routing: Routing, matchers: Sequence[Matcher], alerts: Iterable[Labels]) -> tuple[Route, ...]:
    """The routes that take those of ``alerts`` that all of ``matchers`` match, in the order of the tree."""
    taken: dict[int, Route] = {}
    for labels in alerts:
        if all(one.matches(labels) for one in matchers):
            taken.update((id(route), route) for route in routing.root.match(labels))
    return tuple(route for route in routing.root.walk() if id(route) in taken)


def free_name(routing: Routing) -> str:
    """A name for a time interval that ``routing`` does not have yet: ``rulegen``, ``rulegen-2``, …"""
    number = 1
    while (name := "rulegen" if number == 1 else f"rulegen-{number}") in routing.intervals:
        number += 1
    return name


def _child(parent: Route, change: Grouping | Mute, interval: str) -> Route:
    matchers = tuple(sorted(change.matchers, key=lambda one: (one.name, one.value, one.operator)))
    key = parent.key + "/{" + ",".join(map(str, matchers)) + "}"
    child = replace(parent, key=key, matchers=matchers, goes_on=False, mute=parent.mute, routes=())
    if isinstance(change, Mute):
        return replace(child, mute=(*parent.mute, interval))
    return replace(
        child,
        group_by=tuple(sorted(change.group_by)),
        group_wait=change.group_wait,
        group_interval=change.group_interval,
        repeat_interval=change.repeat_interval,
    )


def _grown(route: Route, parents: set[int], change: Grouping | Mute, interval: str) -> Route:
    below = tuple(_grown(one, parents, change, interval) for one in route.routes)
    return replace(route, routes=(_child(route, change, interval), *below) if id(route) in parents else below)
