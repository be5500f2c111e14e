"""Small worlds for the tests, and what their rules do when the real engine replays them."""

from __future__ import annotations

from collections.abc import Iterable

from rulegen.core.durations import MINUTE
from rulegen.core.incident import Incident
from rulegen.core.outcome import Firings
from rulegen.core.rule import Rule
from rulegen.core.spans import Grid
from rulegen.promql import Evaluator, Matrix
from rulegen.replay import alerting
from rulegen.train.world import World

CARRY, LEAD = 3_600_000, 900_000  # ms, the design's defaults


def replayer(world: World) -> Evaluator:
    return Evaluator(world.samples)


def fire(engine: Evaluator, rule: Rule, world: World) -> Firings:
    """What ``rule`` does when it is evaluated every minute of ``world``."""
    grid = Grid(world.span.start, world.span.end, MINUTE)
    value = engine.evaluate(rule.expr, grid)
    assert isinstance(value, Matrix), rule.expr
    return alerting.fire(rule, value, grid, grid.start)


def delay(firings: Firings, incident: Incident) -> float:
    """ms from the incident's start to the first firing that catches it, as the design defines it; inf: not caught."""
    span = incident.span
    found = [
        max(0, start - span.start)
        for series, start, end in zip(firings.series, firings.start.tolist(), firings.end.tolist(), strict=True)
        if incident.labels.items() <= firings.labels[series].items()
        and (
            span.start - LEAD <= start <= span.end or (span.start - CARRY <= start < span.start and end >= span.start)
        )
    ]
    return min(found, default=float("inf"))


def noise(firings: Firings, incidents: Iterable[Incident], grace: int = 60_000) -> int:
    """How many firings start outside every incident."""
    spans = [incident.span.widened(grace) for incident in incidents]
    return sum(not any(span.contains(start) for span in spans) for start in firings.start.tolist())
