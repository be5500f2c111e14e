"""What a replay of rules over a history showed, before anybody suggests anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from rulegen.core.outcome import Firings
from rulegen.core.rule import Rule, RuleRef
from rulegen.core.spans import Span

# near: beside an incident of which the alert does not speak, so neither. silent: it pages nobody.
Word = Literal["caught", "for nothing", "near", "unjudged", "silent"]


@dataclass(frozen=True, slots=True, eq=False)
class RuleReplay:
    """One alerting rule.

    ``words`` [firings] say what each firing was, ``catches`` are (firing, target) pairs by position. ``caught``,
    ``first`` (no other rule's firing came sooner) and ``alone`` (no other rule caught it) hold targets by id.
    ``delays`` are from each caught target's start to the first firing that catches it, at least 0; ``resets`` from
    its end to the end of the last such firing, at least 0; ms.
    """

    ref: RuleRef
    rule: Rule
    firings: Firings
    words: tuple[Word, ...]
    catches: tuple[tuple[int, int], ...]
    caught: tuple[str, ...]
    first: tuple[str, ...]
    alone: tuple[str, ...]
    delays: tuple[int, ...]
    resets: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """All rules of one set. ``unscored`` are (where, rule, why); ``notified`` counts notifications of each receiver
    by week (empty without a routing). ``observed`` are the rules none of whose series are known, replayed from their
    recorded alerts; ``unmatched`` those (where, rule) of which nothing at all is known while other series are: they
    read nothing."""

    rules: tuple[RuleReplay, ...]
    unscored: tuple[tuple[str, str, str], ...]
    notified: Mapping[str, tuple[int, ...]]
    observed: frozenset[RuleRef] = frozenset()
    unmatched: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """From one set of rules to another: ids of the targets that are no longer caught, caught later or sooner by more
    than the allowed delay, or newly caught; paging firings and minutes outside every target, before and after."""

    lost: tuple[str, ...]
    later: tuple[tuple[str, int], ...]  # id and by how much, ms
    sooner: tuple[tuple[str, int], ...]
    gained: tuple[str, ...]
    pages: tuple[int, int]
    minutes: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Alike:
    """A rule's replay beside its recorded alerts, as episodes: in both, only recorded, only replayed."""

    rule: str
    both: int
    recorded: int
    replayed: int

    @property
    def episodes(self) -> int:
        return self.both + self.recorded + self.replayed

    @property
    def share(self) -> float:
        """Of all episodes those in both; 0 where there are none: nothing was compared."""
        return self.both / self.episodes if self.episodes else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Backtest:
    """``targets`` are incidents, or without a record of them the bursts that paged (``mode``). ``weeks`` is the
    judged time. ``after`` and ``comparison`` are there where two sets of rules were compared; ``alike`` by rule where
    recorded alerts stood beside."""

    span: Span
    mode: str
    targets: int
    weeks: float
    before: Side
    after: Side | None = None
    comparison: Comparison | None = None
    alike: tuple[Alike, ...] | None = None
