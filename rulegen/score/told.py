"""Notifications measured against what they should and should not tell of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rulegen.core.labels import Labels
from rulegen.core.notification import Notification
from rulegen.core.outcome import NEVER, Firings
from rulegen.core.rule import RuleRef
from rulegen.core.spans import Mask, Times, inside
from rulegen.score.judge import Judge

Fired = Sequence[tuple[RuleRef, Firings]]  # a rule may come several times


Voice = tuple[RuleRef, Labels]  # a series of a rule's alerts


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """``paging`` [blocks] counts notifications that name a paging alert (notices of what is over left out), ``noise``
    [blocks] those that tell of no target; both in judged time. ``delay`` [targets] is the ms from each target's start
    to the first notification that contains a firing which catches it, ``NEVER`` without one; ``hits`` [hits, 3] the
    same of single ``series``: its place there, the target, the delay. ``heard`` are the series of which some paging
    firing was told.
    """

    paging: NDArray[np.int64]
    noise: NDArray[np.int64]
    delay: NDArray[np.int64]
    series: tuple[Voice, ...]
    hits: NDArray[np.int64]
    heard: frozenset[Voice]

    def hears(self, ref: RuleRef) -> bool:
        """Whether some paging firing of the rule at ``ref`` was told."""
        return any(one == ref for one, _ in self.heard)

    def of(self, ref: RuleRef) -> NDArray[np.int64]:
        """[targets] the same as ``delay``, told by alerts of the rule at ``ref`` alone."""
        mine = np.array([one == ref for one, _ in self.series], dtype=np.bool_)
        return _least(self.hits[mine[self.hits[:, 0]]], len(self.delay))

    def exchanged(self, old: Told, new: Told) -> Told:
        """This, where instead of ``old``, which is a part of it, ``new`` was told; the rest has nothing to do with
        either."""
        gone = set(old.series)
        kept = [place for place, one in enumerate(self.series) if one not in gone]
        at = np.full(len(self.series), -1, dtype=np.int64)
        at[kept] = np.arange(len(kept))
        stays, comes = self.hits.copy(), new.hits.copy()
        stays[:, 0] = at[stays[:, 0]]
        stays = stays[stays[:, 0] >= 0]
        comes[:, 0] += len(kept)
        hits = np.concatenate([stays, comes])
        return Told(
            self.paging - old.paging + new.paging,
            self.noise - old.noise + new.noise,
            _least(hits, len(self.delay)),
            (*(self.series[place] for place in kept), *new.series),
            hits,
            (self.heard - gone) | new.heard,
        )


def told(
    judge: Judge, fired: Fired, notifications: Iterable[Notification], first: Times, warm: Mapping[RuleRef, int]
) -> Told:
    """``first`` [all firings of ``fired``, one after the other] is when each was first told of, ``NEVER``: not.
    ``warm`` is the time (ms) from which each rule's noise counts. It is that of the rule as it is, also where it is
    changed: a longer window would otherwise look quieter just by starting later.

    A notification is noise when every paging firing that it is the first to tell of is; one that tells of nothing new
    when it comes outside every target.
    """
    offsets = np.cumsum([0, *(len(firings) for _, firings in fired)])
    pages = np.concatenate([judge.paging(firings) for _, firings in fired]) if fired else np.zeros(0, dtype=np.bool_)
    noise = np.zeros(len(pages), dtype=np.bool_)
    for (ref, firings), at in zip(fired, offsets, strict=False):
        mine = slice(int(at), int(at) + len(firings))
        noise[mine] = pages[mine] & judge.outside(firings.start) & (firings.start >= warm[ref])
    paging, noisy = _counted(judge, notifications, pages, noise, min(warm.values(), default=0))
    series: dict[Voice, int] = {}
    hits: list[NDArray[np.int64]] = [np.zeros((0, 3), dtype=np.int64)]
    heard = set[Voice]()
    for (ref, firings), at in zip(fired, offsets, strict=False):
        mine = slice(int(at), int(at) + len(firings))
        places = [series.setdefault((ref, labels), len(series)) for labels in firings.labels]
        for row, targets, delays in _delays(judge, ref, firings, first[mine]):
            hits.append(np.stack([np.full(len(targets), places[row], dtype=np.int64), targets, delays], axis=1))
        said = pages[mine] & (first[mine] < NEVER)
        heard |= {(ref, firings.labels[row]) for row in np.unique(firings.series[said])}
    every = np.concatenate(hits)
    return Told(paging, noisy, _least(every, len(judge.targets)), tuple(series), every, frozenset(heard))


def _least(hits: NDArray[np.int64], targets: int) -> NDArray[np.int64]:
    """[targets] the smallest delay of ``hits`` for each, ``NEVER`` without one."""
    delay = np.full(targets, NEVER, dtype=np.int64)
    np.minimum.at(delay, hits[:, 1], hits[:, 2])
    return delay


def _counted(
    judge: Judge, notifications: Iterable[Notification], pages: Mask, noise: Mask, warm: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    known: dict[Labels, bool] = {}
    times, quiet = [], []
    for one in notifications:
        if one.reason == "resolved" or one.time < warm or not _names_a_page(judge, one, known):
            continue
        fresh = [index for index in one.fresh if pages[index]]
        times.append(one.time)
        quiet.append(bool(noise[fresh].all()) if fresh else None)
    at = np.array(times, dtype=np.int64)
    judged, outside = inside(at, judge.judged), judge.outside(at)
    says = zip(quiet, outside.tolist(), strict=True)
    is_noise = np.array([out if said is None else said for said, out in says], dtype=np.bool_)
    where = judge.blocks_at(at)
    count = judge.blocks
    return (
        np.bincount(where[judged], minlength=count),
        np.bincount(where[judged & is_noise], minlength=count),
    )


def _names_a_page(judge: Judge, one: Notification, known: dict[Labels, bool]) -> bool:
    for labels in one.firing:
        if labels not in known:
            known[labels] = judge.pages(labels)
        if known[labels]:
            return True
    return False


def _delays(
    judge: Judge, ref: RuleRef, firings: Firings, first: Times
) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.int64]]]:
    """For each series its row, the targets [k] that its firings catch, and the ms [k] from the start of each of those
    to the first notification with a firing that does."""
    able = judge.paging(firings) & (firings.start >= firings.warm) & (first < NEVER)
    before = judge.windows(firings)
    for row, mine in firings.by_series(able):  # rising starts
        aims = judge.carried(firings.labels[row], ref)
        start, early, heard = firings.start[mine], before[mine], first[mine]
        low = np.searchsorted(start, judge.starts[aims] - early.max(initial=0), side="left")
        high = np.searchsorted(start, judge.ends[aims], side="right")
        delay = np.full(len(aims), NEVER, dtype=np.int64)
        for place in np.flatnonzero(low < high):
            near, begins = slice(int(low[place]), int(high[place])), judge.starts[aims[place]]
            hits = heard[near][start[near] >= begins - early[near]]
            if len(hits):
                delay[place] = max(0, int(hits.min() - begins))
        some = delay < NEVER
        yield row, aims[some], delay[some]
