"""Conditions that could stand beside a rule's comparison: found in the history, ranked by what they tell apart.

A page for nothing often has company that a page for something lacks, or the other way round: no traffic to speak of,
a target that is down anyway, a rollout; or nothing else about the same target is wrong. Where to look is said by
names that people agree on and by the comparisons that the other rules make; which of it fits is said by the history:
how many of the rule's catches a condition keeps, and how much of its noise.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from rulegen.core.cluster import SECOND_SIGNAL, Condition
from rulegen.core.durations import MINUTE
from rulegen.core.labels import ALERT_NAME, METRIC_NAME, Labels
from rulegen.core.outcome import Firings
from rulegen.core.rule import Rule
from rulegen.core.spans import Mask
from rulegen.promql import Matrix
from rulegen.promql.rewrite import aggregated, comparison, fill, number

MOST = 6
LEAST_TELLING = 0.25  # of the catches kept, less that of the noise kept: below this a coin does as well
NEAR = 2 * MINUTE  # two signs of one trouble need not show at one evaluation
MOST_OF_A_KIND = 8  # metrics of one kind that are looked at

PLAIN = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
# Names that exporters and client libraries agree on.
REQUESTS = re.compile(r"(^|_)(requests?|rpcs?|calls|queries|messages|handled|connections)(_|$)")
NOT_TRAFFIC = re.compile(r"(^|_)(errors?|failed|failures?|duration|latency|bytes|bucket|sum|limit|dropped)(_|$)")
PER_SECOND = re.compile(r"(_per_second|_rate|_rps|_qps)$")
COUNTED = re.compile(r"(_total|_count)$")
UP = re.compile(r"^(up|probe_success|[a-z0-9_]+_up)$")
STARTED = re.compile(r"_start_time_seconds$|_start_time$|_boot_time_seconds$")
GENERATION = re.compile(r"_observed_generation$")
MAINTENANCE = re.compile(r"(^|_)(maintenance|in_rollout|rollout_in_progress|deploying)(_|$)")

# Labels that say which part of a summary or a histogram a series is, not whose.
MEASURES = ("le", "quantile")

Level = Callable[[str], Matrix | None]
"""What an expression was at each evaluation of the rule, or None where that can't be told."""


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A rule's firings, and which of them [firings] were noise and which caught something."""

    rule: Rule
    firings: Firings
    noisy: Mask
    catching: Mask


@dataclass(frozen=True, slots=True, eq=False)
class Signal:
    """A comparison with a number that is the whole of an alerting rule, and when it held. ``values`` are the values
    of each label name that all of its series carry."""

    rule: Rule
    firings: Firings
    values: Mapping[str, frozenset[str]]


def signals(rules: Iterable[tuple[Rule, Firings]]) -> tuple[Signal, ...]:
    """What the rules can be to one another."""
    found = []
    for rule, firings in rules:
        deciding = comparison(rule.expr)
        if deciding is not None and not deciding.index and len(firings):
            found.append(Signal(rule, firings, _values(_series(rule, firings))))
    return tuple(found)


def conditions(
    seen: Seen,
    others: Iterable[Signal],
    metrics: Mapping[str, Sequence[Labels]],
    level: Level,
) -> tuple[Condition, ...]:
    """At most ``MOST`` conditions that part the rule's catches from its noise, the one that tells most first.

    ``others`` are the signals of all rules, ``metrics`` the label sets of each metric that exists.
    Where the rule caught nothing, a second signal can't be told from a coincidence, and is not offered.
    """
    held = (*_second_signals(seen, others), *_from_metrics(seen, metrics, level))
    return tuple(_best(seen, held))


@dataclass(frozen=True, slots=True, eq=False)
class _Gate:
    """A condition, and at which of the rule's firings [firings] it let the rule page."""

    condition: Condition
    kept: Mask


def _best(seen: Seen, gates: Iterable[_Gate]) -> Iterator[Condition]:
    """Those that tell most; one that keeps a catch that none before it keeps goes first, since the choice among all
    rules may hang on just that."""
    noise, caught = max(1, int(seen.noisy.sum())), int(seen.catching.sum())

    def telling(gate: _Gate) -> float:
        passed = float((gate.kept & seen.noisy).sum()) / noise
        return (float((gate.kept & seen.catching).sum()) / caught if caught else 1.0) - passed

    useful = [gate for gate in gates if telling(gate) >= LEAST_TELLING and gate.kept.any()]
    useful.sort(key=lambda gate: (-telling(gate), len(gate.condition.expr), repr(gate.condition)))
    first: list[Condition] = []
    rest: list[Condition] = []
    kept: Mask = np.zeros(len(seen.firings), dtype=np.bool_)
    for gate in useful:
        new = gate.kept & seen.catching & ~kept
        (first if new.any() or not caught else rest).append(gate.condition)
        kept |= new
    yield from islice(dict.fromkeys((*first, *rest)), MOST)


def _second_signals(seen: Seen, others: Iterable[Signal]) -> Iterator[_Gate]:
    """The comparisons that other rules make about the same target."""
    if not seen.catching.any():
        return
    mine = _values(_series(seen.rule, seen.firings))
    for one in others:
        on = _shared(mine, one.values)
        if on and one.rule.expr != seen.rule.expr:
            for slack in (0, NEAR):
                kept = _overlap(seen.firings, one.firings, on, slack)
                yield _Gate(Condition(SECOND_SIGNAL, "and", one.rule.expr, on), kept)


def _overlap(mine: Firings, other: Firings, on: tuple[str, ...], slack: int) -> Mask:
    """[firings] during which of ``mine``, give or take ``slack`` ms, the other's expression held for the same
    target."""
    found: Mask = np.zeros(len(mine), dtype=np.bool_)
    keys = [labels.keep(on) for labels in other.labels]
    for key, rows in _rows([labels.keep(on) for labels in mine.labels]).items():
        theirs = np.isin(other.series, [row for row, one in enumerate(keys) if one == key])
        since, end = other.since[theirs], other.end[theirs]
        if not len(since):
            continue
        order = np.argsort(since, kind="stable")
        reached = np.maximum.accumulate(end[order])  # the latest end of what began until then
        which = np.flatnonzero(np.isin(mine.series, rows))
        begun = np.searchsorted(since[order], mine.end[which] + slack, side="right")
        found[which] = (begun > 0) & (reached[np.maximum(begun, 1) - 1] >= mine.start[which] - slack)
    return found


def _from_metrics(seen: Seen, metrics: Mapping[str, Sequence[Labels]], level: Level) -> Iterator[_Gate]:
    """Traffic, targets that are down, rollouts and maintenance, by the names that metrics of that kind have."""
    mine = _values(_series(seen.rule, seen.firings))
    looked: dict[str, int] = {}
    for name in sorted(metrics):
        kind = _kind(name)
        if kind is None or looked.get(kind, 0) >= MOST_OF_A_KIND:
            continue
        on = _shared(mine, _values([labels.drop((METRIC_NAME,)) for labels in metrics[name]]))
        if not on:
            continue
        looked[kind] = looked.get(kind, 0) + 1
        if kind == "traffic":
            yield from _traffic(seen, name, on, level)
        else:
            expr = _told(kind, name)
            if (matrix := level(expr)) is not None:
                held = _held(seen.firings, matrix, matrix.present, on)
                yield _Gate(Condition(kind, "unless", expr, on), held < 1)


def _kind(name: str) -> str | None:
    if not PLAIN.fullmatch(name):
        return None  # such a name can't stand in an expression as it is
    if UP.search(name):
        return "target down"
    if STARTED.search(name) or GENERATION.search(name):
        return "rollout"
    if MAINTENANCE.search(name):
        return "maintenance"
    counts = REQUESTS.search(name) and not NOT_TRAFFIC.search(name)
    return "traffic" if counts and (PER_SECOND.search(name) or COUNTED.search(name)) else None


def _told(kind: str, name: str) -> str:
    """The comparison that says that it is so: a fresh start and a new generation count for ten minutes."""
    if kind == "target down":
        return f"{name} == 0"
    if kind == "maintenance":
        return f"{name} > 0"
    return f"changes({name}[10m]) > 0" if GENERATION.search(name) else f"time() - {name} < 600"


def _traffic(seen: Seen, name: str, on: tuple[str, ...], level: Level) -> Iterator[_Gate]:
    """A minimum of traffic: below what there was when the rule caught something; else above most of its noise's."""
    left = aggregated(name if PER_SECOND.search(name) else f"rate({name}[5m])", "sum", on)
    matrix = level(left)
    if matrix is None:
        return
    most = _highest(seen.firings, matrix, on)  # [firings]
    found = comparison(seen.rule.expr)
    if found is None or not found.rising:
        return  # what pages for too little may be the reason that the traffic is gone
    told = most[seen.catching if seen.catching.any() else seen.noisy]
    told = told[np.isfinite(told)]
    if not len(told):
        return
    if seen.catching.any():
        floors = (told.min(), told.min() / 2, np.median(told) / 2)  # one catch at a quiet time need not decide
    else:
        floors = tuple(np.quantile(told, (0.5, 0.9)))
    for floor in dict.fromkeys(_round_down(float(one)) for one in floors):
        if floor > 0:
            expr = fill(f"A > {number(floor)}", A=left)
            yield _Gate(Condition("traffic", "and", expr, on), most > floor)


def _held(mine: Firings, matrix: Matrix, true: Mask, on: tuple[str, ...]) -> NDArray[np.float64]:
    """[firings] the share of each firing's evaluations at which a series of ``matrix`` with its target was ``true``
    [series, steps]."""
    share = np.zeros(len(mine))
    keys = _rows([labels.keep(on) for labels in matrix.labels])
    first, last = _steps(mine)
    for key, rows in _rows([labels.keep(on) for labels in mine.labels]).items():
        if key in keys:
            which = np.flatnonzero(np.isin(mine.series, rows))
            total = np.concatenate(([0], np.cumsum(true[keys[key]].any(axis=0))))
            share[which] = (total[last[which] + 1] - total[first[which]]) / (last[which] + 1 - first[which])
    return share


def _highest(mine: Firings, matrix: Matrix, on: tuple[str, ...]) -> NDArray[np.float64]:
    """[firings] the highest value, while each lasted, of the series of ``matrix`` with its target; else NaN."""
    highest = np.full(len(mine), np.nan)
    keys = _rows([labels.keep(on) for labels in matrix.labels])
    first, last = _steps(mine)
    for index, row in enumerate(mine.series.tolist()):
        rows = keys.get(mine.labels[row].keep(on))
        if rows is not None:
            at = slice(int(first[index]), int(last[index]) + 1)
            seen = matrix.values[rows, at][matrix.present[rows, at]]
            highest[index] = np.fmax.reduce(seen) if len(seen) else np.nan
    return highest


def _steps(mine: Firings) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """[firings] the first and the last evaluation of each, counted from the grid's start."""
    start, step = mine.grid.start, mine.grid.step
    return (mine.start - start) // step, (mine.end - start) // step


def _series(rule: Rule, firings: Firings) -> list[Labels]:
    """The firing series without what the rule itself puts on its alerts."""
    own = (ALERT_NAME, *(name for name, _ in rule.labels.pairs))
    return [labels.drop(own) for labels in firings.labels]


def _values(series: Sequence[Labels]) -> dict[str, frozenset[str]]:
    """The values of each label name that all of ``series`` carry."""
    names = set.intersection(*(set(labels) for labels in series)) if series else set()
    return {name: frozenset(labels[name] for labels in series) for name in sorted(names)}


def _shared(mine: Mapping[str, frozenset[str]], theirs: Mapping[str, frozenset[str]]) -> tuple[str, ...]:
    """The label names by which both sides say what they are about, sorted. Empty where some name never has the same
    value on both: they are about different targets. That two sides look at different quantiles or buckets of the same
    target does not matter."""
    both = [name for name in sorted(mine) if name in theirs]
    if any(mine[name].isdisjoint(theirs[name]) for name in both if name not in MEASURES):
        return ()
    return tuple(name for name in both if name not in MEASURES)


def _rows(keys: Sequence[Labels]) -> dict[Labels, list[int]]:
    found: dict[Labels, list[int]] = {}
    for row, key in enumerate(keys):
        found.setdefault(key, []).append(row)
    return found


def _round_down(value: float) -> float:
    """Two significant digits, never above ``value``."""
    if value <= 0 or not math.isfinite(value):
        return 0.0
    size = 10.0 ** (math.floor(math.log10(value)) - 1)
    return float(f"{math.floor(value / size) * size:.12g}")
