"""Two records of the same alerts → one, in which none comes twice."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence

from rulegen.core.alert import Episode
from rulegen.core.labels import Labels, held
from rulegen.core.spans import Span, union


def both(own: Iterable[Episode], other: Iterable[Episode], slack: int) -> tuple[Episode, ...]:
    """``own``, and those of ``other`` that ``own`` does not tell of; sorted by start, end and labels.

    An episode of ``other`` is told of by one of ``own`` that it overlaps, give or take ``slack`` ms, and all of whose
    labels it has: whoever sends an alert adds labels to it (a Prometheus its external ones) that the record which it
    keeps itself lacks.
    """
    found = list(own)
    spans: dict[Labels, list[Span]] = defaultdict(list)
    names: dict[str, set[Labels]] = defaultdict(set)
    for one in found:
        spans[one.labels].append(one.span.widened(slack))
        names[one.name].add(one.labels)
    told = {labels: union(some) for labels, some in spans.items()}
    parts = {name: held(some) for name, some in names.items()}
    for one in other:
        same = parts[one.name](one.labels) if one.name in parts else ()
        if not any(_touches(told[labels], one.span) for labels in same):
            found.append(one)
    return tuple(sorted(found, key=lambda episode: (episode.span, episode.labels)))


def _touches(spans: Sequence[Span], span: Span) -> bool:
    """Whether one of ``spans``, sorted and apart, overlaps ``span``."""
    at = bisect_right(spans, span.end, key=lambda one: one.start) - 1
    return at >= 0 and spans[at].end >= span.start
