"""Proposals, and the candidates they render to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from rulegen.core.routing import Inhibition, Matcher
from rulegen.core.rule import Rule, RuleRef
from rulegen.core.timeinterval import TimeInterval

SlotValue = str | int | float | tuple[str, ...]  # durations are int ms, numbers float, several picks a tuple
# What a change does to the pages, each counted apart: tuned; sent as tickets; kept back for a time of the week;
# switched off because another rule pages for the same; or routed, grouped and inhibited otherwise by Alertmanager.
Change = Literal["tuning", "demotion", "silencing", "retirement", "routing"]


@dataclass(frozen=True, slots=True)
class Choice:
    """One legal value of a slot and the ``token`` by which a proposer names it (``5m``, ``t2``, ``l0``, ``v3``)."""

    token: str
    value: SlotValue


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What an expression may name: metrics, label names, and pairs of a label and a value that are there."""

    metrics: tuple[str, ...]
    labels: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Slot:
    """A typed hole in a template. With ``most`` > 1 up to that many distinct choices are picked.

    The value is then a tuple of them, in the order of ``choices``. With a ``vocabulary`` it has no choices: an
    expression is written, of those words.
    """

    name: str
    choices: tuple[Choice, ...] = ()
    most: int = 1
    vocabulary: Vocabulary | None = None


@dataclass(frozen=True, slots=True)
class Slots(Mapping[str, SlotValue]):
    """Filled slots, in the template's order."""

    pairs: tuple[tuple[str, SlotValue], ...]

    def __getitem__(self, name: str) -> SlotValue:
        return dict(self.pairs)[name]

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self.pairs)

    def __len__(self) -> int:
        return len(self.pairs)


@dataclass(frozen=True, slots=True)
class Provenance:
    """Who proposed it. Hashes are SHA-256 in hex; empty where there is no model."""

    proposer: str  # "search", "model" or "polish": the numbers of a model's proposal, moved
    model_sha256: str = ""
    prompt_sha256: str = ""
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Proposal:
    """A template's name and its filled slots, as the model or the search wrote it."""

    template: str
    slots: Slots
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class Grouping:
    """Alerts that ``matchers`` match go through a route of their own, with these group labels and timers (ms)."""

    matchers: tuple[Matcher, ...]
    group_by: tuple[str, ...]
    group_wait: int
    group_interval: int
    repeat_interval: int


@dataclass(frozen=True, slots=True)
class Mute:
    """Alerts that ``matchers`` match are not notified about within any of ``times``."""

    matchers: tuple[Matcher, ...]
    times: tuple[TimeInterval, ...]


RoutingChange = Inhibition | Grouping | Mute
"""One thing to add to an Alertmanager configuration."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A proposal rendered to rules that parse. ``rules`` take the place of the rule at ``replaces``; without any, the
    rule is switched off. ``routing`` is added to Alertmanager's configuration. ``remarks`` explain the rules.

    ``id`` depends on the replaced rule and on what was rendered alone, so it is stable across runs and proposers.
    """

    id: str
    cluster_id: str
    replaces: RuleRef
    rules: tuple[Rule, ...]
    change: Change
    proposal: Proposal
    routing: tuple[RoutingChange, ...] = ()
    remarks: tuple[str, ...] = ()
