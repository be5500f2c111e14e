"""Where alerts go: Alertmanager's routing tree, its receivers, its inhibition rules and its time intervals."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from rulegen.core.durations import HOUR, MINUTE, SECOND
from rulegen.core.labels import Labels, quote
from rulegen.core.timeinterval import TimeInterval

Operator = Literal["=", "!=", "=~", "!~"]

# Alertmanager, dispatch/route.go: what the root route has where the file says nothing.
GROUP_WAIT = 30 * SECOND
GROUP_INTERVAL = 5 * MINUTE
REPEAT_INTERVAL = 4 * HOUR


@dataclass(frozen=True, slots=True)
class Matcher:
    """``name operator value``. A label that is missing has the value "". ``pattern`` is the regular expression of
    ``=~`` and ``!~``, matched at both ends; None for ``=`` and ``!=``.
    """

    name: str
    operator: Operator
    value: str
    pattern: re.Pattern[str] | None = field(default=None, repr=False)

    def matches(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.name, "")
        same = value == self.value if self.pattern is None else self.pattern.fullmatch(value) is not None
        return same == (self.operator in ("=", "=~"))

    def __str__(self) -> str:
        return f"{self.name}{self.operator}{quote(self.value)}"


def match_all(matchers: Sequence[Matcher], labels: Mapping[str, str]) -> bool:
    """Whether every one of ``matchers`` matches; true where there are none."""
    return all(matcher.matches(labels) for matcher in matchers)


@dataclass(frozen=True, slots=True)
class Route:
    """One node of the tree with what it inherited worked in; durations in ms.

    ``group_by`` None: by all labels (``...``). ``active`` and ``mute`` name time intervals, which a child does not
    inherit. ``key`` names the route in a notification's group key: its matchers and those above it; two routes may
    share it, and then share what Alertmanager remembers of what it sent.
    """

    receiver: str
    key: str = "{}"
    matchers: tuple[Matcher, ...] = ()
    group_by: tuple[str, ...] | None = ()
    group_wait: int = GROUP_WAIT
    group_interval: int = GROUP_INTERVAL
    repeat_interval: int = REPEAT_INTERVAL
    goes_on: bool = False  # `continue`
    mute: tuple[str, ...] = ()
    active: tuple[str, ...] = ()
    routes: tuple[Route, ...] = ()

    def match(self, labels: Labels) -> tuple[Route, ...]:
        """The routes that take an alert: the deepest that match, and past the first only by ``continue``."""
        if not match_all(self.matchers, labels):
            return ()
        taken: list[Route] = []
        for child in self.routes:
            found = child.match(labels)
            taken += found
            if found and not child.goes_on:
                break
        return tuple(taken) or (self,)

    def group(self, labels: Labels) -> Labels:
        """The labels that name an alert's group on this route."""
        if self.group_by is None:
            return labels
        return Labels([(name, labels[name]) for name in self.group_by if name in labels])

    def walk(self) -> Iterator[Route]:
        """This route and all below it, depth first."""
        yield self
        for child in self.routes:
            yield from child.walk()


@dataclass(frozen=True, slots=True)
class Integration:
    """One way to reach a receiver: ``kind`` such as "webhook", and whether it also says that an alert is over."""

    kind: str
    send_resolved: bool = True


@dataclass(frozen=True, slots=True)
class Receiver:
    """Without ``integrations`` nothing is ever sent."""

    name: str
    integrations: tuple[Integration, ...] = ()


@dataclass(frozen=True, slots=True)
class Inhibition:
    """While an alert that ``source`` matches fires, those that ``target`` matches are not notified about, where all
    labels of ``equal`` agree (missing in both: they agree).
    """

    source: tuple[Matcher, ...]
    target: tuple[Matcher, ...]
    equal: tuple[str, ...] = ()

    def key(self, labels: Labels) -> tuple[str, ...]:
        """What source and target have to share."""
        return tuple(labels.get(name, "") for name in self.equal)


@dataclass(frozen=True, slots=True)
class Routing:
    """A whole configuration, as far as it decides who is notified when.

    ``stripped``: the file names receivers but no integration of any, as when secrets were taken out before it was
    shared. Each receiver then stands for one integration that also sends resolved notices.
    """

    root: Route
    receivers: Mapping[str, Receiver]
    inhibitions: tuple[Inhibition, ...] = ()
    intervals: Mapping[str, tuple[TimeInterval, ...]] = field(default_factory=dict)

    @property
    def stripped(self) -> bool:
        return not any(receiver.integrations for receiver in self.receivers.values())

    def integrations(self, receiver: str) -> tuple[Integration, ...]:
        """The ways to reach ``receiver``, which the tree names; one that stands in where the file is stripped."""
        return (Integration("receiver"),) if self.stripped else self.receivers[receiver].integrations
