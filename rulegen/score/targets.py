"""What must still page: incidents, or without a record of them the bursts that paged before."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from rulegen.core.incident import IncidentRecord
from rulegen.core.labels import ALERT_NAME, EMPTY, Labels
from rulegen.core.outcome import Firings
from rulegen.core.rule import RuleRef
from rulegen.core.settings import Settings
from rulegen.core.spans import Span

_ByValues = dict[tuple[str, ...], list[int]]


@dataclass(frozen=True, slots=True)
class Target:
    """Something that has to page. ``rule`` is set for a burst, which only the rule that caused it can stand for.

    ``negligible`` bursts may go silent. A ``member`` is one series' share of a burst: protected, so that no target is
    excluded because others fire at the same time, but not counted beside the burst.
    """

    id: str
    span: Span
    labels: Labels = EMPTY
    rule: RuleRef | None = None
    negligible: bool = False
    member: bool = False

    def carried_by(self, labels: Labels, rule: RuleRef) -> bool:
        """Whether an alert with ``labels`` of ``rule`` (or of what replaces it) speaks of this target.

        For a burst: it is the same rule and the same notification group. Else: no label that both have differs (that
        a replacement may not become vaguer than the rule it replaces is checked by the gate), and for one series'
        share of a burst it is the same rule.
        """
        if self.rule is not None and self.rule != rule:
            return False
        if self.rule is not None and not self.member:
            return all(labels.get(name) == value for name, value in self.labels.items())
        return all(labels.get(name, value) == value for name, value in self.labels.items())


class Spoken:
    """Answers :meth:`Target.carried_by` for all of ``targets``, without asking each: by the values of the labels that
    a target and the alert both have."""

    def __init__(self, targets: Sequence[Target]) -> None:
        self._found: dict[tuple[Labels, RuleRef], NDArray[np.int64]] = {}
        # (rule, burst of a whole group, label names) → values → targets
        self._alike: dict[RuleRef | None, dict[tuple[bool, tuple[str, ...]], dict[Labels, list[int]]]] = {}
        self._by_values: dict[tuple[RuleRef | None, bool, tuple[str, ...], tuple[str, ...]], _ByValues] = {}
        for index, one in enumerate(targets):
            kind = one.rule is not None and not one.member, tuple(one.labels)
            self._alike.setdefault(one.rule, {}).setdefault(kind, {}).setdefault(one.labels, []).append(index)

    def of(self, labels: Labels, ref: RuleRef) -> NDArray[np.int64]:
        """Indices of the targets, rising, that an alert with ``labels`` of the rule at ``ref`` speaks of."""
        key = labels, ref
        if key not in self._found:
            found = [index for rule in (None, ref) for index in self._of_rule(labels, rule)]
            self._found[key] = np.array(sorted(found), dtype=np.int64)
        return self._found[key]

    def _of_rule(self, labels: Labels, rule: RuleRef | None) -> Iterator[int]:
        for (whole, names), targets in self._alike.get(rule, {}).items():
            shared = tuple(name for name in names if name in labels)
            if whole and len(shared) < len(names):
                continue
            key = rule, whole, names, shared
            if key not in self._by_values:
                made: _ByValues = {}
                for one, some in targets.items():
                    made.setdefault(tuple(one[name] for name in shared), []).extend(some)
                self._by_values[key] = made
            yield from self._by_values[key].get(tuple(labels[name] for name in shared), ())


def incidents(record: IncidentRecord) -> tuple[Target, ...]:
    return tuple(Target(one.id, one.span, one.labels) for one in record.incidents)


def bursts(
    fired: Iterable[tuple[RuleRef, Firings]], pages: Callable[[Labels], bool], settings: Settings
) -> tuple[Target, ...]:
    """Paging firings of one rule and notification group that are less than ``burst_gap`` apart, as one target each.

    Where several series make up a group, each one's own bursts are targets too (members). A burst that was over
    within ``ignore_shorter_than`` is negligible.
    """
    found: list[Target] = []
    names = [name for name in settings.group_by if name != ALERT_NAME]

    def add(ref: RuleRef, firings: Firings, mine: NDArray[np.int64], labels: Labels, *, member: bool) -> None:
        named = f"{ref} {labels}" if labels else str(ref)
        for span in _joined(firings.start[mine], firings.end[mine], settings.burst_gap):
            # An alert that is seen at one evaluation lasted less than one interval more.
            short = span.length + firings.grid.step <= settings.ignore_shorter_than
            found.append(Target(f"{named} @{_clock(span.start)}", span, labels, ref, short, member))

    for ref, firings in fired:
        groups: dict[Labels, list[tuple[int, NDArray[np.int64]]]] = {}
        for row, mine in firings.by_series(np.ones(len(firings), dtype=np.bool_)):
            if pages(firings.labels[row]):
                groups.setdefault(firings.labels[row].keep(names), []).append((row, mine))
        for group, rows in sorted(groups.items()):
            add(ref, firings, np.sort(np.concatenate([mine for _, mine in rows])), group, member=False)
            for row, mine in rows if len(rows) > 1 else ():
                # Values that rules put in (severity, alertname) may change; what the series itself says may not.
                add(ref, firings, mine, firings.labels[row].drop((ALERT_NAME, "severity")), member=True)
    return tuple(sorted(found, key=lambda target: (target.span, target.id)))


def _clock(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace(".000+00:00", "Z")


def _joined(starts: np.ndarray, ends: np.ndarray, gap: int) -> list[Span]:
    """Spans of firings (sorted by start) separated by less than ``gap`` ms."""
    spans: list[Span] = []
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        if spans and start - spans[-1].end < gap:
            spans[-1] = Span(spans[-1].start, max(spans[-1].end, end))
        else:
            spans.append(Span(start, end))
    return spans
