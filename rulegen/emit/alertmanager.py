"""Changes of the routing as YAML: a fragment that says what to add, and the user's own file with it added."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rulegen.core.candidate import Grouping, Mute, RoutingChange
from rulegen.core.durations import format_duration
from rulegen.core.labels import Labels
from rulegen.core.outcome import Suggestion
from rulegen.core.rerouted import free_name, rerouted, takers
from rulegen.core.routing import Inhibition, Matcher, Route, Routing
from rulegen.core.source import Insertion, RoutingSource
from rulegen.core.timeinterval import TimeInterval, clock, days_of_week
from rulegen.emit import scalar
from rulegen.emit.splice import Splice, applied
from rulegen.emit.words import MARK, one_line

FRAGMENT = "fragment.yml"
HEAD = """\
# What rulegen would add to the Alertmanager configuration. Each part goes below the key of its name; new routes come
# first among the children of the route named above them, so that they see their alerts before the others do.
"""


@dataclass(frozen=True, slots=True)
class _Part:
    """Lines of one list item, without indentation. ``route`` is the parent of a new route: its place in the tree."""

    key: str  # inhibit_rules, time_intervals, routes
    lines: tuple[str, ...]
    note: str
    route: int = 0
    parent: str = ""


def fragment(suggestions: Sequence[Suggestion], routing: Routing, alerts: Sequence[Labels]) -> str:
    """YAML with what ``suggestions`` add to ``routing``; ``alerts`` are all label sets that ever fired."""
    parts = list(_parts(suggestions, routing, alerts))
    out = [HEAD]
    for key in ("inhibit_rules", "time_intervals"):
        mine = [part for part in parts if part.key == key]
        out += [f"{key}:\n"] * bool(mine)
        out += [_item(part, 2, "\n") for part in mine]
    routes = [part for part in parts if part.key == "routes"]
    out += ["route:\n  routes:\n"] * bool(routes)
    for part in reversed(routes):
        out.append(f"    # below the route {one_line(part.parent)}\n" + _item(part, 4, "\n"))
    return "".join(out)


def spliced(
    suggestions: Sequence[Suggestion], routing: Routing, source: RoutingSource, alerts: Sequence[Labels]
) -> str | None:
    """The user's own text with the same added; None where it is written so that nothing can be added safely."""
    splices: dict[Insertion, list[str]] = {}
    newline = "\r\n" if "\r\n" in source.text else "\n"
    for part in _parts(suggestions, routing, alerts):
        place = {"inhibit_rules": source.inhibitions, "time_intervals": source.intervals}.get(part.key)
        if part.key == "routes":
            place = source.routes[part.route]
        if place is None:
            return None
        items = splices.setdefault(place, [])
        items.insert(0 if part.key == "routes" else len(items), _item(part, place.dash, newline))
    made: dict[int, Splice] = {}
    for place, items in sorted(splices.items(), key=lambda one: -one[0].dash):
        new = place.head + "".join(items)
        if place.end > place.start:  # in the place of an empty list, on whose line something may follow
            new = new.removesuffix(newline)
        elif place.start not in made and not source.text[: place.start].endswith("\n"):
            new = newline + new  # the file's last line had no end
        before = made[place.start].new if place.start in made else ""
        made[place.start] = Splice(place.start, place.end, before + new)
    return applied(source.text, made.values())


def added(suggestions: Sequence[Suggestion], routing: Routing, alerts: Sequence[Labels]) -> Routing:
    """What Alertmanager should make of the text with everything added."""
    return rerouted(routing, [change for one in suggestions for change in one.candidate.routing], alerts)


def words(change: RoutingChange) -> str:
    """What is added, in a line."""
    if isinstance(change, Inhibition):
        source = ", ".join(map(str, change.source))
        return one_line(f"not while {{{source}}} fires with the same {', '.join(change.equal)}")
    if isinstance(change, Mute):
        return one_line("mute " + "; ".join(map(str, change.times)))
    timers = (change.group_wait, change.group_interval, change.repeat_interval)
    wait, interval, repeat = map(format_duration, timers)
    return one_line(f"group by {', '.join(change.group_by)}; wait {wait}, interval {interval}, repeat {repeat}")


def _parts(suggestions: Sequence[Suggestion], routing: Routing, alerts: Sequence[Labels]) -> Iterator[_Part]:
    original = [id(route) for route in routing.root.walk()]
    keys = [route.key for route in routing.root.walk()]
    now = routing
    for one in suggestions:
        noise = one.evidence.notices if one.evidence and one.evidence.notices else None
        figures = f": noise notifications {noise[0]} → {noise[1]}" if noise else ""
        note = one_line(f"{MARK} {one.id} {one.candidate.proposal.template}{figures}")
        for change in one.candidate.routing:
            if isinstance(change, Inhibition):
                yield _Part("inhibit_rules", tuple(_inhibition(change)), note)
            else:
                name = free_name(now)
                if isinstance(change, Mute):
                    yield _Part("time_intervals", tuple(_interval(name, change)), note)
                for parent in takers(routing, change.matchers, alerts):
                    at = original.index(id(parent))
                    yield _Part("routes", tuple(_route(parent, change, name)), note, at, keys[at])
            now = rerouted(now, [change], ())  # for the names of time intervals alone


def _inhibition(change: Inhibition) -> Iterator[str]:
    yield f"source_matchers: {_matchers(change.source)}"
    yield f"target_matchers: {_matchers(change.target)}"
    yield f"equal: [{', '.join(scalar.scalar(name, flow=True) for name in change.equal)}]"


def _route(parent: Route, change: Grouping | Mute, interval: str) -> Iterator[str]:
    yield f"matchers: {_matchers(change.matchers)}"
    if isinstance(change, Mute):
        names = (*parent.mute, interval)
        yield f"mute_time_intervals: [{', '.join(scalar.scalar(name, flow=True) for name in names)}]"
    else:
        if parent.mute:
            yield f"mute_time_intervals: [{', '.join(scalar.scalar(name, flow=True) for name in parent.mute)}]"
        yield f"group_by: [{', '.join(scalar.scalar(name, flow=True) for name in change.group_by)}]"
        for name in ("group_wait", "group_interval", "repeat_interval"):
            yield f"{name}: {format_duration(getattr(change, name))}"
    if parent.active:
        yield f"active_time_intervals: [{', '.join(scalar.scalar(name, flow=True) for name in parent.active)}]"


def _interval(name: str, change: Mute) -> Iterator[str]:
    yield f"name: {name}"
    yield "time_intervals:"
    for one in change.times:
        yield from _time_interval(one)


def _time_interval(one: TimeInterval) -> Iterator[str]:
    fields: list[str] = []
    if one.times is not None:
        spans = ", ".join(f"{{start_time: '{clock(a)}', end_time: '{clock(b)}'}}" for a, b in one.times)
        fields.append(f"times: [{spans}]")
    if one.weekdays is not None:
        fields.append(f"weekdays: [{', '.join(scalar.single(days_of_week(span)) for span in one.weekdays)}]")
    for name in ("days_of_month", "months", "years"):
        ranges = getattr(one, name)
        if ranges is not None:
            fields.append(f"{name}: [{', '.join(scalar.single(f'{a}:{b}') for a, b in ranges)}]")
    zone = str(one.location)
    if zone != "UTC":
        fields.append(f"location: {scalar.scalar(zone)}")
    for number, text in enumerate(fields):
        yield ("  - " if not number else "    ") + text


def _matchers(matchers: Sequence[Matcher]) -> str:
    return f"[{', '.join(_quoted(_matcher(one)) for one in matchers)}]"


def _matcher(one: Matcher) -> str:
    """As Alertmanager's classic parser reads it (pkg/labels/parse.go), which knows three escapes only."""
    value = one.value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'{one.name}{one.operator}"{value}"'


def _quoted(text: str) -> str:
    return scalar.single(text) if text.isprintable() else scalar.double(text)


def _item(part: _Part, dash: int, newline: str) -> str:
    pad = " " * dash
    lines = [f"{pad}# {part.note}", f"{pad}- {part.lines[0]}", *(f"{pad}  {line}" for line in part.lines[1:])]
    return newline.join(lines) + newline
