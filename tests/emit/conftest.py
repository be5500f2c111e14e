"""Reports made by hand, around rule files that are really read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from rulegen.core.candidate import Candidate, Proposal, Provenance, Slots
from rulegen.core.cluster import Cluster, Facts, Grade, Inventory, Pattern
from rulegen.core.durations import MINUTE
from rulegen.core.outcome import Evidence, Forecast, Measure, Outcome, Report, Suggestion, Verdict
from rulegen.core.rule import Rule, RuleRef
from rulegen.core.spans import Span

START = 1_700_000_000_000
SPAN = Span(START, START + 14 * 24 * 60 * MINUTE)
FACTS = Facts(
    episodes=812,
    minutes=4012.25,
    per_week=406.0,
    series=7,
    duration_median=90_000,
    duration_p90=240_000,
    gap_median=300_000,
    flapping_share=0.62,
    together_share=0.1,
    top_share=0.3,
    firing_share=0.05,
    margin=float("nan"),
    incidents_touched=12,
)

MakeSuggestion = Callable[..., Suggestion]
MakeReport = Callable[..., Report]


def measure(pages: tuple[int, int] = (812, 31), minutes: tuple[float, float] = (4012.25, 201.5)) -> Measure:
    return Measure(weeks=2.0, pages=pages, minutes=minutes, caught=(12, 12), added_delay=MINUTE)


def suggestion(
    ref: RuleRef,
    old: Rule,
    *new: Rule,
    id: str = "s-1a2b3c",
    template: str = "retune",
    reasons: Sequence[str] = (),
    pattern: Pattern = Pattern.FLAPPING,
    demotion: bool = False,
    interval: int = MINUTE,
    labels: Sequence[str] = ("instance", "job", "pod"),
) -> Suggestion:
    inventory = Inventory(labels=tuple((name, 3) for name in labels))
    cluster = Cluster("c-" + id, old, ref, interval, Grade.METRICS, pattern, FACTS, inventory, ())
    slots = Slots((("for", 5 * MINUTE), ("threshold", 95.0), ("by", ("job", "cluster"))))
    proposal = Proposal(template, slots, Provenance("search", seed=7))
    candidate = Candidate(id, cluster.id, ref, new, "demotion" if demotion else "tuning", proposal)
    parts = (("fit", measure()), ("gate", measure()), ("audit", measure()))
    evidence = Evidence(Grade.METRICS, measure(), parts, ("i-1",), ("i-2",), "shifted days", (600_000, 900_000))
    return Suggestion(id, cluster, candidate, evidence, tuple(reasons))


def report(accepted: Sequence[Suggestion], refused: Sequence[Suggestion] = ()) -> Report:
    return Report(
        span=SPAN,
        judged=(SPAN,),
        mode="incidents",
        settings=(("lead", "15m"), ("carry", "1h")),
        rules=132,
        before=measure((1000, 1000), (5000.0, 5000.0)),
        suggestions=tuple(accepted),
        refused=tuple(refused),
        tuning=measure((1000, 219), (5000.0, 1189.25)),
        together=measure((1000, 120), (5000.0, 600.0)),
        unjudged=4,
        unscored=(("BrokenRule", "unsupported: holt_winters"),),
        forecast=Forecast("audit", measure(), (0.63, 0.51, 0.72), (0.58, 0.4, 0.7), (0.02, 0.0, 0.09)),
        doubts=("12 incidents are few",),
        verdicts=tuple(verdict(one) for one in (*accepted, *refused)),
    )


def verdict(one: Suggestion, keys: Sequence[str] = ("alertname", "job", "severity")) -> Verdict:
    outcome = Outcome(
        fired=np.array([20, 11]),
        unjudged=1,
        longest=np.array([600_000, 0]),
        pages=np.array([20, 11]),
        minutes=np.array([100.5, 101.0]),
        caught=np.array([0, 1]),
        delay=np.array([0, 60_000]),
        keys=frozenset(keys),
        vital=frozenset(),
    )
    return Verdict(one.candidate, outcome, one.reasons)


@pytest.fixture(scope="session")
def make_suggestion() -> MakeSuggestion:
    return suggestion


@pytest.fixture
def make_report() -> MakeReport:
    return report


@pytest.fixture
def two_rules(tmp_path: Path) -> Path:
    """A rule file with a retunable and a demotable rule."""
    path = tmp_path / "in" / "api.yml"
    path.parent.mkdir()
    path.write_text(
        "# the API team's rules\n"
        "groups:\n"
        "- name: api\n"
        "  rules:\n"
        "  - alert: HighLatency  # ask Kim\n"
        "    expr: latency_seconds{job='api'} > 80\n"
        "    labels: {severity: page}\n"
        "    annotations:\n"
        '      summary: "{{ $labels.pod }} is slow"\n'
        "  # disks\n"
        "  - alert: DiskFull\n"
        "    expr: |\n"
        "      disk_used_ratio\n"
        "        > 0.9  # per cent\n"
        "    for: 1m\n"
        "    labels:\n"
        "      severity: page\n"
    )
    return path
