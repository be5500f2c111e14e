"""The service level behind a rule: what was really achieved over the history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

import numpy as np

from rulegen.core.cluster import Level, Service
from rulegen.core.durations import HOUR
from rulegen.core.spans import Grid, Mask, Span, Times, inside
from rulegen.errors import UnsupportedError
from rulegen.promql import Evaluator, Scalar, select, selectors
from rulegen.promql.sli import Sli, Slow, indicator, slow, slower_than, spelled_out

MOST_BOUNDS = 3
QUIET = 0.1  # of the hours have less traffic


def service(
    expr: str, recorded: Mapping[str, str], engine: Evaluator, spans: Sequence[Span], incidents: Sequence[Span]
) -> Service | None:
    """The service level of a rule's ``expr``, measured over the hours within ``spans`` that no incident touches.

    ``recorded``: what the recording rules without labels of their own record, by name. None where the expression has
    no indicator, or the history no data on it.
    """
    written_out = spelled_out(expr, recorded)
    alert = slow(written_out)
    if alert is not None:
        wanted = [(bound, slower_than(alert, bound)) for bound in _bounds(alert, engine)]
    else:
        found = indicator(written_out)
        wanted = [] if found is None else [("", found)]
    hours = _hours(spans, incidents)
    levels = []
    for bound, sli in wanted:
        with suppress(UnsupportedError):  # what cannot be measured gives no objective to propose
            level = _level(sli, engine, hours, bound)
            levels += [level] if level is not None else []
    return Service(written_out, tuple(levels)) if levels else None


def _hours(spans: Sequence[Span], incidents: Sequence[Span]) -> tuple[Grid, Mask] | None:
    """Whole hours around ``spans``, and which of their ends [steps] have a whole hour of ``spans`` before them, and
    no incident."""
    if not spans:
        return None
    start, end = min(one.start for one in spans), max(one.end for one in spans)
    grid = Grid(start + HOUR, end, HOUR)
    times: Times = grid.times()
    touched = inside(times, [Span(one.start, one.end + HOUR) for one in incidents])
    return grid, inside(times, spans) & inside(times - HOUR + 1, spans) & ~touched


def _level(sli: Sli, engine: Evaluator, hours: tuple[Grid, Mask] | None, bound: str) -> Level | None:
    if hours is None or not hours[1].any():
        return None
    grid, known = hours
    ratio = engine.evaluate(sli.ratio(HOUR), grid)
    if isinstance(ratio, Scalar):
        return None
    events = sli.events(HOUR)
    counted = None if events is None else engine.evaluate(events, grid)
    if counted is None or isinstance(counted, Scalar):
        some = ratio.values[ratio.present & known & np.isfinite(ratio.values)]
        return Level(float(1 - some.mean()), bound=bound) if len(some) else None
    row_of = {labels: row for row, labels in enumerate(ratio.labels)}
    bad = every = 0.0
    hourly = []
    for row, labels in enumerate(counted.labels):
        here = counted.present[row] & known
        hourly += counted.values[row, here].tolist()
        every += float(counted.values[row, here].sum())
        if labels in row_of:
            at = row_of[labels]
            both = here & ratio.present[at] & np.isfinite(ratio.values[at])
            bad += float((ratio.values[at, both] * counted.values[row, both]).sum())
    return Level(1 - bad / every, float(np.quantile(hourly, QUIET)), bound) if every > 0 else None


def _bounds(alert: Slow, engine: Evaluator) -> tuple[str, ...]:
    """The buckets nearest to the alert's limit: the limit itself, then those above it, then those below."""
    (selector,) = selectors(alert.buckets)
    found = {}
    for series in select(engine.samples, selector):
        with suppress(ValueError):
            found[series.labels.get("le", "")] = float(series.labels.get("le", ""))
    finite = [bound for bound in found if np.isfinite(found[bound])]
    near = sorted(finite, key=lambda bound: (found[bound] < alert.limit, abs(found[bound] - alert.limit), bound))
    return tuple(near[:MOST_BOUNDS])
