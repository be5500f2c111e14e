"""From one rule's noise to a cluster: the figures, the pattern they name, and the inventory to propose from."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rulegen.cluster.identifiers import identifiers
from rulegen.cluster.pattern import name_pattern
from rulegen.cluster.season import season
from rulegen.core.alert import Episode
from rulegen.core.cluster import Cluster, Companion, Facts, Grade, Inventory, Season
from rulegen.core.durations import HOUR, MINUTE
from rulegen.core.labels import ALERT_NAME
from rulegen.core.outcome import Firings
from rulegen.core.rule import Rule, RuleRef
from rulegen.core.spans import Mask, Span
from rulegen.promql import selectors
from rulegen.promql.rewrite import Comparison, comparison

FLAP = 10 * MINUTE
BACK = HOUR  # a series that vanished and fires again within this long was only missing
TOGETHER = 2 * MINUTE
MOST_VALUES = 8
MOST_THRESHOLDS = 16
# People double a threshold at the median (`>`), or take it down to 0.63 (`<`).
FACTORS = (1.1, 1.25, 1.5, 2.0, 3.0, 5.0)
QUANTILES = (0.1, 0.25, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 1.0)


def describe(
    ref: RuleRef,
    rule: Rule,
    firings: Firings,
    noisy: Mask,
    peaks: NDArray[np.float64],
    *,
    grade: Grade,
    weeks: float,
    incidents_touched: int,
    companions: tuple[Companion, ...] = (),
    watched: int = 0,
    vanished: NDArray[np.float64] | None = None,
    unseen: NDArray[np.float64] | None = None,
    learned: Span | None = None,
    indicator: str = "",
    identity: str = "",
) -> Cluster:
    """The cluster of one rule's noise.

    ``noisy`` [firings] marks the firings that are noise, ``peaks`` [firings] holds the extreme value of the deciding
    comparison's left side while each lasted (NaN where there is none), ``weeks`` is the judged time they come from,
    ``learned`` the span that holds it (default: the firings' grid). ``vanished`` [firings] is 1 where the series that
    fired was gone when the firing ended, 0 where it was there, NaN where that is not known; ``unseen`` [firings] is 1
    where it fired only since a sample was missing, 0 where it would have anyway, else NaN. ``watched`` is how many
    series the rule looks at, 0 where that is not known. ``companions`` and ``indicator`` are passed on;
    ``identity`` tells the rule from all others, and the id comes from it alone.
    """
    found = comparison(rule.expr)
    fallen = identity or rule.expr + rule.name + str(ref)
    facts = replace(
        _facts(firings, noisy, peaks, found, weeks, incidents_touched, max(watched, len(firings.labels))),
        vanished_share=_vanished(firings, noisy, vanished),
        unseen_share=_unseen(noisy, unseen),
        season=_season(firings, noisy, learned),
        volatile=_volatile(firings, noisy, {ALERT_NAME, *rule.labels}),
        indicator=indicator,
    )
    return Cluster(
        id="c-" + hashlib.sha256(fallen.encode()).hexdigest()[:10],
        rule=rule,
        ref=ref,
        interval=firings.grid.step,
        grade=grade,
        pattern=name_pattern(facts, companions),
        facts=facts,
        inventory=_inventory(rule, firings, noisy, peaks, found),
        episodes=tuple(
            Episode(firings.labels[int(firings.series[i])], Span(int(firings.start[i]), int(firings.end[i])))
            for i in np.flatnonzero(noisy)
        ),
        companions=companions,
    )


def _facts(
    firings: Firings,
    noisy: Mask,
    peaks: NDArray[np.float64],
    found: Comparison | None,
    weeks: float,
    incidents_touched: int,
    watched: int,
) -> Facts:
    start, end, series = firings.start[noisy], firings.end[noisy], firings.series[noisy]
    count, step = len(start), firings.grid.step
    lasted = end - start + step
    gaps = _gaps(firings)[noisy]  # [noise] ms since the same series' last end; -1 for its first
    counts = np.sort(np.unique(series, return_counts=True)[1])[::-1]
    noisiest = counts[: max(1, watched // 10)]
    margins = _margins(peaks[noisy], found)
    return Facts(
        episodes=count,
        minutes=float(lasted.sum()) / MINUTE,
        per_week=count / weeks if weeks else 0.0,
        series=len(counts),
        duration_median=int(np.median(lasted)) if count else 0,
        duration_p90=int(np.quantile(lasted, 0.9)) if count else 0,
        gap_median=int(np.median(gaps[gaps >= 0])) if (gaps >= 0).any() else 0,
        flapping_share=float(((gaps >= 0) & (gaps <= FLAP)).mean()) if count else 0.0,
        together_share=_together(start, series),
        top_share=float(noisiest.sum() / count) if count else 0.0,
        firing_share=float(lasted.sum() / step / max(1, len(firings.grid)) / max(1, len(counts))),
        margin=float(np.median(margins)) if len(margins) else math.nan,
        incidents_touched=incidents_touched,
        watched=watched,
    )


def _gaps(firings: Firings) -> NDArray[np.int64]:
    """[firings] ms from the end of the same series' last firing; -1 where there was none."""
    gaps = np.full(len(firings), -1, dtype=np.int64)
    order = np.lexsort((firings.start, firings.series))
    same = firings.series[order][1:] == firings.series[order][:-1]
    between = firings.start[order][1:] - firings.end[order][:-1]
    gaps[order[1:][same]] = between[same]
    return gaps


def _vanished(firings: Firings, noisy: Mask, vanished: NDArray[np.float64] | None) -> float:
    """Of the noise whose ends are known, the share whose series was gone then and fires again soon."""
    if vanished is None:
        return 0.0
    back = np.zeros(len(firings), dtype=np.bool_)
    order = np.lexsort((firings.start, firings.series))
    same = firings.series[order][1:] == firings.series[order][:-1]
    back[order[:-1]] = same & (firings.start[order][1:] - firings.end[order][:-1] <= BACK)
    known = noisy & ~np.isnan(vanished)
    return float((back & (vanished == 1))[known].mean()) if known.any() else 0.0


def _unseen(noisy: Mask, unseen: NDArray[np.float64] | None) -> float:
    """Of the noise of which it is known, the share that fired only since a sample was missing."""
    if unseen is None:
        return 0.0
    known = noisy & ~np.isnan(unseen)
    return float((unseen == 1)[known].mean()) if known.any() else 0.0


def _season(firings: Firings, noisy: Mask, learned: Span | None) -> Season | None:
    begin = max(firings.warm, learned.start if learned else firings.grid.start)
    return season(firings.start[noisy], begin, learned.end if learned else firings.grid.end)


def _volatile(firings: Firings, noisy: Mask, own: set[str]) -> tuple[str, ...]:
    """The label names whose values are replaced, told by all firings up to the last noise: a pod that pages rightly
    is a pod too."""
    if not noisy.any():
        return ()
    seen = firings.start <= firings.start[noisy].max()
    series, start, end = firings.series[seen], firings.start[seen], firings.end[seen]
    found = []
    for name in sorted({name for row in np.unique(series).tolist() for name in firings.labels[row]} - own):
        ids: dict[str, int] = {}
        which = [ids.setdefault(one[name], len(ids)) if name in one else -1 for one in firings.labels]
        if identifiers(tuple(ids), np.array(which, dtype=np.int64)[series], start, end).volatile:
            found.append(name)
    return tuple(found)


def _together(start: NDArray[np.int64], series: NDArray[np.int64]) -> float:
    """Share of firings (sorted by start) that begin within two minutes of one of another series."""
    if len(start) < 2:
        return 0.0
    near = (np.diff(start) <= TOGETHER) & (np.diff(series) != 0)
    return float((np.concatenate(([False], near)) | np.concatenate((near, [False]))).mean())


def _margins(peaks: NDArray[np.float64], found: Comparison | None) -> NDArray[np.float64]:
    if found is None or not found.ordered or found.threshold == 0:
        return np.zeros(0)
    beyond = (peaks - found.threshold) / abs(found.threshold)
    return np.abs(beyond[np.isfinite(beyond)])


def _inventory(
    rule: Rule,
    firings: Firings,
    noisy: Mask,
    peaks: NDArray[np.float64],
    found: Comparison | None,
) -> Inventory:
    own = {ALERT_NAME, *rule.labels}
    noise = Counter(firings.series[noisy].tolist())
    kept = {row: firings.labels[row].drop(own) for row in noise}
    names = sorted({name for labels in kept.values() for name in labels})
    values: Counter[tuple[str, str]] = Counter()
    spread: dict[str, set[str]] = {name: set() for name in names}
    for row, labels in kept.items():
        for name, value in labels.items():
            spread[name].add(value)
            values[name, value] += noise[row]
    telling = [(pair, count) for pair, count in values.items() if len(spread[pair[0]]) > 1]
    telling.sort(key=lambda one: (-one[1], -len(spread[one[0][0]]), one[0]))
    metrics = sorted({selector.name for selector in selectors(rule.expr) if selector.name})
    return Inventory(
        metrics=tuple(metrics),
        labels=tuple((name, len(spread[name])) for name in names),
        values=tuple(pair for pair, _ in telling[:MOST_VALUES]),
        thresholds=_thresholds(peaks[noisy], found),
    )


def _thresholds(peaks: NDArray[np.float64], found: Comparison | None) -> tuple[float, ...]:
    """Numbers that a threshold may take: multiples people use, and just beyond quantiles of the noise's peaks."""
    if found is None or not found.ordered:
        return ()
    old, sign = found.threshold, 1 if found.rising else -1
    finite = peaks[np.isfinite(peaks)]
    beyond = np.quantile(sign * finite, QUANTILES) * sign if len(finite) else np.zeros(0)
    multiples = [old * factor if sign * old > 0 else old / factor for factor in FACTORS] if old else []
    rounded = {_round(value, sign) for value in (*beyond.tolist(), *multiples)}
    looser = sorted(value for value in rounded if sign * value > sign * old)
    if len(looser) > MOST_THRESHOLDS:
        at = np.linspace(0, len(looser) - 1, MOST_THRESHOLDS).round().astype(int)
        looser = [looser[i] for i in at]
    return tuple(looser)


def _round(value: float, sign: int) -> float:
    """Two significant digits (three from 1 to 2), away from firing: a number that people would write."""
    if abs(value) < 1e-300 or not math.isfinite(value):
        return value
    size = 10.0 ** (math.floor(math.log10(abs(value))) - 1)
    if abs(value) < 20 * size:
        size /= 2
    steps = math.ceil(value / size) if sign > 0 else math.floor(value / size)
    return float(f"{steps * size:.12g}")
