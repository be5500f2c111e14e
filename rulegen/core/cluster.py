"""Clusters: episodes that repeat one pattern, the figures that say so, and what a proposal may draw on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from rulegen.core.alert import Episode
from rulegen.core.rule import Rule, RuleRef


class Pattern(StrEnum):
    """What kind of noise a cluster is."""

    FLAPPING = "flapping"
    SHORT_LIVED = "short-lived"
    STORM = "storm"
    NOISY_FEW = "noisy few"
    CHRONIC = "chronic"
    TIGHT_THRESHOLD = "tight threshold"
    MIXED = "mixed"  # no single figure stands out


class Grade(StrEnum):
    """How strong the evidence is: raw series and rules, or recorded alerts only."""

    METRICS = "metrics"
    ALERTS = "alerts"


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


@dataclass(frozen=True, slots=True)
class Inventory:
    """What exists, in a fixed order: a proposal points into it by number (m3, l2, v7, t1) and so can't invent names.

    ``labels`` are the label names of the firing series with the number of their values, ``values`` the label pairs
    that tell the noisiest series apart, noisiest first, ``thresholds`` numbers a threshold may take, rising.
    """

    metrics: tuple[str, ...] = ()
    labels: tuple[tuple[str, int], ...] = ()
    values: tuple[tuple[str, str], ...] = ()
    thresholds: tuple[float, ...] = ()


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
