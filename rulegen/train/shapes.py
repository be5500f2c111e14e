"""From how bad it is to what is measured and how people ask for it: one function for each role of a metric.

Each turns a canvas' levels into samples of its family, and writes the expression whose value passes the threshold
just when the level passes 1 (but for what windows and buckets blur), in one of the ways that people write it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rulegen.train.canvas import Canvas
from rulegen.train.chance import pick
from rulegen.train.families import Role
from rulegen.train.plot import Signal, number
from rulegen.train.signals import arrivals, daily, wander
from rulegen.train.vocabulary import Measure
from rulegen.train.writing import alike, fine, gauges, keys, op_or_equal, select

WINDOWS = (2, 5, 5, 5, 5, 10, 10, 15)


@dataclass(frozen=True, slots=True)
class Shape:
    """How a rule of some role is written: ``window`` is its range in minutes, ``write`` gives its expression and the
    samples behind it."""

    window: int
    write: Callable[[Canvas], tuple[str, tuple[Signal, ...]]]


def draw_shape(role: Role, rng: np.random.Generator) -> Shape:
    """A way to write a rule on a metric of ``role``."""
    return _SHAPES[role](rng)


def _high(rng: np.random.Generator) -> Shape:
    window = int(pick(rng, WINDOWS))
    form = pick(
        rng, (*("raw",) * 9, "avg_over_time", "avg_over_time", "max_over_time", "max", "sum", "avg", "scaled", "and")
    )

    def write(canvas: Canvas) -> tuple[str, tuple[Signal, ...]]:
        limit, name = canvas.words.threshold(canvas.family.unit), canvas.family.name
        share = 1 / len(canvas.parts) if form == "sum" else 1.0
        level = canvas.level
        if form in ("sum", "avg"):
            level = alike(level)
        signals = gauges(canvas, name, level * limit * share, fine(limit * share))
        metric = select(canvas, name)
        above = op_or_equal(canvas.rng, ">")
        match form:
            case "avg_over_time" | "max_over_time":
                return f"{form}({metric}[{window}m]) {above} {number(limit)}", signals
            case "max" | "sum" | "avg":
                return f"{form} by ({keys(canvas)}) ({metric}) {above} {number(limit)}", signals
            case "scaled":
                return f"{metric} / {number(limit)} {above} 1", signals
            case "and":
                also, more = _beside(canvas)
                return f"{metric} {above} {number(limit)} and on ({keys(canvas)}) {also}", (*signals, *more)
        return f"{metric} {above} {number(limit)}", signals

    return Shape(window if "over_time" in form else 0, write)


def _low(rng: np.random.Generator) -> Shape:
    window = int(pick(rng, WINDOWS))
    form = pick(rng, (*("raw",) * 6, "avg_over_time", "min_over_time", "min", "avg"))

    def write(canvas: Canvas) -> tuple[str, tuple[Signal, ...]]:
        limit, name = canvas.words.threshold(canvas.family.unit), canvas.family.name
        level = canvas.level
        if form == "avg":
            level = alike(level)
        signals = gauges(canvas, name, limit / np.maximum(level, 0.05), fine(limit))
        metric, below = select(canvas, name), op_or_equal(canvas.rng, "<")
        match form:
            case "avg_over_time" | "min_over_time":
                return f"{form}({metric}[{window}m]) {below} {number(limit)}", signals
            case "min" | "avg":
                return f"{form} by ({keys(canvas)}) ({metric}) {below} {number(limit)}", signals
        return f"{metric} {below} {number(limit)}", signals

    return Shape(window if "over_time" in form else 0, write)


def _used(rng: np.random.Generator) -> Shape:
    form = pick(rng, ("ratio", "ratio", "percent", "percent", "factor", "factor", "left", "sums"))

    def write(canvas: Canvas) -> tuple[str, tuple[Signal, ...]]:
        limit, family = pick(canvas.rng, (0.5, 0.6, 0.65, 0.7, 0.75, 0.8)), canvas.family
        whole = float(2 ** canvas.rng.integers(8, 34))
        share = np.minimum(canvas.level * limit, 0.995)
        if form == "sums":
            share = alike(share)
        signals = (
            *gauges(canvas, family.name, share * whole, fine(whole * 0.1)),
            *gauges(canvas, family.whole, np.full_like(canvas.level, whole), 1, every=4),
        )
        used, capacity = select(canvas, family.name), select(canvas, family.whole)
        match form:
            case "percent":
                return f"{used} / {capacity} * 100 > {number(100 * limit)}", signals
            case "factor":
                return f"{used} > {number(limit)} * {capacity}", signals
            case "left":
                return f"({capacity} - {used}) / {capacity} < {number(round(1 - limit, 6))}", signals
            case "sums":
                by = keys(canvas)
                return f"sum by ({by}) ({used}) / sum by ({by}) ({capacity}) > {number(limit)}", signals
        return f"{used} / {capacity} > {number(limit)}", signals

    return Shape(0, write)


def _free(rng: np.random.Generator) -> Shape:
    form = pick(rng, ("ratio", "percent", "percent", "used", "product"))

    def write(canvas: Canvas) -> tuple[str, tuple[Signal, ...]]:
        least, family = pick(canvas.rng, (0.1, 0.15, 0.2, 0.25, 0.3)), canvas.family
        whole = float(2 ** canvas.rng.integers(12, 36))
        free = np.minimum(least / np.maximum(canvas.level, 0.05), 0.98)
        signals = (
            *gauges(canvas, family.name, free * whole, fine(whole * 0.1)),
            *gauges(canvas, family.whole, np.full_like(canvas.level, whole), 1, every=4),
        )
        left, size = select(canvas, family.name), select(canvas, family.whole)
        match form:
            case "percent":
                return f"{left} * 100 / {size} < {number(100 * least)}", signals
            case "used":
                return f"(1 - {left} / {size}) * 100 > {number(round(100 * (1 - least), 6))}", signals
            case "product":
                return f"{left} < {size} * {number(least)}", signals
        return f"{left} / {size} < {number(least)}", signals

    return Shape(0, write)


def _counter(rng: np.random.Generator) -> Shape:
    window = int(pick(rng, WINDOWS))
    form = pick(rng, ("rate", "rate", "rate", "increase", "increase", "sum rate", "sum rate", "some", "irate"))

    def write(canvas: Canvas) -> tuple[str, tuple[Signal, ...]]:
        limit, name = canvas.words.threshold("rate"), canvas.family.name  # a second
        if form == "some":
            limit = float(pick(canvas.rng, (1, 3, 5, 10, 20))) / (60 * window)
        share = 1 / len(canvas.parts) if form == "sum rate" else 1.0
        level = np.nan_to_num(canvas.level, nan=0.3)
        if form == "sum rate":
            level = alike(level)
        calm = 0.25 if form == "some" else 0.8
        level = np.where(level < 1, level * calm, level)
        measure = Measure(name.removesuffix("_total"), "counter", "Events.", quantum=1)
        counts = arrivals(canvas.rng, level * limit * share)
        signals = tuple(
            Signal(measure, part.target, count, canvas.stage.every, part.labels)
            for part, count in zip(canvas.parts, counts, strict=True)
        )
        metric = select(canvas, name)
        match form:
            case "increase" | "some":
                return f"increase({metric}[{window}m]) > {number(round(limit * 60 * window, 3))}", signals
            case "sum rate":
                return f"sum by ({keys(canvas)}) (rate({metric}[{window}m])) > {number(limit)}", signals
            case "irate":
                return f"irate({metric}[{window}m]) > {number(limit)}", signals
        return f"rate({metric}[{window}m]) > {number(limit)}", signals

    return Shape(window, write)


def _latched(rng: np.random.Generator) -> Shape:
    """A counter compared as it stands: once beyond, it stays there until the pod is replaced."""
    return Shape(0, _stands_at)


def _stands_at(canvas: Canvas) -> tuple[str, tuple[Signal, ...]]:
    rng, limit = canvas.rng, float(pick(canvas.rng, (5, 10, 20, 50)))
    measure = Measure(canvas.family.name.removesuffix("_total"), "counter", "Events.", quantum=1)
    level = np.nan_to_num(canvas.level, nan=0.3)
    begins = (level[:, 1:] >= 1) & (level[:, :-1] < 1)
    signals = []
    for part, row, begin in zip(canvas.parts, level, begins, strict=True):
        counts = np.zeros(canvas.n, dtype=np.int64)
        counts[0] = limit - 1  # the next event is one too many
        at = np.flatnonzero(begin) + 1
        counts[at] = rng.integers(1, max(2, int(limit / 3)), len(at))
        loud = row > 1.5
        counts[loud] += rng.poisson(0.3, int(loud.sum()))
        for incident in canvas.stage.openings:
            counts[incident.start] += int(2 * limit)
        signals.append(Signal(measure, part.target, counts, canvas.stage.every, part.labels))
    return f"{select(canvas, canvas.family.name)} > {number(limit)}", tuple(signals)


def _requests(rng: np.random.Generator) -> Shape:
    window = int(pick(rng, WINDOWS))
    form = pick(rng, ("ratio", "ratio", "ratio", "percent", "ok", "rate"))

    def write(canvas: Canvas) -> tuple[str, tuple[Signal, ...]]:
        draw, stage = canvas.rng, canvas.stage
        limit, family, by = canvas.words.threshold("failing"), canvas.family, keys(canvas)
        busiest = float(pick(draw, (0.3, 1.0) if canvas.trickle else (0.3, 2.0, 10.0, 30.0)))
        level = np.nan_to_num(canvas.level, nan=0.3)
        level = np.where(level < 1, level * 0.5, level)
        traffic = (
            busiest * daily(stage.axis, float(pick(draw, (0.02, 0.1, 0.3)))) * (1 + wander(draw, canvas.n, 0.05))
        )
        if canvas.trickle:
            traffic[daily(stage.axis, 0.0) < 0.35] = 0.008
        for opening in stage.openings:  # an incident that nobody runs into is none
            traffic[opening.start : opening.start + 90] = np.maximum(traffic[opening.start : opening.start + 90], 0.4)
        failing = np.minimum(level * limit, 1.0)
        bad, good = pick(draw, (("500", "200"), ("503", "200"), ("502", "204"), ("5xx", "2xx")))
        measure = Measure(family.name.removesuffix("_total"), "counter", "Requests by status.", quantum=1)
        signals = []
        for part, share in zip(canvas.parts, failing, strict=True):
            for status, per_second in ((bad, traffic * share), (good, traffic * (1 - share))):
                labels = part.labels.updated({family.part: status})
                signals.append(Signal(measure, part.target, arrivals(draw, per_second), stage.every, labels))
        metric = family.name
        broken = select(canvas, metric, **{family.part: "=~5.."})
        sound = select(canvas, metric, **{family.part: "!~5.."})
        errors, every = (f"sum by ({by}) (rate({one}[{window}m]))" for one in (broken, select(canvas, metric)))
        match form:
            case "percent":
                return f"100 * {errors} / {every} > {number(100 * limit)}", tuple(signals)
            case "ok":
                answered = f"sum by ({by}) (rate({sound}[{window}m]))"
                return f"{answered} / {every} < {number(round(1 - limit, 6))}", tuple(signals)
            case "rate":
                many = float(f"{busiest * len(canvas.parts) * limit * 0.6:.1g}")
                return f"{errors} > {number(many)}", tuple(signals)
        return f"{errors} / {every} > {number(limit)}", tuple(signals)

    return Shape(window, write)


def _latency(rng: np.random.Generator) -> Shape:
    window, q = int(pick(rng, WINDOWS)), float(pick(rng, (0.5, 0.9, 0.95, 0.99)))
    steep = 3.0  # of a log-logistic distribution: its share below x is 1 / (1 + (x / median)^-steep)

    def write(canvas: Canvas) -> tuple[str, tuple[Signal, ...]]:
        draw, stage, family = canvas.rng, canvas.stage, canvas.family
        limit = canvas.words.threshold("seconds")
        level = np.nan_to_num(canvas.level, nan=0.3)
        median = level * limit / (q / (1 - q)) ** (1 / steep)  # [parts, n]
        busiest = float(pick(draw, (0.3, 3.0, 20.0)))
        traffic = busiest * daily(stage.axis, 0.2) * (1 + wander(draw, canvas.n, 0.05))
        bounds = [*(float(f"{limit * one:.4g}") for one in (0.25, 0.5, 1.0, 2.0, 4.0)), np.inf]
        measure = Measure(family.name, "histogram", "How long it took.", quantum=1)
        signals = []
        for part, middle in zip(canvas.parts, median, strict=True):
            below = np.stack([1 / (1 + (bound / middle) ** -steep) for bound in bounds])  # [bounds, n]
            counts = np.cumsum(arrivals(draw, traffic * np.diff(below, axis=0, prepend=0)), axis=0)
            for bound, count in zip(bounds, counts, strict=True):
                labels = part.labels.updated({"le": "+Inf" if np.isinf(bound) else str(bound)})
                signals.append(Signal(measure, part.target, count, max(1, stage.every), labels))
        by = ", ".join(("le", keys(canvas)))
        inner = f"sum by ({by}) (rate({select(canvas, f'{family.name}_bucket')}[{window}m]))"
        return f"histogram_quantile({number(q)}, {inner}) > {number(limit)}", tuple(signals)

    return Shape(window, write)


def _alive(rng: np.random.Generator) -> Shape:
    form = pick(rng, (*("== 0",) * 3, "!= 1", "< 1", "count", "avg", "min", "sum"))

    def write(canvas: Canvas) -> tuple[str, tuple[Signal, ...]]:
        name, by = canvas.family.name, keys(canvas)
        signals = gauges(canvas, name, np.where(np.isnan(canvas.level), np.nan, canvas.level < 1), 1)
        metric = select(canvas, name)
        match form:
            case "count":
                return f"count by ({by}) ({metric} == 0) > 0", signals
            case "avg":
                return f"avg by ({by}) ({metric}) < {number(pick(canvas.rng, (0.9, 0.8, 0.95)))}", signals
            case "min":
                return f"min by ({by}) ({metric}) == 0", signals
            case "sum":
                return f"sum by ({by}) ({metric}) < {len(canvas.parts)}", signals
        return f"{metric} {form}", signals

    return Shape(0, write)


def _absent(rng: np.random.Generator) -> Shape:
    """Whether something is there at all; of a series that is bad, nothing is scraped."""

    def write(canvas: Canvas) -> tuple[str, tuple[Signal, ...]]:
        name, dialect = canvas.family.name, canvas.stage.dialect
        signals = gauges(canvas, name, np.where(canvas.level < 1, 1.0, np.nan), 1)
        one = {**canvas.stage.scope, dialect.service: canvas.stage.service.name}
        inner = ", ".join(f'{label}="{value}"' for label, value in one.items())
        return f"absent({name}{{{inner}}})", signals

    return Shape(5, write)  # for five minutes the last sample counts


def _lagging(rng: np.random.Generator) -> Shape:
    """What went in against what came out, where the second is known some minutes later than the first."""
    form, late = pick(rng, ("difference", "ratio", "share")), int(rng.integers(2, 6))

    def write(canvas: Canvas) -> tuple[str, tuple[Signal, ...]]:
        draw, stem = canvas.rng, canvas.words.made_up()
        first, second = pick(
            draw, (("sent", "received"), ("enqueued", "processed"), ("desired", "ready"), ("in", "out"))
        )
        level = np.nan_to_num(canvas.level, nan=0.3)
        scale = float(pick(draw, (20, 100, 1000)))
        begun = (level >= 1) & (np.roll(level, 1, axis=1) < 1)  # a step of the load begins
        load = scale * (1 + 0.1 * np.stack([wander(draw, canvas.n, 1, 30) for _ in canvas.parts]))
        follows = load.copy()
        near = [one.start for one in canvas.stage.openings]
        for row in range(len(load)):
            for at in np.flatnonzero(begun[row]):
                if any(-10 < at - start < 60 for start in near):
                    follows[row, at : at + 30] *= 0.3  # really behind
                else:
                    load[row, at : at + 90] *= draw.uniform(1.6, 2.5)
                    follows[row, at + late : at + late + 90] = load[row, at : at + 90][: canvas.n - at - late]
        ahead, behind = f"{stem}_{first}", f"{stem}_{second}"
        signals = (*gauges(canvas, ahead, load, 1), *gauges(canvas, behind, follows, 1))
        one, two = select(canvas, ahead), select(canvas, behind)
        match form:
            case "difference":
                return f"{one} - {two} > {number(0.4 * scale)}", signals
            case "ratio":
                return f"{one} / {two} > 1.4", signals
        return f"{two} / {one} < 0.7", signals

    return Shape(0, write)


def _broken(rng: np.random.Generator) -> Shape:
    form = pick(rng, ("== 1", "== 1", "> 0", "> 0", "!= 0", "max", "sum"))

    def write(canvas: Canvas) -> tuple[str, tuple[Signal, ...]]:
        name, by = canvas.family.name, keys(canvas)
        signals = gauges(canvas, name, np.where(np.isnan(canvas.level), np.nan, canvas.level >= 1), 1)
        metric = select(canvas, name)
        if form in ("max", "sum"):
            return f"{form} by ({by}) ({metric}) > 0", signals
        return f"{metric} {form}", signals

    return Shape(0, write)


def _stamp(rng: np.random.Generator) -> Shape:
    form = pick(rng, ("seconds", "seconds", "minutes", "max"))

    def write(canvas: Canvas) -> tuple[str, tuple[Signal, ...]]:
        limit = float(pick(canvas.rng, (600, 900, 1800, 3600, 7200)))
        now = canvas.stage.axis.times() / 1000
        signals = gauges(canvas, canvas.family.name, now - canvas.level * limit, 1)
        metric = select(canvas, canvas.family.name)
        match form:
            case "minutes":
                return f"(time() - {metric}) / 60 > {number(limit / 60)}", signals
            case "max":
                return f"time() - max by ({keys(canvas)}) ({metric}) > {number(limit)}", signals
        return f"time() - {metric} > {number(limit)}", signals

    return Shape(0, write)


def _restarts(rng: np.random.Generator) -> Shape:
    window = int(pick(rng, (5, 10, 10, 15, 30, 60)))
    form = pick(rng, ("increase", "increase", "increase", "rate", "changes", "sum"))

    def write(canvas: Canvas) -> tuple[str, tuple[Signal, ...]]:
        draw, name = canvas.rng, canvas.family.name
        measure = Measure(name.removesuffix("_total"), "counter", "Restarts.", quantum=1)
        level = np.nan_to_num(canvas.level, nan=0.3)
        signals = []
        for part, row in zip(canvas.parts, level, strict=True):
            counts = np.zeros(canvas.n, dtype=np.int64)
            counts[1:] += (row[1:] >= 1) & (row[:-1] < 1)
            for opening in canvas.stage.openings:  # a crash loop
                if row[opening.start + 2] >= 1:
                    counts[opening.start + np.array((1, 2, 3, 5, 8, 13))] += int(draw.integers(1, 3))
            signals.append(Signal(measure, part.target, counts, canvas.stage.every, part.labels))
        metric = select(canvas, name)
        match form:
            case "rate":
                return f"rate({metric}[{window}m]) * 60 * {window} > 0", tuple(signals)
            case "changes":
                return f"changes({metric}[{window}m]) > 0", tuple(signals)
            case "sum":
                return f"sum by ({keys(canvas)}) (increase({metric}[{window}m])) > 0", tuple(signals)
        return f"increase({metric}[{window}m]) > {number(pick(draw, (0, 0, 1)))}", tuple(signals)

    return Shape(window, write)


def _stored(rng: np.random.Generator) -> Shape:
    window, ahead = int(pick(rng, (30, 60, 60, 120))), int(pick(rng, (2, 4, 4, 6)))

    def write(canvas: Canvas) -> tuple[str, tuple[Signal, ...]]:
        whole = float(2 ** canvas.rng.integers(30, 40))
        level = np.nan_to_num(canvas.level, nan=0.3)
        left = np.empty_like(level)
        at = np.full(len(level), 0.5)
        for tick in range(canvas.n):  # it drains while it is bad, and is emptied afterwards
            bad = level[:, tick] >= 1
            at = np.where(bad, at - 0.5 * np.minimum(level[:, tick], 3) / (ahead * 30), at + 0.05 * (0.5 - at))
            at = np.maximum(at, 0.02)
            left[:, tick] = at
        signals = gauges(canvas, canvas.family.name, left * whole, 2**20)
        metric = select(canvas, canvas.family.name)
        return f"predict_linear({metric}[{window}m], {ahead} * 3600) < 0", signals

    return Shape(window, write)


_SHAPES: dict[Role, Callable[[np.random.Generator], Shape]] = {
    "high": _high,
    "low": _low,
    "used": _used,
    "free": _free,
    "counter": _counter,
    "requests": _requests,
    "latency": _latency,
    "alive": _alive,
    "broken": _broken,
    "stamp": _stamp,
    "restarts": _restarts,
    "stored": _stored,
    "latched": _latched,
    "lagging": _lagging,
    "absent": _absent,
}


def _beside(canvas: Canvas) -> tuple[str, tuple[Signal, ...]]:
    """A second comparison that nearly always holds, and the gauge that it reads."""
    name = f"{canvas.words.made_up()}_enabled"
    measure = Measure(name, "gauge", "Whether it is switched on.", quantum=1)
    signal = Signal(measure, canvas.stage.service.whole, np.ones(canvas.n), 4)
    return f"{name} == 1", (signal,)
