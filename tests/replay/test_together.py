"""Alerts of different parts have nothing to do with one another: each is told of in its part alone as among all,
whichever changes of the routing are made."""

from __future__ import annotations

import os

import numpy as np
import pytest
from histories import firings

from rulegen.core.candidate import Grouping, Mute, RoutingChange
from rulegen.core.durations import DAY, HOUR, MINUTE
from rulegen.core.labels import Labels
from rulegen.core.notification import sent
from rulegen.core.outcome import Firings
from rulegen.core.rerouted import rerouted, together
from rulegen.core.routing import Inhibition, Integration, Matcher, Receiver, Route, Routing
from rulegen.core.spans import Grid
from rulegen.core.timeinterval import TimeInterval
from rulegen.replay.notify import first_told, notify

SEEDS = range(int(os.environ.get("ROUTINGS", "150")))
GRID = Grid(0, DAY, MINUTE)
VALUES = {"alertname": "ABC", "service": "xyz", "severity": ("page", "ticket"), "node": "12"}
Chance = np.random.Generator


def alert(chance: Chance) -> Labels:
    return Labels({name: str(chance.choice([*some])) for name, some in VALUES.items() if chance.random() < 0.9})


def matchers(chance: Chance, most: int) -> tuple[Matcher, ...]:
    names = chance.choice([*VALUES], int(chance.integers(1, most + 1)), replace=False).tolist()
    return tuple(Matcher(name, "=", str(chance.choice([*VALUES[name]]))) for name in sorted(names))


def by(chance: Chance) -> tuple[str, ...]:
    return tuple(sorted(chance.choice([*VALUES], int(chance.integers(0, 4)), replace=False).tolist()))


def route(chance: Chance, key: str, depth: int) -> Route:
    mine = matchers(chance, 1) if depth else ()
    name = key + "/{" + ",".join(map(str, mine)) + "}" if depth else "{}"
    below = tuple(route(chance, name, depth + 1) for _ in range(int(chance.integers(0, 3)) if depth < 2 else 0))
    return Route(
        str(chance.choice(["one", "two"])),
        name,
        mine,
        by(chance) if chance.random() < 0.9 else None,
        int(chance.integers(0, 3)) * MINUTE,
        int(chance.choice([1, 5, 10])) * MINUTE,
        int(chance.choice([1, 4])) * HOUR,
        goes_on=bool(chance.random() < 0.3) and bool(depth),
        mute=("night",) if depth and chance.random() < 0.2 else (),
        routes=below,
    )


def change(chance: Chance) -> RoutingChange:
    kind = chance.random()
    if kind < 0.5:
        return Grouping(matchers(chance, 2), by(chance), MINUTE, 10 * MINUTE, 4 * HOUR)
    if kind < 0.75:
        return Mute(matchers(chance, 2), (TimeInterval(times=((120, 300),)),))
    return Inhibition(matchers(chance, 2), matchers(chance, 2), by(chance))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_part_is_told_alone_as_among_all(seed: int) -> None:
    chance = np.random.default_rng(seed)
    alerts = sorted({alert(chance) for _ in range(int(chance.integers(2, 14)))})
    starts = [(one, int(chance.integers(0, DAY // MINUTE - 60))) for one in alerts for _ in range(12)]
    rows = [(one, at * MINUTE, (at + int(chance.choice([0, 2, 30]))) * MINUTE) for one, at in starts]
    fired = firings(GRID, rows)
    receivers = {
        name: Receiver(name, (Integration("webhook", bool(chance.random() < 0.5)),)) for name in ("one", "two")
    }
    inhibitions = tuple(Inhibition(matchers(chance, 2), matchers(chance, 2), by(chance)) for _ in range(2))
    night = {"night": (TimeInterval(times=((0, 200),)),)}
    routing = Routing(route(chance, "", 0), receivers, inhibitions[: int(chance.integers(0, 3))], night)
    changes = [change(chance) for _ in range(int(chance.integers(0, 4)))]
    parts = together(routing, changes, alerts)
    assert sorted(labels for part in parts for labels in part) == alerts
    for some in range(1 << len(changes)):
        added = rerouted(routing, [one for at, one in enumerate(changes) if some >> at & 1], alerts)
        whole = told(added, fired)
        apart = {key: when for part in parts for key, when in told(added, fired.only(part)).items()}
        assert apart == whole


def told(routing: Routing, fired: Firings) -> dict[tuple[Labels, int, int], list[int]]:
    """When each firing was first told of."""
    first = first_told(notify(routing, sent([fired])), len(fired))
    found: dict[tuple[Labels, int, int], list[int]] = {}
    rows = zip(fired.series.tolist(), fired.start.tolist(), fired.end.tolist(), first.tolist(), strict=True)
    for row, start, end, when in rows:
        found.setdefault((fired.labels[row], start, end), []).append(when)
    return {key: sorted(times) for key, times in found.items()}


def test_parts_are_not_larger_than_they_have_to_be() -> None:
    """Else the test above would be no test: what shares neither a group nor an inhibition stands apart."""
    alerts = [Labels({"alertname": name, "service": service}) for name in "AB" for service in "xy"]
    routing = Routing(Route("pager", group_by=("service",)), {"pager": Receiver("pager")})
    assert sorted(map(len, together(routing, (), alerts))) == [2, 2]
    of_a = (Matcher("alertname", "=", "A"),)
    apart = Grouping(of_a, ("alertname",), 0, MINUTE, HOUR)
    assert sorted(map(len, together(routing, [apart], alerts))) == [4]
    alone = Routing(Route("pager", group_by=None), {"pager": Receiver("pager")})
    assert len(together(alone, (), alerts)) == 4
    held = Inhibition(of_a, (Matcher("alertname", "=", "B"),), ("service",))
    assert sorted(map(len, together(alone, [held], alerts))) == [2, 2]
