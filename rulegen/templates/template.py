"""What a template is: a rewriting with typed slots, pattern in, rules out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rulegen.core.candidate import Change, Choice, RoutingChange, Slot, Slots
from rulegen.core.cluster import Cluster, Grade
from rulegen.core.durations import format_duration
from rulegen.core.labels import ALERT_NAME
from rulegen.core.routing import Matcher
from rulegen.core.rule import Rule
from rulegen.promql.reselect import count_selectors, measured
from rulegen.promql.rewrite import checked_label

MOST_SELECTORS = 4  # that can be meant one by one


@dataclass(frozen=True, slots=True)
class Template:
    """A rewriting of one rule.

    ``slots(cluster)`` gives the holes with their legal values for this cluster, the values people use most first, or
    None where the template does not fit. ``render(cluster, filled)`` gives the rules that take the old one's place
    (none: it is switched off); ``route(cluster, filled)`` what is added to Alertmanager's configuration. Both raise
    ValueError when the filled slots change nothing or can't be meant together. ``remarks(cluster, filled)`` are
    sentences on the rules that a reader needs to understand them.
    """

    name: str
    summary: str
    change: Change
    grades: frozenset[Grade]
    slots: Callable[[Cluster], tuple[Slot, ...] | None]
    render: Callable[[Cluster, Slots], tuple[Rule, ...]]
    route: Callable[[Cluster, Slots], tuple[RoutingChange, ...]] | None = None
    remarks: Callable[[Cluster, Slots], tuple[str, ...]] | None = None


def durations(*values: int) -> tuple[Choice, ...]:
    """Choices for durations in ms, written as Prometheus writes them."""
    return tuple(Choice(format_duration(value), value) for value in values)


def thresholds(cluster: Cluster) -> tuple[Choice, ...]:
    """The inventory's thresholds, named t0, t1, …"""
    return tuple(Choice(f"t{i}", value) for i, value in enumerate(cluster.inventory.thresholds))


def label_names(cluster: Cluster) -> tuple[Choice, ...]:
    """The inventory's label names, named l0, l1, …"""
    return tuple(Choice(f"l{i}", name) for i, (name, _) in enumerate(cluster.inventory.labels))


def selector_choices(expr: str) -> tuple[Choice, ...]:
    """Which selectors of ``expr`` a change is made to: ``measured`` (what the deciding comparison judges), ``all``,
    or one alone. Empty where there is one only."""
    count = count_selectors(expr)
    if count < 2:
        return ()
    tokens = ["measured"] * (measured(expr) < count) + ["all", *(f"s{i}" for i in range(min(count, MOST_SELECTORS)))]
    return tuple(Choice(token, token) for token in tokens)


def selector_places(expr: str, filled: Slots) -> range:
    """The places of the selectors that the slot ``selectors`` names; all of them where the slot was not offered."""
    count = count_selectors(expr)
    if "selectors" not in filled or (named := word(filled, "selectors")) == "all":
        return range(count)
    if named == "measured":
        return range(measured(expr))
    at = int(named.removeprefix("s"))
    if not 0 <= at < count:
        raise ValueError(f"the expression has no selector {named}")
    return range(at, at + 1)


def exactly(labels: Mapping[str, str]) -> tuple[Matcher, ...]:
    """Alertmanager matchers for exactly these labels, sorted by name. Raises ValueError for a name that not every
    Alertmanager can read in one."""
    return tuple(Matcher(checked_label(name), "=", value) for name, value in sorted(labels.items()))


def alerts_of(name: str, labels: Mapping[str, str]) -> tuple[Matcher, ...]:
    """Alertmanager matchers for the alerts of the rule ``name``, and those of its ``labels`` that it always gives
    them. Raises ValueError as :func:`exactly` does."""
    fixed = {label: value for label, value in labels.items() if "{{" not in value}
    return exactly({**fixed, ALERT_NAME: name})


def duration(filled: Slots, name: str) -> int:
    """A filled slot that holds a duration, in ms. Raises ValueError when it holds something else."""
    value = filled[name]
    if not isinstance(value, int):
        raise ValueError(f"slot {name} wants a duration, not {value!r}")
    return value


def real(filled: Slots, name: str) -> float:
    """A filled slot that holds a number. Raises ValueError when it holds something else."""
    value = filled[name]
    if not isinstance(value, float):
        raise ValueError(f"slot {name} wants a number, not {value!r}")
    return value


def word(filled: Slots, name: str) -> str:
    """A filled slot that holds one word. Raises ValueError when it holds something else."""
    value = filled[name]
    if not isinstance(value, str):
        raise ValueError(f"slot {name} wants a word, not {value!r}")
    return value


def picks(filled: Slots, name: str) -> tuple[str, ...]:
    """A filled slot that holds one pick or several. Raises ValueError when it holds something else."""
    value = filled[name]
    if isinstance(value, str):
        return (value,)  # the slot takes one pick only
    if not isinstance(value, tuple):
        raise ValueError(f"slot {name} wants several picks, not {value!r}")
    return value
