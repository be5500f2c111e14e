"""An Alertmanager spelled out: how often somebody is notified of pages, and by which pages.

Shares no code with rulegen. For configurations with one route for pages: alerts are grouped by ``group_by``; a group
is looked at ``group_wait`` after its first alert and then every ``group_interval`` until all of it is over; somebody
is notified when an alert fires of which the last notification did not tell, or ``repeat_interval`` after that one.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML

from evals.independent import STEP, UNITS, Incident, Page, outside


@dataclass(frozen=True)
class Route:
    by: tuple[str, ...]
    wait: int  # seconds, as the other two
    interval: int
    repeat: int


def read_route(path: Path) -> Route:
    """The route of pages: the root, where no child takes them."""
    root = YAML(typ="safe").load(path.read_text())["route"]
    for child in root.get("routes", ()):
        if [str(one) for one in child["matchers"]] not in (["severity=ticket"], ['severity="ticket"']):
            raise ValueError(f"{path}: a child route may take pages")
    timers = (
        root[f"group_{name}" if name != "repeat" else "repeat_interval"] for name in ("wait", "interval", "repeat")
    )
    return Route(tuple(root["group_by"]), *map(_seconds, timers))


def notified(route: Route, pages: list[Page]) -> list[tuple[int, tuple[Page, ...]]]:
    """Each notification: when it is sent, and the firing pages that it is the first to name (all, if it repeats)."""
    groups: defaultdict[tuple[str, ...], list[Page]] = defaultdict(list)
    for page in pages:
        labels = {"alertname": page.name.partition("/")[2], "service": page.service}
        groups[tuple(labels[name] for name in route.by)].append(page)
    found = [one for mine in groups.values() for one in _of_group(route, sorted(mine, key=lambda page: page.start))]
    return sorted(found, key=lambda one: one[0])


def for_nothing(notifications: list[tuple[int, tuple[Page, ...]]], incidents: list[Incident]) -> list[int]:
    """When somebody was notified for nothing: of pages that all began outside every incident."""
    return [at for at, pages in notifications if all(outside(page.start, incidents) for page in pages)]


def _of_group(route: Route, pages: list[Page]) -> Iterator[tuple[int, tuple[Page, ...]]]:
    told: set[str] = set()  # series that the last notification named
    last, coming = -(10**12), 0
    at: int | None = None
    while at is not None or coming < len(pages):
        if at is None:  # no group: it opens with the next page
            at = pages[coming].start + route.wait
        while coming < len(pages) and pages[coming].start <= at:
            coming += 1
        # An alert is over at the first evaluation at which it no longer fires.
        firing = [page for page in pages[:coming] if page.end + STEP > at]
        fresh = [page for page in firing if page.name + page.series not in told]
        if fresh or (firing and at - last >= route.repeat):
            yield at, tuple(fresh or firing)
            last = at
        if fresh or not firing:
            told = {page.name + page.series for page in firing}
        at = at + route.interval if firing else None


def _seconds(duration: str) -> int:
    return sum(int(count) * UNITS[unit] for count, unit in re.findall(r"(\d+)([dhms])", str(duration)))
