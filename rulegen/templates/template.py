"""What a template is: a rewriting with typed slots, pattern in, rules out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rulegen.core.candidate import Change, Choice, Slot, Slots
from rulegen.core.cluster import Cluster, Grade
from rulegen.core.durations import format_duration
from rulegen.core.rule import Rule


@dataclass(frozen=True, slots=True)
class Template:
    """A rewriting of one rule.

    ``slots(cluster)`` gives the holes with their legal values for this cluster, the values people use most first, or
    None where the template does not fit. ``render(cluster, filled)`` gives the rules that take the old one's place;
    it raises ValueError when the filled slots change nothing.
    """

    name: str
    summary: str
    change: Change
    grades: frozenset[Grade]
    slots: Callable[[Cluster], tuple[Slot, ...] | None]
    render: Callable[[Cluster, Slots], tuple[Rule, ...]]


def durations(*values: int) -> tuple[Choice, ...]:
    """Choices for durations in ms, written as Prometheus writes them."""
    return tuple(Choice(format_duration(value), value) for value in values)
