"""Changes of the routing through the whole pipeline: where one is right, and where it would hide an incident."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from histories import history, series

from rulegen.core.candidate import Grouping, Proposal
from rulegen.core.cluster import Cluster
from rulegen.core.durations import DAY, MINUTE
from rulegen.core.history import History
from rulegen.core.incident import Incident
from rulegen.core.labels import Labels
from rulegen.core.outcome import Report
from rulegen.core.routing import Receiver, Route, Routing
from rulegen.core.rule import Rule
from rulegen.core.series import Series
from rulegen.core.settings import Settings
from rulegen.core.spans import Span
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
    """A wait of two minutes is allowed for a page that comes alone; here it would miss the group's flush and come
    another interval later."""
    minutes = MINUTES
    busy = np.full(minutes, 10.0)
    wrong = [240 * k + 63 for k in range(11)]
    for at in wrong:
        busy[at - 3 : at - 2] = 150.0  # noise of one minute opens the group
        busy[at : at + 20] = 150.0
    given = history(
        [series("queue", busy.tolist(), service="a")],
        DEEP,
        incidents=[Incident(f"i{at}", Span(at * MINUTE, (at + 20) * MINUTE)) for at in wrong],
    )
    slow = Routing(
        Route("pager", group_by=("alertname",), group_wait=0, group_interval=10 * MINUTE),
        {"pager": Receiver("pager")},
    )
    report = run(given, slow, "hold")
    assert report.notices is not None and report.notices.lost == report.notices.later == ()
    for one in report.suggestions:
        assert report.notices.added[1] <= 2 * MINUTE, one


def test_notifications_are_those_of_the_given_routing() -> None:
    quiet = history(storms(0), DEEP, incidents=incidents())
    together = run(quiet, Routing(Route("pager", group_by=("alertname",)), {"pager": Receiver("pager")}), "hold")
    apart = run(quiet, by_pod(), "hold")
    assert together.notices is not None and apart.notices is not None
    assert apart.notices.before[1] == len(PODS) * together.notices.before[1]
    plain = suggest(quiet, Settings(lead=0), search("hold"), lambda *_: None)
    assert plain.notices is not None and plain.notices.plain and plain.notices.before == together.notices.before
