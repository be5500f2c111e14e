"""``ALERTS`` over time → episodes.

Prometheus writes a sample of ``ALERTS{alertstate="firing"}`` at each evaluation at which an alert fires, and a
staleness marker when it stops. So an episode ends where its series goes stale, or has no sample for the lookback.

**Monitoring that was down is not a resolve.** A Prometheus that restarts leaves a hole in all series, and brings back
a firing alert as *pending* for its ``for`` (or for the grace period of ten minutes) before it fires again. Neither
says that the trouble was over. The rule: monitoring is down where no target has a sample of ``up`` for several
scrapes. Two episodes of one label set are one when, between them, monitoring was down for at most an hour (beyond it
nobody can say that it was the same trouble) and the rest of the time, but for a few evaluations at the edges, the
alert was pending. A rule evaluator that was down alone, while targets were scraped, is not noticed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from rulegen.core.alert import Episode
from rulegen.core.durations import HOUR
from rulegen.core.labels import METRIC_NAME, Labels
from rulegen.core.series import Series, is_stale
from rulegen.core.spans import Grid, Span, union
from rulegen.errors import Problem
from rulegen.ingest.prometheus.connection import Connection
from rulegen.ingest.prometheus.pages import Progress
from rulegen.ingest.prometheus.samples import fetch_samples, query_range, quiet
from rulegen.ingest.prometheus.staleness import LOOKBACK, typical_interval

FIRING = 'ALERTS{alertstate="firing"}'
PENDING = 'ALERTS{alertstate="pending"}'
NEWEST = "max(timestamp(up))"  # the time of the newest sample of any target; freezes while monitoring is down
SEVERAL = 2.5  # intervals without a sample, and it is more than one missed scrape or evaluation
LONGEST_OUTAGE = HOUR


@dataclass(frozen=True, slots=True)
class _Runs:
    """The unbroken runs of one label set, sorted; ``slack`` (ms) is how long its evaluations may leave no trace."""

    labels: Labels
    runs: tuple[Span, ...]
    slack: int


def fetch_alerts(
    conn: Connection, span: Span, step_ms: int, progress: Progress = quiet
) -> tuple[tuple[Episode, ...], tuple[Problem, ...]]:
    """The episodes in ``span``, sorted by start, end and labels. None is a problem too: nothing was recorded.

    ``step_ms`` is the usual evaluation interval; it stands in for a series with too few samples to tell its own, and
    is the resolution at which outages are seen. An episode that already fired before ``span`` starts with its first
    sample in it; one that still fires at its end (or when monitoring ended for good) is ``open``.

    Raises UpstreamError.
    """
    firing, problems = fetch_samples(conn, [FIRING], span, progress)
    if not len(firing):
        return (), problems
    alerts = [_runs(one, step_ms) for one in firing]
    holes = [hole for alert in alerts for hole in _between(alert, span) if hole.length > alert.slack]
    if not holes:
        return _episodes(alerts, {}, (), span), problems
    watched = Span(min(hole.start for hole in holes), max(hole.end for hole in holes))
    outages, unseen = _outages(conn, watched, step_ms)
    pending: dict[Labels, tuple[Span, ...]] = {}
    if any(outage.start < hole.end and outage.end > hole.start for outage in outages for hole in holes):
        found, warnings = fetch_samples(conn, [PENDING], watched, progress)
        pending = {runs.labels: runs.runs for runs in (_runs(one, step_ms) for one in found)}
        if len(found):  # that nothing was pending is no news
            unseen = (*unseen, *warnings)
    return _episodes(alerts, pending, outages, span), tuple(dict.fromkeys((*problems, *unseen)))


def recorded_alerts(series: Iterable[Series], span: Span, step_ms: int) -> tuple[Episode, ...]:
    """The episodes in ``span`` of series ``ALERTS`` that a file holds; as :func:`fetch_alerts`, with every hole taken
    for a resolve."""
    firing = [one for one in series if one.labels.get("alertstate") == "firing" and not is_stale(one.values).all()]
    return _episodes([_runs(one, step_ms) for one in firing], {}, (), span)


def _runs(series: Series, step_ms: int) -> _Runs:
    """Cuts a series at its staleness markers and where the lookback passed without a sample."""
    stale = is_stale(series.values)
    live = series.times[~stale]
    interval = typical_interval(Series(series.labels, live, live.astype(np.float64)), step_ms)
    slack = int(SEVERAL * max(interval, step_ms))
    markers_before = np.cumsum(stale)[~stale]  # [live] how many markers came before each sample
    cuts = np.flatnonzero((np.diff(markers_before) > 0) | (np.diff(live) > max(LOOKBACK, slack))) + 1
    runs = tuple(Span(int(part[0]), int(part[-1])) for part in np.split(live, cuts))
    return _Runs(series.labels.drop([METRIC_NAME, "alertstate"]), runs, slack)


def _between(alert: _Runs, span: Span) -> list[Span]:
    """The holes after each run, the last one up to the end of ``span``."""
    starts = [*(run.start for run in alert.runs[1:]), span.end]
    return [Span(run.end, max(run.end, start)) for run, start in zip(alert.runs, starts, strict=True)]


def _outages(conn: Connection, watched: Span, step_ms: int) -> tuple[tuple[Span, ...], tuple[Problem, ...]]:
    """When monitoring was down within ``watched``, from the last sample before to (within a step) the first after."""
    grid = Grid(watched.start - LOOKBACK, watched.end + step_ms, step_ms)
    series, problems = query_range(conn, NEWEST, grid)
    if not series:
        message = (
            "no target has samples of up: a hole in ALERTS is taken for a resolve even where monitoring was down"
        )
        return (), (*problems, Problem(conn.url, 0, message))
    newest = np.unique(np.rint(series[0].values * 1000).astype(np.int64))
    steps = np.diff(newest)
    usual = int(np.median(steps)) if len(steps) else step_ms
    ends = np.append(newest[1:], watched.end)
    down = np.flatnonzero(ends - newest > SEVERAL * max(usual, step_ms))
    return tuple(Span(int(newest[at]), int(ends[at])) for at in down), problems


def _episodes(
    alerts: Sequence[_Runs], pending: dict[Labels, tuple[Span, ...]], outages: tuple[Span, ...], span: Span
) -> tuple[Episode, ...]:
    out: list[Episode] = []
    short = [outage for outage in outages if outage.length <= LONGEST_OUTAGE]
    for alert in alerts:
        waiting = pending.get(alert.labels, ())
        *holes, rest = _between(alert, span)
        start = alert.runs[0].start
        for hole, run in zip(holes, alert.runs[1:], strict=True):
            if not (_meets(hole, short) and _explained(hole, [*short, *waiting], alert.slack)):
                out.append(Episode(alert.labels, Span(start, hole.start)))
                start = run.start
        out.append(Episode(alert.labels, Span(start, rest.start), open=_explained(rest, outages, alert.slack)))
    return tuple(sorted(out, key=lambda one: (one.span, one.labels)))


def _meets(hole: Span, outages: Sequence[Span]) -> bool:
    return any(outage.start < hole.end and outage.end > hole.start for outage in outages)


def _explained(hole: Span, reasons: Sequence[Span], slack: int) -> bool:
    """Do ``reasons`` cover ``hole`` but for stretches of at most ``slack`` ms?"""
    at = hole.start
    for reason in union(reasons):
        if reason.end > at:
            if min(reason.start, hole.end) - at > slack:
                return False
            at = reason.end
    return hole.end - at <= slack
