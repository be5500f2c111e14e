"""A plot: one rule's story in a world. What it is given (:class:`Stage`) and what it gives back (:class:`Plot`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rulegen.core.durations import MINUTE
from rulegen.core.incident import Incident
from rulegen.core.labels import EMPTY, Labels
from rulegen.core.rule import Rule
from rulegen.core.series import Values
from rulegen.train.axis import Axis, Counts, Ticks
from rulegen.train.schedule import Opening
from rulegen.train.topology import Service, Target
from rulegen.train.vocabulary import Dialect, Measure

Planted = Literal[
    "flapping",
    "short-lived",
    "storm",
    "noisy few",
    "chronic",
    "tight threshold",
    "symptom without SLO",
    "seasonal",
    "duplicate",
    "missing data",
]
CALM = 100  # ticks around an incident of a service in which none of its noise begins


@dataclass(frozen=True, slots=True, eq=False)
class Signal:
    """One measure at one target over the whole axis.

    ``values`` [n] are levels (NaN where nothing was scraped), or the increments per tick of a counter (for a bucket:
    those at most ``le``).
    ``labels`` come on top of the pod's, ``every`` is the scrape interval in ticks.
    """

    measure: Measure
    target: Target
    values: Values | Counts
    every: int
    labels: Labels = EMPTY


@dataclass(frozen=True, slots=True)
class Trap:
    """A change that looks right and loses ``loses`` (incident ids), which hide in the noise."""

    template: str
    rule: Rule
    loses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """The template that fits best, the rule it gives, and other templates that do nearly as well."""

    template: str
    rule: Rule
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Truth:
    """What is true of a rule by construction. ``pattern`` is None where nothing is wrong with it."""

    kind: str
    rule: str
    pattern: Planted | None = None
    answer: Answer | None = None
    trap: Trap | None = None


@dataclass(frozen=True, slots=True)
class Plot:
    """What a plot adds to its world. ``truths`` are about ``rules``, in the same order."""

    signals: tuple[Signal, ...]
    rules: tuple[Rule, ...]
    truths: tuple[Truth, ...]
    incidents: tuple[Incident, ...] = ()


@dataclass(frozen=True, slots=True)
class Stage:
    """What a plot is given: clock, words, its service, when its incidents begin, when its noise must not."""

    axis: Axis
    dialect: Dialect
    service: Service
    openings: tuple[Opening, ...]
    free: NDArray[np.bool_]  # [n] ticks at which noise may come
    rng: np.random.Generator
    kind: str
    per_day: float
    every: int
    hidden: str  # id of the incident that a tempting change would lose; empty without a trap
    twin: bool
    scope: Labels = EMPTY  # what the rule's selectors need where another plot of the world reads the same metrics

    def measure(self, role: str) -> Measure:
        return self.dialect.measures[role]

    def select(self, metric: str, labels: Mapping[str, str] = EMPTY, but: Mapping[str, str] = EMPTY) -> str:
        """The selector of ``metric`` for this plot's rule."""
        return selector(metric, {**labels, **self.scope}, but)

    def incident(self, opening: Opening, minutes: int) -> tuple[Incident, Ticks]:
        """The incident that begins at ``opening`` and lasts ``minutes``, and the ticks it takes."""
        ticks = (opening.start, min(opening.start + minutes, self.axis.n))
        labels = Labels({self.dialect.service: self.service.name})
        return Incident(opening.id, self.axis.span(ticks), labels), ticks

    def page(self, name: str, expr: str, hold: int = 0, summary: str = "", **labels: str) -> Rule:
        """A paging rule; ``hold`` in minutes."""
        return Rule(
            name=self.dialect.alert(name + "".join(_camel(value) for value in self.scope.values())),
            expr=expr,
            hold=hold * MINUTE,
            labels=Labels({"severity": self.dialect.page, **labels}),
            annotations=Labels({"summary": summary, "runbook_url": self.dialect.runbook(name)} if summary else {}),
        )

    def ticket(self, name: str, expr: str, hold: int = 0, summary: str = "") -> Rule:
        rule = self.page(name, expr, hold, summary)
        return replace(rule, labels=Labels({"severity": self.dialect.ticket}))

    def healthy(self, rule: Rule) -> Truth:
        return Truth(self.kind, rule.name)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of plot. ``replicas`` and ``incidents`` are what a recipe that doesn't say may get (both ends included),
    ``domain`` is the rule group it goes to, ``daytime`` whether its incidents need traffic."""

    name: str
    domain: str
    plant: Callable[[Stage], Plot]
    replicas: tuple[int, int] = (2, 4)
    incidents: tuple[int, int] = (1, 3)
    per_day: tuple[float, float] = (2.0, 6.0)
    daytime: bool = False


def selector(metric: str, labels: Mapping[str, str], but: Mapping[str, str] = EMPTY) -> str:
    """``metric{a="b",c!="d"}`` with ``but`` the excluded; words of the vocabulary need no escaping."""
    inner = ",".join([f'{k}="{v}"' for k, v in labels.items()] + [f'{k}!="{v}"' for k, v in but.items()])
    return f"{metric}{{{inner}}}" if inner else metric


def changed(rule: Rule, expr: str | None = None, hold: int | None = None, **labels: str) -> Rule:
    """``rule`` with another expression, another ``for`` (minutes) or other labels."""
    return replace(
        rule,
        expr=rule.expr if expr is None else expr,
        hold=rule.hold if hold is None else hold * MINUTE,
        labels=rule.labels.updated(labels),
    )


def number(value: float) -> str:
    """A threshold as people write it: 0.85, 5, 1000."""
    return f"{value:.10g}"


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("-"))
