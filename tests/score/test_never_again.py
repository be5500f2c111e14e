"""What once let an outage hide or a run break: one small case each."""

from __future__ import annotations

import numpy as np
import pytest
from histories import firings, ref

from rulegen.cluster.describe import _round
from rulegen.core.durations import MINUTE
from rulegen.core.labels import Labels
from rulegen.core.outcome import Outcome
from rulegen.core.rule import Rule
from rulegen.core.settings import Settings
from rulegen.core.spans import Grid, Span
from rulegen.promql.sli import indicator
from rulegen.score.gate import _dropped
from rulegen.score.judge import Judge
from rulegen.score.protect import watched_alerts
from rulegen.score.targets import Target, bursts

GRID = Grid(0, 600 * MINUTE, MINUTE)
PAGE = Labels({"alertname": "Deep", "severity": "page"})


def test_a_page_for_one_burst_does_not_stand_for_the_next() -> None:
    """12 minutes apart: two bursts, and within the 15 minutes by which a page may precede an incident."""
    settings = Settings()
    before = firings(GRID, [(PAGE, 100 * MINUTE, 104 * MINUTE), (PAGE, 116 * MINUTE, 117 * MINUTE)])
    aims = bursts([(ref(), before)], lambda _: True, settings)
    span = Span(0, GRID.end)
    judge = Judge(aims, [span], span, lambda _: True, settings, all_pages_are_noise=True)
    longer_wait = firings(GRID, [(PAGE, 102 * MINUTE, 104 * MINUTE)])
    assert judge.outcome([before], ref(), 0).caught.tolist() == [0, 1]
    assert judge.outcome([longer_wait], ref(), 0).caught.tolist() == [0]


def test_one_series_without_a_label_does_not_excuse_dropping_it() -> None:
    span = Span(0, GRID.end)
    target = Target("i", Span(100 * MINUTE, 110 * MINUTE), Labels({"service": "x"}))
    judge = Judge([target], [span], span, lambda _: True, Settings(), all_pages_are_noise=False)
    told, odd = PAGE.updated({"service": "x"}), PAGE.updated({"pod": "z"})

    def of(*labels: Labels) -> Outcome:
        return judge.outcome([firings(GRID, [(one, MINUTE, MINUTE) for one in labels])], ref(), 0)

    assert _dropped(of(told, odd), of(PAGE)) == {"service"}
    assert _dropped(of(told), of(told, PAGE)) == {"service"}
    assert not _dropped(of(told, odd), of(told, PAGE)) and not _dropped(of(told, odd), of(told))
    assert not _dropped(of(odd), of(PAGE)) and not _dropped(of(odd), of(told))


def test_a_firing_in_the_first_unfilled_window_is_not_one() -> None:
    span = Span(0, GRID.end)
    judge = Judge([], [span], span, lambda _: True, Settings(), all_pages_are_noise=False)
    found = judge.outcome([firings(GRID, [(PAGE, 0, MINUTE)], 5 * MINUTE)], ref(), 0)
    assert not found.fired.any() and not found.longest.any()


def test_a_rule_that_others_read_is_left_alone() -> None:
    reader = Rule("B", 'ALERTS{alertname="A",alertstate="firing"} and on () up == 1')
    inhibitor = Rule("InfoInhibitor", 'ALERTS{severity="info"} == 1 unless on () ALERTS{alertname!="x"} == 1')
    watched = watched_alerts([reader, inhibitor])
    assert watched(Rule("A", "queue > 5"))
    assert not watched(Rule("C", "queue > 5")) and not watched(reader)


@pytest.mark.parametrize(
    "expr",
    [
        # A floor of traffic, a maintenance: they would be lost.
        'sum(rate(h{code=~"5.."}[5m])) / sum(rate(h[5m])) > 0.02 and sum(rate(h[5m])) > 5',
        'sum(rate(h{code=~"5.."}[5m])) / sum(rate(h[5m])) > 0.02 unless on () maintenance',
        "sum(rate(latency_sum[5m])) / sum(rate(latency_count[5m])) > 0.3",  # a mean, not a share
        'rate(h{code=~"5.."}[5m]) > 1',  # would divide each code by itself
        'sum by (svc, code) (rate(h{code=~"5.."}[5m])) > 1',
        'sum by (svc) (rate(h{code=~"2.."}[5m])) > 1',  # successes
        'sum by (svc) (rate(h{code!~"5.."}[5m])) > 1',
    ],
)
def test_what_is_no_indicator(expr: str) -> None:
    assert indicator(expr) is None


def test_what_is_one() -> None:
    assert indicator('sum by (svc) (rate(h{code=~"5.."}[5m])) > 1') is not None
    assert indicator('sum by (svc) (rate(h{code="500"}[5m])) / sum by (svc) (rate(h[5m])) > 0.02') is not None


@pytest.mark.parametrize("value", [5e-324, 1e-323, -1e-310, 0.0, float("inf")])
def test_the_smallest_numbers_are_numbers(value: float) -> None:
    assert _round(value, 1) == value
    assert np.isfinite(_round(1e300, 1))
