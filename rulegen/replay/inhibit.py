"""Which alerts are inhibited when (Alertmanager, ``inhibit/inhibit.go``)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rulegen.core.labels import Labels
from rulegen.core.routing import Inhibition, match_all

Episode = tuple[int, int]  # from the first evaluation firing to the first no longer, ms


@dataclass(frozen=True, slots=True)
class _Cover:
    """Times from ``starts`` [n] up to and without ``ends`` [n]; both rise, nothing overlaps."""

    starts: list[int]
    ends: list[int]

    def end(self, time: int) -> int | None:
        """Where the span that holds ``time`` ends; None where none does."""
        at = bisect_right(self.starts, time) - 1
        return self.ends[at] if at >= 0 and time < self.ends[at] else None


class Inhibitor:
    """Answers in O(log n): sources are joined beforehand, by rule and by the labels that have to be equal."""

    def __init__(
        self, rules: Iterable[Inhibition], labels: Sequence[Labels], episodes: Sequence[Sequence[Episode]]
    ) -> None:
        """``labels`` [series]; ``episodes`` [series] are when each fired."""
        self._labels = labels
        self._rules = [(rule, *_sources(rule, labels, episodes)) for rule in rules]
        self._covers: list[tuple[_Cover, ...] | None] = [None] * len(labels)

    def until(self, series: int, time: int) -> int:
        """When the alert, inhibited at ``time``, may no longer be; 0 where it is not inhibited at ``time``."""
        ends = [end for cover in self._of(series) if (end := cover.end(time)) is not None]
        return max(ends, default=0)

    def can(self, series: int) -> bool:
        """Whether the alert is ever inhibited."""
        return bool(self._of(series))

    def _of(self, series: int) -> tuple[_Cover, ...]:
        found = self._covers[series]
        if found is None:
            labels = self._labels[series]
            sides = [
                # What matches both sides is not inhibited by what does so too, nor by itself.
                (one_sided if match_all(rule.source, labels) else sources).get(rule.key(labels))
                for rule, sources, one_sided in self._rules
                if match_all(rule.target, labels)
            ]
            found = self._covers[series] = tuple(cover for cover in sides if cover is not None)
        return found


_Covers = dict[tuple[str, ...], _Cover]


def _sources(
    rule: Inhibition, labels: Sequence[Labels], episodes: Sequence[Sequence[Episode]]
) -> tuple[_Covers, _Covers]:
    """When a source fires, by what has to be equal: all sources, and those that are not targets as well."""
    every: dict[tuple[str, ...], list[Episode]] = {}
    one_sided: dict[tuple[str, ...], list[Episode]] = {}
    for one, spans in zip(labels, episodes, strict=True):
        if match_all(rule.source, one):
            key = rule.key(one)
            every.setdefault(key, []).extend(spans)
            if not match_all(rule.target, one):
                one_sided.setdefault(key, []).extend(spans)
    return _covers(every), _covers(one_sided)


def _covers(sides: dict[tuple[str, ...], list[Episode]]) -> _Covers:
    return {key: _cover(spans) for key, spans in sides.items()}


def _cover(spans: list[Episode]) -> _Cover:
    starts: list[int] = []
    ends: list[int] = []
    for start, end in sorted(spans):
        if ends and start <= ends[-1]:
            ends[-1] = max(ends[-1], end)
        else:
            starts.append(start)
            ends.append(end)
    return _Cover(starts, ends)
