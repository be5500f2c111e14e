"""Small histories through the whole pipeline: where a change is right, where it only looks right, and what stays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pytest
from histories import history, ref, series, shown

from rulegen.core.alert import Episode
from rulegen.core.candidate import Proposal
from rulegen.core.cluster import Cluster, Grade
from rulegen.core.durations import DAY, MINUTE
from rulegen.core.history import History
from rulegen.core.incident import Incident
from rulegen.core.labels import Labels
from rulegen.core.outcome import Report
from rulegen.core.rule import Rule
from rulegen.core.series import Series
from rulegen.core.settings import Settings
from rulegen.core.spans import Span
from rulegen.errors import InputError
from rulegen.pipeline import suggest
from rulegen.propose.search import enumerate_proposals
from rulegen.replay.replay import Replayer
from rulegen.templates import TEMPLATES

PAGE = Labels({"severity": "page"})
DEEP = Rule("Deep", "queue > 100", labels=PAGE)
MINUTES = 4 * DAY // MINUTE


def search(*templates: str) -> Callable[[Cluster], Iterable[Proposal]]:
    chosen = [one for one in TEMPLATES if one.name in templates or not templates]
    return lambda cluster: enumerate_proposals(cluster, chosen)


def run(given: History, *templates: str, settings: Settings | None = None) -> Report:
    return suggest(given, settings or Settings(), search(*templates), lambda *_: None)


def levels(*highs: tuple[int, int], minutes: int = MINUTES, name: str = "queue") -> Series:
    """Low, but for ``highs`` (start, how many minutes): these look all alike."""
    values = np.full(minutes, 10.0)
    for start, length in highs:
        values[start : start + length] = 150.0
    return series(name, values.tolist(), service="a")


WRONG = [(700 * k + 400, 20) for k in range(8)]  # twenty minutes
# One minute or two, again and again, an hour away from all that is wrong.
NOISE = [
    (at, 1 + k % 2) for k, at in enumerate(range(50, 5650, 97)) if all(abs(at - wrong) > 90 for wrong, _ in WRONG)
]
INCIDENTS = [Incident(f"i{k}", Span(at * MINUTE, (at + n) * MINUTE)) for k, (at, n) in enumerate(WRONG)]


def by_the_replay(given: History, report: Report) -> dict[str, int | None]:
    """Delay in minutes with which each incident pages when the accepted rules stand in; found without the judge."""
    replayer = Replayer(given, MINUTE)
    changed = {one.candidate.replaces: one.candidate.rules for one in report.suggestions}
    starts = []
    for place, group, rule in given.rules:
        rules = changed.get(place, (rule,))
        if all(one.kind == "record" for one in rules):
            continue
        for found in replayer.replay(place, rules, group.interval):
            starts += [(start, end) for labels, start, end in shown(found) if labels.get("severity") == "page"]
    out: dict[str, int | None] = {}
    assert given.record is not None
    for incident in given.record.incidents:
        span = incident.span
        late = [
            max(0, start - span.start) // MINUTE
            for start, end in starts
            if span.start - 15 * MINUTE <= start <= span.end or span.start - 60 * MINUTE <= start <= span.start <= end
        ]
        out[incident.id] = min(late, default=None)
    return out


def test_a_wait_that_is_right_is_found() -> None:
    given = history([levels(*NOISE, *WRONG)], DEEP, incidents=INCIDENTS)
    report = run(given, "hold")
    (one,) = report.suggestions
    (rule,) = one.candidate.rules
    assert rule.hold == 2 * MINUTE  # longer would come too late, shorter would let noise through
    assert report.before.pages == (len(NOISE), len(NOISE)) and report.mode == "incidents"
    assert by_the_replay(given, report) == {incident.id: 2 for incident in INCIDENTS}
    assert one.evidence is not None and one.evidence.grade is Grade.METRICS
    assert set(one.evidence.credible) == {incident.id for incident in INCIDENTS} and one.evidence.lucky == ()


def test_all_templates_together_lose_nothing() -> None:
    given = history([levels(*NOISE, *WRONG)], DEEP, incidents=INCIDENTS)
    report = run(given)
    assert len(report.suggestions) == 1
    assert report.together.pages == (len(NOISE), 0) and report.together.minutes[1] == 0
    assert report.together.caught == (8, 8) and report.together.lost == report.together.later == ()
    assert report.together == report.tuning  # nothing had to be demoted
    assert all(late is not None and late <= 2 for late in by_the_replay(given, report).values())


def test_a_wait_that_would_lose_an_incident_is_refused() -> None:
    """One of the short ones was real."""
    hidden = next(at for at, length in NOISE if length == 2)
    real = Incident("hidden", Span(hidden * MINUTE, (hidden + 2) * MINUTE))
    # Nothing else may stand for it: it is the only page for an hour around.
    given = history([levels(*NOISE, *WRONG)], DEEP, incidents=[*INCIDENTS, real])
    report = run(given, "hold")
    tried = {
        v.candidate.rules[0].hold: v.reasons for v in report.verdicts if not v.candidate.rules[0].keep_firing_for
    }
    assert tried[2 * MINUTE] == ("loses hidden",)
    assert all(one.candidate.rules[0].hold <= MINUTE for one in report.suggestions)
    assert by_the_replay(given, report)["hidden"] in (0, 1)
    assert report.together.lost == () and report.together.pages[1] < report.together.pages[0]


def test_a_wait_that_would_come_too_late_is_refused() -> None:
    longer = [(at, 4) for at, _ in NOISE]  # noise lasts four minutes: waiting it out takes five
    report = run(history([levels(*longer, *WRONG)], DEEP, incidents=INCIDENTS), "hold")
    assert report.suggestions == () and len(report.refused) == 1
    assert any("later than allowed" in why for why in report.refused[0].reasons)
    assert report.together.pages[0] == report.together.pages[1]
    patient = Settings(allowed_delay=5 * MINUTE)
    report = run(history([levels(*longer, *WRONG)], DEEP, incidents=INCIDENTS), "hold", settings=patient)
    assert [one.candidate.rules[0].hold for one in report.suggestions] == [5 * MINUTE]


def two_rules() -> History:
    """Either of two rules would do for every incident; each is as noisy as the other."""
    other = Rule("Other", "other > 100", labels=PAGE)
    given = [levels(*NOISE, *WRONG), levels(*[(at + 30, n) for at, n in NOISE], *WRONG, name="other")]
    return history(given, DEEP, other, incidents=INCIDENTS)


def test_what_is_safe_one_by_one_is_judged_together() -> None:
    report = run(two_rules(), "demote")
    assert len(report.suggestions) == 1 and len(report.refused) == 1  # both alone are safe
    assert [v.reasons for v in report.verdicts] == [(), ()]
    assert set(by_the_replay(two_rules(), report).values()) == {0}
    assert report.tuning.pages[1] == report.before.pages[0] > report.together.pages[1]


def test_every_subset_of_what_is_accepted_is_safe() -> None:
    given = two_rules()
    report = run(given)
    assert report.suggestions
    for kept in ((), report.suggestions[:1], report.suggestions[1:], report.suggestions):
        some = Report(**{**{f: getattr(report, f) for f in report.__dataclass_fields__}, "suggestions": tuple(kept)})
        assert all(late is not None and late <= 2 for late in by_the_replay(given, some).values())


def bursts_kept(given: History, report: Report, least: int) -> bool:
    """Whether each firing of the rule as it was, if it lasted ``least`` minutes, still pages, at most 2m late."""
    replayer = Replayer(given, MINUTE)
    (old,) = replayer.replay(ref(), (DEEP,), MINUTE)
    rules = report.suggestions[0].candidate.rules if report.suggestions else (DEEP,)
    new = [row for found in replayer.replay(ref(), rules, MINUTE) for row in shown(found)]
    lasting = [(start, end) for _, start, end in shown(old) if (end - start) // MINUTE + 1 > least]
    return all(any(start <= s <= min(end, start + 2 * MINUTE) for _, s, _ in new) for start, end in lasting)


def test_without_incidents_every_burst_is_protected() -> None:
    given = history([levels(*NOISE, *WRONG)], DEEP)
    report = run(given)
    assert report.mode == "bursts" and report.together.caught == (len(NOISE) + 8, len(NOISE) + 8)
    assert report.together.lost == report.together.later == ()
    assert bursts_kept(given, report, least=0)
    assert all(one.candidate.change == "tuning" for one in report.suggestions)


def test_without_incidents_what_is_negligible_may_go_silent() -> None:
    given = history([levels(*NOISE, *WRONG)], DEEP)
    report = run(given, "hold", settings=Settings(ignore_shorter_than=2 * MINUTE))
    (one,) = report.suggestions
    assert one.candidate.rules[0].hold == 2 * MINUTE
    assert report.together.pages == (len(NOISE) + 8, 8)
    assert bursts_kept(given, report, least=2)
    only_ones = run(given, "hold", settings=Settings(ignore_shorter_than=MINUTE))
    twos = sum(length == 2 for _, length in NOISE)
    assert only_ones.together.pages == (len(NOISE) + 8, twos + 8) and bursts_kept(given, only_ones, least=1)


BY_DESIGN = [
    Rule("Watchdog", "queue > 100", labels=PAGE),
    Rule("Anything", "vector(1)", labels=PAGE),
    Rule("Number", "1"),
]


@pytest.mark.parametrize("rule", BY_DESIGN, ids=lambda rule: rule.name)
def test_what_fires_by_design_is_never_touched(rule: Rule) -> None:
    report = run(history([levels(*NOISE, *WRONG)], rule, DEEP, incidents=INCIDENTS))
    assert report.rules == 2 and report.unscored == ()
    touched = {one.candidate.replaces for one in (*report.suggestions, *report.refused)}
    assert touched == {ref(1)} and all(v.candidate.replaces == ref(1) for v in report.verdicts)


@pytest.mark.parametrize(
    ("protect", "touched"),
    [((), {0, 1}), (('alertname="Deep"',), {1}), (('team="db"',), {0}), (('severity="page"',), set())],
)
def test_what_the_user_protects_is_never_touched(protect: tuple[str, ...], touched: set[int]) -> None:
    other = Rule("Wide", "queue > 90", labels=Labels({"severity": "page", "team": "db"}))
    given = history([levels(*NOISE, *WRONG)], DEEP, other, incidents=INCIDENTS)
    report = run(given, settings=Settings(protect=protect))
    assert {v.candidate.replaces.index for v in report.verdicts} == touched
    assert {one.candidate.replaces.index for one in report.suggestions} <= touched


def test_what_can_not_be_replayed_is_unscored_and_says_why() -> None:
    broken = Rule("Native", "histogram_sum(queue) > 1", labels=PAGE, line=7)
    report = run(history([levels(*NOISE, *WRONG)], broken, DEEP, incidents=INCIDENTS), "hold")
    assert report.unscored == (("rules.yml:7: Native", "unsupported: function histogram_sum()"),)
    assert report.rules == 1 and [one.candidate.replaces for one in report.suggestions] == [ref(1)]


def test_a_broken_recording_rule_takes_along_only_what_reads_it() -> None:
    rules = (Rule("q:sum", "histogram_sum(queue)", "record"), Rule("Blind", "q:sum > 1", labels=PAGE, line=3), DEEP)
    report = run(history([levels(*NOISE, *WRONG)], *rules, incidents=INCIDENTS), "hold")
    ((where, why),) = report.unscored
    assert where == "rules.yml:3: Blind" and "q:sum" in why and "histogram_sum" in why
    assert len(report.suggestions) == 1


def test_a_selector_that_matches_nothing_is_named() -> None:
    gone = Rule("Gone", 'nothing{a="b"} > 1', labels=PAGE, line=4)
    report = run(history([levels(*NOISE, *WRONG)], gone, DEEP, incidents=INCIDENTS), "hold")
    assert report.unmatched == (("rules.yml:4: Gone", 'nothing{a="b"}'),)


def test_tickets_are_no_noise() -> None:
    ticket = Rule("Ticket", "queue > 100", labels=Labels({"severity": "ticket"}))
    report = run(history([levels(*NOISE, *WRONG)], ticket, incidents=INCIDENTS))
    assert report.before.pages == (0, 0) and report.suggestions == report.refused == ()


def test_recorded_alerts_alone() -> None:
    labels = Labels({"alertname": "Deep", "severity": "page", "service": "a"})
    episodes = [Episode(labels, Span(at * MINUTE, (at + n - 1) * MINUTE)) for at, n in sorted([*NOISE, *WRONG])]
    given = history((), minutes=MINUTES, episodes=episodes, incidents=INCIDENTS)
    report = run(given)
    (one,) = report.suggestions
    assert one.evidence is not None and one.evidence.grade is Grade.ALERTS
    assert one.candidate.rules[0].hold == 2 * MINUTE and one.candidate.change == "tuning"
    assert report.together.pages == (len(NOISE), 0) and report.together.caught == (8, 8)
    assert any("grade alerts" in doubt for doubt in report.doubts)


def test_no_rules_no_alerts() -> None:
    report = run(history([levels(*NOISE)], incidents=INCIDENTS))
    assert (report.rules, report.suggestions, report.refused) == (0, (), ())
    assert report.before.pages == (0, 0)


def test_matchers_that_can_not_be_read() -> None:
    given = history([levels(*NOISE)], DEEP, incidents=INCIDENTS)
    for settings in (Settings(page="severity="), Settings(protect=("a=b",))):
        with pytest.raises(InputError):
            run(given, settings=settings)


def told(report: Report) -> list[object]:
    return [
        report.before,
        report.together,
        report.forecast,
        report.doubts,
        *((one.id, one.candidate, one.evidence, one.reasons) for one in (*report.suggestions, *report.refused)),
        *((v.candidate, v.reasons) for v in report.verdicts),
    ]


def test_the_same_twice() -> None:
    assert told(run(two_rules())) == told(run(two_rules()))


def test_a_short_history_is_forecast_by_folds() -> None:
    report = run(history([levels(*NOISE, *WRONG)], DEEP, incidents=INCIDENTS), "hold")
    assert report.forecast is not None and report.forecast.method.startswith("cross-fitted: 5 folds")
    assert report.forecast.measure.weeks == pytest.approx(report.together.weeks)
    assert report.forecast.measure.caught[0] == 8
    assert any("too short" in doubt for doubt in report.doubts) and any(
        "only 8 incidents" in d for d in report.doubts
    )


def long_history(late: Sequence[int]) -> History:
    """Twenty days. In the last five, ``late`` of the incidents are as short as the noise."""
    minutes = 20 * DAY // MINUTE
    wrong = [(1400 * k + 400, 2 if k in late else 20) for k in range(20)]
    given = levels(*[(50 + 97 * k, 1 + k % 2) for k in range(290)], *wrong, minutes=minutes)
    incidents = [Incident(f"i{k}", Span(at * MINUTE, (at + n) * MINUTE)) for k, (at, n) in enumerate(wrong)]
    return history([given], DEEP, incidents=incidents)


def test_the_audit_part_is_seen_once_and_tells_the_truth() -> None:
    """The choice can't know that tomorrow's incidents are short; the forecast says what that costs."""
    fine, sobering = (run(long_history(late), "hold") for late in ([], [18, 19]))
    for report in (fine, sobering):
        assert [one.candidate.rules[0].hold for one in report.suggestions] == [2 * MINUTE]
        assert report.forecast is not None and report.forecast.method.startswith("audit")
    assert fine.forecast is not None and sobering.forecast is not None
    assert fine.forecast.loss[0] == 0 and fine.forecast.measure.lost == ()
    assert sobering.forecast.measure.lost == ("i18", "i19")
    assert sobering.forecast.loss[0] == 2 / sobering.forecast.measure.caught[0]
    (one,) = sobering.suggestions
    assert one.evidence is not None
    parts = dict(one.evidence.parts)
    assert list(parts) == ["fit", "gate", "audit"]
    assert parts["fit"].lost == parts["gate"].lost == () and parts["audit"].lost == ("i18", "i19")
    assert sobering.together.lost == ("i18", "i19")  # and the whole does not hide it


def test_a_fold_is_scored_by_a_choice_that_did_not_see_it() -> None:
    """The one short incident can't be known from the other days: kept by the choice, lost in the forecast."""
    at = max(at for at, length in NOISE if length == 2)
    real = Incident("hidden", Span(at * MINUTE, (at + 2) * MINUTE))
    report = run(history([levels(*NOISE, *WRONG)], DEEP, incidents=[*INCIDENTS, real]), "hold")
    assert report.together.lost == ()
    assert report.forecast is not None and report.forecast.measure.lost == ("hidden",)
    assert report.forecast.loss[0] == 1 / 9
