"""Gates through the whole pipeline: where a condition is right, and where the incident hides behind it."""

from __future__ import annotations

import numpy as np
import pytest
from histories import history, series

from rulegen.core.durations import DAY, MINUTE
from rulegen.core.history import History
from rulegen.core.incident import Incident
from rulegen.core.labels import Labels
from rulegen.core.outcome import Report
from rulegen.core.rule import Rule
from rulegen.core.series import Series
from rulegen.core.settings import Settings
from rulegen.core.spans import Span
from rulegen.pipeline import suggest
from rulegen.propose.search import enumerate_proposals
from rulegen.templates import TEMPLATES

PAGE = Labels({"severity": "page"})
MINUTES = 4 * DAY // MINUTE
FAILING = Rule("Failing", "failed_ratio > 0.1", labels=PAGE)
BUSY = Rule("Busy", "cpu > 80", labels=PAGE)
WRONG = [150 + 700 * k for k in range(8)]
# Three minutes long each, as what is really wrong, and nowhere near it.
NOISE = [at for at in range(60, MINUTES - 60, 97) if min(abs(at - wrong) for wrong in WRONG) > 30]
INCIDENTS = [Incident(f"i{at}", Span(at * MINUTE, (at + 8) * MINUTE)) for at in WRONG]


def line(name: str, usual: float, *changes: tuple[list[int], int, float]) -> Series:
    """``usual``, but for ``changes``: from each of the minutes on, for how many, at what."""
    values = np.full(MINUTES, usual)
    for starts, length, value in changes:
        for at in starts:
            values[at : at + length] = value
    return series(name, values.tolist(), service="a", instance="a:1")


def counter(name: str, per_minute: Series) -> Series:
    return series(name, np.cumsum(per_minute.values).tolist(), service="a", instance="a:1")


def run(given: History, *templates: str) -> Report:
    chosen = [one for one in TEMPLATES if one.name in templates]
    settings = Settings(lead=0, allowed_delay=3 * MINUTE)
    return suggest(given, settings, lambda cluster: enumerate_proposals(cluster, chosen), lambda *_: None)


FAILED = line("failed_ratio", 0.0, (NOISE, 3, 0.5), (WRONG, 3, 0.5))  # noise and incidents look all alike
NIGHTS = counter(
    "requests_total", line("", 600.0, ([at - 6 for at in NOISE], 12, 3.0))
)  # noise comes with idle times


def gated(report: Report) -> str:
    (one,) = report.suggestions
    (rule,) = one.candidate.rules
    assert one.candidate.proposal.template == "gate"
    assert report.together.lost == report.together.later == ()
    return " ".join(rule.expr.split())


def test_a_minimum_of_traffic() -> None:
    report = run(history([FAILED, NIGHTS], FAILING, incidents=INCIDENTS), "gate")
    found = gated(report)
    assert found.startswith(
        "failed_ratio > 0.1 and on (instance, service) sum by (instance, service) (rate(requests_total[5m])) > "
    )
    assert report.together.pages == (len(NOISE), 0) and report.together.caught == (8, 8)


def test_traffic_that_stops_because_of_the_outage_hides_nothing() -> None:
    """Noise comes while nobody is there; but the worst incident is that nobody gets through any more."""
    worst = WRONG[3]
    idle = ([at - 6 for at in NOISE], 12, 3.0)
    outage = counter("requests_total", line("", 600.0, idle, ([worst - 6], 12, 0.0)))
    report = run(history([FAILED, outage], FAILING, incidents=INCIDENTS), "gate")
    assert report.together.lost == report.together.later == () and report.together.caught[1] == 8
    refused = [one for one in report.verdicts if f"loses i{worst}" in one.reasons]
    assert refused and all(one.candidate.proposal.template == "gate" for one in refused)
    kept = [one for one in report.verdicts if one.passed]
    assert all(one.outcome is not None and len(one.outcome.caught) == 8 for one in kept)


def test_not_while_the_target_is_down() -> None:
    up = line("up", 1.0, ([at - 1 for at in NOISE], 6, 0.0))
    assert gated(run(history([FAILED, up], FAILING, incidents=INCIDENTS), "gate")) == (
        "failed_ratio > 0.1 unless on (instance, service) up == 0"
    )


def test_a_target_that_is_down_in_an_incident_is_no_excuse() -> None:
    up = line("up", 1.0, ([at - 1 for at in NOISE], 6, 0.0), (WRONG[2:3], 8, 0.0))
    report = run(history([FAILED, up], FAILING, incidents=INCIDENTS), "gate")
    assert report.suggestions == () and report.together.lost == ()
    assert any(f"loses i{WRONG[2]}" in one.reasons for one in report.verdicts)


def test_not_during_a_rollout() -> None:
    """A start at each rollout, after which things fail for a while."""
    starts = np.zeros(MINUTES)
    for at in NOISE:
        starts[at:] = at * 60.0
    started = series("process_start_time_seconds", (starts - DAY / 1000).tolist(), service="a", instance="a:1")
    moved = series("process_start_time_seconds", starts.tolist(), service="a", instance="a:1")
    assert len(started.values) == len(moved.values)
    assert gated(run(history([FAILED, moved], FAILING, incidents=INCIDENTS), "gate")) == (
        "failed_ratio > 0.1 unless on (instance, service) time() - process_start_time_seconds < 600"
    )


@pytest.mark.parametrize("lag", [0, 1])
def test_a_second_signal_even_when_it_comes_a_minute_later(lag: int) -> None:
    cpu = line("cpu", 20.0, ([at + 3 * lag for at in WRONG], 2, 95.0), ([at + 20 for at in NOISE[:3]], 2, 95.0))
    report = run(history([FAILED, cpu], FAILING, BUSY, incidents=INCIDENTS), "gate")
    (one,) = [one for one in report.suggestions if one.candidate.replaces.index == 0]
    (rule,) = one.candidate.rules
    found = " ".join(rule.expr.split())
    if lag:
        assert found == (
            "max_over_time(failed_ratio[2m]) > 0.1 and on (instance, service) max_over_time(cpu[2m]) > 80"
        )
    else:
        assert found == "failed_ratio > 0.1 and on (instance, service) cpu > 80"
    assert report.together.pages[1] <= 3 and report.together.lost == report.together.later == ()


def test_a_signal_about_another_target_is_none() -> None:
    cpu = line("cpu", 20.0, (WRONG, 3, 95.0))
    other = Series(Labels({**cpu.labels, "instance": "b:1"}), cpu.times, cpu.values)
    report = run(history([FAILED, other], FAILING, BUSY, incidents=INCIDENTS), "gate")
    assert [one for one in report.suggestions if one.candidate.replaces.index == 0] == []
