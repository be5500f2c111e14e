"""What all recorded alerts come to, over their names: as JSON's values and in a few lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from rulegen.core.cluster import Pattern
from rulegen.core.durations import SECOND, format_duration
from rulegen.core.overview import Led, Overview, Repeated
from rulegen.emit.times import time_text
from rulegen.emit.words import counted, one_line, share

MOST = 200  # clusters and pairs that are written down; the rest is counted
SHOWN = 5  # of either kind on the terminal
_DIGITS = 6


def overview_json(found: Overview | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "alerts": found.alerts,
        "names": found.names,
        "alone": found.alone,
        "clusters": [_cluster(one) for one in found.repeated[:MOST]],
        "more_clusters": max(0, len(found.repeated) - MOST),
        "cascades": [_led(one) for one in found.led[:MOST]],
        "more_cascades": max(0, len(found.led) - MOST),
    }


def lines(found: Overview) -> Iterator[str]:
    """What is worth a look beyond the single rules: which patterns there are, the cascades and the storms."""
    patterns = Counter(one.pattern for one in found.repeated)
    alerts = sum(one.facts.episodes for one in found.repeated)
    kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(patterns.items(), key=lambda kv: (-kv[1], kv[0])))
    yield (
        f"Over all names: {alerts:,} of {found.alerts:,} recorded alerts repeat a pattern, in "
        f"{counted(len(found.repeated), 'cluster')}" + (f" ({kinds})" if kinds else "")
    )
    for one in found.led[:SHOWN]:
        lag = format_duration(round(one.lag / SECOND) * SECOND)
        yield (
            f"  cascade: {one_line(one.first)} brings on {share(one.brought)} of {one_line(one.then)}, {lag} later "
            "at the median"
        )
    if (more := len(found.led) - SHOWN) > 0:
        yield f"  … and {counted(more, 'more cascade')}"
    storms = [one for one in found.repeated if one.pattern is Pattern.STORM]
    for storm in storms[:SHOWN]:
        yield (
            f"  storm: {one_line(storm.name)}, {storm.facts.episodes:,} alerts of {storm.facts.series:,} label sets; "
            f"{share(storm.facts.together_share)} start within 2m of another"
        )
    if (more := len(storms) - SHOWN) > 0:
        yield f"  … and {counted(more, 'more storm')}"


def _cluster(one: Repeated) -> dict[str, Any]:
    facts = one.facts
    return {
        "name": one.name,
        "names": one.names,
        "pattern": str(one.pattern),
        "alerts": facts.episodes,
        "label_sets": facts.series,
        "minutes": round(facts.minutes, _DIGITS),
        "per_week": round(facts.per_week, _DIGITS),
        "duration_median": format_duration(facts.duration_median),
        "gap_median": format_duration(facts.gap_median),
        "flapping_share": round(facts.flapping_share, _DIGITS),
        "together_share": round(facts.together_share, _DIGITS),
        "top_share": round(facts.top_share, _DIGITS),
        "firing_share": round(facts.firing_share, _DIGITS),
        "examples": [
            {"start": time_text(it.span.start), "end": time_text(it.span.end), "labels": dict(it.labels)}
            for it in one.examples
        ],
    }


def _led(one: Led) -> dict[str, Any]:
    return {
        "first": one.first,
        "then": one.then,
        "lag": format_duration(one.lag),
        "seen": one.seen,
        "brought": round(one.brought, _DIGITS),
        "p": float(f"{one.p:.{_DIGITS}g}"),
    }
