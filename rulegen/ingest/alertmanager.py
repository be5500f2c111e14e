"""alertmanager.yml → :class:`~rulegen.core.routing.Routing`, checked as Alertmanager's ``config`` checks it.

What bears on who is notified when is read strictly and every error is reported. Of a receiver only its integrations
count, and of those only ``send_resolved``: their other settings and the whole of ``global`` hold secrets and are
neither kept nor ever shown.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from rulegen.core.durations import parse_duration
from rulegen.core.routing import Inhibition, Integration, Matcher, Receiver, Route, Routing
from rulegen.core.source import RoutingSource
from rulegen.errors import InputError
from rulegen.ingest.insertions import insertions
from rulegen.ingest.matchers import matcher, parse_matchers
from rulegen.ingest.names import is_label_name
from rulegen.ingest.problems import problem
from rulegen.ingest.text import FilePath, read_text
from rulegen.ingest.timeintervals import Interval
from rulegen.ingest.yamltree import MappingNode, Node, ScalarNode, SequenceNode, YamlError, parse_documents

# Whether an integration says that alerts are over unless told otherwise (the Default…Config of each notifier).
SEND_RESOLVED = {
    "discord": True,
    "email": False,
    "incidentio": True,
    "jira": True,
    "mattermost": True,
    "msteams": True,
    "msteamsv2": True,
    "opsgenie": True,
    "pagerduty": True,
    "pushover": True,
    "rocketchat": False,
    "slack": False,
    "sns": True,
    "telegram": True,
    "victorops": True,
    "webex": True,
    "webhook": True,
    "wechat": False,
}
_SUFFIX = "_configs"
_Place = tuple[str | int, ...]
T = TypeVar("T")


def read_alertmanager(path: FilePath) -> Routing:
    """The routing of a configuration file. Raises InputError, with every error and its line, for one that
    Alertmanager would refuse for what it says of routing.
    """
    return read_alertmanager_source(path)[0]


def read_alertmanager_source(path: FilePath) -> tuple[Routing, RoutingSource]:
    """The routing, and the text with the places where something can be added. Raises InputError likewise."""
    return parse_alertmanager(read_text(path), os.fspath(path))


def parse_alertmanager(text: str, name: str) -> tuple[Routing, RoutingSource]:
    """The same from ``text``, called ``name`` in errors."""
    try:
        documents = parse_documents(text)
    except YamlError as error:
        raise InputError(str(problem(name, error.line, str(error)))) from None
    root = documents[0] if documents else None
    if not isinstance(root, MappingNode):
        raise InputError(f"{name}: not an Alertmanager configuration: no mapping with route: and receivers:")
    wrong = [(key.line, f'"{key.text}" is given twice') for key in _repeated(root)]
    try:
        config = _Config.model_validate(_plain(root))
    except ValidationError as error:
        for one in error.errors(include_url=False, include_context=False, include_input=False):
            wrong.append((_line(root, one["loc"]), _told(one["loc"], one["type"], one["msg"])))
    else:
        wrong += [(_line(root, place), f"{_path(place)}: {text}") for place, text in _disagreements(config)]
    if wrong:
        raise InputError(*(str(problem(name, line, text)) for line, text in sorted(set(wrong))))
    return _routing(config), insertions(name, text, root)


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


def _null_is_missing(value: Any) -> Any:
    return {key: one for key, one in value.items() if one is not None} if isinstance(value, dict) else value


def _duration(value: object) -> int:
    if not isinstance(value, str):
        raise ValueError("should be a duration")
    return parse_duration(value)


def _interval(value: object) -> int:
    duration = _duration(value)
    if duration == 0:
        raise ValueError("cannot be zero")
    return duration


def _label_names(names: dict[str, str]) -> dict[str, str]:
    for name in names:
        if not is_label_name(name):
            raise ValueError(f'"{name}" is not a label name (letters, digits and _)')
    return names


def _equal(value: object) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(one, str | None) for one in value.values()):
        raise ValueError("should be a mapping of label names to single values")
    return _label_names({name: one or "" for name, one in value.items()})


def _read_equal(value: object) -> list[Matcher]:
    return [matcher(name, "=", one) for name, one in _equal(value).items()]


def _read_regexps(value: object) -> list[Matcher]:
    return [matcher(name, "=~", one) for name, one in _equal(value).items()]


def _read_matchers(value: object) -> list[Matcher]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError("should be a list of matchers, each in quotes where YAML wants them")
    return [one for text in value for one in parse_matchers(text)]


def _read_name(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("should be a label name")
    return value


_Duration = Annotated[int, BeforeValidator(_duration)]
_Interval = Annotated[int, BeforeValidator(_interval)]
_Match = Annotated[list[Any], BeforeValidator(_read_equal)]
_MatchRe = Annotated[list[Any], BeforeValidator(_read_regexps)]
_Matchers = Annotated[list[Any], BeforeValidator(_read_matchers)]
_LabelName = Annotated[str, BeforeValidator(_read_name)]


class _Route(_Model):
    receiver: str = ""
    group_by: list[_LabelName] | None = None
    match: _Match = []
    match_re: _MatchRe = []
    matchers: _Matchers = []
    mute_time_intervals: list[str] = []
    active_time_intervals: list[str] = []
    goes_on: bool = Field(False, alias="continue")
    routes: list[_Route] = []
    group_wait: _Duration | None = None
    group_interval: _Interval | None = None
    repeat_interval: _Interval | None = None
    labels: dict[str, str] = {}

    _nulls = model_validator(mode="before")(_null_is_missing)

    @model_validator(mode="after")
    def _grouping(self) -> _Route:
        names = self.group_by or []
        if "..." in names and len(set(names)) > 1:
            raise ValueError("group_by: cannot have the wildcard ... and other labels at the same time")
        if twice := [name for name in dict.fromkeys(names) if name != "..." and names.count(name) > 1]:
            raise ValueError(f'group_by: "{twice[0]}" is given twice')
        return self


class _Inhibition(_Model):
    name: str = ""
    source_match: _Match = []
    source_match_re: _MatchRe = []
    source_matchers: _Matchers = []
    target_match: _Match = []
    target_match_re: _MatchRe = []
    target_matchers: _Matchers = []
    equal: list[_LabelName] = []

    _nulls = model_validator(mode="before")(_null_is_missing)


class _Named(_Model):
    name: str = Field(min_length=1)
    time_intervals: list[Interval] = []

    _nulls = model_validator(mode="before")(_null_is_missing)


class _Config(_Model):
    route: _Route
    receivers: list[dict[str, Any]] = []
    inhibit_rules: list[_Inhibition] = []
    mute_time_intervals: list[_Named] = []
    time_intervals: list[_Named] = []
    # Not looked into: they say nothing about routing, and hold secrets.
    settings: Any = Field(None, alias="global")
    templates: Any = None
    tracing: Any = None
    event_recorder: Any = None

    _nulls = model_validator(mode="before")(_null_is_missing)


def _disagreements(config: _Config) -> Iterator[tuple[_Place, str]]:
    """What is wrong although each part is well formed: names that do not fit together, a root that filters."""
    names: set[str] = set()
    for index, receiver in enumerate(config.receivers):
        place = "receivers", index
        name = receiver.get("name")
        if not isinstance(name, str) or not name:
            yield place, "missing name in receiver"
        elif name in names:
            yield (*place, "name"), f'the name "{name}" is not unique'
        else:
            names.add(name)
        yield from _receiver_faults(receiver, place)
    intervals: set[str] = set()
    for field in ("mute_time_intervals", "time_intervals"):
        for index, one in enumerate(getattr(config, field)):
            if one.name in intervals:
                yield (field, index, "name"), f'the name "{one.name}" is not unique'
            intervals.add(one.name)
    root = config.route
    if not root.receiver:
        yield ("route",), "the root route must name a default receiver"
    for field in ("match", "match_re", "matchers", "mute_time_intervals", "active_time_intervals"):
        if getattr(root, field):
            yield ("route", field), "the root route takes every alert at any time: it must not have any"
    yield from _undefined(root, ("route",), names, intervals)


def _receiver_faults(receiver: Mapping[str, Any], place: _Place) -> Iterator[tuple[_Place, str]]:
    for field, value in receiver.items():
        if field in ("name", "labels"):
            continue
        if not field.endswith(_SUFFIX) or field.removesuffix(_SUFFIX) not in SEND_RESOLVED:
            yield (*place, field), "unknown field"
        elif value is not None and not isinstance(value, list):
            yield (*place, field), "should be a list"
        else:
            for index, one in enumerate(value or ()):
                if not isinstance(one, dict):
                    yield (*place, field, index), "should be a mapping"
                elif _flag(one.get("send_resolved"), False) is None:
                    yield (*place, field, index, "send_resolved"), "should be true or false"


def _undefined(route: _Route, place: _Place, names: set[str], intervals: set[str]) -> Iterator[tuple[_Place, str]]:
    if route.receiver and route.receiver not in names:
        yield (*place, "receiver"), f'undefined receiver "{route.receiver}"'
    for field in ("mute_time_intervals", "active_time_intervals"):
        for index, name in enumerate(getattr(route, field)):
            if name not in intervals:
                yield (*place, field, index), f'undefined time interval "{name}"'
    for index, child in enumerate(route.routes):
        yield from _undefined(child, (*place, "routes", index), names, intervals)


_TRUE, _FALSE = ("true", "yes", "on", "y"), ("false", "no", "off", "n")  # YAML 1.1, which Alertmanager reads


def _flag(text: object, default: bool) -> bool | None:
    """None: neither true nor false."""
    if text is None:
        return default
    word = str(text).lower()
    return True if word in _TRUE else False if word in _FALSE else None


def _routing(config: _Config) -> Routing:
    receivers = {}
    for one in config.receivers:
        ways = [
            Integration(kind, bool(_flag(settings.get("send_resolved"), default)))
            for kind, default in SEND_RESOLVED.items()
            for settings in one.get(kind + _SUFFIX) or ()
        ]
        receivers[one["name"]] = Receiver(one["name"], tuple(ways))
    inhibitions = tuple(
        Inhibition(
            (*rule.source_match, *rule.source_match_re, *rule.source_matchers),
            (*rule.target_match, *rule.target_match_re, *rule.target_matchers),
            tuple(rule.equal),
        )
        for rule in config.inhibit_rules
    )
    named = (*config.mute_time_intervals, *config.time_intervals)
    intervals = {one.name: tuple(interval.noun() for interval in one.time_intervals) for one in named}
    return Routing(_route(config.route, None), receivers, inhibitions, intervals)


def _route(read: _Route, parent: Route | None) -> Route:
    above = parent or Route(read.receiver)
    found = sorted([*read.match, *read.match_re, *read.matchers], key=lambda one: (one.name, one.value, one.operator))
    key = "{" + ",".join(map(str, found)) + "}"
    group_by = above.group_by
    if read.group_by is not None:
        group_by = None if "..." in read.group_by else tuple(sorted(read.group_by))
    route = Route(
        read.receiver or above.receiver,
        f"{parent.key}/{key}" if parent else key,
        tuple(found),
        group_by,
        _or(read.group_wait, above.group_wait),
        _or(read.group_interval, above.group_interval),
        _or(read.repeat_interval, above.repeat_interval),
        read.goes_on,
        tuple(read.mute_time_intervals),
        tuple(read.active_time_intervals),
    )
    return _with_children(route, read.routes)


def _with_children(route: Route, children: Sequence[_Route]) -> Route:
    return replace(route, routes=tuple(_route(child, route) for child in children))


def _or(value: T | None, default: T) -> T:
    return default if value is None else value


def _plain(node: Node) -> Any:
    """The tree as Python values; every scalar stays text, null is None."""
    if isinstance(node, ScalarNode):
        return None if node.null else node.text
    if isinstance(node, SequenceNode):
        return [_plain(item) for item in node.items]
    assert isinstance(node, MappingNode)
    return {name: _plain(value) for name, (_, value) in node.fields().items()}


def _repeated(node: Node) -> Iterator[ScalarNode]:
    if isinstance(node, MappingNode):
        yield from node.repeated()
        for _, value in node.items:
            yield from _repeated(value)
    elif isinstance(node, SequenceNode):
        for item in node.items:
            yield from _repeated(item)


def _line(node: Node, place: Sequence[str | int]) -> int:
    """The line of the deepest part of ``place`` that is written in the file."""
    line = node.line
    for step in place:
        if isinstance(node, MappingNode) and isinstance(step, str) and step in node.fields():
            key, node = node.fields()[step]
            line = key.line
        elif isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.items):
            node = node.items[step]
            line = node.line
        else:
            break
    return line


def _path(place: Sequence[str | int]) -> str:
    return ".".join(str(step + 1) if isinstance(step, int) else step for step in place)


def _told(place: Sequence[str | int], kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return f"{_path(place)}: unknown field"
    if kind == "missing":
        return f"{_path(place)}: is missing"
    text = message.removeprefix("Value error, ")
    return f"{_path(place)}: {text[:1].lower()}{text[1:]}" if place else text
