"""How noise comes about in random worlds: one function a story, each painting on a canvas.

Unlike the plots of the demo, a story knows nothing of what is measured: it says when which series is how bad, and
adds what else would be seen then (a dependency that is down, a rollout, traffic). Search finds the right answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from rulegen.core.labels import Labels
from rulegen.train.axis import Ticks
from rulegen.train.canvas import Canvas
from rulegen.train.chance import pick
from rulegen.train.families import Family, Role
from rulegen.train.noise import every_day, peaks
from rulegen.train.plot import Signal
from rulegen.train.signals import arrivals, daily, lay, wander
from rulegen.train.vocabulary import Measure

LEVELS: tuple[Role, ...] = ("high", "low", "used", "free", "counter", "requests", "latency", "stamp")
FLAGS: tuple[Role, ...] = ("alive", "broken", "restarts")
ANY = (*LEVELS, *FLAGS)


@dataclass(frozen=True, slots=True)
class Story:
    """``roles`` are the kinds of metrics it can be told with, ``holds`` the rule's usual ``for`` in minutes,
    ``series`` how many series the rule looks at (both ends included); ``often`` is told ``often`` times as often."""

    name: str
    paint: Callable[[Canvas], None]
    roles: tuple[Role, ...] = LEVELS
    holds: tuple[int, ...] = (0, 0, 1, 2, 5)
    series: tuple[int, int] = (1, 6)
    often: int = 2


def spikes(canvas: Canvas) -> None:
    """Short peaks of single series, often higher than any incident."""
    height = canvas.rng.uniform(*pick(canvas.rng, ((1.2, 2.5), (2.5, 4.5))))
    for ticks in canvas.spells((1, int(canvas.rng.integers(2, 5))), (1.5, 4)):
        canvas.raise_to(canvas.any_part(), ticks, height * canvas.rng.uniform(0.8, 1.3))


def needles(canvas: Canvas) -> None:
    """Single odd samples, while an incident jumps about as well: only the mean tells them apart."""
    height = canvas.rng.uniform(1.8, 3.2)
    for ticks in canvas.spells((1, 1), (2, 5)):
        canvas.raise_to(canvas.any_part(), ticks, height * canvas.rng.uniform(0.8, 1.2))
    if canvas.rng.random() < 0.7:
        canvas.manner = "buzzing"


def flaps(canvas: Canvas) -> None:
    """Over the threshold and back every few minutes."""
    rng = canvas.rng
    on, off = int(rng.integers(2, 5)) + canvas.slack, (3, int(rng.integers(5, 10)))
    height = rng.uniform(1.15, 2.0)
    for ticks in canvas.spells((25, 90), (0.6, 1.5)):
        length = ticks[1] - ticks[0]
        shape = peaks(rng, length, rng.uniform(0.5, 0.9), (height * 0.9, height * 1.2), off)
        if on > 2:
            shape = np.repeat(shape, -(-on // 2))[:length]
        lay(canvas.level[canvas.any_part()], ticks, shape)


def hovers(canvas: Canvas) -> None:
    """Around the threshold for as long as there is work."""
    rng = canvas.rng
    middle, spread = rng.uniform(1.01, 1.08), rng.uniform(0.02, 0.05)
    for ticks in canvas.spells((20, 110), (0.8, 2)):
        length = ticks[1] - ticks[0]
        lay(canvas.level[canvas.any_part()], ticks, np.clip(middle + wander(rng, length, spread, 5), 0.9, 1.2))


def mild(canvas: Canvas) -> None:
    """Clearly over the threshold, for long, and harmless: the threshold is simply too low."""
    height = canvas.rng.uniform(1.15, 1.8)
    for ticks in canvas.spells((15, 80), (1, 2.5)):
        canvas.raise_to(canvas.any_part(), ticks, height * canvas.rng.uniform(0.95, 1.1), rise=3)


def storms(canvas: Canvas) -> None:
    """Something that all share hiccups, and every series fires."""
    rng, height = canvas.rng, canvas.rng.uniform(1.3, 4.0)
    for ticks in canvas.spells((5, 18), (0.6, 1.6), 20):
        for part in range(len(canvas.parts)):
            late = int(rng.integers(0, 3))
            canvas.raise_to(part, (ticks[0] + late, ticks[1]), height * rng.uniform(0.8, 1.2))


def singles(canvas: Canvas) -> None:
    """One series at a time; only several at once would matter."""
    height = canvas.rng.uniform(1.3, 4.0)
    for ticks in canvas.spells((5, 45), (1.5, 3.5)):
        canvas.raise_to(canvas.any_part(), ticks, height)


def few(canvas: Canvas) -> None:
    """One or two series of several make nearly all the noise."""
    noisy = canvas.some(0.15)
    height = canvas.rng.uniform(1.3, 4.0)
    for ticks in canvas.spells((6, 60), (1.5, 3)):
        canvas.raise_to(int(pick(canvas.rng, noisy.tolist())), ticks, height * canvas.rng.uniform(0.8, 1.2))


def one_kind(canvas: Canvas) -> None:
    """Only one kind of targets ever has incidents, and the noise is all the others'. See :func:`kinds`."""
    rng, height = canvas.rng, canvas.rng.uniform(1.4, 4.0)
    if len(canvas.parts) == 1:
        singles(canvas)
        return
    few = kinds(len(canvas.parts))
    canvas.level[:few] *= 0.7
    for ticks in canvas.spells((6, 50), (2, 4)):
        canvas.raise_to(int(rng.integers(few, len(canvas.parts))), ticks, height * 1.3)
    for opening in canvas.stage.openings:
        incident, ticks = canvas.stage.incident(opening, int(rng.integers(15, 50)) + canvas.slack)
        canvas.incidents.append(incident)
        for part in range(few):
            canvas.raise_to(part, ticks, height)


def kinds(parts: int) -> int:
    """How many of ``parts`` series are of the kind that has incidents."""
    return max(1, parts // 3)


def chronic(canvas: Canvas) -> None:
    """A known fault that nobody mends pages for hours every day."""
    rng, part = canvas.rng, canvas.any_part()
    hour, height = rng.uniform(0, 16), rng.uniform(1.3, 3.0)
    for day in every_day(rng, canvas.stage.axis, hour, 40, (300, 520)):
        if rng.random() < 0.85:
            _while_free(canvas, day, lambda ticks: canvas.raise_to(part, ticks, height, rise=10))


def stuck(canvas: Canvas) -> None:
    """It broke some day and nobody looked: it fires ever since, but for short breaks."""
    rng, part = canvas.rng, canvas.any_part()
    start, height = int(rng.integers(canvas.n // 8, canvas.n // 2)), rng.uniform(1.2, 3.0)
    while start < canvas.n - 120:
        end = min(canvas.n, start + int(rng.integers(200, 900)))
        _while_free(canvas, (start, end), lambda ticks: canvas.raise_to(part, ticks, height))
        start = end + int(rng.integers(15, 90))


def nightly(canvas: Canvas) -> None:
    """A job at the same hour every day is as loud as an incident."""
    rng = canvas.rng
    parts, hour, height = canvas.some(1.0 if rng.random() < 0.5 else 0.3), rng.uniform(0, 23), rng.uniform(1.2, 3.0)
    if canvas.hushed is not None and rng.random() < 0.7:
        hour = canvas.hushed + rng.uniform(0.5, 2.5)
    minutes = (15 + canvas.slack, 45 + canvas.slack)
    for ticks in every_day(rng, canvas.stage.axis, hour, 10, minutes):
        if canvas.stage.free[ticks[0] : ticks[1]].all():
            for part in parts:
                canvas.raise_to(int(part), ticks, height * rng.uniform(0.95, 1.05), rise=2)


def waves(canvas: Canvas) -> None:
    """The busy hours of every day pass the threshold; an incident is what comes beside them."""
    rng = canvas.rng
    top, hour = rng.uniform(1.08, 1.35), rng.uniform(8, 20)
    wave = daily(canvas.stage.axis, 0.2, hour, 1.0)
    for part in range(len(canvas.parts)):
        shape = wave**2 * top * (1 + wander(rng, canvas.n, 0.02, 15))
        np.copyto(canvas.level[part], np.where(canvas.stage.free, np.maximum(canvas.level[part], shape), 0.5))


def rollouts(canvas: Canvas) -> None:
    """A pod that has just started is slow: noise after each start of one. The start is known as a metric."""
    rng, axis, stage = canvas.rng, canvas.stage.axis, canvas.stage
    name = pick(rng, ("process_start_time_seconds", "container_start_time_seconds", "kube_pod_start_time"))
    started = Measure(name, "gauge", "Start.", quantum=1)
    height = rng.uniform(1.3, 4.0)
    lives = {part.target.name: part.target for part in canvas.parts}
    for target in lives.values():
        begins = np.zeros(canvas.n)
        for restart in (life.ticks[0] for life in target.lives):
            begins[restart:] = (axis.start // 1000) + restart * 60
        canvas.signals.append(Signal(started, target, begins, stage.every))
    for part, one in enumerate(canvas.parts):
        for restart in (life.ticks[0] for life in one.target.lives[1:]):
            length = int(rng.integers(4, 9)) + canvas.slack
            canvas.raise_to(part, (restart, min(canvas.n, restart + length)), height)


def dependency(canvas: Canvas) -> None:
    """What it depends on is down at times, which somebody else is told of."""
    rng, whole = canvas.rng, canvas.stage.service.whole
    name = pick(rng, ("up", "probe_success", f"{canvas.words.made_up()}_up"))
    alive, height = np.ones(canvas.n), rng.uniform(1.4, 4.0)
    for ticks in canvas.spells((8, 40), (0.8, 2)):
        alive[max(0, ticks[0] - int(rng.integers(1, 4))) : ticks[1] + int(rng.integers(1, 6))] = 0
        for part in canvas.some(float(rng.choice((0.3, 1.0)))):
            canvas.raise_to(int(part), ticks, height)
    measure = Measure(name, "gauge", "Whether it answers.", quantum=1)
    canvas.signals.append(Signal(measure, whole, alive, 1, Labels({"target": canvas.words.made_up()})))


def maintenance(canvas: Canvas) -> None:
    """Planned work, which a flag tells of."""
    rng, whole = canvas.rng, canvas.stage.service.whole
    name = f"{canvas.words.made_up()}_{pick(rng, ('maintenance', 'rollout_in_progress', 'deploying', 'in_rollout'))}"
    flag, height = np.zeros(canvas.n), rng.uniform(1.4, 4.0)
    for ticks in canvas.spells((10, 60), (0.6, 1.5)):
        flag[max(0, ticks[0] - 2) : ticks[1] + 3] = 1
        for part in canvas.some(float(rng.choice((0.4, 1.0)))):
            canvas.raise_to(int(part), ticks, height)
    canvas.signals.append(Signal(Measure(name, "gauge", "Planned work.", quantum=1), whole, flag, 1))


def idle(canvas: Canvas) -> None:
    """Bad figures while hardly anybody asks: without traffic they mean nothing."""
    rng, axis, whole = canvas.rng, canvas.stage.axis, canvas.stage.service.whole
    counter = Measure(f"{canvas.words.made_up()}_{pick(rng, ('requests', 'calls', 'queries'))}", "counter", "Asked.")
    busy = daily(axis, 0.0) > 0.35
    traffic = np.where(busy, rng.uniform(2, 20), 0.02)
    quiet = canvas.stage.free & ~busy
    height = rng.uniform(1.3, 4.0)
    stage, canvas.stage = canvas.stage, replace(canvas.stage, free=quiet)
    for ticks in canvas.spells((5, 40), (2.5, 5)):
        canvas.raise_to(canvas.any_part(), ticks, height)
    canvas.stage = stage
    for opening in stage.openings:
        traffic[max(0, opening.start - 20) : opening.start + 80] = rng.uniform(2, 20)
    canvas.signals.append(Signal(counter, whole, arrivals(rng, traffic), 1))


def alone(canvas: Canvas) -> None:
    """Without another sign of trouble it is nothing. That sign has a rule of its own, which only makes a ticket."""
    rng, stage = canvas.rng, canvas.stage
    singles(canvas)
    limit = canvas.words.threshold("count")
    measure = Measure(
        f"{canvas.words.made_up()}_{pick(rng, ('stalled', 'waiting', 'rejected'))}", "gauge", "Trouble."
    )
    other = np.clip(0.4 + wander(rng, canvas.n, 0.08), 0.05, 0.9)
    for opening in stage.openings:
        other[max(0, opening.start - 3) : opening.start + 60] = rng.uniform(1.3, 2.5)
    for ticks in canvas.spells((5, 30), (0.3, 0.8)):
        other[ticks[0] : ticks[1]] = rng.uniform(1.2, 2.0)
    canvas.signals.append(Signal(measure, stage.service.whole, other * limit, 1))
    name = canvas.words.alert(Family(measure.name, "high"))
    canvas.rules.append(stage.ticket(name, f"{stage.select(measure.name)} > {limit:g}", int(rng.integers(0, 3))))


def caused(canvas: Canvas) -> None:
    """Another alert about the same service comes a little earlier, every time, and says what is wrong."""
    rng, stage = canvas.rng, canvas.stage
    limit, height = canvas.words.threshold("count"), rng.uniform(1.4, 3.0)
    measure = Measure(
        f"{canvas.words.made_up()}_{pick(rng, ('saturation', 'backlog', 'lag', 'pressure'))}", "gauge", "Cause."
    )
    cause = np.clip(0.4 + wander(rng, canvas.n, 0.08), 0.05, 0.9)
    brief = rng.random() < 0.5  # over before its effect begins
    for ticks in canvas.spells((10, 40), (1, 2)):
        early = int(rng.integers(3, 6))
        cause[max(0, ticks[0] - early) : ticks[0] - 1 if brief else ticks[1] + 2] = rng.uniform(1.3, 2.0)
        for part in canvas.some(float(rng.choice((0.5, 1.0)))):
            canvas.raise_to(int(part), ticks, height)
    for opening in stage.openings:
        if rng.random() < 0.7:
            cause[opening.start : opening.start + 30] = rng.uniform(1.5, 2.5)
    canvas.signals.append(Signal(measure, stage.service.whole, cause * limit, 1))
    name = canvas.words.alert(Family(measure.name, "high"))
    severity = stage.page if rng.random() < 0.6 else stage.ticket
    canvas.rules.append(severity(name, f"{stage.select(measure.name)} > {limit:g}", 0))


def gaps(canvas: Canvas) -> None:
    """It fires for long, but the scrapes fail now and then, so that it resolves and comes again."""
    rng, height = canvas.rng, canvas.rng.uniform(1.2, 2.5)
    for ticks in canvas.spells((60, 200), (0.4, 1.0), 30):
        part = canvas.any_part()
        canvas.raise_to(part, ticks, height)
        at = ticks[0] + canvas.slack + 5
        while at < ticks[1] - 10:
            lost = 5 + int(rng.integers(1, 4))  # Prometheus looks back for five minutes
            canvas.level[part, at : at + lost] = np.nan
            at += lost + canvas.slack + int(rng.integers(4, 15))


def restless(canvas: Canvas) -> None:
    """Far over the threshold and back at once, in the middle of a long plateau that is neither high nor low."""
    rng = canvas.rng
    high, low = rng.uniform(1.25, 1.6), rng.uniform(1.02, 1.1)
    for ticks in canvas.spells((30, 120), (0.8, 1.5)):
        length = ticks[1] - ticks[0]
        shape = np.where(rng.random(length) < 0.35, high, low) * rng.uniform(0.97, 1.03, length)
        shape[rng.random(length) < 0.12] = rng.uniform(0.8, 0.95)
        lay(canvas.level[canvas.any_part()], ticks, shape)


def churn(canvas: Canvas) -> None:
    """A long plateau of the whole service, seen by pods that come and go: each new pod is a new alert."""
    height = canvas.rng.uniform(1.2, 2.0)
    for ticks in canvas.spells((200, 500), (0.2, 0.5), 60):
        for part in range(len(canvas.parts)):
            canvas.raise_to(part, ticks, height)


def trickle(canvas: Canvas) -> None:
    """At night one failed request of three is a third."""
    night = daily(canvas.stage.axis, 0.0) < 0.35
    canvas.level[:, night & canvas.stage.free] = canvas.rng.uniform(0.8, 2.5)
    canvas.trickle = True


def blinks(canvas: Canvas) -> None:
    """Gone for a few minutes now and then, and there again."""
    for ticks in canvas.spells((2, 7), (2, 5)):
        canvas.raise_to(canvas.any_part(), ticks, 3.0)


def steps(canvas: Canvas) -> None:
    """Something begins; what is measured says how it goes on."""
    for ticks in canvas.spells((6, 30), (2, 4), 90):
        canvas.raise_to(canvas.any_part(), ticks, 2.0)


def _while_free(canvas: Canvas, ticks: Ticks, paint: Callable[[Ticks], None]) -> None:
    """Paints the pieces of ``ticks`` that lie away from incidents, if they are long enough to fire."""
    inside = np.flatnonzero(canvas.stage.free[ticks[0] : ticks[1]]) + ticks[0]
    for piece in np.split(inside, np.flatnonzero(np.diff(inside) > 1) + 1):
        if len(piece) > canvas.slack + 5:
            paint((int(piece[0]), int(piece[-1]) + 1))


STORIES: tuple[Story, ...] = (
    Story("spikes", spikes, (*LEVELS, "alive", "broken"), holds=(0, 0, 1, 2, 5), often=6),
    Story("needles", needles, ("high", "low", "used", "free"), holds=(0,), series=(1, 2), often=3),
    Story("flaps", flaps, (*LEVELS, "alive", "broken"), holds=(0, 0, 0, 1), often=3),
    Story("hovers", hovers, often=3),
    Story("mild", mild, often=3),
    Story("storms", storms, ANY, series=(3, 8), often=3),
    Story("singles", singles, ANY, series=(3, 8), often=3),
    Story("few", few, ANY, series=(3, 9), often=3),
    Story("one kind", one_kind, ANY, series=(6, 9), often=3),
    Story("chronic", chronic, (*LEVELS, "alive", "broken"), series=(1, 4)),
    Story("stuck", stuck, (*LEVELS, "alive", "broken"), series=(1, 4), often=1),
    Story("nightly", nightly, (*LEVELS, "alive", "broken"), series=(1, 4), often=4),
    Story("waves", waves, ("high", "low", "used", "free", "counter", "latency"), series=(1, 3)),
    Story("rollouts", rollouts, ("high", "low", "counter", "used", "alive"), series=(2, 5)),
    Story("dependency", dependency, (*LEVELS, "restarts"), series=(1, 4), often=3),
    Story("maintenance", maintenance, ANY, series=(1, 5)),
    Story("idle", idle, ("high", "low", "latency", "alive", "stamp"), series=(1, 3)),
    Story("alone", alone, ("high", "low", "used", "counter", "latency"), series=(2, 5)),
    Story("caused", caused, (*LEVELS, "alive"), series=(1, 5), often=3),
    Story("gaps", gaps, ("high", "low", "used", "free"), holds=(0, 1, 2), series=(1, 4)),
    Story("restless", restless, ("high", "low", "used", "free"), holds=(0, 0, 1), series=(1, 3)),
    Story("trickle", trickle, ("requests",), holds=(0, 0, 1), series=(1, 2), often=3),
    Story("blinks", blinks, ("absent", "absent", "alive"), holds=(0, 0, 1, 2, 5), series=(1, 3), often=3),
    Story("latched", steps, ("latched",), holds=(0, 0, 1, 5), series=(1, 4), often=2),
    Story("lagging", steps, ("lagging",), holds=(0, 0, 1), series=(1, 3), often=3),
    Story("filling", mild, ("stored",), holds=(0, 5), series=(1, 3), often=2),
    Story("churn", churn, ("high", "low", "counter", "used"), series=(2, 5)),
)
