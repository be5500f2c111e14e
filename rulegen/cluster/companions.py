"""Other rules that fire with a rule's noise: which lead, follow, cover or double it, beyond what chance would
have."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rulegen.cluster.lagged import REACH, Cascades, cascades
from rulegen.core.cluster import Companion, Relation
from rulegen.core.durations import DAY, MINUTE
from rulegen.core.labels import ALERT_NAME, Labels
from rulegen.core.outcome import Firings
from rulegen.core.rule import Rule, RuleRef
from rulegen.core.spans import Mask, Times
from rulegen.promql.rows import kernel

Numbers = NDArray[np.int64]

LEAST_PAIRS = 5  # episodes that have the companion: fewer say nothing
TOGETHER = 2 * MINUTE  # starts this far apart are one: rules are evaluated at different seconds, with different `for`
DOUBLE = 0.8  # of either rule's episodes that the other has, from which they are duplicates
COVERED = 0.9  # of a rule's episodes during which the other fires, from which it covers them
LEADING = 0.2  # of the episodes that a leader (or follower) must have to be worth a word
EXCESS = 2.0  # times what chance would have
UNLIKELY = 1e-3  # of as many by chance
SHIFTS = 25  # of the episodes in time, that say what chance would have
MOST_COMPANIONS = 6
MOST_RULES = 2_000  # with the most firings: pairs among them are looked at
LOSE = 0.1  # of the pairs that asking for equal labels may lose


@dataclass(frozen=True, slots=True, eq=False)
class Fired:
    """One rule's firings in the time that may be learned from: ``labels`` [series], ``series``, ``start``, ``end``
    [n]."""

    ref: RuleRef
    rule: Rule
    labels: tuple[Labels, ...]
    series: Numbers
    start: Times
    end: Times

    @classmethod
    def of(cls, ref: RuleRef, rule: Rule, firings: Firings, among: Mask) -> Fired:
        """Those of ``firings`` that ``among`` [firings] marks."""
        return cls(ref, rule, firings.labels, firings.series[among], firings.start[among], firings.end[among])

    @property
    def own(self) -> frozenset[str]:
        return frozenset((ALERT_NAME, *self.rule.labels))

    def names(self) -> frozenset[str]:
        """The labels that all of its alerts have and that the rule itself does not write."""
        used = [self.labels[k] for k in np.unique(self.series).tolist()]
        return frozenset.intersection(*(frozenset(one) for one in used)) - self.own if used else frozenset()


def companions(noise: Sequence[Fired], everything: Sequence[Fired]) -> Mapping[RuleRef, tuple[Companion, ...]]:
    """For the rule of each ``noise`` its companions among ``everything``, those of most episodes first.

    What chance would have is the mean over the episodes shifted in time, round the history: by whole days where it
    has more than a week, so that the hour of the day is kept. ``everything`` are all rules' firings of the same
    time.
    """
    others = sorted((one for one in everything if len(one.start)), key=lambda one: (-len(one.start), one.ref))
    others = sorted(others[:MOST_RULES], key=lambda one: one.ref)
    if not others:
        return {one.ref: () for one in noise}
    at = {one.ref: k for k, one in enumerate(others)}
    rows = np.repeat(np.arange(len(others)), [len(one.start) for one in others])
    start, end = (np.concatenate([getattr(one, what) for one in others]) for what in ("start", "end"))
    found = cascades(rows, start, kinds=len(others))
    near = _together(rows, start, end, len(others))
    span = int(start.min()), int(end.max())
    return {
        one.ref: tuple(_of(one, others, at, found, near, span)) if one.ref in at and len(one.start) else ()
        for one in noise
    }


def _of(
    mine: Fired,
    others: Sequence[Fired],
    at: Mapping[RuleRef, int],
    found: Cascades,
    near: Numbers,
    span: tuple[int, int],
) -> Iterable[Companion]:
    here = at[mine.ref]
    total = len(others[here].start)
    leads = {pair.first for pair in found.pairs if pair.then == here}
    follows = {pair.then for pair in found.pairs if pair.first == here}
    often = np.flatnonzero((near[here] >= LEAST_PAIRS) & (near[here] * 2 >= total)).tolist()
    some: list[Companion] = []
    for k in sorted({*leads, *follows, *often} - {here}):
        other = others[k]
        one = _alike(mine, other, span)
        if one is None and k in leads:
            one = _measured(mine, other, Relation.LEADS, (-REACH * found.scale, -1), LEADING, span)
        if one is None and k in follows:
            one = _measured(mine, other, Relation.FOLLOWS, (1, REACH * found.scale), LEADING, span)
        if one is not None:
            some.append(one)
    some.sort(key=lambda one: (-one.share, -one.excess, one.ref))
    return some[:MOST_COMPANIONS]


def _alike(mine: Fired, other: Fired, span: tuple[int, int]) -> Companion | None:
    """The other as a duplicate, or else as one that covers; None when it is neither."""
    double = _measured(mine, other, Relation.DUPLICATE, (-TOGETHER, TOGETHER), DOUBLE, span)
    if double is not None:
        back = _measured(other, mine, Relation.DUPLICATE, (-TOGETHER, TOGETHER), DOUBLE, span, double.equal)
        if back is not None:
            return double
    return _measured(mine, other, Relation.COVERS, None, COVERED, span)


def _measured(
    mine: Fired,
    other: Fired,
    relation: Relation,
    window: tuple[int, int] | None,
    least: float,
    span: tuple[int, int],
    equal: tuple[str, ...] | None = None,
) -> Companion | None:
    """The companion, where enough episodes have it, and more than chance would give. ``window`` (ms from the
    episode's start) is where the other's start must lie; None: it must be firing when the episode starts, or just
    after."""
    shared = tuple(sorted(mine.names() & other.names())) if equal is None else equal
    anyhow = _has(mine, other, (), window)
    if anyhow.sum() < LEAST_PAIRS or anyhow.mean() < least:
        return None
    agreeing = shared if equal is not None else _agreeing(mine, other, shared, window, int(anyhow.sum()))
    had = _has(mine, other, agreeing, window)
    share, count = float(had.mean()), len(had)
    if had.sum() < LEAST_PAIRS or share < least:
        return None
    by_chance = [float(_has(mine, other, agreeing, window, shift, span).mean()) for shift in _shifts(span)]
    expected = max(float(np.mean(by_chance)), 1 / (count * len(by_chance)))
    if share < EXCESS * expected or share <= max(by_chance) or _tail(int(had.sum()), count, expected) > UNLIKELY:
        return None
    labels = Labels({ALERT_NAME: other.rule.name, **other.rule.labels})
    lag = _lag(mine, other, agreeing, had)
    return Companion(other.ref, labels, relation, lag, share, share / expected, agreeing)


def _agreeing(
    mine: Fired, other: Fired, shared: tuple[str, ...], window: tuple[int, int] | None, pairs: int
) -> tuple[str, ...]:
    """The shared label names that may be asked to be equal without losing more than a tenth of the pairs."""
    enough = (1 - LOSE) * pairs
    if _has(mine, other, shared, window).sum() >= enough:
        return shared
    kept: tuple[str, ...] = ()
    for name in shared:
        if _has(mine, other, (*kept, name), window).sum() >= enough:
            kept = (*kept, name)
    return kept


def _keys(mine: Fired, other: Fired, equal: tuple[str, ...]) -> tuple[Numbers, Numbers]:
    """([mine's firings], [the other's]) numbers that are the same where the values of ``equal`` are."""
    ids: dict[tuple[str, ...], int] = {}

    def of(one: Fired) -> Numbers:
        keys = [ids.setdefault(tuple(labels.get(name, "") for name in equal), len(ids)) for labels in one.labels]
        return np.array(keys, dtype=np.int64)[one.series]

    return of(mine), of(other)


def _has(
    mine: Fired,
    other: Fired,
    equal: tuple[str, ...],
    window: tuple[int, int] | None,
    shift: int = 0,
    span: tuple[int, int] = (0, 0),
) -> Mask:
    """[mine's firings] whether the other is there, when each starts ``shift`` later, round ``span``."""
    here, there = _keys(mine, other, equal)
    start = mine.start
    if shift:
        start = span[0] + (start - span[0] + shift) % (span[1] - span[0] + 1)
    order = np.lexsort((other.start, there))
    begins, keys = other.start[order], there[order]
    lowest = min(int(begins.min()), int(start.min())) - DAY
    stride = max(int(other.end.max()), int(start.max())) - lowest + 2 * DAY
    code = keys * stride + (begins - lowest)
    if window is not None:
        first = np.searchsorted(code, here * stride + (start + window[0] - lowest))
        beyond = np.searchsorted(code, here * stride + (start + window[1] - lowest), side="right")
        within: Mask = beyond > first
        return within
    latest = np.maximum.accumulate(keys * stride + (other.end[order] - lowest))  # the last end of a key so far
    last = np.searchsorted(code, here * stride + (start + TOGETHER - lowest), side="right") - 1
    began = (last >= 0) & (keys[np.maximum(last, 0)] == here)
    found: Mask = began & (latest[np.maximum(last, 0)] >= here * stride + (start - lowest))
    return found


def _lag(mine: Fired, other: Fired, equal: tuple[str, ...], had: Mask) -> int:
    """The median ms from the start of the other's nearest firing to the episode's, over those that have it."""
    here, there = _keys(mine, other, equal)
    order = np.lexsort((other.start, there))
    begins, keys = other.start[order], there[order]
    lowest = min(int(begins.min()), int(mine.start.min()))
    stride = 3 * (max(int(begins.max()), int(mine.start.max())) - lowest + 1)
    code, want = keys * stride + (begins - lowest), here[had] * stride + (mine.start[had] - lowest)
    after = np.minimum(np.searchsorted(code, want), len(code) - 1)
    before = np.maximum(after - 1, 0)
    gaps = np.stack((want - code[before], want - code[after]))
    nearest = np.take_along_axis(gaps, np.argmin(np.abs(gaps), axis=0)[None], axis=0)[0]
    return int(np.median(nearest))


def _shifts(span: tuple[int, int]) -> list[int]:
    length = span[1] - span[0] + 1
    days = length // DAY
    if days > 7:
        step = max(1, days // SHIFTS)
        return [day * DAY for day in range(1, days, step)][:SHIFTS]
    return [int(shift) for shift in np.linspace(0, length, SHIFTS + 2)[1:-1]]


def _tail(hits: int, count: int, chance: float) -> float:
    """P(X ≥ ``hits``) of a binomial, bounded from above (Chernoff; Hoeffding 1963)."""
    share = hits / count
    if share <= chance:
        return 1.0
    rest = (1 - share) * math.log((1 - share) / (1 - chance)) if share < 1 else 0.0
    return math.exp(-count * (share * math.log(share / chance) + rest))


def _together(rows: Numbers, start: Times, end: Times, rules: int) -> Numbers:
    """[rules, rules] the firings of one at whose start another fires, or starts up to ``TOGETHER`` later."""
    order = np.lexsort((rows, start))
    at = np.argsort(start + TOGETHER, kind="stable")  # a firing is asked about a little after its start
    found: Numbers = _count(rows[order], start[order], end[order], rows[at], start[at], rules)
    return found


@kernel
def _count(rows: Numbers, start: Times, end: Times, asked: Numbers, when: Times, rules: int) -> Numbers:
    out = np.zeros((rules, rules), dtype=np.int64)
    until = np.full(rules, np.iinfo(np.int64).min, dtype=np.int64)
    active = np.zeros(rules, dtype=np.int64)
    inside = np.zeros(rules, dtype=np.bool_)
    held = 0
    nearest = 0
    for i in range(len(asked)):
        while nearest < len(rows) and start[nearest] <= when[i] + TOGETHER:
            rule = rows[nearest]
            until[rule] = max(until[rule], end[nearest])
            if not inside[rule]:
                inside[rule] = True
                active[held] = rule
                held += 1
            nearest += 1
        k = 0
        while k < held:
            rule = active[k]
            if until[rule] < when[i] - TOGETHER:
                inside[rule] = False
                held -= 1
                active[k] = active[held]
            else:
                out[asked[i], rule] += 1
                k += 1
    return out
