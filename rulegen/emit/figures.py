"""Lines of figures for the terminal: what the pages are worth, how sure a cut is, and what else could be had."""

from __future__ import annotations

import math
from collections.abc import Iterator

from rulegen.core.durations import SECOND, format_duration
from rulegen.core.outcome import Evidence, Forecast, Front, Interval, Measure, Point
from rulegen.emit.words import counted, number, share


def quality(measure: Measure) -> Iterator[str]:
    """``precision 9% → 37%, recall 71% → 73%, detection 1m10s → 1m17s, reset 0s → 0s``."""
    if measure.quality is None:
        return
    before, after = measure.quality
    yield ", ".join(
        (
            f"precision {share(before.precision)} → {share(after.precision)}",
            f"recall {share(before.recall)} → {share(after.recall)}",
            f"detection {_time(before.detection)} → {_time(after.detection)}",
            f"reset {_time(before.reset)} → {_time(after.reset)}",
        )
    )


def _time(ms: int | None) -> str:
    return "–" if ms is None else format_duration(ms // SECOND * SECOND)


def interval(figures: Interval) -> str:
    """``63% (51% to 72%)``; without the brackets where too little is there to say."""
    estimate, low, high = figures
    if math.isnan(low) or math.isnan(high):
        return f"{share(estimate)} (too few bursts for an interval)"
    return f"{share(estimate)} ({share(low)} to {share(high)})"


def forecast(found: Forecast, mode: str) -> Iterator[str]:
    rests = f", resting on {counted(found.bursts, 'burst')} of noise" if found.bursts else ""
    yield f"pages cut by {interval(found.cut_pages)}, minutes by {interval(found.cut_minutes)}{rests}"
    yield f"{mode} lost or late: {interval(found.loss)}"


def folds(found: Forecast) -> str:
    """``cut of pages in each: 80%, 75%``."""
    each = (share(1 - one.pages[1] / one.pages[0]) if one.pages[0] else "–" for one in found.folds)
    return f"cut of pages in each: {', '.join(each)}"


def support(evidence: Evidence, mode: str) -> Iterator[str]:
    """How sure the cuts of one suggestion are and what they rest on; then what of it no recording could show."""
    if evidence.cut_pages is not None and evidence.cut_minutes is not None:
        bursts, targets = evidence.support
        cuts = f"pages cut by {interval(evidence.cut_pages)}, minutes by {interval(evidence.cut_minutes)}"
        sure = f" ({len(evidence.credible)} beyond luck)" if evidence.null and targets else ""
        yield f"{cuts}; rests on {counted(bursts, 'burst')} of noise and {targets} {mode} that it caught{sure}"
    for one in evidence.synthetic:
        yield f"synthetic, no evidence: {one}"


def front(found: Front, weeks: float) -> Iterator[str]:
    """The points of the whole set, one line each, the chosen one marked."""
    for point in found.joint:
        yield f"{'*' if point.chosen else ' '} {_point(point, weeks or 1.0)}"


def _point(point: Point, weeks: float) -> str:
    figures = [f"{number(point.pages / weeks)} pages", f"{number(point.minutes / weeks)} min"]
    if point.notices is not None:
        figures.append(f"{number(point.notices / weeks)} notifications")
    beaten = "" if point.kept else "; another is as good in all, but changes more"
    late = format_duration(point.delay // SECOND * SECOND)
    return f"{point.name}: {', '.join(figures)} a week, recall {share(point.recall)}, at most {late} later{beaten}"
