"""A world: a history whose noise, incidents and right answers are known, made from a recipe and a seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rulegen.core.durations import MINUTE
from rulegen.core.incident import IncidentRecord
from rulegen.core.labels import EMPTY, Labels
from rulegen.core.rule import Rule, RuleGroup, RuleSet
from rulegen.core.series import Samples
from rulegen.core.spans import Span
from rulegen.train.axis import Axis, Ticks
from rulegen.train.chance import stream
from rulegen.train.plot import CALM, Plot, Stage, Truth
from rulegen.train.plots import KINDS
from rulegen.train.recipe import PlotRecipe, Recipe
from rulegen.train.schedule import ROOM, Opening, Wish, draw_openings
from rulegen.train.scrape import scrape
from rulegen.train.topology import Service, draw_service
from rulegen.train.vocabulary import SERVICES, Dialect, Measure, draw_dialect

RULES_FILE = "rules.yml"


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """``truths`` has one entry a rule, in the order of ``rules``; ``measures`` are the metrics, for their types."""

    recipe: Recipe
    seed: int
    dialect: Dialect
    span: Span
    samples: Samples
    measures: tuple[Measure, ...]
    rules: RuleSet
    record: IncidentRecord
    truths: tuple[Truth, ...]

    def truth(self, rule: str) -> Truth:
        """What is true of the rule of that name. Raises KeyError when there is none."""
        return {truth.rule: truth for truth in self.truths}[rule]


@dataclass(frozen=True, slots=True)
class _Cast:
    """A plot's recipe with everything drawn that it left open. ``id`` names its stream of randomness."""

    id: str
    recipe: PlotRecipe
    service: str
    replicas: int
    incidents: int
    per_day: float
    trap: bool


def build_world(recipe: Recipe, seed: int | None = None) -> World:
    """The world of ``recipe`` and ``seed`` (default: the recipe's). Same input, same world; no clock, no file.

    Raises ValueError when the recipe asks for what can't be: more incidents than fit, an unknown metric.
    """
    seed = recipe.seed if seed is None else seed
    axis = Axis(int(recipe.start.timestamp()) // 60 * MINUTE, round(recipe.days * 1440))
    pinned = recipe.dialect.model_dump(exclude={"measures"}, exclude_none=True)
    dialect = draw_dialect(stream(seed, "dialect"), pinned, recipe.dialect.measures)
    casts = _cast(recipe, seed)
    wishes = [Wish(c.id, c.incidents, KINDS[c.recipe.kind].daytime) for c in casts]
    openings = draw_openings(stream(seed, "incidents"), axis, wishes)
    busy = tuple((o.start - CALM, o.start + ROOM + 30) for many in openings.values() for o in many)
    services = _services(recipe, seed, axis, dialect, casts, busy)
    plots = [_plant(seed, axis, dialect, services[c.service], c, casts, openings) for c in casts]

    signals = tuple(signal for plot in plots for signal in plot.signals)
    down = _outages(stream(seed, "outages"), axis, recipe.outages, busy)
    samples = scrape(axis, signals, recipe.missed, down, lambda name: stream(seed, "scrape", name))
    domains: dict[str, list[tuple[Rule, Truth]]] = {}
    for cast, plot in zip(casts, plots, strict=True):
        domains.setdefault(KINDS[cast.recipe.kind].domain, []).extend(zip(plot.rules, plot.truths, strict=True))
    span = axis.span((0, axis.n))
    incidents = sorted((i for plot in plots for i in plot.incidents), key=lambda i: (i.span.start, i.id))
    return World(
        recipe,
        seed,
        dialect,
        span,
        samples,
        tuple({s.measure.name: s.measure for s in signals}.values()),
        RuleSet(
            tuple(RuleGroup(dialect.group(d), tuple(r for r, _ in pairs), RULES_FILE) for d, pairs in domains.items())
        ),
        IncidentRecord(tuple(incidents), (span,)),
        tuple(truth for pairs in domains.values() for _, truth in pairs),
    )


def _cast(recipe: Recipe, seed: int) -> tuple[_Cast, ...]:
    """Draws what the recipe leaves open. Plots that name no service get one each."""
    taken = {plot.service for plot in recipe.plots}
    names = [str(name) for name in stream(seed, "services").permutation(SERVICES) if name not in taken]
    names += [f"{name}-{i}" for i in range(2, 2 + len(recipe.plots) // len(SERVICES)) for name in SERVICES]
    seen: dict[str, int] = {}
    casts = []
    for plot in recipe.plots:
        seen[plot.kind] = seen.get(plot.kind, 0) + 1
        id = f"{plot.kind}-{seen[plot.kind]}"
        rng, kind = stream(seed, "cast", id), KINDS[plot.kind]
        replicas, incidents = (int(rng.integers(low, high + 1)) for low, high in (kind.replicas, kind.incidents))
        per_day, trap = float(rng.uniform(*kind.per_day)), bool(rng.random() < 0.5)
        trap = trap if plot.trap is None else plot.trap
        count = incidents if plot.incidents is None else plot.incidents
        casts.append(
            _Cast(
                id,
                plot,
                names.pop(0) if plot.service is None else plot.service,
                replicas if plot.replicas is None else plot.replicas,
                count,
                per_day if plot.per_day is None else plot.per_day,
                trap,
            )
        )
    return tuple(casts)


def _services(
    recipe: Recipe, seed: int, axis: Axis, dialect: Dialect, casts: Sequence[_Cast], busy: Sequence[Ticks]
) -> dict[str, Service]:
    services = {}
    for name in sorted({cast.service for cast in casts}):
        services[name] = draw_service(
            stream(seed, "service", name),
            axis,
            name,
            Labels({"namespace": dialect.namespace, dialect.service: name}),
            dialect.pod,
            max(cast.replicas for cast in casts if cast.service == name),
            recipe.deploys,
            busy,
        )
    return services


def _plant(
    seed: int,
    axis: Axis,
    dialect: Dialect,
    service: Service,
    cast: _Cast,
    casts: Sequence[_Cast],
    openings: dict[str, tuple[Opening, ...]],
) -> Plot:
    free = np.ones(axis.n, dtype=np.bool_)
    free[:CALM] = False
    for other in casts:
        if other.service == cast.service:  # else noise would catch the incident of another plot by luck
            for opening in openings[other.id]:
                free[max(0, opening.start - CALM) : opening.start + ROOM + 30] = False
    again = sum(other.recipe.kind == cast.recipe.kind for other in casts) > 1
    stage = Stage(
        axis,
        dialect,
        service,
        openings[cast.id],
        free,
        stream(seed, "plot", cast.id),
        cast.recipe.kind,
        cast.per_day,
        cast.recipe.every // 60,
        _hidden(stream(seed, "hidden", cast.id), openings[cast.id]) if cast.trap else "",
        cast.recipe.twin,
        Labels({dialect.service: service.name}) if again else EMPTY,
    )
    return KINDS[cast.recipe.kind].plant(stage)


def _hidden(rng: np.random.Generator, openings: Sequence[Opening]) -> str:
    """The incident that a trap hides: not the last, so that a part of the history is left to learn it from."""
    return openings[int(rng.integers(max(1, len(openings) - 1)))].id if openings else ""


def _outages(rng: np.random.Generator, axis: Axis, count: int, busy: Sequence[Ticks]) -> NDArray[np.bool_]:
    """``count`` times, at most one a day, at which nothing was scraped for 6 to 12 minutes; none near an incident."""
    down, calm = np.zeros(axis.n, dtype=np.bool_), np.ones(axis.n, dtype=np.bool_)
    calm[:CALM] = calm[-CALM:] = False
    for start, end in busy:
        calm[max(0, start) : end] = False
    for _ in range(min(count, int(axis.days))):
        if not calm.any():
            break
        start = int(rng.choice(np.flatnonzero(calm)))
        down[start : start + int(rng.integers(6, 13))] = True
        calm[max(0, start - 1440) : start + 1440] = False
    return down
