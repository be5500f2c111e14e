"""Clusters: episodes that repeat one pattern, the figures that say so, and what a proposal may draw on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from rulegen.core.alert import Episode
from rulegen.core.labels import Labels
from rulegen.core.rule import Rule, RuleRef
from rulegen.core.timeinterval import TimeInterval


class Pattern(StrEnum):
    """What kind of noise a cluster is."""

    FLAPPING = "flapping"
    SHORT_LIVED = "short-lived"
    STORM = "storm"
    NOISY_FEW = "noisy few"
    CHRONIC = "chronic"
    TIGHT_THRESHOLD = "tight threshold"
    CASCADE = "cascade"
    SEASONAL = "seasonal"
    DUPLICATE = "duplicate"
    MISSING_DATA = "missing data"
    WITHOUT_SLO = "symptom without SLO"
    MIXED = "mixed"  # no single figure stands out


class Grade(StrEnum):
    """How strong the evidence is: raw series and rules, or recorded alerts only."""

    METRICS = "metrics"
    ALERTS = "alerts"


@dataclass(frozen=True, slots=True)
class Season:
    """The hours in which noise comes: from ``begin`` for ``hours``, counted from midnight UTC, or from Monday's where
    ``period`` (ms) is a week. ``share`` of the episodes start in them, in ``recurring`` of all days (or weeks) there
    is one, and ``p`` is the chance that some hours hold as much of as many episodes that start at any hour."""

    period: int
    begin: int
    hours: int
    share: float
    recurring: float
    p: float


@dataclass(frozen=True, slots=True)
class Facts:
    """The figures of one cluster, measured on the part of the history that proposals may learn from.

    Durations in ms; shares from 0 to 1. ``episodes`` and ``minutes`` count noise: paging firings that start outside
    every incident, and the paging minutes outside.
    """

    episodes: int
    minutes: float
    per_week: float
    series: int  # distinct label sets among the noise
    duration_median: int
    duration_p90: int
    gap_median: int  # between an episode's end and the same series' next start; 0 when there is none
    flapping_share: float  # episodes that start within 10 minutes of the same series' last end
    together_share: float  # episodes that start within 2 minutes of another series of the rule
    top_share: float  # of the noise, that of the noisiest tenth (at least one) of the series
    firing_share: float  # of the history's evaluations, those at which the rule fires
    margin: float  # median over episodes of (peak − threshold) / |threshold|; NaN when there is no threshold
    incidents_touched: int  # incidents that this rule catches
    watched: int = 0  # series that the rule looks at, as far as known; at least those that fired
    vanished_share: float = 0.0  # episodes that end as their series vanishes, and start again within an hour
    unseen_share: float = 0.0  # episodes that would not be there, had each sample stood for an hour
    season: Season | None = None  # None: no hours stand out
    volatile: tuple[str, ...] = ()  # labels whose values are replaced: a restarted pod is a new alert
    indicator: str = ""  # the metric that a service level could be measured by, where no burn rate reads it yet


class Relation(StrEnum):
    """What another rule's firings are to a cluster's episodes."""

    LEADS = "leads"  # the other fires first
    FOLLOWS = "follows"  # the other fires afterwards
    DUPLICATE = "duplicate"  # both fire together, whichever of them fires
    COVERS = "covers"  # whenever this one fires, so does the other


@dataclass(frozen=True, slots=True)
class Companion:
    """Another rule that fires with a cluster's episodes more often than chance has it.

    ``labels`` are the labels that the other rule itself puts on its alerts, ``alertname`` among them. ``lag`` is the
    median from its start to the episode's, ms. ``share`` of the episodes have it, which is ``excess`` times what the
    null model expects. The values of the label names ``equal`` agree in these pairs.
    """

    ref: RuleRef
    labels: Labels
    relation: Relation
    lag: int
    share: float
    excess: float
    equal: tuple[str, ...] = ()


SECOND_SIGNAL = "second signal"


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that could stand beside a rule's comparison: ``<rule> and on (…) expr``, or ``unless``.

    ``kind`` says what it asks for in words ("traffic", "dependency down", "rollout", "second signal"). ``on`` None
    matches all labels; else the two sides share these.
    """

    kind: str
    join: Literal["and", "unless"]
    expr: str
    on: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Level:
    """What a service achieves while nothing is known to be wrong: ``good`` is the share of all events (or of the
    time) that was not bad, ``quiet`` the number of events in an hour with little traffic (0 where what is counted are
    no events).

    For requests that are slower than a bucket of a histogram, ``bound`` is the bucket's label ``le``.
    """

    good: float
    quiet: float = 0.0
    bound: str = ""


@dataclass(frozen=True, slots=True)
class Service:
    """The service level behind a rule. ``expr`` is the rule's with the recording rules that it reads written out;
    ``levels``, best bound first, has one entry, or one for each bound that comes into question."""

    expr: str
    levels: tuple[Level, ...]


@dataclass(frozen=True, slots=True)
class Inventory:
    """What exists, in a fixed order: a proposal points into it by number (m3, l2, v7, t1) and so can't invent names.

    ``labels`` are the label names of the firing series with the number of their values, ``values`` the label pairs
    that tell the noisiest series apart, noisiest first, ``thresholds`` numbers a threshold may take, rising.
    ``conditions`` (g0, g1, …) could gate the rule, ``quiet_hours`` (h0, …) are times of the week that hold noise and
    no incident. ``counters`` are those of the metrics whose series only grow, up to resets. ``telling`` (k0, k1, …)
    are label pairs of the firings that caught something. ``marks`` (r0, r1, …) are label pairs by which the routing
    mutes, inhibits or routes.
    """

    metrics: tuple[str, ...] = ()
    labels: tuple[tuple[str, int], ...] = ()
    values: tuple[tuple[str, str], ...] = ()
    thresholds: tuple[float, ...] = ()
    conditions: tuple[Condition, ...] = ()
    quiet_hours: tuple[TimeInterval, ...] = ()
    counters: tuple[str, ...] = ()
    telling: tuple[tuple[str, str], ...] = ()
    marks: tuple[tuple[str, str], ...] = ()
    service: Service | None = None  # None: there is no service level in the rule, or no data on it
    reach: int = 0  # how much history there is, ms


@dataclass(frozen=True, slots=True)
class Cluster:
    """Episodes of one rule's noise. ``id`` is stable across runs; ``interval`` is the rule group's, ms."""

    id: str
    rule: Rule
    ref: RuleRef
    interval: int
    grade: Grade
    pattern: Pattern
    facts: Facts
    inventory: Inventory
    episodes: tuple[Episode, ...]
    companions: tuple[Companion, ...] = ()  # c0, c1, …; those that explain most first
