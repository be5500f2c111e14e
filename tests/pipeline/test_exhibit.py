"""Unit tests cut for suggestions made by hand: what stands in them, what promtool says, and what is left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from histories import candidate, history, promtool, ref, series

from rulegen.cluster.describe import describe
from rulegen.core.durations import DAY, HOUR, MINUTE
from rulegen.core.exhibit import Case, Exhibit, RuleFile
from rulegen.core.history import History
from rulegen.core.incident import Incident
from rulegen.core.labels import METRIC_NAME, Labels
from rulegen.core.outcome import Suggestion
from rulegen.core.rule import Rule, RuleGroup, RuleSet
from rulegen.core.series import STALE, Series, is_stale
from rulegen.core.settings import Settings
from rulegen.core.spans import Span
from rulegen.desk import Desk
from rulegen.emit.plainrules import plain_rules
from rulegen.emit.testfile import unit_tests
from rulegen.exhibit import MAX_SERIES, exhibit
from rulegen.score.parts import split

PAGE = Labels({"severity": "page"})
OLD = Rule("Long", "queue > 80", labels=PAGE, annotations=Labels({"summary": "{{ $labels.q }}: {{ $value }}"}))
INCIDENT = Incident("i-1", Span(300 * MINUTE, 320 * MINUTE))
EASY = Settings(lead=0)


def queue(*highs: tuple[int, int, float], minutes: int = 400, name: str = "queue", **labels: str) -> Series:
    """20, but for ``highs`` (minute, how many, value); scraped 17 s after each minute."""
    values = np.full(minutes, 20.0)
    for at, count, value in highs:
        values[at : at + count] = value
    made = series(name, values.tolist(), **labels)
    return replace(made, times=made.times + 17_000)


def shown(given: History, *new: Rule, at: int = 0) -> tuple[Suggestion, Exhibit]:
    """What is shown of ``new`` in the place of the rule at position ``at``."""
    desk = Desk.of(given, EASY, lambda _: (), MINUTE, lambda *_: None)
    place = ref(at)
    old, interval = desk.rules[place]
    fired = desk.fired[place]
    noisy = desk.judge.noise(fired)
    peaks = desk.replayer.peaks(place, fired)
    cluster = describe(
        place, old, fired, noisy, peaks, grade=desk.replayer.grade(place), weeks=1.0, incidents_touched=1
    )
    assert interval == MINUTE and split(desk.judge)
    suggestion = Suggestion("s-1", cluster, candidate(*new, replaces=place), None)
    groups = [group for group in given.rules.groups if group.path == place.path]
    rules = tuple(one for here, rule in enumerate(groups[0].rules) for one in (new if here == at else (rule,)))
    file = RuleFile("rules.yml", RuleSet((replace(groups[0], rules=rules), *groups[1:])), loadable=True)
    return suggestion, exhibit(desk, suggestion, file)


def passes(tmp_path: Path, suggestion: Suggestion, found: Exhibit, rules: Sequence[Rule] = ()) -> bool:
    """By promtool; with other ``rules`` in place of those that were written."""
    assert found.file is not None
    written = RuleSet((RuleGroup("g", tuple(rules)),)) if rules else found.file.rules
    (tmp_path / "rules.yml").write_text(plain_rules(written, "x"))
    (tmp_path / "test.yml").write_text(unit_tests(found, suggestion, "rules.yml"))
    done = promtool("test", "rules", tmp_path / "test.yml")
    assert "unmarshal" not in done.stderr and "parse" not in done.stderr, done.stderr
    return done.returncode == 0


def both(found: Exhibit) -> tuple[Case, Case]:
    assert not found.missing
    silent, fires = found.cases
    assert (silent.claim, fires.claim) == ("silent", "fires")
    return silent, fires


def test_a_threshold(tmp_path: Path) -> None:
    given = history([queue((100, 3, 85.0), (302, 10, 99.5), q="a")], OLD, incidents=[INCIDENT])
    new = replace(OLD, expr="queue > 90")
    suggestion, found = shown(given, new)
    silent, fires = both(found)
    assert passes(tmp_path, suggestion, found) and not passes(tmp_path, suggestion, found, [OLD])
    assert [time + silent.origin for time, _ in silent.before] == [101 * MINUTE, 102 * MINUTE, 103 * MINUTE]
    assert all(not check.alerts for check in silent.checks)
    (check,) = fires.checks
    assert check.at + fires.origin == 303 * MINUTE
    assert check.alerts[0].labels == Labels({"alertname": "Long", "q": "a", "severity": "page"})
    assert check.alerts[0].annotations == (("summary", "a: 99.5"),)
    assert fires.shows == "must fire: the incident i-1"


def test_one_page_in_the_place_of_two(tmp_path: Path) -> None:
    given = history([queue((100, 3, 85.0), (105, 3, 85.0), (302, 10, 99.0), q="a")], OLD, incidents=[INCIDENT])
    suggestion, found = shown(given, replace(OLD, keep_firing_for=5 * MINUTE))
    silent, _ = both(found)
    assert silent.shows == "must go on: one page where there were two"
    assert [time + silent.origin for time, _ in silent.before] == [101 * MINUTE, 106 * MINUTE]
    assert [len(check.alerts) for check in silent.checks] == [1, 1, 1]
    assert passes(tmp_path, suggestion, found) and not passes(tmp_path, suggestion, found, [OLD])


def test_fewer_at_once(tmp_path: Path) -> None:
    some = [queue((100, 3, 85.0), (302, 10, 99.0), q=q, team="t") for q in "abc"]
    suggestion, found = shown(
        history(some, OLD, incidents=[INCIDENT]), replace(OLD, expr="max by (team) (queue) > 80")
    )
    silent, _ = both(found)
    assert silent.shows == "must page less: 1 at once where 3 did" and len(silent.series) == 3
    assert passes(tmp_path, suggestion, found) and not passes(tmp_path, suggestion, found, [OLD])


def test_a_demoted_rule_fires_as_a_ticket(tmp_path: Path) -> None:
    given = history([queue((100, 3, 85.0), q="a")], OLD, incidents=[INCIDENT])
    suggestion, found = shown(given, replace(OLD, labels=Labels({"severity": "ticket"})))
    silent, fires = both(found)
    assert silent.checks[0].alerts[0].labels["severity"] == "ticket"
    assert fires.shows == "must fire: no incident is caught by this rule; this is the longest firing that remains"
    assert passes(tmp_path, suggestion, found) and not passes(tmp_path, suggestion, found, [OLD])


def test_recording_rules_of_the_file_are_worked_out_and_those_of_others_are_input(tmp_path: Path) -> None:
    here = Rule("team:queue:max", "max by (team) (raw)", "record")
    alert = replace(OLD, expr="team:queue:max + on (team) other:zero > 80")
    given = history([queue((100, 3, 85.0), (302, 10, 99.5), name="raw", team="t")], here, alert, incidents=[INCIDENT])
    elsewhere = RuleGroup("o", (Rule("other:zero", "max by (team) (raw) * 0", "record"),), "other.yml")
    given = replace(given, rules=RuleSet((elsewhere, *given.rules.groups)))
    suggestion, found = shown(given, replace(alert, expr="team:queue:max + on (team) other:zero > 90"), at=1)
    for case in both(found):
        assert {one.labels[METRIC_NAME] for one in case.series} == {"raw", "other:zero"}
    assert passes(tmp_path, suggestion, found) and not passes(tmp_path, suggestion, found, [here, alert])


def test_the_hour_of_the_day(tmp_path: Path) -> None:
    """Tests begin in 1970; whole weeks keep the hours."""
    late = 30 * DAY
    moved = [queue((100, 3, 85.0), (790, 10, 99.0), minutes=900, q="a")]
    moved = [replace(one, times=one.times + late) for one in moved]
    incident = Incident("i-1", Span(late + 785 * MINUTE, late + 800 * MINUTE))
    given = history(moved, OLD, incidents=[incident])
    given = replace(given, span=Span(late, late + 900 * MINUTE))
    record = given.record
    assert record is not None
    given = replace(given, record=replace(record, judged=(given.span,)))
    suggestion, found = shown(given, replace(OLD, expr="queue > 80 and on () hour() >= 12"))
    for case in both(found):
        assert case.origin % (7 * DAY) == 0 and case.samples < 100
    assert passes(tmp_path, suggestion, found) and not passes(tmp_path, suggestion, found, [OLD])


def test_of_many_series_those_of_the_target() -> None:
    many = [queue((302, 2, 99.0) if k else (100, 3, 85.0), q=f"q{k}") for k in range(MAX_SERIES + 1)]
    given = history(many, OLD, incidents=[INCIDENT])
    silent, _ = both(shown(given, replace(OLD, expr="queue > 90"))[1])
    assert [one.labels["q"] for one in silent.series] == ["q0"]


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (
            "time() - stamp > 600",
            "time() - stamp > 900",
            "the alert does not fire on the cut as it did in the history",
        ),
        ("sum(many) > 4000", "sum(many) > 4500", "41 series are too many to read (at most 40)"),
        ("max_over_time(queue[5d]) > 80", "max_over_time(queue[5d]) > 90", "samples are too many to read"),
    ],
)
def test_what_cannot_be_shown_is_left_out_and_told(old: str, new: str, why: str) -> None:
    minutes = 5 * DAY // MINUTE + 400
    at = [100 * 60.0 + (k // 20) * 1200 for k in range(400)]  # a time that is written down every 20 minutes
    stamp = [*at, *at[-1:] * (minutes - 400)]
    incident = Incident("i-1", Span(HOUR, HOUR))
    high = (minutes - 200, 100, 85.0)
    many = [queue((250, 30, 100.0), minutes=400, name="many", q=str(k)) for k in range(41)]
    given = history(
        [queue(high, minutes=minutes), *many, series("stamp", stamp)],
        Rule("X", old, labels=PAGE),
        incidents=[incident],
    )
    _, found = shown(given, Rule("X", new, labels=PAGE))
    assert not any(case.claim == "silent" for case in found.cases)
    assert why in dict(found.missing)["silent"]


def test_staleness_markers_are_in_the_input(tmp_path: Path) -> None:
    """Without the marker a series is there for five minutes more, and nothing would be absent."""
    one = queue(q="a")
    minute = one.times // MINUTE
    values = np.where((minute == 100) | (minute == 302), STALE, one.values)
    there = ~(((minute > 100) & (minute < 103)) | ((minute > 302) & (minute < 320)))
    given = history(
        [Series(one.labels, one.times[there], values[there])],
        gone := Rule("Gone", 'absent(queue{q="a"})', labels=PAGE),
        incidents=[INCIDENT],
    )
    suggestion, found = shown(given, replace(gone, hold=5 * MINUTE))
    for case in both(found):
        assert is_stale(case.series[0].values).sum() == 1
    assert passes(tmp_path, suggestion, found) and not passes(tmp_path, suggestion, found, [gone])


def test_annotations_with_a_rounded_value(tmp_path: Path) -> None:
    """A mean of tenths is summed up in another order by each version: printed to four digits it is safe."""
    given = history([queue((100, 3, 95.1), (302, 10, 99.7), q="a")], OLD, incidents=[INCIDENT])
    mean = replace(OLD, expr="avg_over_time(queue[3m]) > 80")
    suggestion, found = shown(given, mean)
    _, fires = both(found)
    assert not fires.checks
    (check,) = fires.labels_only
    assert check.expr == 'ALERTS{alertname="Long",alertstate="firing"}'
    assert passes(tmp_path, suggestion, found) and not passes(tmp_path, suggestion, found, [OLD])
    rounded = replace(mean, annotations=Labels({"summary": "{{ $value | humanize }}"}))
    suggestion, found = shown(given, rounded)
    _, fires = both(found)
    assert not fires.labels_only and fires.checks[0].alerts[0].annotations == (("summary", "99.7"),)
    assert passes(tmp_path, suggestion, found)


def test_what_stands_in_no_file_is_not_tested() -> None:
    given = history([queue((100, 3, 85.0), q="a")], OLD, incidents=[INCIDENT])
    desk = Desk.of(given, EASY, lambda _: (), MINUTE, lambda *_: None)
    suggestion, _ = shown(given, replace(OLD, expr="queue > 90"))
    found = exhibit(desk, suggestion, None)
    assert not found.cases and dict(found.missing)["fires"] == "the change is not in the rule file"
