"""Notifications measured against what they should and should not tell of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """``paging`` [blocks] counts notifications that name a paging alert (notices of what is over left out), ``noise``
    [blocks] those that tell of no target; both in judged time. ``delay`` [targets] is the ms from each target's start
    to the first notification that contains a firing which catches it, ``NEVER`` without one; ``by_rule`` the same of
    single rules, as (indices of targets, delays). ``heard`` are the rules of which some paging firing was told.
    """

    paging: NDArray[np.int64]
    noise: NDArray[np.int64]
    delay: NDArray[np.int64]
    by_rule: Mapping[RuleRef, tuple[NDArray[np.int64], NDArray[np.int64]]]
    heard: frozenset[RuleRef]


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
    delay = np.full(len(judge.targets), NEVER, dtype=np.int64)
    by_rule: dict[RuleRef, NDArray[np.int64]] = {}
    heard = set[RuleRef]()
    for (ref, firings), at in zip(fired, offsets, strict=False):
        own = by_rule.setdefault(ref, np.full(len(judge.targets), NEVER, dtype=np.int64))
        np.minimum(own, _delays(judge, ref, firings, first[at : at + len(firings)]), out=own)
        np.minimum(delay, own, out=delay)
        if (judge.paging(firings) & (first[at : at + len(firings)] < NEVER)).any():
            heard.add(ref)
    sparse = {ref: (np.flatnonzero(own < NEVER), own[own < NEVER]) for ref, own in by_rule.items()}
    return Told(paging, noisy, delay, sparse, frozenset(heard))


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


def _delays(judge: Judge, ref: RuleRef, firings: Firings, first: Times) -> NDArray[np.int64]:
    """[targets] ms from each target's start to the first notification with a firing that catches it."""
    delay = np.full(len(judge.targets), NEVER, dtype=np.int64)
    able = judge.paging(firings) & (firings.start >= firings.warm) & (first < NEVER)
    before = judge.windows(firings)
    for row, mine in firings.by_series(able):  # rising starts
        aims = judge.carried(firings.labels[row], ref)
        start, early, heard = firings.start[mine], before[mine], first[mine]
        low = np.searchsorted(start, judge.starts[aims] - early.max(initial=0), side="left")
        high = np.searchsorted(start, judge.ends[aims], side="right")
        for place in np.flatnonzero(low < high):
            near, begins = slice(int(low[place]), int(high[place])), judge.starts[aims[place]]
            hits = heard[near][start[near] >= begins - early[near]]
            if len(hits):
                delay[aims[place]] = min(delay[aims[place]], max(0, int(hits.min() - begins)))
    return delay
