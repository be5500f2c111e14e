"""Lagged pairs: alerts of one kind that bring on alerts of another, told from those that merely are often there.

Onsets of each kind are a Poisson process whose rate is a baseline plus a decaying trace of every earlier onset of
the kinds that bring it on: a Hawkes process (Hawkes 1971), along a topology where there is one (Cai et al. 2022,
"THPs: topological Hawkes processes"). The baseline is the kind's own: constant, its share of the place, and its
rate within the hour around (in the place, and in all), each without the onset itself; so what is merely frequent,
or frequent at the same hours, explains nothing. The kind's own trace is in it too: a flap is not brought on by
another alert. A cause has to beat its own rate in the minutes around, too: two alerts of every night's backup share
the hour, and nothing more. And it has to come first more often than after: what merely comes together has no
direction. A pair stays only if the likelihood falls without it while all other pairs are kept. That is the test
of A → B given every C: neither a common cause nor a detour through C leaves a pair behind.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rulegen.cluster.near import Numbers, Onsets, Values
from rulegen.core.durations import HOUR, SECOND
from rulegen.core.spans import Times
from rulegen.promql.rows import kernel

FALSE_DISCOVERY = 0.01
LEAST_ONSETS = 5  # of the second kind after one of the first: fewer say nothing
# The trace's mean lag is chosen among these by likelihood: from one scrape to what a person still calls "then".
SCALES = tuple(s * SECOND for s in (10, 20, 30, 45, 60, 90, 120, 180, 300, 600))
REACH = 4  # times the scale: a trace is followed until 2% of it are left
OWN = HOUR  # a kind's own rate is taken over this long before and after
AROUND = 12  # times the scale: so far before and after a cause's own rate is taken that a trace has to beat
MOST_ONSETS = 5_000  # of one kind that are looked at, drawn by chance; more say nothing new
MOST_FIRST = 32  # kinds that are weighed as causes of one
PILOT_KINDS, PILOT_ONSETS = 16, 1_000  # what the scale is chosen on
ENTER = 6.0  # twice the log-likelihood that a pair must add to be weighed at all; the test comes after
NEAR = 3.0  # standard deviations beyond chance: what is to stand among many pairs has that many
LEAD = 2.33  # standard deviations by which A before B must outnumber B before A: the upper 1% of a fair coin
BASE = 5  # columns of the baseline


@dataclass(frozen=True, slots=True)
class Lagged:
    """``first`` brings on ``then``.

    ``seen`` of the onsets of ``then`` that were looked at come within reach of one of ``first``, a median of
    ``lag`` ms after the latest; ``brought`` is the share of them that the fitted rate ascribes to ``first``.
    ``gain`` is twice the log-likelihood that falls without the pair, ``p`` its chance if there were none, after
    correction for all pairs that came near (Benjamini and Hochberg 1995).
    """

    first: int
    then: int
    seen: int
    lag: int
    brought: float
    gain: float
    p: float


@dataclass(frozen=True, slots=True)
class Cascades:
    """The pairs that stand, strongest first, and all ``weighed`` ones; ``scale`` (ms) is the traces' mean lag and
    ``tested`` how many pairs came near."""

    pairs: tuple[Lagged, ...]
    weighed: tuple[Lagged, ...]
    scale: int
    tested: int


def cascades(
    kind: Numbers,
    time: Times,
    place: Numbers | None = None,
    *,
    kinds: int,
    neighbours: Sequence[Sequence[int]] | None = None,
    scale: int | None = None,
    false_discovery: float = FALSE_DISCOVERY,
) -> Cascades:
    """The lagged pairs among onsets ``kind``, ``time`` (ms), ``place`` [n], in any order.

    ``place`` is where an onset happened (a device, the value of a label that the alerts share); without it all onsets
    may bear on each other. ``neighbours`` holds, for each place, the places whose onsets may bear on it besides its
    own. ``scale`` (ms) None lets the likelihood choose it.
    """
    onsets = Onsets.of(kind, place, time, kinds=kinds, neighbours=neighbours)
    rare = onsets.counts() < LEAST_ONSETS
    if rare.any() and len(onsets.kind):
        kept = ~rare[onsets.kind]
        onsets = Onsets.of(
            onsets.kind[kept], onsets.place[kept], onsets.time[kept], kinds=kinds, neighbours=neighbours
        )
    if onsets.end <= onsets.begin:
        return Cascades((), (), scale or SCALES[0], 0)
    chosen = scale or _scale(onsets)
    weighed, tested, _ = _weigh(onsets, np.arange(kinds), chosen, MOST_ONSETS)
    p = _corrected(np.array([one.p for one in weighed]), tested)
    corrected = [
        Lagged(w.first, w.then, w.seen, w.lag, w.brought, w.gain, float(q)) for w, q in zip(weighed, p, strict=True)
    ]
    corrected.sort(key=lambda one: (-one.gain, one.first, one.then))
    standing = tuple(one for one in corrected if one.p <= false_discovery and one.seen >= LEAST_ONSETS)
    return Cascades(standing, tuple(corrected), chosen, tested)


def _scale(onsets: Onsets) -> int:
    """The mean lag under which the most frequent kinds are likeliest."""
    pilots = np.argsort(-onsets.counts(), kind="stable")[:PILOT_KINDS]
    found = [(_weigh(onsets, pilots, one, PILOT_ONSETS)[2], -one) for one in SCALES]
    return -max(found)[1]


def _weigh(onsets: Onsets, targets: Numbers, scale: int, most: int) -> tuple[list[Lagged], int, float]:
    """Every pair that adds to the likelihood of ``targets``; how many came near; the whole log-likelihood."""
    reach = REACH * scale
    rows, rows_at = _drawn(onsets, targets, most)
    first, then, count, tested = onsets.before(rows, rows_at, reach, LEAST_ONSETS)
    full = onsets.counts()
    drawn = np.diff(rows_at)
    span = onsets.end - onsets.begin
    exposure = onsets.exposure(scale, reach)
    rate = np.bincount(onsets.kind, weights=onsets.reaches[onsets.place], minlength=onsets.kinds)
    expected = drawn[then] * -np.expm1(-rate[first] * reach / (onsets.places * span))
    beyond = (count - expected) / np.sqrt(expected + 1)
    order = np.lexsort((first, -beyond, then))
    order = order[beyond[order] >= NEAR]
    first, then = first[order], then[order]
    begins = np.searchsorted(then, np.arange(onsets.kinds + 1))
    columns = np.full(onsets.kinds, -1, dtype=np.int64)
    out: list[Lagged] = []
    likely = 0.0
    for target in np.sort(targets).tolist():
        mine = rows[rows_at[target] : rows_at[target + 1]]
        sources = first[begins[target] : begins[target + 1]][:MOST_FIRST]
        if not len(mine) or (not len(sources) and most == MOST_ONSETS):
            continue
        columns[target], columns[sources] = 0, np.arange(1, len(sources) + 1)
        traces = onsets.traces(mine, columns, len(sources) + 1, scale, reach)
        columns[target] = columns[sources] = -1
        base, sums = _baseline(onsets, target, mine)
        part = len(mine) / full[target]
        design = np.ascontiguousarray(np.hstack((base, traces)))
        mass = np.concatenate((sums, exposure[[target, *sources.tolist()]])) * part
        kept, weight, gain, fit = _select(design, mass, BASE, ENTER)
        likely += fit / part
        some = np.flatnonzero(kept[BASE:])
        if not len(some):
            continue
        wide = AROUND * scale
        slow = [onsets.within(mine, k, -wide, wide) / (2 * wide) for k in sources[some].tolist()]
        slow_mass = [part * onsets.exposed_around(k, wide) for k in sources[some].tolist()]
        design = np.ascontiguousarray(np.column_stack([design[:, :BASE], *slow, design[:, BASE + some]]))
        mass = np.concatenate((mass[:BASE], slow_mass, mass[BASE + some]))
        based = BASE + len(some)
        kept, weight, gain, _ = _select(design, mass, based, ENTER)
        rates = design @ weight
        for column in np.flatnonzero(kept[based:]) + based:
            source = int(sources[some[column - based]])
            lags = onsets.lags(mine, source, reach)
            seen = lags >= 0
            after = onsets.within(mine, source, 1, reach - 1) > 0
            lead = int((seen & ~after).sum()) - int((after & ~seen).sum())
            if lead < LEAD * math.sqrt(int((seen ^ after).sum())):
                continue
            brought = float((design[:, column] * weight[column] / rates).mean())
            p = 0.5 * math.erfc(math.sqrt(max(0.0, gain[column]) / 2))
            lag = int(np.median(lags[seen])) if seen.any() else 0
            out.append(Lagged(source, target, int(seen.sum()), lag, brought, float(gain[column]), p))
    return out, tested, likely


def _drawn(onsets: Onsets, targets: Numbers, most: int) -> tuple[Numbers, Numbers]:
    """At most ``most`` onsets of each target: (rows, where each kind's begin)."""
    wanted = np.zeros(onsets.kinds, dtype=np.bool_)
    wanted[targets] = True
    counts = np.where(wanted, onsets.counts(), 0)
    many = np.flatnonzero(counts > most)
    keep = wanted[onsets.kind[onsets.rows]]
    rng = np.random.default_rng(0)  # by chance and not every n-th, which a regular alert could be in step with
    for kind in many.tolist():
        begin, end = onsets.kind_at[kind], onsets.kind_at[kind + 1]
        keep[begin:end] = False
        keep[begin + np.sort(rng.choice(end - begin, most, replace=False))] = True
    return onsets.rows[keep], np.concatenate(([0], np.cumsum(np.minimum(counts, most))))


def _baseline(onsets: Onsets, target: int, rows: Numbers) -> tuple[Values, Values]:
    """([rows, BASE − 1] the rates that a kind has of its own, [BASE − 1] what each sums up to over time and places).

    By Mecke's formula a rate made of a Poisson process' other points is unbiased at each of its points.
    """
    own = onsets.rows[onsets.kind_at[target] : onsets.kind_at[target + 1]]
    span, count = onsets.end - onsets.begin, len(own)
    time, place = onsets.time[own], onsets.place[own]
    at, here = onsets.time[rows], onsets.place[rows]
    alone = onsets.places == 1
    in_place = np.bincount(place, minlength=onsets.places)[here] - 1
    around = np.searchsorted(time, at + OWN, side="right") - np.searchsorted(time, at - OWN) - 1
    width = np.minimum(time + OWN, onsets.end) - np.maximum(time - OWN, onsets.begin)  # [own] that one is seen
    base = np.zeros((len(rows), BASE - 1))
    base[:, 0] = 1.0
    base[:, 1] = 0.0 if alone else in_place / span
    base[:, 2] = around / (2 * OWN)
    if not alone:
        order = np.lexsort((time, place))
        beside = _beside(time[order], place[order], at, here)
        base[:, 3] = (beside - 1) / (2 * OWN)
    seen = float(width.sum()) / (2 * OWN)
    mass = np.array([float(span) * onsets.places, 0.0 if alone else float(count), seen * onsets.places, seen])
    return base, mass


def _beside(time: Times, place: Numbers, at: Times, here: Numbers) -> Numbers:
    """[rows] onsets (sorted by place and time) within ``OWN`` of each ``at`` and ``here``."""
    lowest = int(min(time.min(), at.min())) - OWN
    stride = int(max(time.max(), at.max())) - lowest + 2 * OWN + 1
    key, want = place * stride + (time - lowest), here * stride + (at - lowest)
    return np.searchsorted(key, want + OWN, side="right") - np.searchsorted(key, want - OWN)


def _corrected(p: Values, tests: int) -> Values:
    """p-values after Benjamini and Hochberg for ``tests`` tests, of which those not given count as 1."""
    order = np.argsort(p, kind="stable")
    scaled = p[order] * tests / np.arange(1, len(p) + 1)
    out = np.empty(len(p))
    out[order] = np.minimum(1.0, np.minimum.accumulate(scaled[::-1])[::-1])
    return out


@kernel
def _fit(design: Values, mass: Values, columns: Numbers, weight: Values) -> float:
    """Maximum likelihood of a Poisson process whose rate is ``design`` [n, p] · ``weight`` [p], by EM from where
    ``weight`` stands. Returns the log-likelihood; ``weight`` is changed in place."""
    part = np.ascontiguousarray(design[:, columns])
    held = weight[columns]
    size = mass[columns]
    n, k = part.shape
    before = -np.inf
    likely = 0.0
    share = np.zeros(k)
    for _ in range(300):
        share[:] = 0.0
        likely = 0.0
        for i in range(n):
            rate = 0.0
            for c in range(k):
                rate += part[i, c] * held[c]
            rate = max(rate, 1e-300)
            likely += np.log(rate)
            for c in range(k):
                share[c] += part[i, c] / rate
        for c in range(k):
            likely -= held[c] * size[c]
        if likely - before < 1e-3:
            break
        before = likely
        for c in range(k):
            held[c] = share[c] * held[c] / size[c] if size[c] > 0 else 0.0
    weight[columns] = held
    return likely


@kernel
def _select(design: Values, mass: Values, base: int, enter: float) -> tuple[NDArray[np.bool_], Values, Values, float]:
    """Which columns beyond the ``base`` first explain the points: adds the one of steepest ascent as long as twice
    the log-likelihood grows by ``enter``, then drops what the others made needless. Returns the columns kept [p],
    the weights [p], what twice the log-likelihood loses without each [p], and the log-likelihood."""
    n, p = design.shape
    kept = np.zeros(p, dtype=np.bool_)
    barred = np.zeros(p, dtype=np.bool_)
    kept[:base] = True
    weight = np.zeros(p)
    for c in range(base):
        weight[c] = n / base / mass[c] if mass[c] > 0 else 0.0
    likely = _fit(design, mass, np.flatnonzero(kept), weight)
    while True:
        rate = np.zeros(n)
        held = np.flatnonzero(kept)
        for i in range(n):
            for h in held:
                rate[i] += design[i, h] * weight[h]
            rate[i] = max(rate[i], 1e-300)
        best, top = -1, 0.0
        for c in range(base, p):
            if kept[c] or barred[c]:
                continue
            slope, bend = -mass[c], 1e-300
            for i in range(n):
                pull = design[i, c] / rate[i]
                slope += pull
                bend += pull * pull
            if slope > 0 and slope * slope / bend > top:
                best, top = c, slope * slope / bend
        if best < 0:
            break
        trial = weight.copy()
        for c in range(p):
            trial[c] *= 0.95
        trial[best] = 0.05 * n / mass[best]
        kept[best] = True
        grown = _fit(design, mass, np.flatnonzero(kept), trial)
        if 2 * (grown - likely) < enter:
            kept[best] = False
            barred[best] = True
            if top < enter / 2:
                break
            continue
        likely, weight = grown, trial
    gain = np.zeros(p)
    while True:
        worst, least = -1, enter
        for c in range(base, p):
            if kept[c]:
                kept[c] = False
                trial = weight.copy()
                trial[c] = 0.0
                trial[:base] += 0.01 * n / base / np.maximum(mass[:base], 1e-300) * (mass[:base] > 0)
                gain[c] = 2 * (likely - _fit(design, mass, np.flatnonzero(kept), trial))
                kept[c] = True
                if gain[c] < least:
                    worst, least = c, gain[c]
        if worst < 0:
            break
        kept[worst] = False
        weight[worst] = 0.0
        likely = _fit(design, mass, np.flatnonzero(kept), weight)
    return kept, weight, gain, likely
