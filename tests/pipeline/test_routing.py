"""Changes of the routing through the whole pipeline: where one is right, and where it would hide an incident."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np
from histories import history, ref, series

from rulegen.core.candidate import Candidate, Grouping, Proposal, Provenance, Slots
from rulegen.core.cluster import Cluster
from rulegen.core.durations import DAY, MINUTE
from rulegen.core.history import History
from rulegen.core.incident import Incident
from rulegen.core.labels import Labels
from rulegen.core.outcome import Report
from rulegen.core.routing import Inhibition, Receiver, Route, Routing, match_all
from rulegen.core.rule import Rule
from rulegen.core.series import Series
from rulegen.core.settings import Settings
from rulegen.core.spans import Span
from rulegen.desk import Desk
from rulegen.pager import Pager
from rulegen.pipeline import suggest
from rulegen.propose.search import enumerate_proposals
from rulegen.templates import TEMPLATES

PAGE = Labels({"severity": "page"})
DEEP = Rule("Deep", "queue > 100", labels=PAGE)
MINUTES = 2 * DAY // MINUTE
PODS = [f"p{k}" for k in range(8)]
STORMS = [200 * k + 100 for k in range(14)]  # every pod, one after the other, for twenty minutes each
WRONG = STORMS[::3]


def search(*templates: str) -> Callable[[Cluster], Iterable[Proposal]]:
    chosen = [one for one in TEMPLATES if one.name in templates or not templates]
    return lambda cluster: enumerate_proposals(cluster, chosen)


def by_pod() -> Routing:
    return Routing(Route("pager", group_by=("alertname", "pod")), {"pager": Receiver("pager")})


def run(given: History, routing: Routing, *templates: str) -> Report:
    return suggest(given, Settings(lead=0), search(*templates), lambda *_: None, routing=routing)


def storms(apart: int) -> list[Series]:
    """One series a pod; within a storm each pod is ``apart`` minutes later than the one before."""
    values = np.full((len(PODS), MINUTES), 10.0)
    for at in STORMS:
        for row in range(len(PODS)):
            values[row, at + row * apart : at + row * apart + 20] = 150.0
    return [series("queue", row.tolist(), pod=pod) for pod, row in zip(PODS, values, strict=True)]


def incidents(*, of_one_pod: bool = False) -> list[Incident]:
    """The storms that were right to page; or each about one pod only, another one each time."""
    found = []
    for number, at in enumerate(WRONG):
        pod = number + 1 if of_one_pod else 0
        labels = Labels({"pod": PODS[pod]} if of_one_pod else {})
        found.append(Incident(f"i{at}", Span((at + pod) * MINUTE, (at + pod + 15) * MINUTE), labels))
    return found


def test_a_storm_becomes_one_notification() -> None:
    """No rule can tell these storms from the incidents among them; people need not be told eight times."""
    report = run(history(storms(0), DEEP, incidents=incidents()), by_pod(), "hold", "retune", "group")
    (one,) = report.rerouted
    (change,) = one.candidate.routing
    assert one.candidate.change == "routing" and isinstance(change, Grouping)
    assert change.group_by == ("alertname",)
    assert report.suggestions == () and report.notices is not None
    noise_before, noise_after = report.notices.before[1], report.notices.together[1]
    assert noise_before == (len(STORMS) - len(WRONG)) * len(PODS) and noise_after == len(STORMS) - len(WRONG)
    assert report.notices.rules == report.notices.before and report.notices.routing == report.notices.together
    assert report.notices.told == (len(WRONG), len(WRONG)) and report.notices.added[1] <= 0


def test_an_incident_that_opens_in_an_open_group_is_not_hidden() -> None:
    """Each incident is about one pod, which comes later than others: grouped with them, people would hear of it with
    the next flush of the group, minutes later."""
    report = run(history(storms(1), DEEP, incidents=incidents(of_one_pod=True)), by_pod(), "group")
    assert report.rerouted == ()
    (refused,) = [one for one in report.refused if one.candidate.routing]
    assert "told" in refused.reasons[0]  # late, or not before the storm is over
    assert report.notices is not None and report.notices.lost == report.notices.later == ()


def test_a_rule_that_would_be_told_of_late_is_not_changed_so() -> None:
    """A wait of two minutes is allowed for a page that comes alone; here another alert has opened the group, and it
    would miss the flush and come another interval later. What is forecast is a choice without it too."""
    busy, other = np.full(MINUTES, 10.0), np.zeros(MINUTES)
    wrong = [240 * k + 63 for k in range(11)]
    for at in wrong:
        other[at - 9 : at + 21] = 150.0
        busy[at : at + 20] = 150.0
        busy[at + 100 : at + 102] = busy[at + 130 : at + 132] = 150.0  # noise that a wait of two minutes leaves out
    given = history(
        [series("queue", busy.tolist(), service="a"), series("other", other.tolist(), service="b")],
        DEEP,
        OTHER,
        incidents=[
            Incident(f"i{at}", Span(at * MINUTE, (at + 20) * MINUTE), Labels({"service": "a"})) for at in wrong
        ],
    )
    slow = Routing(
        Route("pager", group_by=(), group_wait=0, group_interval=10 * MINUTE), {"pager": Receiver("pager")}
    )
    hold = search("hold")

    def of_deep(cluster: Cluster) -> Iterable[Proposal]:
        return hold(cluster) if cluster.rule.name == "Deep" else ()

    report = suggest(given, Settings(lead=0), of_deep, lambda *_: None, routing=slow)
    assert report.suggestions == ()
    told = "after Alertmanager's grouping i63 would be told of 10m later than today"
    assert {one.candidate.rules[0].hold for one in report.verdicts if told in one.reasons} == {2 * MINUTE}
    assert report.notices is not None and report.notices.lost == report.notices.later == ()
    assert report.forecast.measure.pages == (33, 33)


def test_notifications_are_those_of_the_given_routing() -> None:
    quiet = history(storms(0), DEEP, incidents=incidents())
    together = run(quiet, Routing(Route("pager", group_by=("alertname",)), {"pager": Receiver("pager")}), "hold")
    apart = run(quiet, by_pod(), "hold")
    assert together.notices is not None and apart.notices is not None
    assert apart.notices.before[1] == len(PODS) * together.notices.before[1]
    plain = suggest(quiet, Settings(lead=0), search("hold"), lambda *_: None)
    assert plain.notices is not None and plain.notices.plain and plain.notices.before == together.notices.before


NODES = [f"n{k}" for k in range(3)]
DOWN = Rule("NodeDown", "node_up == 0", labels=Labels({"severity": "page", "component": "node"}))
ERRORS = Rule("Errors", "errors > 5", labels=Labels({"severity": "page", "component": "app"}))


def nodes(alone: int, under: int) -> tuple[list[Series], list[Incident]]:
    """Nodes go down again and again, and minutes later what runs there has errors: two pages for one thing. Incidents
    of the application are errors of the same shape: ``alone`` of them by themselves, ``under`` while the node happens
    to be down too."""
    up, errors = np.ones((len(NODES), MINUTES)), np.zeros((len(NODES), MINUTES))
    found = []
    downs = [(k % len(NODES), 65 * k + 120 + 37 * k * k % 41) for k in range(39)]
    for row, at in downs:
        up[row, at : at + 24] = 0.0
        errors[row, at + 4 : at + 24] = 50.0
    for row, at in downs[1 : 1 + 6 * alone : 6]:
        errors[(row + 1) % len(NODES), at + 30 : at + 50] = 50.0
        found.append(((row + 1) % len(NODES), at + 30))
    found += [(row, at + 4) for row, at in downs[5 : 5 + under]]
    wrong = [
        Incident(f"i{at}", Span(at * MINUTE, (at + 15) * MINUTE), Labels({"component": "app", "node": NODES[row]}))
        for row, at in found
    ]
    samples = [
        series(name, values[row].tolist(), node=node)
        for name, values in (("node_up", up), ("errors", errors))
        for row, node in enumerate(NODES)
    ]
    return samples, wrong


def test_what_a_node_explains_is_not_told_twice() -> None:
    samples, wrong = nodes(alone=6, under=0)
    report = run(history(samples, DOWN, ERRORS, incidents=wrong), by_node(), "hold", "retune", "inhibit")
    (one,) = report.rerouted
    (change,) = one.candidate.routing
    assert isinstance(change, Inhibition) and one.cluster.rule.name == "Errors"
    assert change.equal == ("node",)
    assert match_all(change.source, {**DOWN.labels, "alertname": "NodeDown"})
    assert report.notices is not None
    assert report.notices.told == (6, 6) and report.notices.lost == report.notices.later == ()
    assert report.notices.routing[1] <= 0.6 * report.notices.before[1]


def test_an_incident_under_a_node_that_is_down_is_not_inhibited() -> None:
    """The node's alert does not speak of the application: with the inhibition nobody would hear of these two."""
    samples, wrong = nodes(alone=4, under=2)
    report = run(history(samples, DOWN, ERRORS, incidents=wrong), by_node(), "retune", "inhibit")
    assert report.rerouted == ()
    (refused,) = [one for one in report.refused if one.candidate.routing]
    assert any("nobody is told of i" in reason for reason in refused.reasons)
    assert report.notices is not None and report.notices.lost == report.notices.later == ()


def by_node() -> Routing:
    return Routing(Route("pager", group_by=("alertname", "node")), {"pager": Receiver("pager")})


SLOW = Rule("Slow", "latency > 2", labels=PAGE)
SLOW_TOO = Rule("VerySlow", "latency > 2.5", labels=PAGE)


def slow(peaks: Sequence[float]) -> tuple[list[Series], list[Incident]]:
    """Twenty minutes above all thresholds, or as high as ``peaks`` say in place of the first; every third is real."""
    values = np.full(MINUTES, 1.0)
    starts = [100 * k + 60 + 37 * k * k % 53 for k in range(27)]
    for number, at in enumerate(starts):
        values[at : at + 20] = peaks[number] if number < len(peaks) else 9.0
    wrong = [Incident(f"i{at}", Span(at * MINUTE, (at + 15) * MINUTE)) for at in starts[::3]]
    return [series("latency", values.tolist(), service="a")], wrong


def test_of_two_rules_that_say_the_same_one_is_switched_off() -> None:
    samples, wrong = slow([])
    report = run(history(samples, SLOW, SLOW_TOO, incidents=wrong), by_node(), "hold", "dedupe")
    (one,) = report.suggestions
    assert one.candidate.change == "retirement" and one.candidate.rules == () and one.cluster.rule.name == "VerySlow"
    assert report.together.lost == report.together.later == () and report.together.caught == (9, 9)
    assert report.tuning.pages[0] == report.tuning.pages[1], "a retirement is counted apart"
    assert 2 * report.together.pages[1] == report.together.pages[0]


def test_a_rule_that_pages_once_alone_stays() -> None:
    """Of 27 pages 26 come twice; the first one, a real incident, only from the rule with the lower threshold."""
    samples, wrong = slow([2.2])
    low_last = (SLOW_TOO, SLOW)  # so that it is the lower one that would go
    report = run(history(samples, *low_last, incidents=wrong), by_node(), "hold", "dedupe")
    assert [one.cluster.rule.name for one in report.suggestions] in ([], ["VerySlow"])
    assert report.together.lost == () and report.together.caught == (9, 9)
    (tried,) = [one for one in report.verdicts if one.candidate.replaces == ref(1) and not one.candidate.rules]
    assert "VerySlow does not page for 1 of its firings" in tried.reasons


def test_a_longer_window_saves_no_notifications_by_starting_later() -> None:
    """What fires as before costs as many notifications, also in the time in which a changed rule that looks a day
    back has not seen a whole day yet."""
    level = np.full(MINUTES, 10.0)
    for at in range(30, MINUTES, 60):
        level[at : at + 20] = 150.0
    ends = [Incident("first", Span(0, 10 * MINUTE)), Incident("last", Span((MINUTES - 5) * MINUTE, MINUTES * MINUTE))]
    given = history([series("queue", level.tolist(), service="a")], DEEP, incidents=ends)
    desk = Desk.of(given, Settings(), lambda _: (), MINUTE, lambda *_: None)
    longer = replace(DEEP, expr="queue > 100 unless max_over_time(queue[1d]) < 0")
    same = Candidate("x", "c", ref(), (longer,), "tuning", Proposal("gate", Slots(()), Provenance("search")))
    pager = Pager.of(desk, None)
    assert pager.alone(ref(), same) == (48, 48)
    assert pager.notices({ref(): same}, ()).rules == (48, 48)


def test_a_rule_is_not_switched_off_for_one_that_is_changed() -> None:
    """Both page for spikes; the first will wait, so that it no longer pages for all that the second does."""
    values = np.full(MINUTES, 1.0)
    starts = [100 * k + 60 + 37 * k * k % 53 for k in range(27)]
    for number, at in enumerate(starts):
        values[at : at + (20 if number % 3 == 0 else 1)] = 9.0
    wrong = [Incident(f"i{at}", Span(at * MINUTE, (at + 15) * MINUTE)) for at in starts[::3]]
    given = history([series("latency", values.tolist(), service="a")], SLOW, SLOW_TOO, incidents=wrong)
    report = run(given, by_node(), "hold", "dedupe")
    assert {one.cluster.rule.name: one.candidate.change for one in report.suggestions} == {
        "Slow": "tuning",
        "VerySlow": "tuning",
    }
    (tried,) = [one for one in report.verdicts if one.candidate.replaces == ref(1) and not one.candidate.rules]
    assert tried.reasons == ("leaves its pages to Slow, which another suggestion changes",)


FIRST = Rule("First", "first > 5", labels=Labels({"severity": "page", "component": "x"}))
THEN = Rule("Then", "then > 5", labels=Labels({"severity": "page", "component": "y"}))
OTHER = Rule("Other", "other > 5", labels=PAGE)


def test_two_alerts_do_not_keep_each_other_back() -> None:
    """The first is nearly always followed by the second, and the second led by the first; what is really wrong only
    the third tells. Each could be kept back while the other fires: with both nobody would be told of either."""
    levels = {name: np.zeros(MINUTES) for name in ("first", "then", "other")}
    wrong = []
    for number, at in enumerate(70 * k + 60 + 37 * k * k % 23 for k in range(39)):
        if number % 3 < 2:
            levels["first"][at : at + 20] = 9.0
        if number != 3:
            levels["then"][at + 1 : at + 21] = 9.0
        if number % 5 == 0:
            levels["other"][at + 40 : at + 50] = 9.0
            wrong.append(Incident(f"i{at}", Span((at + 40) * MINUTE, (at + 50) * MINUTE)))
    samples = [series(name, level.tolist(), node="a") for name, level in levels.items()]
    slow = Routing(
        Route("pager", group_by=("alertname", "node"), group_wait=2 * MINUTE), {"pager": Receiver("pager")}
    )
    report = run(history(samples, FIRST, THEN, OTHER, incidents=wrong), slow, "inhibit")
    (one,) = report.rerouted
    (refused,) = [each for each in report.refused if each.candidate.routing]
    assert {one.cluster.rule.name, refused.cluster.rule.name} == {"First", "Then"}
    assert refused.reasons[0] == f"leans on {one.cluster.rule.name}, which another suggestion keeps back"
    assert report.notices is not None
    assert report.notices.together[1] >= 39, "one for each time"


def test_what_a_retired_rule_leaves_its_pages_to_is_not_kept_back() -> None:
    """The two say the same, and three times of four a node explains it: either one goes, or what is explained."""
    latency, up, other = np.full(MINUTES, 1.0), np.ones(MINUTES), np.zeros(MINUTES)
    wrong = []
    for number, at in enumerate(100 * k + 60 + 37 * k * k % 53 for k in range(27)):
        latency[at : at + 20] = 9.0
        if number % 4:
            up[at - 5 : at + 30] = 0.0
        if number % 3 == 0:
            other[at + 40 : at + 60] = 9.0
            wrong.append(Incident(f"i{at}", Span((at + 40) * MINUTE, (at + 55) * MINUTE)))
    levels = {"latency": latency, "node_up": up, "other": other}
    samples = [series(name, level.tolist(), node="a") for name, level in levels.items()]
    report = run(history(samples, SLOW, SLOW_TOO, OTHER, DOWN, incidents=wrong), by_node(), "dedupe", "inhibit")
    assert [one.cluster.rule.name for one in report.suggestions] == ["VerySlow"]
    assert report.rerouted == ()
    (refused,) = [one for one in report.refused if one.candidate.routing]
    assert refused.reasons == ("VerySlow is switched off because this rule pages for the same",)
