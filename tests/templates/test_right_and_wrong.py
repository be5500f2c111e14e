"""For each template a history in which it is the right answer, and one in which it tempts: the same noise, and one
real incident that hides in it. Found by the search among all templates, and judged again by replaying what came out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from histories import history, series, shown
from numpy.typing import NDArray

from rulegen.core.candidate import Candidate, Proposal
from rulegen.core.cluster import Cluster
from rulegen.core.durations import DAY, MINUTE
from rulegen.core.history import History
from rulegen.core.incident import Incident
from rulegen.core.labels import Labels
from rulegen.core.outcome import Report
from rulegen.core.routing import Matcher, Receiver, Route, Routing
from rulegen.core.rule import Rule
from rulegen.core.series import Series
from rulegen.core.settings import Settings
from rulegen.core.spans import Span
from rulegen.core.timeinterval import TimeInterval
from rulegen.pipeline import suggest
from rulegen.propose.search import enumerate_proposals
from rulegen.replay.replay import Replayer
from rulegen.templates import TEMPLATES

PAGE = Labels({"severity": "page"})
MINUTES = 4 * DAY // MINUTE
WRONG = [700 * k + 400 for k in range(8)]  # when it was really wrong, for twenty minutes each
NOISE = [at for at in range(40, MINUTES - 60, 130) if all(abs(at - wrong) > 90 for wrong in WRONG)]
HIDDEN = NOISE[len(NOISE) // 2]  # the noise that may have been real
LASTS = 20


def proposals(cluster: Cluster) -> Iterable[Proposal]:
    return enumerate_proposals(cluster, TEMPLATES, limit=24)


def by_labels(cluster: Cluster) -> Iterable[Proposal]:
    """Without the rule that mutes itself: here the routing is to do it."""
    return enumerate_proposals(cluster, [one for one in TEMPLATES if one.name in ("hold", "retune", "relabel")])


def incidents(hidden: bool, start: int = 0, lasts: int = LASTS, at: int = HIDDEN) -> list[Incident]:
    """Minutes ``start`` after each time in WRONG, and the hidden one."""
    real = [(f"i{k}", when + start, LASTS) for k, when in enumerate(WRONG)]
    real += [("hidden", at, lasts)] if hidden else []
    return [Incident(name, Span(when * MINUTE, (when + n) * MINUTE)) for name, when, n in real]


def run(given: Sequence[Series], rule: Rule, real: Sequence[Incident]) -> tuple[History, Report]:
    known = history(given, rule, incidents=real)
    return known, suggest(known, Settings(), proposals, lambda *_: None)


def the_right_one(report: Report, template: str) -> Candidate:
    """The one change that is suggested, which has to be of ``template`` and to end the noise."""
    (one,) = report.suggestions
    assert one.candidate.proposal.template == template, one.candidate.proposal
    assert report.together.pages[1] == 0 < report.together.pages[0] and report.together.lost == ()
    return one.candidate


def refused_for_it(report: Report, template: str) -> list[Candidate]:
    """The changes of ``template`` that are refused because the hidden incident would be lost."""
    return [
        one.candidate
        for one in report.verdicts
        if one.candidate.proposal.template == template and any("loses hidden" in why for why in one.reasons)
    ]


def still_paged(known: History, report: Report) -> set[str]:
    """The incidents that start a page from 15 minutes before them on, or find one that began an hour before at most,
    when the suggested rules stand in; found without the judge."""
    changed = {one.candidate.replaces: one.candidate.rules for one in report.suggestions}
    replayer = Replayer(known, MINUTE)
    pages = [
        (start, end)
        for place, group, rule in known.rules
        for found in replayer.replay(place, changed.get(place, (rule,)), group.interval)
        for labels, start, end in shown(found)
        if labels["severity"] == "page"
    ]
    assert known.record is not None
    return {
        one.id
        for one in known.record.incidents
        for start, end in pages
        if one.span.start - 15 * MINUTE <= start <= one.span.end
        or one.span.start - 60 * MINUTE <= start <= one.span.start <= end
    }


def everyone(real: Sequence[Incident]) -> set[str]:
    return {one.id for one in real}


def flat(value: float = 10.0) -> NDArray[np.float64]:
    return np.full(MINUTES, value)


def with_spells(values: NDArray[np.float64], when: Iterable[int], height: float, lasts: int = LASTS) -> None:
    for at in when:
        values[at : at + lasts] = height


# split_severity: far below what an incident looks like, and yet worth a look.
DEEP = Rule("Deep", "queue > 100", labels=PAGE)


def depths(hidden: bool) -> tuple[list[Series], list[Incident]]:
    values = flat()
    with_spells(values, NOISE, 600.0)
    with_spells(values, WRONG, 2000.0)
    return [series("queue", values.tolist(), service="a")], incidents(hidden)


def test_split_severity_is_right() -> None:
    given, real = depths(hidden=False)
    known, report = run(given, DEEP, real)
    page, ticket = the_right_one(report, "split_severity").rules
    assert ticket.expr == DEEP.expr and ticket.labels["severity"] == "ticket" and page.labels == PAGE
    assert still_paged(known, report) == everyone(real)


def test_split_severity_tempts() -> None:
    given, real = depths(hidden=True)
    known, report = run(given, DEEP, real)
    assert refused_for_it(report, "split_severity")
    assert all(one.candidate.proposal.template != "split_severity" for one in report.suggestions)
    assert still_paged(known, report) == everyone(real)


# narrow: many teams try things out; one of them serves people.
TEAMS = ["anna", "bert", "cleo", "dora", "emil", "fritz", "gerd", "hans", "ida", "jo"]


def teams(hidden: bool) -> tuple[list[Series], list[Incident]]:
    rows = {(name, name): flat() for name in TEAMS} | {("shop", pod): flat() for pod in ("a", "b")}
    for number, at in enumerate(NOISE):
        name = TEAMS[number % len(TEAMS)]
        with_spells(rows[name, name], [at], 150.0)
    for pod in ("a", "b"):
        with_spells(rows["shop", pod], WRONG, 150.0)
    return [series("queue", row.tolist(), team=team, pod=pod) for (team, pod), row in rows.items()], incidents(hidden)


def test_narrow_is_right() -> None:
    given, real = teams(hidden=False)
    known, report = run(given, DEEP, real)
    (rule,) = the_right_one(report, "narrow").rules
    assert 'team="shop"' in rule.expr and still_paged(known, report) == everyone(real)


def test_narrow_tempts() -> None:
    given, real = teams(hidden=True)
    known, report = run(given, DEEP, real)
    assert any("team=shop" in str(one.proposal.slots["targets"]) for one in refused_for_it(report, "narrow"))
    assert still_paged(known, report) == everyone(real)


# floor: a failure now and then is none.
FAILED = Rule("Failed", "increase(failed_total[10m]) > 0", labels=PAGE)


def failures(hidden: bool) -> tuple[list[Series], list[Incident]]:
    per_minute = flat(0.0)
    for at in NOISE:
        per_minute[at + 1] = per_minute[at + 3] = 1.0
    with_spells(per_minute, WRONG, 20.0)
    return [series("failed_total", (100 + np.cumsum(per_minute)).tolist(), service="a")], incidents(hidden)


def test_floor_is_right() -> None:
    given, real = failures(hidden=False)
    known, report = run(given, FAILED, real)
    candidate = the_right_one(report, "floor")
    (rule,) = candidate.rules
    least = candidate.proposal.slots["least"]
    assert isinstance(least, float) and least >= 3 and rule.expr == f"increase(failed_total[10m]) > {least:g}"
    assert still_paged(known, report) == everyone(real)


def test_floor_tempts() -> None:
    given, real = failures(hidden=True)
    known, report = run(given, FAILED, real)
    least = {one.proposal.slots["least"] for one in refused_for_it(report, "floor")}
    assert {3.0, 5.0, 10.0} <= least and still_paged(known, report) == everyone(real)


# latch: a counter that has passed the threshold stays above it until the next restart, each midnight.
RESTARTS = Rule("Restarts", "restarts_total > 5", labels=PAGE)


def restarts(hidden: bool) -> tuple[list[Series], list[Incident]]:
    per_minute = flat(0.0)
    slow = DAY // MINUTE * 2 + 300  # a restart every forty minutes, for four hours
    per_minute[slow : slow + 240 : 40] = 1.0
    per_minute[DAY // MINUTE * 3 + 60 : DAY // MINUTE * 3 + 400 : 50] = 1.0
    crashes = [200, DAY // MINUTE + 500]
    for at in crashes:
        per_minute[at : at + 10] = 1.0
    counter = np.concatenate([np.cumsum(day) for day in np.split(per_minute, 4)])
    real = [Incident(f"i{k}", Span(at * MINUTE, (at + 20) * MINUTE)) for k, at in enumerate(crashes)]
    real += [Incident("hidden", Span((slow + 190) * MINUTE, (slow + 240) * MINUTE))] if hidden else []
    return [series("restarts_total", counter.tolist(), pod="a")], real


def test_latch_is_right() -> None:
    given, real = restarts(hidden=False)
    known, report = run(given, RESTARTS, real)
    (rule,) = the_right_one(report, "latch").rules
    assert "increase(restarts_total[" in rule.expr and still_paged(known, report) == everyone(real)


def test_latch_tempts() -> None:
    given, real = restarts(hidden=True)
    known, report = run(given, RESTARTS, real)
    assert refused_for_it(report, "latch") and still_paged(known, report) == everyone(real)


# late_data: what was stored is known five minutes after what was sent.
BEHIND = Rule("Behind", "sent_messages - stored_messages > 100", labels=PAGE)
LATE = 5


def flows(hidden: bool) -> tuple[list[Series], list[Incident]]:
    per_minute = flat(2.0)
    with_spells(per_minute, NOISE, 3000.0, lasts=2)
    with_spells(per_minute, WRONG, 60.0, lasts=60)
    stored = per_minute.copy()
    for at in WRONG:
        stored[at : at + 60] = 0.0
    if hidden:  # for three minutes nothing was stored, and never will be
        stored[HIDDEN + 40 : HIDDEN + 43] = 0.0
        per_minute[HIDDEN + 40 : HIDDEN + 43] = 120.0
        stored[HIDDEN + 44] += 360.0
    sent, kept = np.cumsum(per_minute), np.cumsum(stored)
    missing = sent - kept
    seen = np.concatenate([np.zeros(LATE), kept[:-LATE]])
    for at in WRONG:  # then it is caught up with
        seen[at + 75 :] += missing[at + 74] - (missing[at - 1] if at else 0.0)
    given = [
        series(name, row.tolist(), queue="q") for name, row in (("sent_messages", sent), ("stored_messages", seen))
    ]
    return given, incidents(hidden, start=6, lasts=6, at=HIDDEN + 40)


def test_late_data_is_right() -> None:
    given, real = flows(hidden=False)
    known, report = run(given, BEHIND, real)
    (rule,) = the_right_one(report, "late_data").rules
    assert rule.expr == "sent_messages offset 5m - stored_messages > 100"
    assert still_paged(known, report) == everyone(real)


def test_late_data_tempts() -> None:
    given, real = flows(hidden=True)
    known, report = run(given, BEHIND, real)
    assert refused_for_it(report, "late_data") and still_paged(known, report) == everyone(real)


# aggregate_expr: work moves from pod to pod; only when all are busy is there too much of it.
BUSY = Rule("Busy", "busy > 80", labels=PAGE)


def pods(hidden: bool) -> tuple[list[Series], list[Incident]]:
    rows = [flat(30.0) for _ in range(4)]
    for number, at in enumerate(NOISE):
        for other, row in enumerate(rows):
            with_spells(row, [at], 170.0 if other == number % 4 else 10.0)
    for row in rows:
        with_spells(row, WRONG, 95.0)
    return [series("busy", row.tolist(), pod=f"p{k}", service="a") for k, row in enumerate(rows)], incidents(hidden)


def test_aggregate_expr_is_right() -> None:
    given, real = pods(hidden=False)
    known, report = run(given, BUSY, real)
    (rule,) = the_right_one(report, "aggregate_expr").rules
    assert rule.expr == "avg by (service) (busy) > 80" and still_paged(known, report) == everyone(real)


def test_aggregate_expr_tempts() -> None:
    given, real = pods(hidden=True)
    known, report = run(given, BUSY, real)
    assert refused_for_it(report, "aggregate_expr") and still_paged(known, report) == everyone(real)


# carve_out with a limit: two large pods have their own idea of much.
def sizes(hidden: bool) -> tuple[list[Series], list[Incident]]:
    large, small = [flat() for _ in range(2)], [flat() for _ in range(3)]
    for number, row in enumerate(large):
        with_spells(row, NOISE[number::2], 130.0)
        with_spells(row, WRONG[::2], 300.0)
    for row in small:
        with_spells(row, WRONG[1::2], 120.0)
    given = [series("queue", row.tolist(), pod=name) for name, row in zip("xyabc", (*large, *small), strict=True)]
    return given, incidents(hidden)


def test_a_threshold_per_target_is_right() -> None:
    given, real = sizes(hidden=False)
    known, report = run(given, DEEP, real)
    candidate = the_right_one(report, "carve_out")
    assert candidate.proposal.slots["limit"] != "exclude" and 'queue{pod=~"x|y"} >' in candidate.rules[0].expr
    assert still_paged(known, report) == everyone(real)


def test_a_threshold_per_target_tempts() -> None:
    given, real = sizes(hidden=True)
    known, report = run(given, DEEP, real)
    assert refused_for_it(report, "carve_out") and still_paged(known, report) == everyone(real)


# rescale: the limit is measured too, and there is no number to compare with.
FULL = Rule("Full", "used > on (pod) capacity * 0.8", labels=PAGE)


def shares(hidden: bool) -> tuple[list[Series], list[Incident]]:
    used, capacity = flat(100.0), np.where(np.arange(MINUTES) < MINUTES / 2, 1000.0, 500.0)
    for at in NOISE:
        used[at : at + LASTS] = 0.85 * capacity[at]
    for at in WRONG:
        used[at : at + LASTS] = 0.99 * capacity[at]
    given = [series(name, row.tolist(), pod="a") for name, row in (("used", used), ("capacity", capacity))]
    return given, incidents(hidden)


def test_rescale_is_right() -> None:
    given, real = shares(hidden=False)
    known, report = run(given, FULL, real)
    (rule,) = the_right_one(report, "rescale").rules
    assert rule.expr == "used > on (pod) capacity * 0.88" and still_paged(known, report) == everyone(real)


def test_rescale_tempts() -> None:
    given, real = shares(hidden=True)
    known, report = run(given, FULL, real)
    assert refused_for_it(report, "rescale") and still_paged(known, report) == everyone(real)


# relabel: at night nobody looks at it anyway, and the routing has a word for that.
OFFICE = Routing(
    Route(
        "pager",
        group_by=("alertname",),
        routes=(
            Route("pager", key='{hours="office"}', matchers=(Matcher("hours", "=", "office"),), mute=("night",)),
        ),
    ),
    {"pager": Receiver("pager")},
    (),
    {"night": (TimeInterval(times=((20 * 60, 24 * 60), (0, 6 * 60))),)},
)


def nights(hidden: bool) -> tuple[list[Series], list[Incident]]:
    """All alike, but by night it is noise."""
    values, day = flat(), DAY // MINUTE
    dark = [day * k + at for k in range(4) for at in (100, 220, 1230, 1300)]
    light = [day * k + at for k in range(4) for at in (600, 900)]
    with_spells(values, [*dark, *light], 150.0)
    real = [Incident(f"i{k}", Span(at * MINUTE, (at + LASTS) * MINUTE)) for k, at in enumerate(light)]
    real += [Incident("hidden", Span(dark[6] * MINUTE, (dark[6] + LASTS) * MINUTE))] if hidden else []
    return [series("queue", values.tolist(), service="a")], real


def test_relabel_is_right() -> None:
    given, real = nights(hidden=False)
    known = history(given, DEEP, incidents=real)
    report = suggest(known, Settings(), by_labels, lambda *_: None, routing=OFFICE)
    (one,) = report.suggestions
    assert one.candidate.proposal.template == "relabel" and one.candidate.rules[0].labels["hours"] == "office"
    assert report.notices is not None and report.notices.before[1] == 16 and report.notices.together[1] == 0
    assert report.notices.told == (8, 8) and report.notices.lost == ()


def test_relabel_tempts() -> None:
    given, real = nights(hidden=True)
    report = suggest(history(given, DEEP, incidents=real), Settings(), by_labels, lambda *_: None, routing=OFFICE)
    tried = [one.reasons for one in report.verdicts if one.candidate.proposal.template == "relabel"]
    assert tried == [("nobody is told of hidden",)]
    assert report.notices is not None and report.notices.told == (9, 9) and report.notices.lost == ()
