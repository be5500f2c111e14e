"""What must still page: incidents, or without a record of them the bursts that paged before."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from rulegen.core.incident import IncidentRecord
from rulegen.core.labels import ALERT_NAME, EMPTY, Labels
from rulegen.core.outcome import Firings
from rulegen.core.rule import RuleRef
from rulegen.core.settings import Settings
from rulegen.core.spans import Span


@dataclass(frozen=True, slots=True)
class Target:
    """Something that has to page. ``rule`` is set for a burst, which only the rule that caused it can stand for.

    ``negligible`` bursts may go silent.
    """

    id: str
    span: Span
    labels: Labels = EMPTY
    rule: RuleRef | None = None
    negligible: bool = False

    def carried_by(self, labels: Labels, rule: RuleRef) -> bool:
        """Whether an alert with ``labels`` of ``rule`` (or of what replaces it) speaks of this target.

        For an incident: no label that both have differs. That a replacement may not become vaguer than the rule it
        replaces is checked by the gate. For a burst: it is the same rule and the same notification group.
        """
        if self.rule is not None:
            return self.rule == rule and all(labels.get(name) == value for name, value in self.labels.items())
        return all(labels.get(name, value) == value for name, value in self.labels.items())


def incidents(record: IncidentRecord) -> tuple[Target, ...]:
    return tuple(Target(one.id, one.span, one.labels) for one in record.incidents)


def bursts(
    fired: Iterable[tuple[RuleRef, Firings]], pages: Callable[[Labels], bool], settings: Settings
) -> tuple[Target, ...]:
    """Paging firings of one rule and notification group that are less than ``burst_gap`` apart, as one target each.

    A burst that was over within ``ignore_shorter_than`` is negligible.
    """
    found: list[Target] = []
    names = [name for name in settings.group_by if name != ALERT_NAME]
    for ref, firings in fired:
        groups: dict[Labels, list[int]] = {}
        for row, labels in enumerate(firings.labels):
            if pages(labels):
                groups.setdefault(labels.keep(names), []).append(row)
        for group in sorted(groups):
            mine = np.isin(firings.series, groups[group])
            for span in _joined(firings.start[mine], firings.end[mine], settings.burst_gap):
                # An alert that is seen at one evaluation lasted less than one interval more.
                short = span.length + firings.grid.step <= settings.ignore_shorter_than
                found.append(Target(f"{ref} {group} @{span.start}", span, group, ref, short))
    return tuple(sorted(found, key=lambda target: (target.span, target.id)))


def _joined(starts: np.ndarray, ends: np.ndarray, gap: int) -> list[Span]:
    """Spans of firings (sorted by start) separated by less than ``gap`` ms."""
    spans: list[Span] = []
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        if spans and start - spans[-1].end < gap:
            spans[-1] = Span(spans[-1].start, max(spans[-1].end, end))
        else:
            spans.append(Span(start, end))
    return spans
