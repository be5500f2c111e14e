"""Where a YAML text takes new list items, so that all that stands there stays as it is."""

from __future__ import annotations

from collections.abc import Iterator

from rulegen.core.source import Insertion, RoutingSource
from rulegen.ingest.yamltree import MappingNode, Node, ScalarNode, SequenceNode


def insertions(path: str, text: str, root: MappingNode) -> RoutingSource:
    """The places of an Alertmanager configuration, whose tree is ``root``."""
    route = root.get("route")
    routes = tuple(_routes(text, route)) if isinstance(route, MappingNode) else ()
    return RoutingSource(path, text, _last(text, root, "inhibit_rules"), _last(text, root, "time_intervals"), routes)


def _routes(text: str, route: MappingNode) -> Iterator[Insertion | None]:
    """Of ``route`` and all below it, depth first."""
    yield _place(text, route, "routes", first=True)
    children = route.get("routes")
    for child in children.items if isinstance(children, SequenceNode) else ():
        if isinstance(child, MappingNode):
            yield from _routes(text, child)


def _last(text: str, root: MappingNode, key: str) -> Insertion | None:
    return _place(text, root, key, first=False)


def _place(text: str, parent: MappingNode, key: str, *, first: bool) -> Insertion | None:
    """Where an item of the list ``key`` of ``parent`` goes: before the first one or after the last."""
    if parent.style != "mapping" or parent.anchor or not parent.items:
        return None  # in braces, or shared through an anchor
    column = parent.items[0][0].start - _line_start(text, parent.items[0][0].start)
    newline = "\r\n" if "\r\n" in text else "\n"
    found = parent.fields().get(key)
    if found is None:
        end = _line_end(text, parent.end - 1)
        return Insertion(end, end, column + 2, f"{' ' * column}{key}:{newline}")
    value = found[1]
    if value.anchor or value.style == "alias":
        return None
    if _is_empty(value):
        return Insertion(value.start, value.end, column + 2, newline)
    if not isinstance(value, SequenceNode) or value.style != "sequence" or not value.items:
        return None
    item = value.items[0] if first else value.items[-1]
    dash = text.rfind("-", 0, value.items[0].start)
    dash_column = dash - _line_start(text, dash)
    if text[_line_start(text, dash) : dash].strip():
        return None
    if first:
        at = _line_start(text, dash)
        while text[(above := _line_start(text, at - 1)) : at].lstrip().startswith("#"):
            at = above  # a comment above the first item is about it
        return Insertion(at, at, dash_column)
    end = _line_end(text, item.end - 1)
    return Insertion(end, end, dash_column)


def _is_empty(value: Node) -> bool:
    nothing = isinstance(value, ScalarNode) and value.null
    return nothing or (isinstance(value, SequenceNode) and not value.items)


def _line_start(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end + 1
