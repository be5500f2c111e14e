"""An Alertmanager configuration with changes added to it, as far as it decides who is notified when."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import replace

from rulegen.core.candidate import Grouping, Mute, RoutingChange
from rulegen.core.labels import ALERT_NAME, Labels
from rulegen.core.routing import Inhibition, Matcher, Route, Routing, match_all


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


def concerning(changes: Sequence[RoutingChange], alerts: Iterable[Labels]) -> dict[Labels, tuple[int, ...]]:
    """For each of ``alerts`` the places of those of ``changes`` that can make a difference to when it is told of."""
    sides = [one.target if isinstance(one, Inhibition) else one.matchers for one in changes]
    named: dict[str | None, list[int]] = {}  # nearly every change is about the alerts of one name
    for at, side in enumerate(sides):
        name = next((one.value for one in side if (one.name, one.operator) == (ALERT_NAME, "=")), None)
        named.setdefault(name, []).append(at)
    found = {}
    for labels in alerts:
        name = labels.get(ALERT_NAME, "")
        near = sorted((*named.get(None, ()), *named.get(name, ())))
        found[labels] = tuple(at for at in near if match_all(sides[at], labels))
    return found


def together(
    routing: Routing, changes: Sequence[RoutingChange], alerts: Iterable[Labels]
) -> tuple[frozenset[Labels], ...]:
    """``alerts`` in parts that have nothing to do with one another, whichever of ``changes`` are added to ``routing``
    and whichever of the alerts fire: when an alert is told of depends on the firings of its own part alone.

    Alertmanager tells of an alert through its groups, each of one route, and keeps it back while an alert that
    inhibits it fires. So those stand together that can be in one group, or where one can inhibit the other. A child
    that a change adds takes over its parent's grouping or brings its own, and its parent is one of the routes that
    match the alert, not always the deepest one: an alert that changes concern is taken to be in a group of each.
    """
    known = tuple(dict.fromkeys(alerts))
    number = {labels: place for place, labels in enumerate(known)}
    parent = list(range(len(known)))

    def top(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    first: dict[Hashable, int] = {}

    def join(key: Hashable, labels: Labels) -> None:
        place = top(number[labels])
        other = top(first.setdefault(key, place))
        parent[max(place, other)] = min(place, other)

    concerned = concerning(changes, known)
    for labels in known:
        moved = [(at, one) for at in concerned[labels] if not isinstance(one := changes[at], Inhibition)]
        for route in _path(routing.root, labels) if moved else routing.root.match(labels):
            join(("route", route.key, route.group(labels)), labels)
        for at, one in moved:
            if not isinstance(one, Mute):
                join(("change", at, labels.keep(one.group_by)), labels)
    inhibitions = (*routing.inhibitions, *(one for one in changes if isinstance(one, Inhibition)))
    for at, inhibition in enumerate(inhibitions):
        sides = [
            {(inhibition.key(labels), labels) for labels in known if match_all(side, labels)}
            for side in (inhibition.source, inhibition.target)
        ]
        both = {key for key, _ in sides[0]} & {key for key, _ in sides[1]}
        for key, labels in sorted(sides[0] | sides[1]):
            if key in both:
                join(("inhibition", at, key), labels)
    found: dict[int, list[Labels]] = {}
    for place, labels in enumerate(known):
        found.setdefault(top(place), []).append(labels)
    return tuple(map(frozenset, found.values()))


def free_name(routing: Routing) -> str:
    """A name for a time interval that ``routing`` does not have yet: ``rulegen``, ``rulegen-2``, …"""
    number = 1
    while (name := "rulegen" if number == 1 else f"rulegen-{number}") in routing.intervals:
        number += 1
    return name


def _path(route: Route, labels: Labels) -> Iterator[Route]:
    """Every route that ``labels`` come by, matched and above a match."""
    if match_all(route.matchers, labels):
        yield route
        for child in route.routes:
            yield from _path(child, labels)


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
