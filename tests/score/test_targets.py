"""Bursts: what must still page where nobody kept a record of incidents."""

from __future__ import annotations

from histories import firings, ref, unhurried
from hypothesis import given
from hypothesis import strategies as st

from rulegen.core.durations import MINUTE
from rulegen.core.incident import Incident, IncidentRecord
from rulegen.core.labels import EMPTY, Labels
from rulegen.core.settings import Settings
from rulegen.core.spans import Grid, Span
from rulegen.score.targets import Spoken, Target, bursts, incidents

GRID = Grid(0, 1000 * MINUTE, MINUTE)
A = Labels({"alertname": "A", "service": "a", "pod": "1", "severity": "page"})
A2 = A.updated({"pod": "2"})
B = A.updated({"service": "b"})
TICKET = A.updated({"severity": "ticket"})


def pages(labels: Labels) -> bool:
    return labels["severity"] == "page"


def found(rows: list[tuple[Labels, int, int]], **settings: object) -> list[tuple[int, int, Labels, bool]]:
    """Bursts of one rule, in minutes; those of single series left out."""
    one = firings(GRID, [(labels, start * MINUTE, end * MINUTE) for labels, start, end in rows])
    made = bursts([(ref(), one)], pages, Settings(**settings))  # type: ignore[arg-type]
    assert all(target.rule == ref() for target in made) and len({target.id for target in made}) == len(made)
    return [(t.span.start // MINUTE, t.span.end // MINUTE, t.labels, t.negligible) for t in made if not t.member]


def test_firings_closer_than_the_gap_are_one_burst() -> None:
    rows = [(A, 10, 12), (A, 21, 25), (A, 35, 36), (A, 46, 46)]
    # 12 → 21 and 36 → 46: nine minutes and ten; only what is less than the gap is joined.
    assert [one[:2] for one in found(rows)] == [(10, 25), (35, 36), (46, 46)]
    assert [one[:2] for one in found(rows, burst_gap=11 * MINUTE)] == [(10, 46)]
    assert [one[:2] for one in found(rows, burst_gap=0)] == [(10, 12), (21, 25), (35, 36), (46, 46)]


def test_a_long_firing_holds_the_short_ones_within_it() -> None:
    assert [one[:2] for one in found([(A, 0, 100), (A2, 5, 6), (A2, 105, 107)])] == [(0, 107)]


def test_a_notification_group_has_bursts_of_its_own() -> None:
    rows = [(A, 10, 12), (B, 11, 13), (A2, 14, 15)]
    assert [one[:3] for one in found(rows)] == [(10, 15, EMPTY)]
    assert [one[:3] for one in found(rows, group_by=("alertname", "service"))] == [
        (10, 15, Labels({"service": "a"})),
        (11, 13, Labels({"service": "b"})),
    ]


def test_each_series_of_a_group_has_a_share_that_is_protected() -> None:
    one = firings(GRID, [(A, 0, MINUTE), (A2, 5 * MINUTE, 6 * MINUTE), (A, 12 * MINUTE, 12 * MINUTE)])
    made = bursts([(ref(), one)], pages, Settings(ignore_shorter_than=2 * MINUTE))
    shares = [(t.span.start // MINUTE, t.span.end // MINUTE, t.labels["pod"], t.negligible) for t in made if t.member]
    assert shares == [(0, 1, "1", True), (5, 6, "2", True), (12, 12, "1", True)]
    (share,) = [t for t in made if t.member and t.labels["pod"] == "2"]
    assert share.carried_by(A2, ref()) and share.carried_by(A2.updated({"severity": "ticket"}), ref())
    assert share.carried_by(A2.drop(["pod"]), ref())  # an alert for all pods speaks of this one too
    assert not share.carried_by(A, ref()) and not share.carried_by(A2, ref(1))


def test_a_series_that_is_alone_in_its_group_is_not_counted_twice() -> None:
    made = bursts([(ref(), firings(GRID, [(A, 0, 0), (B, 0, 0)]))], pages, Settings(group_by=("service",)))
    assert [t.member for t in made] == [False, False]


def test_what_does_not_page_is_no_burst() -> None:
    assert found([(TICKET, 10, 50)]) == []


def test_rules_do_not_share_bursts() -> None:
    one = firings(GRID, [(A, 0, 0)])
    made = bursts([(ref(0), one), (ref(1), one)], pages, Settings())
    assert [target.rule for target in made] == [ref(0), ref(1)]


def test_negligible_is_what_was_over_in_time() -> None:
    # Seen at three evaluations, one a minute: it lasted less than three minutes.
    rows = [(A, 10, 12), (A, 50, 53)]
    assert [one[3] for one in found(rows, ignore_shorter_than=3 * MINUTE)] == [True, False]
    assert [one[3] for one in found(rows, ignore_shorter_than=3 * MINUTE - 1)] == [False, False]
    assert [one[3] for one in found(rows)] == [False, False]


def test_flaps_are_judged_as_the_burst_they_are() -> None:
    assert found([(A, 10, 10), (A, 15, 15)], ignore_shorter_than=5 * MINUTE)[0][3] is False


def test_only_its_own_rule_and_group_stand_for_a_burst() -> None:
    burst = Target("x", Span(0, 1), Labels({"service": "a"}), ref(0))
    assert burst.carried_by(A, ref(0)) and burst.carried_by(A2, ref(0))
    assert not burst.carried_by(A, ref(1))
    assert not burst.carried_by(B, ref(0))
    assert not burst.carried_by(A.drop(["service"]), ref(0))


def test_any_rule_may_stand_for_an_incident_that_its_labels_do_not_contradict() -> None:
    (target,) = incidents(IncidentRecord((Incident("i", Span(0, 1), Labels({"service": "a"})),), ()))
    assert target.rule is None and not target.negligible
    assert target.carried_by(A, ref(7)) and target.carried_by(A.drop(["service"]), ref(7))
    assert not target.carried_by(B, ref(7))


labelled = st.dictionaries(st.sampled_from("abc"), st.sampled_from("xy"), max_size=3).map(Labels)
aims = st.builds(
    lambda labels, rule, member: Target("t", Span(0, 1), labels, ref(rule) if rule else None, member=member),
    labelled,
    st.integers(0, 2),
    st.booleans(),
)


@given(st.lists(aims, max_size=12), labelled, st.integers(1, 2))
@unhurried
def test_targets_are_found_as_if_each_were_asked(targets: list[Target], labels: Labels, rule: int) -> None:
    wanted = [index for index, one in enumerate(targets) if one.carried_by(labels, ref(rule))]
    assert Spoken(targets).of(labels, ref(rule)).tolist() == wanted
