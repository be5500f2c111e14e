"""What rules did over a history, and what judging made of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rulegen.core.candidate import Candidate
from rulegen.core.cluster import Cluster, Grade, Pattern
from rulegen.core.labels import Labels
from rulegen.core.overview import Overview
from rulegen.core.spans import Grid, Mask, Span, Times

Interval = tuple[float, float, float]  # an estimate and its 95% interval: estimate, low, high; NaN: too little to say
NEVER = np.int64(2**62)  # a delay larger than any: not caught


@dataclass(frozen=True, slots=True, eq=False)
class Firings:
    """All firings of one alerting rule over one grid, sorted by start and then by series.

    ``labels`` [series] are the alerts' full label sets; ``series`` [n] points into them. ``since`` [n] is when the
    expression began to hold (the alert became pending), ``start`` [n] and ``end`` [n] the first and the last
    evaluation at which the alert fired, all ms. ``warm`` is the time from which one full window of data was seen.
    """

    grid: Grid
    labels: tuple[Labels, ...]
    series: NDArray[np.int64]
    since: Times
    start: Times
    end: Times
    warm: int

    def __len__(self) -> int:
        return len(self.start)

    def by_series(self, chosen: Mask) -> Iterator[tuple[int, NDArray[np.int64]]]:
        """Each series with firings among ``chosen`` [n]: its row, and where they stand, rising. In O(n log n)."""
        at = np.flatnonzero(chosen)
        at = at[np.argsort(self.series[at], kind="stable")]
        cuts = np.flatnonzero(np.diff(self.series[at])) + 1
        for mine in np.split(at, cuts) if len(at) else ():
            yield int(self.series[mine[0]]), mine

    def only(self, some: Collection[Labels]) -> Firings:
        """Those of the series with labels among ``some``."""
        rows = [row for row, labels in enumerate(self.labels) if labels in some]
        if len(rows) == len(self.labels):
            return self
        place = np.full(len(self.labels), -1, dtype=np.int64)
        place[rows] = np.arange(len(rows))
        mine = place[self.series] >= 0
        return Firings(
            self.grid,
            tuple(self.labels[row] for row in rows),
            place[self.series[mine]],
            self.since[mine],
            self.start[mine],
            self.end[mine],
            self.warm,
        )

    @property
    def minutes(self) -> float:
        """Time spent firing: evaluations at which an alert fired, times the interval, in minutes."""
        return float(((self.end - self.start) // self.grid.step + 1).sum()) * self.grid.step / 60_000

    @property
    def longest(self) -> int:
        """The longest firing in ms; 0 when there is none."""
        return int((self.end - self.start).max()) if len(self) else 0


def silent(firings: Firings) -> Firings:
    """A rule in the place of that of ``firings`` that never fires, or is gone."""
    none = np.zeros(0, dtype=np.int64)
    return Firings(firings.grid, (), none, none, none, none, firings.warm)


def joined(several: Sequence[Firings]) -> Firings:
    """The firings of several rules over the same grid as those of one. Raises ValueError without any."""
    if not several:
        raise ValueError("no firings to join")
    labels: tuple[Labels, ...] = sum((one.labels for one in several), ())
    shift = np.cumsum([0, *(len(one.labels) for one in several[:-1])])
    series = np.concatenate([one.series + by for one, by in zip(several, shift, strict=True)])
    start = np.concatenate([one.start for one in several])
    order = np.lexsort((series, start))
    since, end = (np.concatenate([getattr(one, name) for one in several])[order] for name in ("since", "end"))
    warm = max(one.warm for one in several)
    return Firings(several[0].grid, labels, series[order], since, start[order], end, warm)


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """Firings measured against what they should and should not page for.

    The judged time is cut into blocks; any part of it (fit, gate, audit, a fold) is a choice of blocks.
    ``fired`` [blocks] counts paging firings, noise or not, ``longest`` [blocks] is the longest that starts there, ms,
    as far as it lies in the same stretch of judged time; both in judged time, once the rule had seen a full window.
    ``pages`` and ``minutes`` [blocks] are noise.
    ``caught`` [k] are the indices of the targets that a firing catches, rising, and ``delay`` [k] the ms from each
    one's start to the first such firing. ``notifications`` stays None until routing is simulated.
    """

    fired: NDArray[np.int64]
    longest: NDArray[np.int64]
    unjudged: int  # paging firings in a time nobody kept a record for, or before the rule was warm
    pages: NDArray[np.int64]
    minutes: NDArray[np.float64]
    caught: NDArray[np.int64]
    delay: NDArray[np.int64]
    keys: frozenset[str]  # label names that all of the paging alerts carry
    vital: frozenset[frozenset[str]]  # for each paging alert, which it carries of the labels that must not be dropped
    notifications: NDArray[np.int64] | None = None
    # [blocks] paging firings, of those in ``fired``, that catch a target; None where nobody counted
    spoke: NDArray[np.int64] | None = None
    reset: NDArray[np.int64] | None = None  # [k] ms from each caught target's end to the last end of what catches it

    def delays(self, targets: int) -> NDArray[np.int64]:
        """[targets] the delay of each target, ``NEVER`` where it is not caught."""
        dense = np.full(targets, NEVER, dtype=np.int64)
        dense[self.caught] = self.delay
        return dense


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate says of one candidate. ``reasons`` is empty when it passed."""

    candidate: Candidate
    outcome: Outcome | None  # None: it could not be replayed
    reasons: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return not self.reasons


@dataclass(frozen=True, slots=True)
class Quality:
    """How good the pages are, in the terms of the SRE workbook, chapter 5. NaN, or None, where there is none.

    ``precision`` is the share of paging firings in judged time that catch a target, ``recall`` the share of targets
    that are caught. ``detection`` is the median ms from a caught target's start to the first page that catches it,
    ``reset`` the median ms from its end to the end of the last such page, at least 0.
    """

    precision: float
    recall: float
    detection: int | None
    reset: int | None


@dataclass(frozen=True, slots=True)
class Measure:
    """Before → after on one part of the history. Targets are incidents, or bursts where no record was kept.

    ``lost``, ``later`` (beyond the allowed delay) and ``gained`` hold ids. ``added_delay`` is the largest, in ms.
    ``quality`` before and after is that of all rules together, and None for one rule alone.
    """

    weeks: float
    pages: tuple[int, int]
    minutes: tuple[float, float]
    caught: tuple[int, int]
    lost: tuple[str, ...] = ()
    later: tuple[str, ...] = ()
    gained: tuple[str, ...] = ()
    added_delay: int = 0
    quality: tuple[Quality, Quality] | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the replay showed for one candidate: the whole judged history and each part of it."""

    grade: Grade
    whole: Measure
    parts: tuple[tuple[str, Measure], ...]  # ("fit", …), ("gate", …), ("audit", …) or the parts that exist
    credible: tuple[str, ...]  # targets that the changed rule catches beyond luck
    lucky: tuple[str, ...]  # caught, and protected, but no better than chance
    null: str  # which null model luck was measured with; "" where luck was not measured
    longest: tuple[int, int] = (0, 0)  # ms
    # Noise notifications before → after: of this rule alone, or for a change of the routing those of all rules.
    notices: tuple[int, int] | None = None
    cut_pages: Interval | None = None  # over the whole judged history, from resampling whole bursts of noise
    cut_minutes: Interval | None = None
    support: tuple[int, int] = (0, 0)  # bursts of noise, and caught targets of the rule, that all this rests on
    synthetic: tuple[str, ...] = ()  # what of the new rules no recording was long enough to show, and why


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A candidate with its evidence: accepted when ``reasons`` is empty, else the best refusal of its cluster."""

    id: str
    cluster: Cluster
    candidate: Candidate
    evidence: Evidence | None  # None: it could not be replayed
    reasons: tuple[str, ...] = ()

    @property
    def accepted(self) -> bool:
        return not self.reasons


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the same procedure achieved on time that it had not seen. Shares with 95% intervals."""

    method: str  # "audit" or "cross-fitted, 5 folds"
    measure: Measure
    cut_pages: Interval
    cut_minutes: Interval
    loss: Interval  # share of caught targets lost or late
    bursts: int = 0  # of noise, that the cuts rest on
    folds: tuple[Measure, ...] = ()  # of several stretches each one's own


@dataclass(frozen=True, slots=True)
class Notices:
    """Notifications to those who are paged, as Alertmanager would send them, over ``weeks`` of judged time.

    Pairs are (all, noise: those that tell of no target). ``rules`` is with the rules changed and the routing as it
    is, ``routing`` the other way round. Delays are in ms from a target's start to the first notification about it:
    ``added`` is the median and the largest of what is added with everything changed; targets by id.
    """

    weeks: float
    before: tuple[int, int]
    rules: tuple[int, int]
    routing: tuple[int, int]
    together: tuple[int, int]
    told: tuple[int, int]  # targets that somebody is notified of, before and with everything changed
    lost: tuple[str, ...] = ()
    later: tuple[str, ...] = ()  # by more than the allowed delay
    added: tuple[int, int] = (0, 0)
    plain: bool = False  # no configuration was given: a plain route that groups by --group-by stands in


@dataclass(frozen=True, slots=True)
class Point:
    """One way to choose. ``name`` says which: a candidate's id, or what was weighed how.

    ``pages`` and ``minutes`` are noise left, ``notices`` noise notifications where they were counted; ``recall`` is
    the share of targets that some rule catches, ``delay`` the largest ms by which one is caught later than today.
    """

    name: str
    pages: int
    minutes: float
    recall: float
    delay: int
    notices: int | None = None
    chosen: bool = False  # the point that was accepted
    refused: bool = False  # the gate does not let it through
    kept: bool = True  # nothing else is at least as good in all of pages, minutes, recall and delay


@dataclass(frozen=True, slots=True)
class Front:
    """Choices among which nothing is better in all respects, over the time that the gate sees, and the chosen ones.

    ``single`` has the points of each accepted suggestion's cluster by the suggestion's id, ``joint`` those of the
    whole set as the trade-off moves. Points are sorted by noise.
    """

    single: tuple[tuple[str, tuple[Point, ...]], ...]
    joint: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """Everything a run has to say; the last stage writes it down."""

    span: Span
    judged: tuple[Span, ...]
    mode: str  # "incidents" or "bursts"
    settings: tuple[tuple[str, str], ...]
    rules: int
    before: Measure  # before = after: the history as it was
    suggestions: tuple[Suggestion, ...]  # accepted first, by pages cut
    refused: tuple[Suggestion, ...]
    tuning: Measure  # the accepted tunings together
    together: Measure  # all accepted together, demotions included
    unjudged: int
    unscored: tuple[tuple[str, str], ...]  # rule and why it could not be replayed
    forecast: Forecast | None
    doubts: tuple[str, ...] = field(default=())
    verdicts: tuple[Verdict, ...] = field(default=(), repr=False)
    unmatched: tuple[tuple[str, str], ...] = ()  # rule and the selector in it that matched nothing
    notices: Notices | None = None
    rerouted: tuple[Suggestion, ...] = ()  # accepted changes of the routing
    alerts: tuple[Labels, ...] = field(default=(), repr=False)  # every label set that fired, as rules are
    credible: int | None = None  # of the targets caught before, those caught beyond luck; None: not measured
    walked: Forecast | None = None  # chosen on the past and scored on what came next, several times; long histories
    gap: float = 0.0  # how much less noise (and effort), as a share, the best joint choice could at most leave
    front: Front | None = None
    # (pattern, rules whose noise it names, that noise in firings of the part that is learned from), most first
    patterns: tuple[tuple[Pattern, int, int], ...] = ()
    overview: Overview | None = None  # of all recorded alerts, over their names
    repaired: tuple[tuple[str, int], ...] = ()  # (what was mended in the input or left out of it, how often)
