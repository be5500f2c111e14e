"""What no recording was long enough to show is named, and nothing else is."""

from __future__ import annotations

import pytest

from rulegen.core.durations import DAY, HOUR
from rulegen.core.labels import Labels
from rulegen.core.rule import Rule
from rulegen.core.spans import Span
from rulegen.score.seen import unseen

TWO_DAYS = [Span(0, 2 * DAY), Span(3 * DAY, 4 * DAY)]  # three days in all, two at a stretch


def alert(expr: str, **labels: str) -> Rule:
    return Rule("A", expr, labels=Labels(labels))


def recorded(name: str, expr: str) -> Rule:
    return Rule(name, expr, "record")


def test_one_tier_of_two_that_was_never_seen() -> None:
    rules = [
        recorded("err:1h", "rate(e[1h])"),
        recorded("err:3d", "rate(e[3d])"),
        alert("err:1h > 0.1 or (err:3d > 0.01 and err:1h > 0.01)", severity="ticket"),
    ]
    assert unseen(rules, TWO_DAYS) == (
        "1 of 2 alternatives of A (ticket): looks back 3d, the longest recording is 2d",
    )


def test_each_alert_has_a_line_of_its_own() -> None:
    rules = [alert("rate(e[3d]) > 1", severity="ticket"), alert("rate(e[1h]) > 1", severity="page")]
    assert unseen(rules, TWO_DAYS) == ("A (ticket): looks back 3d, the longest recording is 2d",)


@pytest.mark.parametrize(
    "expr",
    [
        "max_over_time(rate(e[1d])[1d1h:1h]) > 1",
        "rate(e[1h] offset 2d) > 1",
        "e > 1 and rate(e[49h]) > 1",
    ],
)
def test_however_it_looks_back(expr: str) -> None:
    assert len(unseen([alert(expr)], TWO_DAYS)) == 1


def test_recording_rules_that_read_recording_rules() -> None:
    rules = [recorded("a", "rate(e[30h])"), recorded("b", "avg_over_time(a[30h])"), alert("b > 1")]
    assert unseen(rules, TWO_DAYS) == ("A: looks back 2d12h, the longest recording is 2d",)
    assert unseen([*rules[1:2], alert("b > 1")], TWO_DAYS) == ()  # an `a` that was recorded all along


@pytest.mark.parametrize("expr", ["e > 1", "rate(e[2d]) > 1", "e offset 47h > 1", "vector(1)", "nonsense("])
def test_what_was_seen_or_can_not_be_read(expr: str) -> None:
    assert unseen([alert(expr)], TWO_DAYS) == ()


def test_a_history_without_recordings_has_shown_nothing() -> None:
    assert unseen([alert("rate(e[1h]) > 1")], []) == ("A: looks back 1h, the longest recording is 0s",)
    assert unseen([alert("rate(e[1h]) > 1")], [Span(0, HOUR)]) == ()
