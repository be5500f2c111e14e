"""Small histories made by hand: series, firings and rules, for the tests of what comes after ingest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from subprocess import CompletedProcess, run

import numpy as np
from hypothesis import settings

from rulegen.core.alert import Episode
from rulegen.core.candidate import Candidate, Change, Proposal, Provenance, Slots
from rulegen.core.durations import MINUTE, format_duration
from rulegen.core.history import History, recordings
from rulegen.core.incident import Incident, IncidentRecord
from rulegen.core.labels import Labels
from rulegen.core.outcome import Firings
from rulegen.core.rule import Rule, RuleGroup, RuleRef, RuleSet
from rulegen.core.semantics import Semantics
from rulegen.core.series import Samples, Series
from rulegen.core.spans import Grid, Span

PATH, GROUP = "rules.yml", "g"
PAGING = Labels({"severity": "page"})

unhurried = settings(deadline=None)  # a test does not depend on how fast the machine is


def series(name: str, values: Sequence[float | None], step: int = MINUTE, **labels: str) -> Series:
    """One sample each ``step`` ms from time 0; None is no sample."""
    at = [k for k, value in enumerate(values) if value is not None]
    return Series(
        Labels({"__name__": name, **labels}),
        np.array(at, dtype=np.int64) * step,
        np.array([values[k] for k in at], dtype=np.float64),
    )


def firings(grid: Grid, rows: Iterable[tuple[Labels, int, int]], warm: int = 0) -> Firings:
    """Firings (labels, start, end), all in ms, whose expression began to hold when they fired."""
    found = sorted(rows, key=lambda row: (row[1], row[0]))
    labels = tuple(sorted({row[0] for row in found}))
    start = np.array([row[1] for row in found], dtype=np.int64)
    end = np.array([row[2] for row in found], dtype=np.int64)
    which = np.array([labels.index(row[0]) for row in found], dtype=np.int64)
    return Firings(grid, labels, which, start, start, end, warm)


def shown(found: Firings) -> list[tuple[Labels, int, int]]:
    """The other way round: (labels, start, end) in ms, sorted."""
    columns = zip(found.series.tolist(), found.start.tolist(), found.end.tolist(), strict=True)
    return sorted((found.labels[row], start, end) for row, start, end in columns)


def firing_at(found: Iterable[Firings]) -> dict[int, set[Labels]]:
    """Which alerts fire at each evaluation time."""
    out: dict[int, set[Labels]] = {}
    for one in found:
        for time in one.grid.times().tolist():
            out.setdefault(time, set())
        for labels, start, end in shown(one):
            for time in range(start, end + 1, one.grid.step):
                out[time].add(labels)
    return out


def ref(index: int = 0) -> RuleRef:
    return RuleRef(PATH, GROUP, index)


def history(
    samples: Iterable[Series],
    *rules: Rule,
    minutes: int | None = None,
    incidents: Sequence[Incident] | None = None,
    interval: int = MINUTE,
    episodes: Sequence[Episode] = (),
    semantics: Semantics = "open",
) -> History:
    """A history from time 0, one rule group; with ``incidents`` a record that was kept all the time."""
    given = Samples.of(samples)
    span = Span(0, minutes * MINUTE) if minutes is not None else given.span() or Span(0, 0)
    record = None if incidents is None else IncidentRecord(tuple(sorted(incidents, key=lambda i: i.span)), (span,))
    groups = (RuleGroup(GROUP, rules, PATH, interval),) if rules else ()
    return History(span, recordings(given) or (span,), RuleSet(groups), given, tuple(episodes), record, semantics)


def candidate(
    *rules: Rule, replaces: RuleRef, template: str = "hold", change: Change = "tuning", id: str = "x"
) -> Candidate:
    proposal = Proposal(template, Slots(()), Provenance("search"))
    return Candidate(id, "c-1", replaces, rules, change, proposal)


def rule_file(rules: Iterable[Rule], interval: int = MINUTE) -> dict[str, object]:
    """A rule file with one group, as YAML's plain values."""
    return {
        "groups": [{"name": GROUP, "interval": format_duration(interval), "rules": [_rule(rule) for rule in rules]}]
    }


def _rule(rule: Rule) -> dict[str, object]:
    out: dict[str, object] = {rule.kind: rule.name, "expr": rule.expr}
    if rule.hold:
        out["for"] = format_duration(rule.hold)
    if rule.keep_firing_for:
        out["keep_firing_for"] = format_duration(rule.keep_firing_for)
    if rule.labels:
        out["labels"] = dict(rule.labels)
    if rule.annotations:
        out["annotations"] = dict(rule.annotations)
    return out


def promtool(*arguments: str | Path) -> CompletedProcess[str]:
    return run(["promtool", *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)
